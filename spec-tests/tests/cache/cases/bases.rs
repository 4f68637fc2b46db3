//! The base: its layers and its config count where they can be seen, and nothing else.

use crate::case::{Case, PLAIN, table};
use crate::change::Change::{Base, Flags, Swap, Write};

const ON: Case = Case {
    dockerfile: "FROM base\nCOPY f /f\nRUN env\nWORKDIR /w\n",
    files: &[Write("f", "1")],
    ..PLAIN
};

const fn base(tag: &'static str, runs: &'static [&'static str]) -> Case {
    // A slice of something that is not a constant can not be kept.
    match tag.as_bytes() {
        b"relabelled" => Case {
            changes: &[Base("relabelled")],
            runs,
            ..ON
        },
        b"repacked" => Case {
            changes: &[Base("repacked")],
            runs,
            ..ON
        },
        b"variable" => Case {
            changes: &[Base("variable")],
            runs,
            ..ON
        },
        b"user" => Case {
            changes: &[Base("user")],
            runs,
            ..ON
        },
        b"more" => Case {
            changes: &[Base("more")],
            runs,
            ..ON
        },
        _ => ON,
    }
}

table! {
    /// kaniko's fork #1 and #2: labels and the time of the base were part of the key.
    another_time_and_labels => base("relabelled", &[]);
    the_same_files_packed_otherwise => base("repacked", &[]);
    a_variable_of_the_base => base("variable", &["RUN env"]);
    the_user_of_the_base => base("user", &["RUN env", "WORKDIR"]);
    a_layer_more => base("more", &["RUN env"]);
    a_layer_less => Case {
        files: &[Write("f", "1"), Base("more")],
        changes: &[Base("1")],
        runs: &["RUN env"],
        ..ON
    };

    the_base_by_another_name => Case {
        flags: "--build-context other=oci-layout://base:1",
        changes: &[Swap("FROM base", "FROM other")],
        ..ON
    };
    the_source_has_another_time_and_labels => Case {
        dockerfile: "FROM scratch\nCOPY --from=base /bin /bin\nRUN [\"/bin/true\"]\n",
        changes: &[Base("relabelled")],
        ..ON
    };
    the_source_has_a_layer_more => Case {
        dockerfile: "FROM scratch\nCOPY --from=base /bin /bin\nRUN [\"/bin/true\"]\n",
        changes: &[Base("more")],
        ..ON
    };
    the_source_has_another_file => Case {
        dockerfile: "FROM scratch\nCOPY --from=base /bin /bin\nCOPY --from=base /etc /etc\nRUN [\"/bin/true\"]\n",
        changes: &[Base("more")],
        runs: &["/etc", "RUN"],
        ..ON
    };

    /// The layers are the same; whether a command would see the machine is another matter.
    another_platform => Case {
        dockerfile: "FROM scratch\nCOPY f /f\nWORKDIR /w\n",
        flags: "--platform linux/amd64",
        changes: &[Flags("--platform linux/s390x")],
        ..ON
    };
    another_platform_of_a_command => Case {
        dockerfile: "FROM scratch\nCOPY --from=tools /bin /bin\nRUN [\"/bin/true\"]\n",
        flags: "--platform linux/amd64 --build-context tools=oci-layout://base:1",
        changes: &[Flags("--platform linux/amd64/v2 --build-context tools=oci-layout://base:1")],
        runs: &["RUN"],
        ..ON
    };
}
