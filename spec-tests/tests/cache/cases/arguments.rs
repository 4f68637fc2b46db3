//! `ARG` and `ENV`: what may be seen by what comes after them.

use crate::case::{Case, PLAIN, table};
use crate::change::Change;
use crate::change::Change::{Flags, Swap, Variable, Write};

/// A build argument that has another value.
const fn argument(dockerfile: &'static str, runs: &'static [&'static str]) -> Case {
    Case {
        dockerfile,
        files: &[Write("f", "1"), Write("g", "2")],
        flags: "--build-arg X=f",
        changes: &[Flags("--build-arg X=g")],
        runs,
        ..PLAIN
    }
}

/// A word of the Dockerfile is another one.
const fn word(
    dockerfile: &'static str,
    changes: &'static [Change],
    runs: &'static [&'static str],
) -> Case {
    Case {
        dockerfile,
        files: &[Write("f", "1"), Write("g", "2")],
        changes,
        runs,
        ..PLAIN
    }
}

table! {
    of_a_command => argument(
        "FROM base\nARG X\nRUN echo $X > /x\nCOPY f /f\nRUN echo > /y\n",
        &["RUN echo $X", "RUN echo > /y"],
    );
    /// A command that does not name it sees it all the same.
    in_the_environment_of_a_command => argument(
        "FROM base\nARG X\nRUN env > /x\n",
        &["RUN env"],
    );
    not_declared => Case {
        files: &[Write("f", "1")],
        ..argument("FROM base\nRUN env > /x\n", &[])
    };
    declared_later => argument("FROM base\nRUN env > /x\nCOPY f /f\nARG X\n", &[]);
    declared_between => argument(
        "FROM base\nRUN env > /x\nARG X\nRUN env > /y\n",
        &["RUN env > /y"],
    );
    /// kaniko's fork #623: arguments of a stage were seen in the next.
    declared_in_another_stage => argument(
        "FROM base AS a\nARG X\nRUN env > /x\nFROM base\nRUN env > /y\nCOPY --from=a /bin/busybox /b\n",
        &["RUN env > /x"],
    );
    declared_for_all_stages => argument(
        "ARG X\nFROM base AS a\nRUN env > /x\nFROM base\nARG X\nRUN env > /y\nCOPY --from=a /x /a\n",
        &["RUN env > /y"],
    );
    not_seen_by_a_copy => argument("FROM base\nARG X\nCOPY f g /d/\nWORKDIR /w\n", &[]);
    /// kaniko's fork #792: the variable counted, not what it stood for.
    the_source_of_a_copy => argument(
        "FROM base\nARG X\nCOPY $X /d/same\nRUN [\"/bin/true\"]\n",
        &["COPY", "RUN"],
    );
    the_destination_of_a_copy => argument("FROM base\nARG X\nCOPY f /d/$X\n", &["COPY"]);
    the_owner_of_a_copy => Case {
        flags: "--build-arg X=5",
        changes: &[Flags("--build-arg X=6")],
        ..argument("FROM base\nARG X\nCOPY --chown=$X f /d/\n", &["COPY"])
    };
    a_directory => argument("FROM base\nARG X\nWORKDIR /$X\n", &["WORKDIR"]);
    a_part_that_is_cut_off => Case {
        flags: "--build-arg X=a.1",
        changes: &[Flags("--build-arg X=a.2")],
        ..argument("FROM base\nARG X\nCOPY f /${X%.*}\n", &[])
    };
    in_a_variable => argument(
        "FROM base\nARG X\nENV Y=$X\nCOPY f /f\nRUN [\"/bin/true\"]\n",
        &["RUN"],
    );
    in_a_label => argument("FROM base\nRUN env > /x\nARG X\nLABEL x=$X\n", &[]);
    hidden_by_a_variable => argument("FROM base\nARG X\nENV X=fixed\nRUN env > /x\n", &[]);
    the_base => Case {
        flags: "--build-arg X=base",
        changes: &[Flags("--build-arg X=scratch")],
        ..argument("ARG X\nFROM $X\nCOPY f /f\n", &[])
    };
    the_stage_that_is_the_base => Case {
        flags: "--build-arg X=a",
        changes: &[Flags("--build-arg X=b")],
        ..argument(
            "ARG X\nFROM base AS a\nRUN echo a > /w\nFROM base AS b\nRUN echo b > /w\nFROM $X\n\
             COPY f /f\nRUN cp /w /v\n",
            &["RUN echo b", "RUN cp"],
        )
    };
    /// The value is the same, whoever has given it.
    the_default_is_given => Case {
        flags: "",
        ..argument("FROM base\nARG X=g\nRUN env > /x\n", &[])
    };
    the_default => word("FROM base\nARG X=f\nRUN env > /x\n", &[Swap("X=f", "X=g")], &["RUN"]);
    a_default_that_is_not_taken => Case {
        flags: "--build-arg X=1",
        ..word("FROM base\nARG X=f\nRUN env > /x\n", &[Swap("X=f", "X=g")], &[])
    };
    an_argument_more => word(
        "FROM base\nARG X=f\nRUN env > /x\n",
        &[Swap("X=f", "X=f Y=g")],
        &["RUN"],
    );
    /// Proxies are those of a machine, and of no image.
    a_proxy => Case {
        flags: "--build-arg HTTP_PROXY=http://one:1",
        changes: &[Flags("--build-arg HTTP_PROXY=http://two:2")],
        ..word("FROM base\nRUN echo > /x\nCOPY f /f\n", &[], &[])
    };
    a_proxy_of_the_machine => word(
        "FROM base\nRUN echo > /x\nCOPY f /f\n",
        &[Variable("https_proxy", "http://two:2"), Variable("NO_PROXY", "*")],
        &[],
    );
    the_environment_of_the_machine => word(
        "FROM base\nRUN env > /x\nCOPY f /f\n",
        &[Variable("WORD", "x"), Variable("LANG", "de_DE"), Variable("TZ", "Asia/Tokyo")],
        &[],
    );

    a_variable => word(
        "FROM base\nCOPY f /f\nENV A=1\nRUN env > /x\nCOPY g /g\n",
        &[Swap("A=1", "A=2")],
        &["RUN env"],
    );
    a_variable_later => word("FROM base\nRUN env > /x\nENV A=1\n", &[Swap("A=1", "A=2")], &[]);
    the_name_of_a_variable => word("FROM base\nENV A=1\nRUN env > /x\n", &[Swap("A=1", "B=1")], &["RUN"]);
    a_variable_in_a_copy => word(
        "FROM base\nENV A=f\nCOPY $A /x\n",
        &[Swap("A=f", "A=g")],
        &["COPY"],
    );
    /// Where one ends and the next begins counts.
    two_variables_become_one => word(
        "FROM base\nENV A=1 B=2\nRUN env > /x\n",
        &[Swap("A=1 B=2", "A=\"1 B=2\"")],
        &["RUN"],
    );
    variables_by_lines => word(
        "FROM base\nENV A=1 B=2\nRUN env > /x\n",
        &[Swap("ENV A=1 B=2", "ENV B=2\nENV A=1")],
        &[],
    );
    a_variable_and_an_argument => word(
        "FROM base\nENV A=1\nRUN echo $A > /x\n",
        &[Swap("ENV A", "ARG A")],
        &[],
    );
}
