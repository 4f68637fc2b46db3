//! Where `COPY` and `ADD` put what they take, and how.

use crate::case::{Case, PLAIN, table};
use crate::change::Change;
use crate::change::Change::{Archive, Base, Folder, Mode, Rename, Swap, Write};

const COPY: Case = Case {
    dockerfile: "FROM base\nCOPY d /d\nRUN echo after > /after\n",
    files: &[
        Write("d/a", "1"),
        Write("d/b.md", "1"),
        Write("d/sub/c", "1"),
    ],
    ..PLAIN
};

/// The row changes a word of `COPY`.
const fn copy(changes: &'static [Change]) -> Case {
    Case {
        changes,
        runs: &["COPY ", "RUN "],
        ..COPY
    }
}

/// A directory that a command makes, and a copy into it.
const INTO: Case = Case {
    dockerfile: "FROM base\nRUN mkdir -p /x && chmod 755 /x\nCOPY f /x/f\nRUN echo after > /after\n",
    files: &[Write("f", "1")],
    ..PLAIN
};

/// What is taken is a file, and then a directory of its name that has it.
const fn wrapped(
    dockerfile: &'static str,
    files: &'static [Change],
    runs: &'static [&'static str],
) -> Case {
    Case {
        dockerfile,
        files,
        changes: &[Rename("x", "y"), Folder("x"), Rename("y", "x/x")],
        runs,
        ..PLAIN
    }
}

