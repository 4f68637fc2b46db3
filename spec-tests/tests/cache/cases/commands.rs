//! `RUN`, and the instructions that say how commands are run or how the image is.

use crate::case::{Case, PLAIN, table};
use crate::change::Change;
use crate::change::Change::{Swap, Write};

/// An instruction between a copy and a command.
const fn between(
    dockerfile: &'static str,
    changes: &'static [Change],
    runs: &'static [&'static str],
) -> Case {
    Case {
        dockerfile,
        files: &[Write("f", "1")],
        changes,
        runs,
        ..PLAIN
    }
}

/// The command is the same, after another instruction of the config.
const fn unseen(dockerfile: &'static str, changes: &'static [Change]) -> Case {
    between(dockerfile, changes, &[])
}

table! {
    words => between("FROM base\nRUN echo 1 > /x\nRUN ls > /y\n", &[Swap("echo 1", "echo 2")], &["echo", "ls"]);
    /// Files that come out the same are the same: what comes after finds them.
    words_of_the_same_result => between(
        "FROM base\nRUN echo 1 > /x\nRUN ls > /y\nCOPY f /f\n",
        &[Swap("echo 1", "echo  1")],
        &["RUN echo"],
    );
    words_of_no_result => between(
        "FROM base\nRUN true\nRUN ls > /y\n",
        &[Swap("RUN true", "RUN test 1")],
        &["RUN test"],
    );
    the_shell_is_left_out => between(
        "FROM base\nRUN echo 1\nRUN ls > /y\n",
        &[Swap("RUN echo 1", "RUN [\"/bin/echo\", \"1\"]")],
        &["RUN [\"/bin/echo\""],
    );
    the_last_word => between("FROM base\nRUN ls > /y\nRUN echo 1 > /x\n", &[Swap("echo 1", "echo 2")], &["echo"]);
    one_command_more => between("FROM base\nRUN ls > /y\n", &[Swap("/y\n", "/y\nRUN echo 1 > /x\n")], &["echo"]);
    one_command_less => between("FROM base\nRUN ls > /y\nRUN echo 1 > /x\n", &[Swap("RUN echo 1 > /x\n", "")], &[]);
    commands_exchanged => between(
        "FROM base\nRUN echo a >> /x\nRUN echo b >> /x\n",
        &[Swap("RUN echo a >> /x\nRUN echo b >> /x\n", "RUN echo b >> /x\nRUN echo a >> /x\n")],
        &["echo a", "echo b"],
    );
    /// buildah looks for a line of history: here it is twice, on other files each time.
    a_command_again => between(
        "FROM base\nRUN echo a >> /x\nRUN wc -l /x >> /y\nRUN echo a >> /x\nRUN wc -l /x >> /y\n",
        &[Swap("FROM base\nRUN", "FROM base\nWORKDIR /w\nRUN")],
        &["WORKDIR", "RUN echo a", "RUN wc"],
    );

    the_body_of_a_heredoc => between(
        "FROM base\nRUN <<EOF\necho 1 > /x\nEOF\nCOPY f /f\n",
        &[Swap("echo 1", "echo 2")],
        &["RUN"],
    );
    the_body_of_a_script => between(
        "FROM base\nRUN <<EOF\n#!/bin/sh\necho 1 > /x\nEOF\nCOPY f /f\n",
        &[Swap("echo 1", "echo 2")],
        &["RUN"],
    );
    what_a_command_reads_from_a_heredoc => between(
        "FROM base\nRUN cat > /x <<EOF\n1\nEOF\nCOPY f /f\n",
        &[Swap("\n1\n", "\n2\n")],
        &["RUN"],
    );
    /// kaniko's fork #823, #825: only the first line counted.
    the_body_of_a_copied_file => between(
        "FROM base\nCOPY <<EOF /x\n1\nEOF\nRUN ls > /y\n",
        &[Swap("\n1\n", "\n2\n")],
        &["COPY", "RUN"],
    );
    a_variable_in_a_copied_file => between(
        "FROM base\nENV A=1\nCOPY <<EOF /x\n$A\nEOF\n",
        &[Swap("A=1", "A=2")],
        &["COPY"],
    );
    a_variable_that_stands_for_itself => between(
        "FROM base\nENV A=1\nCOPY <<\"EOF\" /x\n$A\nEOF\n",
        &[Swap("A=1", "A=2")],
        &[],
    );
    the_mark_of_a_heredoc => between(
        "FROM base\nCOPY <<EOF /x\n1\nEOF\nRUN ls > /y\n",
        &[Swap("<<EOF /x\n1\nEOF", "<<END /x\n1\nEND")],
        &[],
    );
    the_name_of_a_copied_text => between(
        "FROM base\nCOPY <<one /x/\n1\none\n",
        &[Swap("<<one /x/\n1\none", "<<two /x/\n1\ntwo")],
        &["COPY"],
    );
    a_text_becomes_a_file => between(
        "FROM base\nCOPY <<f /x\n1\nf\nRUN ls > /y\n",
        &[Swap("COPY <<f /x\n1\nf\n", "COPY f /x\n"), Write("f", "1\n")],
        &[],
    );

    a_label => unseen("FROM base\nLABEL a=1\nRUN env > /x\n", &[Swap("a=1", "a=2")]);
    a_port => unseen("FROM base\nEXPOSE 1\nRUN env > /x\n", &[Swap("SE 1", "SE 2/udp")]);
    the_command => unseen("FROM base\nCMD a\nRUN env > /x\n", &[Swap("CMD a", "CMD [\"b\"]")]);
    the_entrypoint => unseen("FROM base\nENTRYPOINT a\nRUN env > /x\n", &[Swap("POINT a", "POINT [\"b\"]")]);
    the_signal => unseen("FROM base\nSTOPSIGNAL 9\nRUN env > /x\n", &[Swap("SIGNAL 9", "SIGNAL SIGTERM")]);
    the_check => unseen("FROM base\nHEALTHCHECK CMD a\nRUN env > /x\n", &[Swap("CMD a", "CMD b")]);
    a_volume => unseen("FROM base\nVOLUME /a\nRUN env > /x\n", &[Swap("ME /a", "ME /b")]);
    a_trigger => unseen("FROM base\nONBUILD RUN a\nRUN env > /x\n", &[Swap("RUN a", "RUN b")]);

    the_user => between(
        "FROM base\nRUN chmod 1777 /tmp\nCOPY f /f\nUSER 7\nRUN id > /tmp/x\nCOPY f /g\n",
        &[Swap("USER 7", "USER 8")],
        &["RUN id"],
    );
    the_group => between(
        "FROM base\nRUN chmod 1777 /tmp\nUSER 7:7\nRUN id > /tmp/x\n",
        &[Swap("USER 7:7", "USER 7:8")],
        &["RUN id"],
    );
    the_user_by_its_number => unseen(
        "FROM base\nRUN chmod 1777 /tmp\nUSER 1000:1000\nRUN echo > /tmp/x\n",
        &[Swap("USER 1000:1000", "USER app:app")],
    );
    the_user_of_a_directory => between(
        "FROM base\nUSER 7\nWORKDIR /w\n",
        &[Swap("USER 7", "USER 8")],
        &["WORKDIR"],
    );
    the_number_of_the_user_of_a_directory => between(
        "FROM base\nRUN sed -i s/1000/1001/ /etc/passwd\nUSER app\nWORKDIR /w\n",
        &[Swap("1001", "1002")],
        &["RUN sed", "WORKDIR"],
    );
    another_user_than_that_of_a_directory => between(
        "FROM base\nRUN sed -i 1s/root/toor/ /etc/passwd\nUSER app\nWORKDIR /w\n",
        &[Swap("toor", "boss")],
        &["RUN sed"],
    );
    the_directory => between(
        "FROM base\nCOPY f /f\nWORKDIR /a\nRUN pwd > /x\nCOPY f /g\nCOPY f .\n",
        &[Swap("DIR /a", "DIR /b")],
        &["WORKDIR", "RUN", "COPY f ."],
    );
    the_directory_otherwise => unseen(
        "FROM base\nWORKDIR /a/b\nRUN pwd > /x\n",
        &[Swap("DIR /a/b", "DIR /a/c/../b/")],
    );
    a_directory_that_is_there => unseen(
        "FROM base\nCOPY f /f\nWORKDIR /\nRUN pwd > /x\n",
        &[Swap("WORKDIR /\n", "")],
    );
    the_shell => between(
        "FROM base\nSHELL [\"/bin/sh\", \"-c\"]\nCOPY f /f\nRUN echo > /x\nCOPY f /g\n",
        &[Swap("\"-c\"", "\"-ec\"")],
        &["RUN"],
    );
    the_shell_of_no_command => unseen(
        "FROM base\nSHELL [\"/bin/sh\", \"-c\"]\nRUN [\"/bin/touch\", \"/x\"]\n",
        &[Swap("\"-c\"", "\"-ec\"")],
    );
    the_shell_that_it_is_anyway => unseen(
        "FROM base\nCOPY f /f\nRUN echo > /x\n",
        &[Swap("RUN", "SHELL [\"/bin/sh\", \"-c\"]\nRUN")],
    );

    /// kaniko's fork #873, #875: words were joined by `-`.
    words_with_dashes => between(
        "FROM base\nRUN [\"sh\", \"-c\", \"echo $0; echo $1\", \"a-b\", \"c\"]\nRUN ls > /y\n",
        &[Swap("\"a-b\", \"c\"", "\"a\", \"b-c\"")],
        &["RUN [\"sh\""],
    );
    two_words_become_one => between(
        "FROM base\nRUN [\"sh\", \"-c\", \"echo $0 > /x\", \"a\", \"b\"]\n",
        &[Swap("\"a\", \"b\"", "\"a b\"")],
        &["RUN"],
    );
    the_network => between(
        "FROM base\nRUN echo > /x\nCOPY f /f\n",
        &[Swap("RUN", "RUN --network=none")],
        &["RUN"],
    );
}
