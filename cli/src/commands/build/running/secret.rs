//! `--secret`: what nobody but a command may see.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use builder::Secret;

use crate::environment::Environment;
use crate::report::{WithHint as _, missing, usage};

/// How a secret is given, for hints.
const FORM: &str = "a secret is as in `id=token,src=token.txt` or `id=token,env=TOKEN`; `id=token` alone is the variable `token`, else the file `token`";

/// Says where a secret is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// In a file, by its path from here.
    File(PathBuf),
    /// In a variable of the environment.
    Variable(String),
    /// In the variable, else the file that is called as the secret is.
    Either,
}

/// Reads all secrets; no two have one name.
pub(super) fn read_all(
    environment: &Environment,
    texts: &[String],
) -> anyhow::Result<BTreeMap<String, Secret>> {
    let mut secrets = BTreeMap::new();
    for text in texts {
        let (id, place) = parse(text)?;
        let bytes = read(environment, &id, &place)
            .with_context(|| format!("can not take the secret `{id}`"))?;
        if secrets.insert(id.clone(), Secret::new(bytes)).is_some() {
            return Err(usage(format!("the secret `{id}` is given twice")));
        }
    }
    Ok(secrets)
}

/// Reads `id=ID`, with where the secret is.
fn parse(text: &str) -> anyhow::Result<(String, Place)> {
    let (mut id, mut kind, mut source, mut variable) = (None, None, None, None);
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        let key = key.to_ascii_lowercase();
        let known = match key.as_str() {
            "id" => &mut id,
            "type" => &mut kind,
            "src" | "source" => &mut source,
            "env" => &mut variable,
            _ => {
                let message = format!("`--secret` has no `{key}`");
                return Err(usage(message)).hint(FORM);
            }
        };
        if value.is_empty() || known.is_some() {
            let message = format!("`{key}` of a `--secret` has one value");
            return Err(usage(message)).hint(FORM);
        }
        *known = Some(value);
    }
    let Some(id) = id else {
        return Err(usage("a `--secret` has no `id`")).hint(FORM);
    };
    let place = match (kind, source, variable) {
        (None | Some("file"), Some(path), None) => Place::File(PathBuf::from(path)),
        (None | Some("env"), None, Some(name)) => Place::Variable(name.to_owned()),
        // Docker takes `src` for the variable then.
        (Some("env"), Some(name), None) => Place::Variable(name.to_owned()),
        (Some("file"), None, None) => Place::File(PathBuf::from(id)),
        (Some("env"), None, None) => Place::Variable(id.to_owned()),
        (None, None, None) => Place::Either,
        (Some("file" | "env") | None, ..) => {
            let message = format!("the secret `{id}` is either of a file or of a variable");
            return Err(usage(message)).hint(FORM);
        }
        (Some(kind), ..) => {
            let message = format!("`{kind}` is no type of a secret: there are `file` and `env`");
            return Err(usage(message)).hint(FORM);
        }
    };
    Ok((id.to_owned(), place))
}

fn read(environment: &Environment, id: &str, place: &Place) -> anyhow::Result<Vec<u8>> {
    let of_variable = |name: &str| environment.inherited(name).map(|v| v.as_bytes().to_vec());
    let bytes = match place {
        Place::File(path) => read_file(path)?,
        Place::Variable(name) => of_variable(name)
            .ok_or_else(|| missing(format!("the environment has no variable `{name}`")))?,
        Place::Either => match of_variable(id) {
            Some(bytes) => bytes,
            None => read_file(Path::new(id))
                .map_err(|error| error.context(format!("the environment has no variable `{id}`")))
                .hint(FORM)?,
        },
    };
    match bytes.len() > Secret::LIMIT {
        true => Err(usage(format!("it has more than {} bytes", Secret::LIMIT))),
        false => Ok(bytes),
    }
}

/// Reads a file, and of one that is too large little more than is allowed.
fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = match fs_err::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(missing(format!("there is no file `{}`", path.display())));
        }
        file => file?,
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(Secret::LIMIT).unwrap_or(u64::MAX);
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let file = |path: &str| Place::File(path.into());
        let variable = |name: &str| Place::Variable(name.to_owned());
        for (text, expected) in [
            ("id=a", Place::Either),
            ("id=a,src=b/c", file("b/c")),
            ("source=b=c,id=a", file("b=c")),
            ("type=file,id=a,src=b", file("b")),
            ("type=file,id=a", file("a")),
            ("ID=a,env=B", variable("B")),
            ("id=a,type=env,env=B", variable("B")),
            ("id=a,type=env,src=B", variable("B")),
            ("id=a,type=env", variable("a")),
        ] {
            let found = parse(text).expect(text);
            assert_eq!(found, ("a".to_owned(), expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for text in [
            "",
            "a",
            "id",
            "id=",
            "src=a",
            "id=a,id=b",
            "id=a,src=",
            "id=a,src=b,source=c",
            "id=a,src=b,env=C",
            "id=a,type=file,env=C",
            "id=a,type=vault",
            "id=a,mode=0400",
        ] {
            assert!(parse(text).is_err(), "accepted `{text}`");
        }
    }

    #[test]
    fn secrets_come_from_files_and_variables() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("s");
        fs_err::write(&path, b"of a file\n").expect("written");
        let environment = Environment::of(&[("TOKEN", "of a variable"), ("EMPTY", "")]);
        let texts = [
            format!("id=a,src={}", path.display()),
            "id=b,env=TOKEN".to_owned(),
            "id=TOKEN".to_owned(),
            "id=c,env=EMPTY".to_owned(),
            format!("id={}", path.display()),
        ];
        let found = read_all(&environment, &texts).expect("there");
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        assert_eq!(found["a"], secret("of a file\n"));
        assert_eq!(found["b"], secret("of a variable"));
        assert_eq!(found["TOKEN"], secret("of a variable"));
        assert_eq!(found["c"], secret(""));
        assert_eq!(found[&path.display().to_string()], secret("of a file\n"));
    }

    #[test]
    fn secrets_that_can_not_be_had_are_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let large = directory.path().join("large");
        fs_err::write(&large, vec![b'x'; Secret::LIMIT + 1]).expect("written");
        let environment = Environment::of(&[]);
        for (text, expected) in [
            (
                "id=a,src=/no/file".to_owned(),
                "there is no file `/no/file`",
            ),
            (
                "id=a,env=NO_SUCH".to_owned(),
                "the environment has no variable `NO_SUCH`",
            ),
            (
                "id=no-such".to_owned(),
                "the environment has no variable `no-such`",
            ),
            (
                format!("id=a,src={}", large.display()),
                "it has more than 512000 bytes",
            ),
            ("id=a,src=/".to_owned(), "Is a directory"),
        ] {
            let error = read_all(&environment, &[text]).expect_err(expected);
            let said = format!("{error:#}");
            assert!(said.starts_with("can not take the secret `"), "{said}");
            assert!(said.contains(expected), "{said}");
        }
        let twice = ["id=a,src=/dev/null", "id=a,src=/dev/null"].map(str::to_owned);
        assert!(read_all(&environment, &twice).is_err());
    }
}