table! {
    a_directory_instead_of_the_file_in_it => wrapped(
        "FROM base\nCOPY x /dest\nRUN echo after > /after\n",
        &[Write("x", "1")],
        &["COPY ", "RUN "],
    );
    a_directory_instead_of_the_archive_in_it => wrapped(
        "FROM base\nADD x /dest/\nRUN echo after > /after\n",
        &[Archive("x", &[("a", "1")])],
        &["ADD ", "RUN "],
    );
    the_first_of_two_archives_of_one_name => Case {
        dockerfile: "FROM base\nADD p/x q/x /dest/\nRUN echo after > /after\n",
        files: &[
            Folder("p"),
            Folder("q"),
            Archive("p/x", &[("a", "1")]),
            Archive("q/x", &[("b", "1")]),
        ],
        changes: &[Archive("p/x", &[("a", "2")])],
        runs: &["ADD ", "RUN "],
        ..PLAIN
    };
    a_file_and_a_directory_that_has_one_of_its_name => Case {
        dockerfile: "FROM base\nCOPY f d /dest/\nRUN echo after > /after\n",
        files: &[Write("f", "1"), Write("d/f", "2")],
        // The second one takes its place.
        changes: &[Write("f", "3")],
        ..PLAIN
    };
    the_destination => copy(&[Swap("d /d", "d /e")]);
    a_destination_of_the_same_place => Case {
        changes: &[Swap("d /d", "d /d/")],
        ..COPY
    };
    another_source_of_the_same_files => Case {
        changes: &[Rename("d", "e"), Swap("d /d", "e /d")],
        ..COPY
    };
    an_owner => copy(&[Swap("COPY d", "COPY --chown=7:8 d")]);
    an_owner_by_another_word => Case {
        dockerfile: "FROM base\nCOPY --chown=app d /d\nRUN echo after > /after\n",
        changes: &[Swap("=app", "=1000:1000")],
        ..COPY
    };
    permissions => copy(&[Swap("COPY d", "COPY --chmod=700 d")]);
    permissions_by_another_word => Case {
        dockerfile: "FROM base\nCOPY --chmod=644 d/a /a\nRUN echo after > /after\n",
        changes: &[Swap("=644", "=u=rw,go=r")],
        ..COPY
    };
    what_is_excluded => copy(&[Swap("COPY d", "COPY --exclude=*.md d")]);
    excluded_files => Case {
        dockerfile: "FROM base\nCOPY --exclude=*.md d /d\nRUN echo after > /after\n",
        changes: &[Write("d/b.md", "2"), Write("d/x.md", "2")],
        ..COPY
    };
    parents => copy(&[Swap("COPY d/sub", "COPY --parents d/sub")])
        .of("FROM base\nCOPY d/sub/c /d/\nRUN echo after > /after\n");
    a_pivot_of_parents => copy(&[Swap("d/sub", "d/./sub")])
        .of("FROM base\nCOPY --parents d/sub/c /d/\nRUN echo after > /after\n");
    /// It stands on nothing, so that what is below it does not count.
    a_link_above_a_change => Case {
        dockerfile: "FROM base\nRUN echo 1 > /before\nCOPY --link d /d\n",
        changes: &[Swap("echo 1", "echo 2")],
        runs: &["RUN echo"],
        ..COPY
    };
    the_file_of_a_linked_copy => Case {
        dockerfile: "FROM base\nCOPY --link d /d\nRUN echo after > /after\n",
        changes: &[Write("d/a", "2")],
        runs: &["COPY --link", "RUN "],
        ..COPY
    };
    an_archive => Case {
        dockerfile: "FROM base\nADD a.tar /a\nRUN echo after > /after\n",
        files: &[Archive("a.tar", &[("x/y", "1")])],
        changes: &[Archive("a.tar", &[("x/y", "2")])],
        runs: &["ADD", "RUN"],
        ..PLAIN
    };
    a_name_in_an_archive => Case {
        dockerfile: "FROM base\nADD a.tar /a\nRUN echo after > /after\n",
        files: &[Archive("a.tar", &[("x/y", "1")])],
        changes: &[Archive("a.tar", &[("x/z", "1")])],
        runs: &["ADD", "RUN"],
        ..PLAIN
    };
    an_archive_is_not_unpacked => Case {
        dockerfile: "FROM base\nADD a.tar /a/\nRUN echo after > /after\n",
        files: &[Archive("a.tar", &[("x/y", "1")])],
        changes: &[Swap("ADD a.tar", "ADD --unpack=false a.tar")],
        runs: &["ADD", "RUN"],
        ..PLAIN
    };
    an_archive_is_copied => Case {
        dockerfile: "FROM base\nADD a.tar /a/\nRUN echo after > /after\n",
        files: &[Archive("a.tar", &[("x/y", "1")])],
        changes: &[Swap("ADD a.tar", "COPY a.tar")],
        runs: &["COPY", "RUN"],
        ..PLAIN
    };
    the_name_of_an_archive => Case {
        dockerfile: "FROM base\nADD a.tar /a\nRUN echo after > /after\n",
        files: &[Archive("a.tar", &[("x/y", "1")])],
        changes: &[Rename("a.tar", "b.tar"), Swap("a.tar", "b.tar")],
        ..PLAIN
    };
    an_executable_archive => Case {
        dockerfile: "FROM base\nADD a.tar /a\nRUN echo after > /after\n",
        files: &[Archive("a.tar", &[("x/y", "1")])],
        changes: &[Mode("a.tar", 0o755)],
        ..PLAIN
    };

    /// The directory is there as it was: only what a command sees is not.
    what_is_beside_the_destination => Case {
        changes: &[Swap("mkdir -p /x", "mkdir -p /x /y")],
        runs: &["RUN mkdir", "RUN echo"],
        ..INTO
    };
    the_destination_becomes_a_link => Case {
        changes: &[Swap("mkdir -p /x && chmod 755 /x", "mkdir /y && ln -s y /x")],
        runs: &["RUN mkdir", "COPY f", "RUN echo"],
        ..INTO
    };
    the_destination_is_not_there => Case {
        dockerfile: "FROM base\nRUN mkdir -p /x && chmod 700 /x\nCOPY f /x/f\nRUN echo after > /after\n",
        changes: &[Swap("mkdir -p /x && chmod 700 /x", "echo 1 > /one")],
        runs: &["RUN echo 1", "COPY f", "RUN echo after"],
        ..INTO
    };
    /// A file is put into a directory, and beside one that is none.
    the_destination_becomes_a_directory => Case {
        dockerfile: "FROM base\nRUN echo x > /x\nCOPY f /x\nRUN echo after > /after\n",
        changes: &[Swap("echo x > /x", "mkdir /x")],
        runs: &["RUN mkdir", "COPY f", "RUN echo after"],
        ..INTO
    };
    the_base_has_a_link_there => Case {
        dockerfile: "FROM base\nCOPY f /place/f\nRUN echo after > /after\n",
        changes: &[Base("linked")],
        runs: &["COPY f", "RUN echo"],
        ..INTO
    };
    /// The owner by name is what the image says of the name.
    the_number_of_an_owner => Case {
        dockerfile: "FROM base\nRUN sed -i s/1000/1001/ /etc/passwd\nCOPY --chown=app f /f\n",
        changes: &[Swap("1001", "1002")],
        runs: &["RUN sed", "COPY --chown"],
        ..INTO
    };
    another_user_of_the_image => Case {
        dockerfile: "FROM base\nRUN sed -i 1s/root/toor/ /etc/passwd\nCOPY --chown=app f /f\n",
        changes: &[Swap("toor", "boss")],
        runs: &["RUN sed"],
        ..INTO
    };
}
