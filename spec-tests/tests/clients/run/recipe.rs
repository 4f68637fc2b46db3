//! The Dockerfile of twelve commands, its context, and the base that has all programs
//! which it runs.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::build::base;
use crate::cage::Cage;
use crate::fixtures;
use crate::tool::Tool;
use spec_tests::digest;

/// The Dockerfile; `BASE` is what `FROM` names.
const TWELVE: &str = include_str!("twelve.Dockerfile");

/// Prints what it is asked to, and writes it into a file that is named.
const HELLO: &str = r#"
#include <stdio.h>
int main(int count, char **words) {
    puts("made by wharf");
    if (count < 2) return 0;
    FILE *file = fopen(words[1], "w");
    if (!file || fputs("it ran\n", file) < 0 || fclose(file)) return 1;
    return 0;
}
"#;

/// What `hello` prints.
pub(crate) const GREETING: &str = "made by wharf";

/// Files of the package, with their permissions.
const PACKAGE: &[(&str, &str, &str)] = &[
    (
        "DEBIAN/control",
        "0644",
        "Package: own\nVersion: 1.2-3\nArchitecture: all\nMaintainer: a <a@example.com>\n\
         Description: own\n",
    ),
    ("DEBIAN/conffiles", "0644", "/etc/own.conf\n"),
    (
        "DEBIAN/postinst",
        "0755",
        "#!/bin/sh\nset -e\nchown daemon:adm /var/lib/own\nchmod 2750 /var/lib/own\n\
         chown man:mail /var/lib/own/of-others\n",
    ),
    ("etc/own.conf", "0644", "a configuration\n"),
    ("usr/bin/own", "4755", "#!/bin/sh\necho own\n"),
    ("var/lib/own/of-others", "0640", "of others\n"),
];

/// Files of the wheel.
const WHEEL: &[(&str, &str)] = &[
    ("own.py", "WORD = 'imported'\n"),
    (
        "own-1.0.dist-info/METADATA",
        "Metadata-Version: 2.1\nName: own\nVersion: 1.0\n",
    ),
    (
        "own-1.0.dist-info/WHEEL",
        "Wheel-Version: 1.0\nGenerator: own\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    ),
    (
        "own-1.0.dist-info/RECORD",
        "own.py,,\nown-1.0.dist-info/METADATA,,\nown-1.0.dist-info/WHEEL,,\n\
         own-1.0.dist-info/RECORD,,\n",
    ),
];

/// Files of the module.
const MODULE: &[(&str, &str)] = &[
    (
        "module/package.json",
        "{\"name\": \"own-module\", \"version\": \"1.0.0\", \"main\": \"index.js\"}\n",
    ),
    ("module/index.js", "module.exports = 'required';\n"),
];

/// The base, a context and a Dockerfile, for every place to read.
pub(crate) struct Recipe {
    pub(crate) context: PathBuf,
    pub(crate) file: PathBuf,
}

impl Recipe {
    /// Makes everything below `shared`.
    pub(crate) fn make(cage: &Cage) -> Self {
        let base = base::layout(cage, "shared/workshop", &fixtures::workshop());
        let context = cage.make("shared/recipe");
        let file = cage.path("shared/twelve.Dockerfile");
        write(&file, &TWELVE.replace("BASE", &base));
        write(&context.join("hello.c"), HELLO);
        for (name, content) in MODULE {
            write(&context.join(name), content);
        }
        wheel(cage, &context);
        package(cage, &context);
        Self { context, file }
    }
}

fn write(path: &Path, content: &str) {
    let parent = path.parent().expect("it is below the root");
    fs_err::create_dir_all(parent).expect("a writable directory");
    fs_err::write(path, content).expect("a writable directory");
}

/// Makes a wheel: an archive whose entries are stored as they are.
fn wheel(cage: &Cage, context: &Path) {
    let directory = cage.make("wheel");
    for (name, content) in WHEEL {
        write(&directory.join(name), content);
    }
    let script = cage.path("zip.py");
    let mut text = fs_err::File::create(&script).expect("a writable directory");
    text.write_all(
        b"import sys, zipfile\n\
          made = zipfile.ZipFile(sys.argv[1], 'w')\n\
          for name in sys.argv[3:]:\n\
          \x20   entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))\n\
          \x20   entry.external_attr = 0o644 << 16\n\
          \x20   made.writestr(entry, open(sys.argv[2] + '/' + name).read())\n\
          made.close()\n",
    )
    .expect("a writable directory");
    let names: Vec<&str> = WHEEL.iter().map(|(name, _)| *name).collect();
    Tool::from_line("python3").run(&format!(
        "{} {} {} {}",
        script.display(),
        context.join("own-1.0-py3-none-any.whl").display(),
        directory.display(),
        names.join(" ")
    ));
}

/// Makes a package, and a repository with it alone.
fn package(cage: &Cage, context: &Path) {
    let directory = cage.make("package");
    for (name, mode, content) in PACKAGE {
        let path = directory.join(name);
        write(&path, content);
        Tool::from_line(&format!("chmod {mode}")).run(&path.display().to_string());
    }
    Tool::from_line("chmod 0755").run(&format!("{}", directory.display()));
    let repository = context.join("repository");
    fs_err::create_dir_all(&repository).expect("a writable directory");
    let file = repository.join("own.deb");
    Tool::from_line("dpkg-deb --root-owner-group -Zgzip --build")
        .with("SOURCE_DATE_EPOCH", "1577836800")
        .run(&format!("{} {}", directory.display(), file.display()));
    let bytes = fs_err::read(&file).expect("made above");
    let index = format!(
        "{}Filename: ./own.deb\nSize: {}\nSHA256: {}\n",
        PACKAGE[0].2,
        bytes.len(),
        digest(&bytes).trim_start_matches("sha256:")
    );
    write(&repository.join("Packages"), &index);
}
