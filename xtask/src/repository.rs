//! The repository as data: its text files and its crates. It judges nothing;
//! the checks take what is read here and touch no disk themselves.

use std::io::ErrorKind;

use serde::Deserialize;

use crate::command::{Task, root};
use crate::error::Error;

/// The whole repository, as the checks see it.
#[derive(Debug)]
pub(crate) struct Repository {
    /// Every text file that git tracks or would track, in git's order.
    pub(crate) files: Vec<TextFile>,
    /// Every member of the workspace.
    pub(crate) packages: Vec<Package>,
}

/// A text file and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextFile {
    /// The path from the root of the repository, with `/` between its parts.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

/// A crate of the workspace and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Package {
    /// Its name, as others import it.
    pub(crate) name: String,
    /// What it depends on, for whatever purpose.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a crate's list of dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Dependency {
    /// The name of the package, not the name it may have been given.
    pub(crate) name: String,
    /// What it is needed for.
    #[serde(deserialize_with = "purpose")]
    pub(crate) kind: Purpose,
}

/// What a dependency is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The crate itself.
    Code,
    /// Its tests.
    Tests,
    /// Its build script.
    Build,
}

impl Repository {
    /// Reads the checkout that this program was built from. Files that are not
    /// UTF-8 are left out, and so is a file that git knows and somebody removed.
    ///
    /// # Errors
    /// When git or cargo cannot be run, or a file cannot be read.
    pub(crate) fn read() -> Result<Self, Error> {
        let listed = Task::new("git", &["ls-files", "-z", "-co", "--exclude-standard"]).output()?;
        let mut files = Vec::new();
        for path in String::from_utf8_lossy(&listed).split_terminator('\0') {
            match fs_err::read(root().join(path)) {
                Ok(bytes) => files.extend(text_file(path, bytes)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(Error::Read(error)),
            }
        }
        let metadata = Metadata::read()?;
        Ok(Self {
            files,
            packages: metadata.packages,
        })
    }
}

/// What `cargo metadata` says about the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    packages: Vec<Package>,
    /// The absolute path of the folder where cargo puts what it builds.
    pub(crate) target_directory: std::path::PathBuf,
}

impl Metadata {
    /// Asks cargo, without the network and without resolving anything.
    ///
    /// # Errors
    /// When cargo cannot be run or answers in another shape.
    pub(crate) fn read() -> Result<Self, Error> {
        let arguments = ["metadata", "--no-deps", "--offline", "--format-version=1"];
        Self::parse(&Task::new("cargo", &arguments).output()?)
    }

    fn parse(answer: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(answer).map_err(Error::Metadata)
    }
}

fn text_file(path: &str, bytes: Vec<u8>) -> Option<TextFile> {
    Some(TextFile {
        path: path.to_owned(),
        text: String::from_utf8(bytes).ok()?,
    })
}

fn purpose<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Purpose, D::Error> {
    let word = Option::<String>::deserialize(deserializer)?;
    match word.as_deref() {
        None => Ok(Purpose::Code),
        Some("dev") => Ok(Purpose::Tests),
        Some("build") => Ok(Purpose::Build),
        Some(other) => Err(serde::de::Error::unknown_variant(other, &["dev", "build"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read() {
        let answer = br#"{"packages":[{"name":"store","version":"0.1.0","dependencies":[
            {"name":"blob","kind":null,"path":"/x"},
            {"name":"tempfile","kind":"dev"},{"name":"cc","kind":"build"}]}],
            "target_directory":"/t","version":1}"#;
        let metadata = Metadata::parse(answer).expect("well formed");
        let kinds: Vec<_> = metadata.packages[0]
            .dependencies
            .iter()
            .map(|dependency| (dependency.name.as_str(), dependency.kind))
            .collect();
        assert_eq!(
            kinds,
            [
                ("blob", Purpose::Code),
                ("tempfile", Purpose::Tests),
                ("cc", Purpose::Build)
            ]
        );
    }

    #[test]
    fn an_unknown_purpose_is_an_error_and_not_a_guess() {
        let answer = br#"{"packages":[{"name":"a","dependencies":[
            {"name":"b","kind":"new"}]}],"target_directory":"/t"}"#;
        assert!(matches!(Metadata::parse(answer), Err(Error::Metadata(_))));
    }

    #[test]
    fn this_checkout_is_read() {
        let repository = Repository::read().expect("git and cargo are here");
        let paths: Vec<_> = repository.files.iter().map(|file| &*file.path).collect();
        assert!(paths.contains(&"xtask/src/repository.rs"));
        assert!(!paths.iter().any(|path| path.starts_with("target/")));
        assert!(
            repository
                .packages
                .iter()
                .any(|package| package.name == "wharf")
        );
    }

    #[test]
    fn files_that_are_no_text_are_left_out() {
        assert_eq!(text_file("a.bin", vec![0xff, 0xfe]), None);
        assert!(text_file("a.txt", b"words".to_vec()).is_some());
    }
}
