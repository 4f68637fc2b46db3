//! Wrong images that caches of other builders are known for, as far as no other table
//! has them: each build here found something in a cache that it must not.

use crate::case::{Case, PLAIN, table};
use crate::change::Change;
use crate::change::Change::{Base, Flags, Rename, Swap, Touch, Write};

const fn known(
    dockerfile: &'static str,
    changes: &'static [Change],
    runs: &'static [&'static str],
) -> Case {
    Case {
        dockerfile,
        files: &[Write("d/a", "1"), Write("d/b", "2")],
        changes,
        runs,
        ..PLAIN
    }
}

table! {
    /// kaniko's fork #796: what marks a file as gone became a file, once the layer of the
    /// stage came from the cache.
    a_file_that_is_gone_is_taken_from_a_cached_stage => known(
        "FROM base AS made\nCOPY d /d\nRUN rm /d/a\nFROM base\nCOPY --from=made /d /d\nRUN ls -A /d > /x\n",
        &[Swap("RUN ls -A", "RUN ls -A1")],
        &["RUN ls"],
    );
    /// The same, where the directory is made anew in the layer that hides it.
    a_directory_that_is_made_again_is_taken_from_a_cached_stage => known(
        "FROM base AS made\nCOPY d /d\nRUN rm -r /d && mkdir /d && echo 3 > /d/c\nFROM base\n\
         RUN echo 1 > /1\nCOPY --from=made /d /d\nRUN ls -A /d > /x\n",
        &[Swap("echo 1", "echo 2")],
        &["RUN echo 2", "RUN ls"],
    );
    /// kaniko's fork #899: what was kept had another key than what was looked for; and
    /// fork #703: after the first miss nothing was looked for.
    hits_after_misses => known(
        "FROM base AS a\nRUN echo 1 > /1\nCOPY d/a /a\nWORKDIR /w\nCOPY d/b b\n",
        &[Swap("echo 1", "echo 2")],
        &["RUN echo"],
    );
    /// kaniko #2241 in a stage: a name in a directory that another stage takes.
    a_name_in_a_stage => known(
        "FROM base AS made\nRUN mkdir /d && echo 1 > /d/a\nFROM base\nCOPY --from=made /d /e\n",
        &[Swap("/d/a", "/d/b")],
        &["RUN", "COPY"],
    );
    /// buildkit #2383: a hit brought the times of another machine into the image.
    times_of_another_machine => known(
        "FROM base\nCOPY d /d\nRUN stat -c %Y /d/a > /x\n",
        &[Touch("d/a", 1_500_000_000), Touch("d/b", 7)],
        &[],
    );
    /// buildah looks for history and layers only: what is below must be the same too.
    the_same_history_on_another_base => known(
        "FROM base\nRUN ls /etc > /x\nCOPY d /d\n",
        &[Base("more")],
        &["RUN ls"],
    );
    /// kaniko #1678: a hit for a directory with the same contents under other names.
    contents_of_two_files_exchanged_by_names => known(
        "FROM base\nCOPY d /d\n",
        &[Rename("d/a", "d/x"), Rename("d/b", "d/a"), Rename("d/x", "d/b")],
        &["COPY"],
    );
    /// A pattern is looked up anew, also where the directory is the same by its time.
    a_pattern_and_a_directory_with_an_old_time => known(
        "FROM base\nCOPY d/* /d/\n",
        &[Write("d/c", "3"), Touch("d/a", 1)],
        &["COPY"],
    );
    /// kaniko's fork #2: labels were in the key of what comes after them.
    a_label_of_the_call => known(
        "FROM base\nARG V\nLABEL v=$V\nCOPY d /d\nWORKDIR /w\n",
        &[Flags("--build-arg V=2")],
        &[],
    );
    /// kaniko's fork #825: a command counted by its first line.
    a_command_in_two_lines => known(
        "FROM base\nRUN echo 1 > /x && \\\n    echo 2 > /y\n",
        &[Swap("&& \\\n    echo 2", "&& \\\n    echo 3")],
        &["RUN"],
    );
}
