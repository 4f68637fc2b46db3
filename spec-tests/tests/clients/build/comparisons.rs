//! The Dockerfiles that both programs build, as a table; `BASE` is what each calls the
//! base, the context is that of [`shelves`](super::shelves), and the base that of
//! [`base`](super::base).

/// On which root file system a case builds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Base {
    /// Busybox, users and links of every kind.
    Small,
    /// Debian as mmdebstrap makes it.
    Debian,
}

/// One Dockerfile, and all that wharf does otherwise than docker.
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    pub(crate) base: Base,
    pub(crate) lines: &'static str,
    /// The context's `.dockerignore`; none when empty.
    pub(crate) ignored: &'static str,
    /// Each path or part of the config that differs, and why it should.
    pub(crate) differences: &'static [(&'static str, &'static str)],
}

impl Comparison {
    /// Looks for a reason for every difference, and for a difference for every reason.
    ///
    /// # Panics
    /// Panics with the differences that have none.
    pub(crate) fn explains(&self, differences: &[String]) {
        let expected = |line: &&String| {
            let mut known = self.differences.iter();
            known.any(|(path, _)| line.starts_with(&format!("{path}: ")))
        };
        let (known, unknown): (Vec<_>, Vec<_>) = differences.iter().partition(expected);
        assert!(unknown.is_empty(), "{unknown:#?}");
        // A reason for what does not differ has outlived its difference.
        assert_eq!(known.len(), self.differences.len(), "{known:#?}");
    }
}

const fn small(name: &'static str, lines: &'static str) -> Comparison {
    Comparison {
        name,
        base: Base::Small,
        lines,
        ignored: "",
        differences: &[],
    }
}

const fn debian(name: &'static str, lines: &'static str) -> Comparison {
    Comparison {
        base: Base::Debian,
        ..small(name, lines)
    }
}

const fn ignoring(name: &'static str, ignored: &'static str, lines: &'static str) -> Comparison {
    Comparison {
        ignored,
        ..small(name, lines)
    }
}

const fn differing(
    name: &'static str,
    lines: &'static str,
    differences: &'static [(&'static str, &'static str)],
) -> Comparison {
    Comparison {
        differences,
        ..small(name, lines)
    }
}

