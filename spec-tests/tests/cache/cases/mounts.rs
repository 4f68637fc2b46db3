//! `RUN --mount`: what is mounted counts, caches and secrets by their names alone.

use crate::case::{Case, PLAIN, table};
use crate::change::Change;
use crate::change::Change::{Flags, Rename, Swap, Write};

/// A command with a mount.
const fn mount(
    dockerfile: &'static str,
    changes: &'static [Change],
    runs: &'static [&'static str],
) -> Case {
    Case {
        dockerfile,
        files: &[
            Write("d/a", "1"),
            Write("e/a", "1"),
            Write("../secret", "one"),
            Write("../other-secret", "two"),
        ],
        flags: "--secret id=s,src=secret --secret id=t,src=secret",
        changes,
        runs,
        ..PLAIN
    }
}

const BIND: &str = "FROM base\nRUN --mount=target=/m,source=d ls /m > /x\n";
const SECRET: &str =
    "FROM base\nRUN --mount=type=secret,id=s,target=/m wc -c /m > /dev/null; echo > /x\n";
const CACHE: &str = "FROM base\nRUN --mount=type=cache,target=/c touch /c/x; echo > /x\n";
const TMPFS: &str = "FROM base\nRUN --mount=type=tmpfs,target=/m,size=1048576 echo > /x\n";

table! {
    files => mount(BIND, &[Write("d/a", "2")], &["RUN"]);
    a_file_more => mount(BIND, &[Write("d/b", "2")], &["RUN"]);
    /// kaniko #969, #3028: mounts did not count at all.
    a_name => mount(BIND, &[Rename("d/a", "d/b")], &["RUN"]);
    other_files => mount(BIND, &[Write("e/a", "2")], &[]);
    the_source => mount(BIND, &[Write("e/a", "2"), Swap("source=d", "source=e")], &["RUN"]);
    another_source_of_the_same_files => mount(BIND, &[Swap("source=d", "source=e")], &[]);
    the_target => mount(BIND, &[Swap("target=/m,", "target=/n,"), Swap("ls /m", "ls /n")], &["RUN"]);
    it_can_be_written => mount(BIND, &[Swap("source=d", "source=d,rw")], &["RUN"]);
    the_files_of_a_stage => mount(
        "FROM base AS a\nRUN echo 1 > /s && echo 1 > /t\nFROM base\n\
         RUN --mount=from=a,source=/s,target=/m cat /m > /x\n",
        &[Swap("echo 1 > /s", "echo 2 > /s")],
        &["RUN echo", "RUN --mount"],
    );
    other_files_of_a_stage => mount(
        "FROM base AS a\nRUN echo 1 > /s && echo 1 > /t\nFROM base\n\
         RUN --mount=from=a,source=/s,target=/m cat /m > /x\n",
        &[Swap("echo 1 > /t", "echo 2 > /t")],
        &["RUN echo"],
    );
    the_files_of_a_context => Case {
        files: &[Write("../more/a", "1")],
        flags: "--build-context more=more",
        ..mount(
            "FROM base\nRUN --mount=from=more,target=/m ls /m > /x\n",
            &[Write("../more/a", "2")],
            &["RUN"],
        )
    };

    /// Neither its content nor how it came to be.
    a_cache => mount(CACHE, &[Swap("RUN", "LABEL a=b\nRUN")], &[]);
    the_name_of_a_cache => mount(CACHE, &[Swap("type=cache,", "type=cache,id=other,")], &["RUN"]);
    the_place_of_a_cache => mount(
        "FROM base\nRUN --mount=type=cache,id=c,target=/c echo > /x\n",
        &[Swap("target=/c", "target=/d")],
        &["RUN"],
    );
    a_cache_that_another_command_fills => mount(
        "FROM base\nRUN --mount=type=cache,id=c,target=/c touch /c/1; echo > /x\n\
         RUN --mount=type=cache,id=c,target=/c test -e /c/1; echo > /y\n",
        &[Swap("test -e /c/1; echo", "test -e /c/1; true; echo")],
        &["/y"],
    );

    the_value_of_a_secret => mount(SECRET, &[Write("../secret", "two")], &[]);
    the_file_of_a_secret => mount(
        SECRET,
        &[Flags("--secret id=s,src=other-secret --secret id=t,src=secret")],
        &[],
    );
    the_name_of_a_secret => mount(SECRET, &[Swap("id=s", "id=t")], &["RUN"]);
    the_place_of_a_secret => mount(SECRET, &[Swap("target=/m", "target=/n")], &["RUN"]);
    the_mode_of_a_secret => mount(SECRET, &[Swap("id=s", "id=s,mode=444")], &["RUN"]);
    a_secret_in_a_variable => mount(
        "FROM base\nRUN --mount=type=secret,id=s,env=WORD echo > /x\n",
        &[Write("../secret", "two")],
        &[],
    );
    the_variable_of_a_secret => mount(
        "FROM base\nRUN --mount=type=secret,id=s,env=WORD echo > /x\n",
        &[Swap("WORD", "VERB")],
        &["RUN"],
    );

    the_size_of_a_directory_in_memory => mount(TMPFS, &[Swap("1048576", "2097152")], &["RUN"]);
    the_size_otherwise => mount(TMPFS, &[Swap("1048576", "1m")], &[]);
    the_place_of_a_directory_in_memory => mount(TMPFS, &[Swap("target=/m", "target=/n")], &["RUN"]);
    a_mount_less => mount(TMPFS, &[Swap("--mount=type=tmpfs,target=/m,size=1048576 ", "")], &["RUN"]);
    mounts_exchanged => mount(
        "FROM base\nRUN --mount=type=tmpfs,target=/m --mount=target=/n,source=d ls /n > /x\n",
        &[Swap(
            "--mount=type=tmpfs,target=/m --mount=target=/n,source=d",
            "--mount=target=/n,source=d --mount=type=tmpfs,target=/m",
        )],
        &[],
    );
}
