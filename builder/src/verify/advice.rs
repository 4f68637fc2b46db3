//! What to write in a Dockerfile so that the usual culprits come out equal.

use layer::EntryPath;

/// Says which files advice is for.
#[derive(Debug, Clone, Copy)]
enum Which {
    /// One path.
    Path(&'static str),
    /// All that is in a directory, and the directory.
    In(&'static str),
    /// All that is in a directory of this name, wherever that is.
    Within(&'static str),
    /// Files of this name.
    Name(&'static str),
    /// Files whose name ends so.
    End(&'static str),
    /// Files of a directory whose name begins so.
    Begin(&'static str, &'static str),
}

use Which::{Begin, End, In, Name, Path, Within};

/// What is said of each; the first that fits is said.
const ADVICE: &[(Which, &str)] = &[
    (
        Path("var/cache/ldconfig/aux-cache"),
        "it holds inode numbers and times: add `rm -f /var/cache/ldconfig/aux-cache` to the end of the RUN",
    ),
    (
        Begin("var/log/apt", ""),
        "it holds the times of the run: add `rm -rf /var/log/apt/*` to the end of the RUN",
    ),
    (
        Begin("var/log", "dpkg.log"),
        "it holds the times of the run: add `rm -f /var/log/dpkg.log` to the end of the RUN",
    ),
    (
        Begin("var/log", "alternatives.log"),
        "it holds the times of the run: add `rm -f /var/log/alternatives.log` to the end of the RUN",
    ),
    (
        In("var/log"),
        "logs hold the times of the run: remove those that it wrote below `/var/log` at the end of the RUN",
    ),
    (
        In("var/lib/apt/lists"),
        "package lists change by the day: add `rm -rf /var/lib/apt/lists/*` to the end of the RUN, or mount them: `--mount=type=cache,target=/var/lib/apt/lists`",
    ),
    (
        In("var/lib/apt/extended_states"),
        "it says what was installed beside what was asked for: pin versions, or take packages from a snapshot of the archive (snapshot.debian.org)",
    ),
    (
        In("var/cache/apt"),
        "it is a cache: add `apt-get clean && rm -f /var/cache/apt/*.bin` to the end of the RUN, or mount it: `--mount=type=cache,target=/var/cache/apt`",
    ),
    (
        In("var/lib/dpkg"),
        "other versions were installed, or in another order: pin versions (`apt-get install NAME=VERSION`), or take packages from a snapshot of the archive (snapshot.debian.org)",
    ),
    (
        In("var/cache/debconf"),
        "it is a cache of questions and answers: add `rm -f /var/cache/debconf/*-old` and set `DEBIAN_FRONTEND=noninteractive` in the RUN",
    ),
    (
        In("etc/apk"),
        "pin versions (`apk add NAME=VERSION`) and the branch in `/etc/apk/repositories`",
    ),
    (
        In("lib/apk/db"),
        "the database of apk holds times and versions: pin versions (`apk add NAME=VERSION`) and use `apk add --no-cache`",
    ),
    (
        In("usr/lib/apk/db"),
        "the database of apk holds times and versions: pin versions (`apk add NAME=VERSION`) and use `apk add --no-cache`",
    ),
    (
        In("var/cache/apk"),
        "it is a cache: use `apk add --no-cache`",
    ),
    (
        In("var/lib/rpm"),
        "the database of rpm holds the times of installation: add `rm -f /var/lib/rpm/__db.*` to the end of the RUN, or install packages by `rpm2cpio`",
    ),
    (
        In("usr/lib/sysimage/rpm"),
        "the database of rpm holds the times of installation: no option leaves them out; `rpm2cpio` unpacks packages without it",
    ),
    (
        In("var/lib/dnf"),
        "it is a history with times: add `dnf clean all && rm -rf /var/lib/dnf/history*` to the end of the RUN",
    ),
    (
        In("var/lib/yum"),
        "it is a history with times: add `yum clean all && rm -rf /var/lib/yum/*` to the end of the RUN",
    ),
    (
        In("var/cache/dnf"),
        "it is a cache: add `dnf clean all` to the end of the RUN",
    ),
    (
        In("var/cache/yum"),
        "it is a cache: add `yum clean all` to the end of the RUN",
    ),
    (
        Path("etc/machine-id"),
        "it is random: add `: > /etc/machine-id` to the end of the RUN; the machine makes its own when it starts",
    ),
    (
        Path("var/lib/dbus/machine-id"),
        "it is random: add `rm -f /var/lib/dbus/machine-id` to the end of the RUN",
    ),
    (
        Begin("etc", "shadow"),
        "it holds the day of the last change of a password: add `sed -i -E 's/^([^:]*:[^:]*):[0-9]+:/\\1:0:/' /etc/shadow` and `rm -f /etc/shadow-` to the end of the RUN",
    ),
    (
        Begin("etc/ssh", "ssh_host_"),
        "keys of a host are random, and secret: add `rm -f /etc/ssh/ssh_host_*` to the end of the RUN and make them when the container starts",
    ),
    (
        In("etc/ssl/private"),
        "keys are random, and secret: make them when the container starts, or give them by `--mount=type=secret`",
    ),
    (
        Path("etc/ssl/certs/java/cacerts"),
        "the keystore holds the times of its entries: point Java to the `cacerts` that came with its JDK, and remove this one at the end of the RUN",
    ),
    (
        In("etc/pki/ca-trust/extracted/java"),
        "the keystore holds the times of its entries: remove it at the end of the RUN where Java is not used",
    ),
    (
        In("var/cache/fontconfig"),
        "it is a cache with times of directories: add `rm -rf /var/cache/fontconfig/*` to the end of the RUN",
    ),
    (
        In("var/cache/man"),
        "it is an index of manual pages: add `rm -rf /var/cache/man/*` to the end of the RUN",
    ),
    (
        Path("usr/lib/locale/locale-archive"),
        "its order is that in which locales were made: use `localedef --no-archive`, or install `locales-all`",
    ),
    (
        In("var/spool/cron"),
        "tables of cron begin with the time of their installation: write them below `/etc/cron.d` by COPY",
    ),
    (
        In("var/lib/systemd"),
        "it is a state of the machine: add `rm -f /var/lib/systemd/random-seed /var/lib/systemd/catalog/database` to the end of the RUN",
    ),
    (
        Name("random-seed"),
        "it is random: remove it at the end of the RUN",
    ),
    (
        Name(".rnd"),
        "it is random, a seed of openssl: remove it at the end of the RUN",
    ),
    (
        Name(".wget-hsts"),
        "it holds the times of downloads: use `wget --no-hsts`",
    ),
    (
        Within("__pycache__"),
        "compiled Python holds the times of its sources: set `ENV PYTHONDONTWRITEBYTECODE=1`, or compile with `python -m compileall --invalidation-mode unchecked-hash`",
    ),
    (
        End(".pyc"),
        "compiled Python holds the times of its sources: set `ENV PYTHONDONTWRITEBYTECODE=1`, or compile with `python -m compileall --invalidation-mode unchecked-hash`",
    ),
    (
        Within(".cache/pip"),
        "it is a cache: use `pip install --no-cache-dir`, or mount it: `--mount=type=cache,target=/root/.cache/pip`",
    ),
    (
        Within(".cache/uv"),
        "it is a cache: use `uv --no-cache`, or mount it: `--mount=type=cache,target=/root/.cache/uv`",
    ),
    (
        Name("uv_cache.json"),
        "it holds times of the installation: remove it from `*.dist-info` at the end of the RUN",
    ),
    (
        Name("direct_url.json"),
        "it holds the place of the source: install from an index, or from the same path each time",
    ),
    (
        Within(".npm"),
        "it is a cache with logs: add `npm cache clean --force && rm -rf ~/.npm` to the end of the RUN, or mount it: `--mount=type=cache,target=/root/.npm`",
    ),
    (
        Within("_cacache"),
        "it is a cache of npm: add `npm cache clean --force` to the end of the RUN, or mount it by `--mount=type=cache`",
    ),
    (
        Name(".package-lock.json"),
        "other versions were installed: use `npm ci` with a lock file",
    ),
    (
        Name(".yarn-integrity"),
        "it holds what was installed and how: use `yarn install --frozen-lockfile`",
    ),
    (
        Within(".yarn/cache"),
        "it is a cache: add `yarn cache clean` to the end of the RUN, or mount it by `--mount=type=cache`",
    ),
    (
        Within(".cache/go-build"),
        "it is a cache: mount it: `--mount=type=cache,target=/root/.cache/go-build`",
    ),
    (
        Within(".cargo/registry"),
        "it is a cache: mount it: `--mount=type=cache,target=/root/.cargo/registry`, and build with `--locked`",
    ),
    (
        Within(".m2/repository"),
        "it is a cache: mount it: `--mount=type=cache,target=/root/.m2`, and pin versions",
    ),
    (
        Within(".gradle"),
        "it is a cache: mount it: `--mount=type=cache,target=/root/.gradle`",
    ),
    (
        Within(".git"),
        "a clone holds times and packs of its own: use `ADD` with the address of the repository and a commit, or remove `.git` in the same RUN",
    ),
    (
        Name(".bash_history"),
        "histories hold what was typed: remove it at the end of the RUN",
    ),
    (
        Name(".python_history"),
        "histories hold what was typed: remove it at the end of the RUN",
    ),
    (
        Name(".node_repl_history"),
        "histories hold what was typed: remove it at the end of the RUN",
    ),
    (
        Name(".lesshst"),
        "histories hold what was typed: remove it at the end of the RUN",
    ),
    (
        End(".jar"),
        "archives of Java hold times: set `project.build.outputTimestamp` (Maven), or `preserveFileTimestamps = false` and `reproducibleFileOrder = true` (Gradle)",
    ),
    (
        End(".a"),
        "archives of `ar` may hold times: use `ar D` (`ARFLAGS=rcD`)",
    ),
    (
        End(".gz"),
        "gzip holds the time and the name of its input: use `gzip -n`",
    ),
    (
        Within(".cache"),
        "it is a cache: remove it at the end of the RUN, or mount it by `--mount=type=cache`",
    ),
    (
        In("tmp"),
        "what is left in `/tmp` is rarely meant: remove it at the end of the RUN, or use `--mount=type=tmpfs,target=/tmp`",
    ),
    (
        In("var/tmp"),
        "what is left in `/var/tmp` is rarely meant: remove it at the end of the RUN, or use `--mount=type=tmpfs,target=/var/tmp`",
    ),
    (
        In("run"),
        "it is of running processes: remove it at the end of the RUN, or use `--mount=type=tmpfs,target=/run`",
    ),
    (
        In("var/run"),
        "it is of running processes: remove it at the end of the RUN, or use `--mount=type=tmpfs,target=/run`",
    ),
];

/// Gives what to write in a Dockerfile so that builds agree on a file; of the
/// usual culprits alone.
#[must_use]
pub(super) fn advice(path: &EntryPath) -> Option<&'static str> {
    let fits = ADVICE.iter().find(|(which, _)| which.is(path));
    fits.map(|(_, advice)| *advice)
}

impl Which {
    fn is(self, path: &EntryPath) -> bool {
        let bytes = path.as_bytes();
        let name = path.name().unwrap_or_default();
        match self {
            Path(exact) => bytes == exact.as_bytes(),
            In(directory) => starts(bytes, directory.as_bytes()),
            Within(names) => {
                let mut tails = tails(bytes);
                tails.any(|tail| starts(tail, names.as_bytes()))
            }
            Name(exact) => name == exact.as_bytes(),
            End(end) => name.len() > end.len() && name.ends_with(end.as_bytes()),
            Begin(directory, begin) => {
                let parent = path.parent().unwrap_or_default();
                parent.as_bytes() == directory.as_bytes() && name.starts_with(begin.as_bytes())
            }
        }
    }
}

/// Says whether a path is a directory or in it.
fn starts(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

/// Gives the path, and the path from each later name on.
fn tails(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let later = slashes.filter_map(|(at, _)| path.get(at + 1..));
    std::iter::once(path).chain(later)
}