/// All cases.
pub(crate) const COMPARISONS: &[Comparison] = &[
    // What is copied.
    small(
        "a file to a new name",
        "FROM BASE\nCOPY a.txt /new/place/b\n",
    ),
    small(
        "a file into a new directory",
        "FROM BASE\nCOPY a.txt /new/place/\n",
    ),
    small(
        "a file into a directory that is there",
        "FROM BASE\nCOPY a.txt /srv\n",
    ),
    small("a file over a file", "FROM BASE\nCOPY a.txt /srv/file\n"),
    small(
        "a file over an executable",
        "FROM BASE\nCOPY a.txt /usr/bin/busybox\n",
    ),
    small(
        "several files",
        "FROM BASE\nCOPY a.txt b.txt run.sh /srv/many/\n",
    ),
    small(
        "several files, JSON form, with a blank",
        "FROM BASE\nCOPY [\"with space\", \"a.txt\", \"/srv/a place/\"]\n",
    ),
    small(
        "wildcards",
        "FROM BASE\nCOPY *.txt /w/\nCOPY d?r/*.tx[t] /x/\nCOPY [^a].* /y/\n",
    ),
    small(
        "wildcards for directories",
        "FROM BASE\nCOPY d* /w/\nCOPY [do]*/one /x/\nCOPY d*/sub/thr?e /y/\n",
    ),
    small(
        "a wildcard for what may be there",
        "FROM BASE\nCOPY a.txt *.lock none*/deeper /w/\nWORKDIR /x\nCOPY *.none b.txt ./\n",
    ),
    small(
        "a directory is its contents",
        "FROM BASE\nCOPY dir /d\nCOPY other /d\n",
    ),
    small(
        "a directory with trailing slashes",
        "FROM BASE\nCOPY dir/ /d/\n",
    ),
    small(
        "a directory by /. and //",
        "FROM BASE\nCOPY dir/. /d//e/\nCOPY ./other//one /d/./f/../g\n",
    ),
    small("all of the context", "FROM BASE\nCOPY . /all\n"),
    small("all of the context into the root", "FROM BASE\nCOPY . /\n"),
    small(
        "a directory and a file",
        "FROM BASE\nCOPY dir a.txt /mixed/\n",
    ),
    small(
        "into nested directories that are there",
        "FROM BASE\nCOPY srv /srv\n",
    ),
    small(
        "an empty directory",
        "FROM BASE\nCOPY empty /e/f\nCOPY empty/inner /g\n",
    ),
    small(
        "private, sticky and set-id",
        "FROM BASE\nCOPY private /p\nCOPY sticky /s\nCOPY set /u\n",
    ),
    small(
        "onto a private directory",
        "FROM BASE\nCOPY dir /srv/private\n",
    ),
    small(
        "into a set-group directory",
        "FROM BASE\nCOPY dir /srv/set/\nCOPY a.txt /srv/set/sub/\n",
    ),
    small(
        "hard links",
        "FROM BASE\nCOPY linked /h\nCOPY linked/first /h/third\n",
    ),
    small(
        "links in the context",
        "FROM BASE\nCOPY dir /l\nCOPY link-to-a /m/\nCOPY link-to-a /n\n",
    ),
    small(
        "a link to a directory in the context",
        "FROM BASE\nCOPY link-to-dir /l\nCOPY link-to-dir/ /m\nCOPY link-to-dir/sub /n\n",
    ),
    small("names that are not ASCII", "FROM BASE\nCOPY Ünï /ü/\n"),
    small(
        "one file twice, in two layers",
        "FROM BASE\nCOPY a.txt /f\nCOPY b.txt /f\n",
    ),
    // Where it goes.
    small(
        "through /bin, a relative link",
        "FROM BASE\nCOPY run.sh /bin/\nCOPY a.txt /bin/a\n",
    ),
    small(
        "through /var/run, an absolute link",
        "FROM BASE\nCOPY a.txt /var/run/\nCOPY dir /var/run/d/\n",
    ),
    small(
        "through a link to a directory",
        "FROM BASE\nCOPY a.txt /opt/absolute\nCOPY b.txt /opt/relative/\nCOPY dir /opt/relative\n",
    ),
    small(
        "through a link to a link",
        "FROM BASE\nCOPY a.txt /opt/chain/x/y\nCOPY dir /opt/chain\n",
    ),
    small(
        "through a link that climbs above the root",
        "FROM BASE\nCOPY a.txt /opt/up/\n",
    ),
    small(
        "through a link to nothing",
        "FROM BASE\nCOPY a.txt /opt/nowhere/\n",
    ),
    small("over a link to a file", "FROM BASE\nCOPY a.txt /opt/file\n"),
    small(
        "over a link to nothing",
        "FROM BASE\nCOPY a.txt /opt/nowhere\n",
    ),
    small(
        "through a link that an earlier step copied",
        "FROM BASE\nCOPY . /c\nCOPY run.sh /c/link-to-dir/\n",
    ),
    small(
        "with dots above the root",
        "FROM BASE\nCOPY a.txt /../../x/../y\n",
    ),
    small(
        "into a root of mode 1777",
        "FROM BASE\nCOPY a.txt /tmp/\nCOPY dir /tmp/d\n",
    ),
    small(
        "into a directory nobody may write",
        "FROM BASE\nCOPY a.txt /var/lib/empty/\n",
    ),
    small(
        "a tree with files over links and links over files",
        "FROM BASE\nCOPY over /\n",
    ),
    small(
        "dots above the context",
        "FROM BASE\nCOPY ../a.txt /x\nCOPY dir/../../b.txt /y\n",
    ),
    small(
        "onto itself by another way",
        "FROM BASE\nCOPY srv/real /opt/relative\nCOPY srv/real /srv/real/\n",
    ),
    // Relative to what.
    small(
        "relative to WORKDIR",
        "FROM BASE\nWORKDIR /srv/new\nCOPY a.txt .\nCOPY b.txt sub/\nCOPY run.sh sub/run\n",
    ),
    small(
        "WORKDIR upon WORKDIR",
        "FROM BASE\nWORKDIR /one\nWORKDIR two\nWORKDIR ../three/./four\nCOPY a.txt ./\n",
    ),
    small(
        "WORKDIR through links",
        "FROM BASE\nWORKDIR /opt/relative/deeper\nCOPY a.txt .\nWORKDIR /var/run/x\n",
    ),
    small(
        "WORKDIR that is there",
        "FROM BASE\nWORKDIR /srv/private\nWORKDIR /tmp\nCOPY a.txt .\n",
    ),
    small(
        "WORKDIR as a user",
        "FROM BASE\nUSER app\nWORKDIR /made/by/app\nCOPY a.txt .\n",
    ),
    small(
        "WORKDIR as a number",
        "FROM BASE\nUSER 1000\nWORKDIR /made/by/app\nUSER 5\nWORKDIR ../nobody\nUSER 5:6\nWORKDIR /made/later\n",
    ),
    small(
        "ENV in paths",
        "FROM BASE\nENV A=/srv/env B=dir\nWORKDIR $A/${B}\nCOPY ${B}/one ${C:-none}/\nCOPY $B ${B:+set}/\n",
    ),
    small(
        "ARG in paths and values",
        "ARG V=1\nFROM BASE\nARG V\nARG W=w$V\nENV X=${V}-$W Y='$V' Z=\\$V\nWORKDIR /$W\nCOPY a.txt $X\n",
    ),
    // Who owns it.
    small(
        "owned by numbers",
        "FROM BASE\nCOPY --chown=7:8 dir /d/e\nCOPY --chown=9 a.txt /f\n",
    ),
    small(
        "owned by names",
        "FROM BASE\nCOPY --chown=app:staff dir /d\nCOPY --chown=app a.txt /f\nCOPY --chown=alone a.txt /g\nCOPY --chown=app:99 a.txt /h\nCOPY --chown=5:appgroup a.txt /i\n",
    ),
    small(
        "owned, over what somebody else owns",
        "FROM BASE\nCOPY --chown=7:8 srv /srv\nCOPY --chown=7:8 a.txt /srv/file\n",
    ),
    small(
        "owned, in what others own, layer upon layer",
        "FROM BASE\nUSER app\nWORKDIR /work\nCOPY --chown=app a.txt y\nCOPY --chown=app dir /srv/data\nCOPY --chown=0 a.txt /srv/data/sub/f\nCOPY --chown=7 a.txt /srv/private/new/f\nCOPY a.txt /srv/set/f\nCOPY a.txt /srv/nested/y/\n",
    ),
    small(
        "USER does not own what is copied",
        "FROM BASE\nUSER app\nCOPY dir /d\n",
    ),
    small(
        "a mode",
        "FROM BASE\nCOPY --chmod=0750 a.txt /new/f\nCOPY --chmod=600 run.sh /g\n",
    ),
    small(
        "a mode for a directory",
        "FROM BASE\nCOPY --chmod=705 dir /d\nCOPY --chmod=0777 dir/sub /made/by/mode\n",
    ),
    differing(
        "a mode with set-id and sticky bits",
        "FROM BASE\nCOPY --chmod=4755 run.sh /s\nCOPY --chmod=2711 run.sh /t\n",
        &[
            (
                "/s",
                "docker 20.10 drops the bits that were asked for; newer ones keep them",
            ),
            (
                "/t",
                "docker 20.10 drops the bits that were asked for; newer ones keep them",
            ),
        ],
    ),
    small(
        "owner and mode",
        "FROM BASE\nCOPY --chown=app:staff --chmod=0640 dir/one dir/two.txt /d/\n",
    ),
    // From where.
    small(
        "from a stage by name",
        "FROM BASE AS first\nCOPY dir /srv/dir\nFROM BASE\nCOPY --from=first /srv /out\n",
    ),
    small(
        "from a stage by number",
        "FROM BASE\nCOPY --chown=7:8 linked /k\nFROM BASE\nCOPY --from=0 /k /srv/nested /out/\n",
    ),
    small(
        "from a stage, through its links",
        "FROM BASE AS first\nFROM BASE\nCOPY --from=first /opt/chain /c\nCOPY --from=first /var/run /d\nCOPY --from=first /bin/sh /e/\n",
    ),
    small(
        "from a stage, owners and modes of the base",
        "FROM BASE AS first\nFROM BASE\nCOPY --from=first /srv/private /p\nCOPY --from=first /tmp /t\nCOPY --from=first /srv/set /s\n",
    ),
    small(
        "from a stage, relative and by wildcard",
        "FROM BASE AS first\nWORKDIR /srv\nFROM BASE\nCOPY --from=first srv/n* /n/\nCOPY --from=first /srv/*/x /x/\n",
    ),
    small(
        "from an image",
        "FROM BASE AS unused\nFROM BASE\nCOPY --from=BASE /srv/nested /n\n",
    ),
    small(
        "from scratch",
        "FROM BASE AS first\nFROM scratch\nCOPY --from=first / /\nCOPY dir /d/e/f\n",
    ),
    small(
        "a stage upon a stage",
        "FROM BASE AS first\nWORKDIR /w\nCOPY a.txt .\nFROM first\nCOPY b.txt .\n",
    ),
    // ADD of what is no archive, and ignore files.
    small(
        "ADD of files and directories",
        "FROM BASE\nADD a.txt run.sh /added/\nADD dir /added/dir/\nADD --chown=app:staff c.md /opt/relative/\n",
    ),
    ignoring(
        "ignored files",
        "*.md\ndir/sub\n**/*.o\n",
        "FROM BASE\nCOPY . /c\n",
    ),
    ignoring(
        "ignored, and taken again",
        "target\n!target/keep\ndir/*\n!dir/one\n# not this\n",
        "FROM BASE\nCOPY . /c\n",
    ),
    ignoring(
        "all ignored but two",
        "*\n!a.txt\n!dir/sub/deep\n",
        "FROM BASE\nCOPY . /c\nCOPY dir /d\n",
    ),
    ignoring(
        "ignored within a wildcard",
        "a.txt\n/other/\n",
        "FROM BASE\nCOPY *.txt /c/\nCOPY *r/one /d/\n",
    ),
    // The config.
    small(
        "VOLUME, and files in it",
        "FROM BASE\nCOPY dir /data\nVOLUME /data /more\nVOLUME [\"/a b\", \"/c\"]\nCOPY a.txt /data/later\n",
    ),
    small(
        "USER in every form",
        "FROM BASE AS a\nUSER app\nFROM a\nUSER 1000:50\nCOPY a.txt /x\n",
    ),
    small(
        "CMD and ENTRYPOINT",
        "FROM BASE\nENTRYPOINT [\"/bin/cat\"]\nCMD [\"/etc/motd\"]\n",
    ),
    small(
        "ENTRYPOINT forgets the base's CMD",
        "FROM BASE\nENTRYPOINT /bin/echo it $HOME\n",
    ),
    small(
        "SHELL and the rest",
        "FROM BASE\nSHELL [\"/bin/sh\", \"-ec\"]\nCMD echo x\nSTOPSIGNAL SIGINT\nEXPOSE 80 53/udp 90-91/tcp\nLABEL a=b \"c d\"='e f' g=$PATH\nENV E one two\nENV PATH=/x:$PATH\n",
    ),
    // Debian.
    debian(
        "debian: /bin, /lib and /sbin are links",
        "FROM BASE\nCOPY run.sh /bin/\nCOPY dir /lib/mine\nCOPY a.txt /sbin/x/y\nCOPY --chown=www-data:adm other /etc/apt\n",
    ),
    debian(
        "debian: /var/run, /tmp, /var/mail",
        "FROM BASE\nWORKDIR /var/run/service\nCOPY a.txt ./\nCOPY a.txt /tmp/\nCOPY dir /var/spool/mail/\nUSER daemon\n",
    ),
    debian(
        "debian: from a stage",
        "FROM BASE AS first\nCOPY a.txt /etc/motd\nFROM BASE\nCOPY --from=first /etc /copied\nCOPY --from=first /usr/bin/perl* /bin/tar /tools/\n",
    ),
];

