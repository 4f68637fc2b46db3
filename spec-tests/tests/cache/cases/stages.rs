//! Stages: what one takes from another counts, and neither name nor order.

use crate::case::{Case, PLAIN, table};
use crate::change::Change;
use crate::change::Change::{Swap, Write};

const TWO: &str = "FROM base AS made\nCOPY f g /\nRUN cat /f /g > /both\n\
                   FROM base\nCOPY --from=made /f /f\nRUN cp /f /x\n";

const THREE: &str = "FROM base AS one\nRUN echo 1 > /x\nFROM base AS two\nCOPY f /f\nRUN echo 2 > /x\n\
                     FROM base\nCOPY --from=one /x /1\nCOPY --from=two /x /2\nRUN ls > /list\n";

const fn stages(
    dockerfile: &'static str,
    changes: &'static [Change],
    runs: &'static [&'static str],
) -> Case {
    Case {
        dockerfile,
        files: &[Write("f", "1"), Write("g", "1")],
        changes,
        runs,
        ..PLAIN
    }
}

table! {
    /// kaniko's fork #870: a copy of what another stage no longer has.
    a_file_that_is_taken => stages(TWO, &[Write("f", "2")], &["COPY f g", "RUN cat", "COPY --from", "RUN cp"]);
    /// The stage is another one, what is taken from it is not.
    a_file_that_is_not_taken => stages(TWO, &[Write("g", "2")], &["COPY f g", "RUN cat"]);
    a_command_that_does_the_same => stages(
        "FROM base AS made\nRUN echo 1 > /f\nFROM base\nCOPY --from=made /f /taken\nRUN cp /taken /x\n",
        &[Swap("echo 1", "echo  1")],
        &["RUN echo"],
    );
    a_file_made_twice_alike => stages(
        "FROM base AS made\nRUN echo 1 > /f\nRUN echo 3 > /g\nFROM base\nCOPY --from=made /f /taken\nRUN cp /taken /x\n",
        &[Swap("RUN echo 1 > /f\n", "RUN echo 2 > /f\nRUN echo 1 > /f\n")],
        &["RUN echo 2", "RUN echo 1", "RUN echo 3"],
    );
    the_directory_that_is_taken => stages(
        "FROM base AS made\nRUN mkdir /d && echo 1 > /d/f\nFROM base\nCOPY --from=made /d /taken\nRUN ls /taken > /x\n",
        &[Swap("echo 1 > /d/f", "echo 1 > /d/f && echo > /d/g")],
        &["RUN mkdir", "COPY", "RUN ls"],
    );
    permissions_of_what_is_taken => stages(
        "FROM base AS made\nRUN echo 1 > /f && chmod 600 /f\nFROM base\nCOPY --from=made /f /taken\n",
        &[Swap("600", "640")],
        &["RUN", "COPY"],
    );
    /// Owners of the files of a stage are nobody's clone, but `COPY` gives them to root.
    the_owner_of_what_is_taken => stages(
        "FROM base AS made\nRUN echo 1 > /f && chown 7:7 /f\nFROM base\nCOPY --from=made /f /taken\n",
        &[Swap("7:7", "8:8")],
        &["RUN", "COPY"],
    );
    another_place_in_the_stage => stages(
        "FROM base AS made\nRUN echo 1 > /f && echo 2 > /g\nFROM base\nCOPY --from=made /f /x\nRUN cp /x /y\n",
        &[Swap("/f /x", "/g /x")],
        &["COPY", "RUN cp"],
    );
    what_a_link_in_the_stage_leads_to => stages(
        "FROM base AS made\nRUN mkdir /a /b && echo 1 > /a/f && echo 2 > /b/f && ln -s a /link\n\
         FROM base\nCOPY --from=made /link/f /taken\nRUN cp /taken /x\n",
        &[Swap("ln -s a", "ln -s b")],
        &["RUN mkdir", "COPY --from", "RUN cp"],
    );
    a_link_in_the_stage_that_nobody_follows => stages(
        "FROM base AS made\nRUN mkdir /a /b && echo 1 > /a/f && echo 2 > /b/f && ln -s a /link\n\
         FROM base\nCOPY --from=made /a/f /taken\nRUN cp /taken /x\n",
        &[Swap("ln -s a", "ln -s b")],
        &["RUN mkdir"],
    );
    a_pattern_in_the_stage => stages(
        "FROM base AS made\nRUN mkdir /a && echo 1 > /a/f.txt && echo 2 > /a/g\n\
         FROM base\nCOPY --from=made /a/*.txt /taken/\nRUN ls /taken > /x\n",
        &[Swap("echo 2 > /a/g", "echo 2 > /a/g.txt")],
        &["RUN mkdir", "COPY --from", "RUN ls"],
    );
    a_pattern_in_the_stage_that_finds_the_same => stages(
        "FROM base AS made\nRUN mkdir /a && echo 1 > /a/f.txt && echo 2 > /a/g\n\
         FROM base\nCOPY --from=made /a/*.txt /taken/\nRUN ls /taken > /x\n",
        &[Swap("echo 2 > /a/g", "echo 2 > /a/h")],
        &["RUN mkdir"],
    );
    the_trigger_of_a_stage => stages(
        "FROM base AS made\nONBUILD RUN echo 1 > /made\nFROM made\nRUN cp /made /x\n",
        &[Swap("echo 1", "echo 2")],
        &["RUN echo 2", "RUN cp"],
    );
    another_stage => stages(
        "FROM base AS a\nRUN echo 1 > /f\nFROM base AS b\nRUN echo 2 > /f\nFROM base\nCOPY --from=a /f /x\nRUN cp /x /y\n",
        &[Swap("from=a", "from=b")],
        &["RUN echo 2", "COPY", "RUN cp"],
    );
    the_stage_by_its_number => stages(TWO, &[Swap("from=made", "from=0")], &[]);
    the_name_of_a_stage => stages(
        THREE,
        &[Swap("AS one", "AS uno"), Swap("from=one", "from=uno")],
        &[],
    );
    the_order_of_stages => stages(
        THREE,
        &[
            Swap("FROM base AS one\nRUN echo 1 > /x\n", ""),
            Swap("RUN echo 2 > /x\n", "RUN echo 2 > /x\nFROM base AS one\nRUN echo 1 > /x\n"),
        ],
        &[],
    );
    one_of_two_stages => stages(THREE, &[Swap("echo 1", "echo 3")], &["RUN echo 3", "COPY --from=one", "RUN ls"]);
    a_stage_that_nobody_needs => stages(
        "FROM base AS no\nRUN echo 1 > /f\nFROM base\nCOPY f /f\nRUN cp /f /x\n",
        &[Swap("echo 1", "false")],
        &[],
    );
    a_stage_more_that_nobody_needs => stages(
        TWO,
        &[Swap("FROM base\nCOPY --from", "FROM base AS no\nRUN false\nFROM base\nCOPY --from")],
        &[],
    );
    a_stage_is_divided => stages(
        "FROM base AS start\nCOPY f /f\nRUN cp /f /x\n",
        &[Swap("RUN", "FROM start AS rest\nRUN")],
        &[],
    );
    /// What a stage is built upon counts for its commands.
    the_stage_below => stages(
        "FROM base AS a\nCOPY f /f\nFROM a AS b\nRUN ls > /x\nFROM a AS c\nCOPY --from=b /x /taken\nCOPY g /g\n",
        &[Write("f", "2")],
        &["COPY f /f", "RUN ls"],
    );
    a_chain_of_stages => stages(
        "FROM base AS a\nRUN echo 1 > /x\nFROM base AS b\nCOPY --from=a /x /in/x\nRUN cp /in/x /y\n\
         FROM base AS c\nCOPY --from=b /y /in/y\nRUN cp /in/y /z\nFROM base\nCOPY --from=c /z /in/z\n",
        &[Swap("echo 1", "echo 2")],
        &["RUN echo", "COPY --from=a", "RUN cp /in/x", "COPY --from=b", "RUN cp /in/y", "COPY --from=c"],
    );
    /// The change ends where nothing is left of it.
    a_chain_of_stages_that_forgets => stages(
        "FROM base AS a\nRUN echo 1 > /x\nFROM base AS b\nCOPY --from=a /x /in/x\nRUN wc -l /in/x > /y\n\
         FROM base AS c\nCOPY --from=b /y /in/y\nRUN cp /in/y /z\nFROM base\nCOPY --from=c /z /in/z\n",
        &[Swap("echo 1", "echo 2")],
        &["RUN echo", "COPY --from=a", "RUN wc"],
    );
    two_stages_that_do_the_same => Case {
        has_twins: true,
        ..stages(
            "FROM base AS a\nRUN echo 1 > /x\nFROM base AS b\nRUN echo 1 > /x\nFROM base\n\
             COPY --from=a /x /1\nCOPY --from=b /x /2\n",
            &[Swap("FROM base AS b\nRUN echo 1", "FROM base AS b\nRUN echo 2")],
            &["RUN echo 2", "COPY --from=b"],
        )
    };
}
