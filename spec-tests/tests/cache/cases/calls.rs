//! How the build is called, and what the Dockerfile looks like.

use crate::case::{Case, PLAIN, table};
use crate::change::Change;
use crate::change::Change::{Flags, Folder, Swap, Variable, Write};

const FILE: Case = Case {
    dockerfile: "FROM base\nCOPY d /d\nRUN echo 1 > /x\nWORKDIR /w\nCOPY d d\n",
    files: &[Write("d/a", "1")],
    ..PLAIN
};

const fn cached(changes: &'static [Change]) -> Case {
    Case { changes, ..FILE }
}

const ALL: &[&str] = &["COPY d /d", "RUN", "WORKDIR", "COPY d d"];

table! {
    a_comment => cached(&[Swap("RUN", "# a comment\n\n\nRUN")]);
    the_case_of_a_word => cached(&[Swap("RUN", "run"), Swap("FROM base", "from base")]);
    blanks_between_words => cached(&[Swap("COPY d /d", "COPY   d \t /d"), Swap("RUN echo", "RUN    echo")]);
    a_line_is_broken => cached(&[Swap("COPY d /d", "COPY \\\n  # why\n  d \\\n  /d")]);
    words_in_brackets => cached(&[Swap("COPY d /d", "COPY [\"d\", \"/d\"]")]);
    a_directive => cached(&[Swap("FROM", "# escape=\\\nFROM")]);
    an_instruction_of_the_config => cached(&[Swap("RUN", "LABEL a=b\nRUN")]);
    two_instructions_exchanged => Case {
        dockerfile: "FROM base\nCOPY d /d\nCOPY e /e\nWORKDIR /w\n",
        files: &[Write("d/a", "1"), Write("e/a", "2")],
        changes: &[Swap("COPY d /d\nCOPY e /e\n", "COPY e /e\nCOPY d /d\n")],
        ..PLAIN
    };
    an_instruction_goes => Case {
        changes: &[Swap("COPY d /d\n", "")],
        runs: &["RUN"],
        ..FILE
    };
    an_instruction_comes => Case {
        changes: &[Swap("RUN", "COPY d /e\nRUN")],
        runs: &["COPY d /e", "RUN"],
        ..FILE
    };
    an_instruction_comes_last => Case {
        changes: &[Swap("COPY d d\n", "COPY d d\nRUN echo 2 > /y\n")],
        runs: &["RUN echo 2"],
        ..FILE
    };

    another_name => cached(&[Flags("-t localhost/other:1 -t localhost/other:2")]);
    an_output => cached(&[Flags("--output type=oci,dest=out.tar")]);
    two_outputs => cached(&[Flags("--output type=docker,dest=out.tar --output type=local,dest=out")]);
    another_format => cached(&[Flags("--format docker")]);
    another_number_of_threads => cached(&[Flags("--threads 1")]);
    another_sandbox => cached(&[Flags("--sandbox chroot")]);
    /// It is the time of every file that is copied, and commands see it.
    another_time => Case {
        runs: ALL,
        ..cached(&[Flags("--source-date-epoch 86400")])
    };
    another_time_in_the_environment => Case {
        runs: ALL,
        ..cached(&[Variable("SOURCE_DATE_EPOCH", "86400")])
    };
    the_same_time_otherwise => Case {
        flags: "--source-date-epoch 86400",
        ..cached(&[Flags(""), Variable("SOURCE_DATE_EPOCH", "86400")])
    };
    no_cache => Case {
        runs: ALL,
        ..cached(&[Flags("--no-cache")])
    };
    /// Not the network by itself, but what a command can reach.
    no_network => Case {
        dockerfile: "FROM base\nCOPY d /d\nRUN echo 1 > /x\nWORKDIR /w\n",
        runs: &["RUN"],
        ..cached(&[Flags("--network none")])
    };
    a_host_more => Case {
        dockerfile: "FROM base\nCOPY d /d\nRUN cat /etc/hosts > /x\n",
        runs: &["RUN"],
        ..cached(&[Flags("--add-host one:10.0.0.1")])
    };
    labels_and_annotations => cached(&[Flags("--label a=b --annotation c=d")]);
    files_about_the_image => cached(&[Flags("--iidfile id --metadata-file metadata")]);
    /// Layers have other bytes, and what they are made of is the same.
    another_compression => Case {
        runs: ALL,
        ..cached(&[Flags("--compression zstd")])
    };
    another_compression_level => Case {
        runs: ALL,
        ..cached(&[Flags("--compression-level 9")])
    };
    one_step_at_a_time => cached(&[Flags("--jobs 1")]);
    a_platform_more => Case {
        dockerfile: "FROM scratch\nCOPY d /d\nWORKDIR /w\n",
        flags: "--platform linux/amd64",
        ..cached(&[Flags("--platform linux/amd64,linux/arm64")])
    };
    a_limit => cached(&[Flags("--ulimit nofile=1024 --run-timeout 1h --pids-limit 100")]);
    another_target => Case {
        dockerfile: "FROM base AS a\nCOPY d /d\nRUN echo 1 > /x\nFROM a AS b\nRUN echo 2 > /y\n",
        flags: "--target a",
        runs: &["RUN echo 2"],
        ..cached(&[Flags("--target b")])
    };
    a_target_before => Case {
        dockerfile: "FROM base AS a\nCOPY d /d\nRUN echo 1 > /x\nFROM a AS b\nRUN echo 2 > /y\n",
        ..cached(&[Flags("--target a")])
    };
    /// The files are the same ones, wherever they are.
    another_context => Case {
        files: &[Write("d/a", "1"), Write("../other/d/a", "1"), Folder("../other/e")],
        dockerfile: "FROM base\nCOPY --from=more d /d\nRUN ls /d > /x\n",
        flags: "--build-context more=context",
        ..cached(&[Flags("--build-context more=other")])
    };
    the_content_of_another_context => Case {
        files: &[Write("../other/d/a", "1"), Write("../other/e", "1")],
        dockerfile: "FROM base\nCOPY --from=more d /d\nRUN ls /d > /x\n",
        flags: "--build-context more=other",
        runs: &["COPY", "RUN"],
        ..cached(&[Write("../other/d/a", "2")])
    };
    other_files_of_another_context => Case {
        files: &[Write("../other/d/a", "1"), Write("../other/e", "1")],
        dockerfile: "FROM base\nCOPY --from=more d /d\nRUN ls /d > /x\n",
        flags: "--build-context more=other",
        ..cached(&[Write("../other/e", "2"), Write("d/a", "2")])
    };
}