/// Who refuses a Dockerfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refuses {
    Both,
    /// Docker alone, and why wharf need not.
    Docker(&'static str),
    /// Wharf alone, and why.
    Wharf(&'static str),
}

/// What at least one of the programs refuses, on the small base.
pub(crate) const REFUSED: &[(&str, Refuses)] = &[
    ("FROM BASE\nCOPY missing /x\n", Refuses::Both),
    (
        "FROM BASE\nCOPY *.none /x/\n",
        Refuses::Wharf(
            "copying nothing at all is a mistake, as it was before BuildKit; beside what is \
             there a pattern may find nothing",
        ),
    ),
    (
        "FROM BASE\nCOPY a.txt b.txt /srv/new\n",
        Refuses::Wharf(
            "the reference demands a slash for several sources; docker 20.10 puts one file \
             over the other",
        ),
    ),
    (
        "FROM BASE\nCOPY a.txt b.txt /srv/real\n",
        Refuses::Wharf("the reference demands a slash for several sources"),
    ),
    (
        "FROM BASE\nCOPY *.txt /srv/new\n",
        Refuses::Wharf("docker 20.10 puts one file over the other, and only one is left"),
    ),
    ("FROM BASE\nCOPY rootfs/ /\n", Refuses::Both),
    (
        "FROM BASE\nCOPY none/*.x a.txt /x/\n",
        Refuses::Docker(
            "a pattern below a directory that is not there finds nothing, like any other; \
             docker 20.10 fails to look into it",
        ),
    ),
    ("FROM BASE\nCOPY a.txt /srv/file/x\n", Refuses::Both),
    ("FROM BASE\nCOPY dir /srv/file\n", Refuses::Both),
    ("FROM BASE\nCOPY dir /opt/file\n", Refuses::Both),
    ("FROM BASE\nCOPY clash /\n", Refuses::Both),
    (
        "FROM BASE\nCOPY --chown=who a.txt /x\n",
        Refuses::Wharf("nobody of this name is in the image; docker 20.10 takes root instead"),
    ),
    (
        "FROM BASE\nCOPY --chmod=9 a.txt /x\n",
        Refuses::Wharf("9 is no octal digit; docker 20.10 ignores the flag"),
    ),
    ("FROM BASE\nWORKDIR /srv/file/sub\n", Refuses::Both),
    (
        "FROM BASE AS s\nFROM BASE\nCOPY --from=s /srv/missing /x\n",
        Refuses::Both,
    ),
    (
        "FROM BASE\nCOPY */one /x/\n",
        Refuses::Docker(
            "a file that a pattern meets in the place of a directory matches nothing; docker \
         20.10 fails to look into it",
        ),
    ),
    (
        "FROM BASE\nONBUILD COPY a.txt /x\n",
        Refuses::Wharf("`ONBUILD` is not supported yet"),
    ),
];
