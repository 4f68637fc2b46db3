//! Files of the context: content, names, kinds, permissions and what does not count.

use crate::case::{Case, PLAIN, table};
use crate::change::Change;
use crate::change::Change::{
    Attribute, Flags, Folder, Link, Mode, Owner, Remove, Rename, Replace, Sneak, Touch, Umask,
    Write,
};

/// A directory is copied between two commands; the last does not see it, and is after it.
const COPIED: Case = Case {
    dockerfile: "FROM base\nRUN echo before > /before\nCOPY d /d\nRUN ls /d > /list\n",
    files: &[
        Write("d/a", "one\n"),
        Write("d/b", "two\n"),
        Write("d/sub/c", "three\n"),
        Link("d/link", "a"),
    ],
    ..PLAIN
};

/// What a change of the directory makes run.
const BOTH: &[&str] = &["COPY d /d", "RUN ls /d"];

const fn copied(changes: &'static [Change]) -> Case {
    Case {
        changes,
        runs: BOTH,
        ..COPIED
    }
}

const fn unseen(changes: &'static [Change]) -> Case {
    Case { changes, ..COPIED }
}

table! {
    nothing => unseen(&[]);
    content => copied(&[Write("d/a", "another\n")]);
    content_below => copied(&[Write("d/sub/c", "another\n")]);
    a_file_more => copied(&[Write("d/new", "new\n")]);
    an_empty_file_more => copied(&[Write("d/sub/new", "")]);
    a_file_less => copied(&[Remove("d/b")]);
    a_directory_less => copied(&[Remove("d/sub")]);
    an_empty_directory_more => copied(&[Folder("d/empty")]);
    an_executable_file => copied(&[Mode("d/a", 0o755)]);
    a_link_leads_elsewhere => copied(&[Link("d/link", "b")]);
    a_link_becomes_the_file => copied(&[Remove("d/link"), Write("d/link", "one\n")]);
    a_file_becomes_a_link => copied(&[Link("d/b", "a")]);
    an_empty_file_becomes_a_directory => Case {
        files: &[Write("d/a", "")],
        ..copied(&[Remove("d/a"), Folder("d/a")])
    };

    /// kaniko #2241, #1678: names did not count.
    a_name => copied(&[Rename("d/a", "d/z")]);
    /// kaniko #2241: neither did which content has which name.
    names_exchanged => copied(&[Write("d/a", "two\n"), Write("d/b", "one\n")]);
    the_name_of_a_directory => copied(&[Rename("d/sub", "d/bus")]);
    a_file_moves_into_a_directory => copied(&[Rename("d/a", "d/sub/a")]);

    /// Kept for another file by BuildKit (#2592): size and time of both are the same.
    same_size_and_time => copied(&[Sneak("d/a", "ONE\n")]);
    same_size_and_time_of_another_file => copied(&[Replace("d/a", "ONE\n")]);
    /// near/mpc #3579: all files have the time of the commit.
    same_size_and_a_time_set_before_each_build => Case {
        files: &[Write("d/a", "one\n"), Touch("d/a", 1_700_000_000)],
        ..copied(&[Write("d/a", "ONE\n"), Touch("d/a", 1_700_000_000)])
    };

    /// Lengths count, so that bytes can not move from one to the next.
    bytes_move_to_the_next_file => Case {
        files: &[Write("d/a", "xy"), Write("d/b", "z")],
        ..copied(&[Write("d/a", "x"), Write("d/b", "yz")])
    };
    bytes_move_from_the_name_to_the_content => Case {
        files: &[Write("d/a", "bc")],
        ..copied(&[Rename("d/a", "d/ab"), Write("d/ab", "c")])
    };
    /// kaniko's fork #912: what is in a directory looked as if it was beside it.
    a_file_leaves_its_directory => Case {
        files: &[Write("d/x/a", "1"), Write("d/y", "2")],
        ..copied(&[Rename("d/x/a", "d/xa")])
    };
    a_directory_takes_the_place_of_a_file => Case {
        files: &[Write("d/x", "1"), Folder("d/y")],
        ..copied(&[Remove("d/x"), Remove("d/y"), Folder("d/x"), Write("d/y", "1")])
    };

    /// moby #32816, buildkit #1905: another umask, another cache.
    permissions_of_another_umask => unseen(&[
        Mode("d/a", 0o600),
        Mode("d/b", 0o664),
        Mode("d/sub", 0o700),
        Mode("d", 0o775),
        Umask("0077"),
    ]);
    permissions_that_are_kept => Case {
        flags: "--preserve-modes",
        ..copied(&[Mode("d/a", 0o600)])
    };
    /// Owners of files are those of whoever has cloned them (kaniko's fork #145).
    owners => unseen(&[Owner("d/a", 1234), Owner("d/sub", 1234), Owner("d", 99)]);
    times => unseen(&[Touch("d/a", 1), Touch("d/b", 4_000_000_000)]);
    the_same_bytes_written_again => unseen(&[Remove("d/a"), Write("d/a", "one\n")]);
    a_directory_made_again => unseen(&[Remove("d/sub"), Write("d/sub/c", "three\n")]);
    attributes => unseen(&[Attribute("d/a", "user.word", "x")]);
    attributes_that_are_kept => Case {
        flags: "--preserve-xattrs",
        ..copied(&[Attribute("d/a", "user.word", "x")])
    };
    the_value_of_an_attribute_that_is_kept => Case {
        flags: "--preserve-xattrs",
        files: &[Write("d/a", "one\n"), Attribute("d/a", "user.word", "x")],
        ..copied(&[Attribute("d/a", "user.word", "y")])
    };
    /// Nothing has it yet, so nothing differs.
    attributes_are_to_be_kept => unseen(&[Flags("--preserve-xattrs")]);
    permissions_are_to_be_kept => Case {
        files: &[Write("d/a", "one\n"), Mode("d/a", 0o640)],
        ..copied(&[Flags("--preserve-modes")])
    };

    a_file_that_nobody_copies => unseen(&[Write("e", "new\n")]);
    a_file_that_is_left_out => Case {
        files: &[Write("d/a", "1"), Write("d/b.log", "1"), Write(".dockerignore", "**/*.log\n")],
        ..unseen(&[Write("d/b.log", "2"), Write("d/c.log", "3")])
    };
    what_is_left_out => Case {
        files: &[Write("d/a", "1"), Write("d/b.log", "1"), Write(".dockerignore", "**/*.log\n")],
        ..copied(&[Write(".dockerignore", "")])
    };
    more_is_left_out => copied(&[Write(".dockerignore", "d/b\n")]);
    an_exception_of_what_is_left_out => Case {
        files: &[Write("d/a", "1"), Write("d/b.log", "1"), Write(".dockerignore", "d/*.log\n")],
        ..copied(&[Write(".dockerignore", "d/*.log\n!d/b.log\n")])
    };
    the_words_of_what_is_left_out => Case {
        files: &[Write("d/a", "1"), Write("d/b.log", "1"), Write(".dockerignore", "**/*.log\n")],
        ..unseen(&[Write(".dockerignore", "# the same\nd/*.log\n")])
    };

    one_of_two_directories => Case {
        dockerfile: "FROM base\nCOPY d /d\nRUN ls /d > /d-list\nCOPY e /e\nRUN ls /e > /e-list\n",
        files: &[Write("d/a", "1"), Write("e/a", "1")],
        changes: &[Write("e/a", "2")],
        runs: &["COPY e /e", "RUN ls /e"],
        ..PLAIN
    };
    /// What comes after a change and does not depend on it is found again.
    the_first_of_two_directories => Case {
        dockerfile: "FROM base\nCOPY d /d\nCOPY e /e\nWORKDIR /w\nRUN ls /e > /e-list\n",
        files: &[Write("d/a", "1"), Write("e/a", "1")],
        changes: &[Write("d/a", "2")],
        runs: &["COPY d /d", "RUN ls /e"],
        ..PLAIN
    };
    one_file_of_a_directory => Case {
        dockerfile: "FROM base\nCOPY d/a d/b /d/\nRUN ls /d > /list\n",
        files: &[Write("d/a", "1"), Write("d/b", "1"), Write("d/c", "1")],
        changes: &[Write("d/c", "2"), Write("d/new", "2")],
        ..PLAIN
    };
    a_pattern_finds_more => Case {
        dockerfile: "FROM base\nCOPY *.txt /d/\nRUN ls /d > /list\n",
        files: &[Write("a.txt", "1"), Write("b", "1")],
        changes: &[Write("c.txt", "1")],
        runs: &["COPY *.txt", "RUN ls"],
        ..PLAIN
    };
    a_pattern_finds_the_same => Case {
        dockerfile: "FROM base\nCOPY *.txt /d/\nRUN ls /d > /list\n",
        files: &[Write("a.txt", "1"), Write("b", "1")],
        changes: &[Write("c", "1"), Write("b", "2"), Write("d/e.txt", "1")],
        ..PLAIN
    };
    everything_and_a_hidden_file => Case {
        dockerfile: "FROM base\nCOPY . /d\nRUN ls /d > /list\n",
        files: &[Write("a", "1"), Write(".hidden", "1")],
        changes: &[Write(".hidden", "2")],
        runs: &["COPY . /d", "RUN ls"],
        ..PLAIN
    };
}
