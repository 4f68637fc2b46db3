//! `wharf list`.

use std::str::FromStr;

use client::Pages;
use image::Named;
use oci::{ImageName, RegistryHost};

use crate::arguments::Global;
use crate::commands::wait;
use crate::environment::Environment;
use crate::places::{Need, Reached};
use crate::registries::{self, Reach};
use crate::report::{self, WithHint as _, usage};

/// Lists the images of the library, or what is in a registry.
///
/// Without an argument, or with a repository's name, it lists names in the
/// library with their digests; docker://HOST/REPOSITORY lists the tags of a
/// repository, docker://HOST the repositories of a registry.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to list
    #[arg(value_name = "WHERE")]
    place: Option<String>,

    /// Print a JSON array
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    reach: Reach,
}

/// Says what is listed.
#[derive(Debug, PartialEq, Eq)]
enum Listed {
    Library,
    Repository(ImageName),
    Tags(ImageName),
    Repositories(RegistryHost),
}

impl Listed {
    fn parse(text: Option<&str>) -> Result<Self, oci::ParseError> {
        let Some(text) = text else {
            return Ok(Self::Library);
        };
        let Some(text) = text.strip_prefix("docker://") else {
            let name = text.strip_prefix("local:").unwrap_or(text);
            return Ok(Self::Repository(name.parse()?));
        };
        let text = text.strip_suffix('/').unwrap_or(text);
        // A host alone; a repository alone has neither dot nor port.
        if !text.contains('/') && (text.contains(['.', ':']) || text == "localhost") {
            return Ok(Self::Repositories(text.parse()?));
        }
        Ok(Self::Tags(text.parse()?))
    }
}

/// Lists.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let listed = Listed::parse(arguments.place.as_deref())
        .or_usage(|| "this can not be listed".to_owned())
        .hint("list `docker://HOST/REPOSITORY`, `docker://HOST`, or names of the library")?;
    let need = match listed {
        Listed::Library | Listed::Repository(_) => Need::Library,
        Listed::Tags(_) | Listed::Repositories(_) => Need::Nothing,
    };
    let reached = Reached::new(environment, global, &arguments.reach, need)?;
    wait(async {
        let json = arguments.json;
        match listed {
            Listed::Library => print_names(&names(&reached, None).await?, global, json),
            Listed::Repository(name) => {
                print_names(&names(&reached, Some(&name)).await?, global, json)
            }
            Listed::Tags(name) => {
                let printed = print_tags(&reached, &name, json).await;
                let named = std::slice::from_ref(name.registry());
                printed.map_err(|error| reached.advise_on(error, named))
            }
            Listed::Repositories(registry) => {
                if let Some(mirror) = registries::only_mirrors(&reached.config, &registry).first() {
                    return Err(usage(format!(
                        "`{registry}` is not asked itself: it has `fallback = false`"
                    )))
                    .hint(format!("list its mirror `{mirror}` instead"));
                }
                let printed = async {
                    let pages = reached.client.registry(&registry).repositories().await?;
                    print_words(Some(Vec::new()), pages, json).await
                };
                let named = std::slice::from_ref(&registry);
                printed
                    .await
                    .map_err(|error| reached.advise_on(error, named))
            }
        }
    })
}

/// Lists the tags of the first that has the repository; a list that has begun
/// is not begun again.
async fn print_tags(reached: &Reached, name: &ImageName, json: bool) -> anyhow::Result<()> {
    let mut failed = None;
    for (host, repository) in registries::listings(&reached.config, name)? {
        let mut pages = reached.client.repository(&host, &repository).tags().await;
        let first = match &mut pages {
            Ok(pages) => pages.next().await,
            Err(_) => Ok(None),
        };
        match (pages, first) {
            (Ok(pages), Ok(first)) => return print_words(first, pages, json).await,
            (Err(error), _) | (_, Err(error)) => failed = Some(error),
        }
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

async fn names(reached: &Reached, within: Option<&ImageName>) -> anyhow::Result<Vec<Named>> {
    let Some(library) = reached.images.library() else {
        return Ok(Vec::new());
    };
    let mut names = library.list().await?;
    if let Some(wanted) = within {
        names.retain(|named| {
            (named.name.registry(), named.name.repository())
                == (wanted.registry(), wanted.repository())
        });
    }
    Ok(names)
}

fn print_names(names: &[Named], global: &Global, json: bool) -> anyhow::Result<()> {
    if json {
        let all: Vec<_> = names
            .iter()
            .map(|named| {
                serde_json::json!({
                    "name": named.name,
                    "digest": named.descriptor.digest,
                    "mediaType": named.descriptor.media_type,
                })
            })
            .collect();
        return report::result(&serde_json::to_string_pretty(&all)?);
    }
    let shown: Vec<String> = names.iter().map(|named| named.name.to_string()).collect();
    let width = shown.iter().map(String::len).max().unwrap_or_default();
    for (name, named) in shown.iter().zip(names) {
        if global.quiet {
            report::result(name)?;
        } else {
            report::result(&format!("{name:width$}  {}", named.descriptor.digest))?;
        }
    }
    Ok(())
}

/// Prints a list page by page, however long it is.
async fn print_words<T>(
    first: Option<Vec<T>>,
    mut pages: Pages<T>,
    json: bool,
) -> anyhow::Result<()>
where
    T: std::fmt::Display + FromStr<Err = oci::ParseError>,
{
    let mut all = Vec::new();
    let mut next = first;
    while let Some(page) = next {
        let words = page.iter().map(ToString::to_string);
        if json {
            all.extend(words);
        } else {
            for word in words {
                report::result(&word)?;
            }
        }
        next = pages.next().await?;
    }
    if json {
        report::result(&serde_json::to_string_pretty(&all)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_read_from_its_name() {
        let parse = |text: &str| Listed::parse(Some(text)).expect("valid");
        let name = |text: &str| text.parse::<ImageName>().expect("valid");
        assert_eq!(Listed::parse(None), Ok(Listed::Library));
        assert_eq!(parse("busybox"), Listed::Repository(name("busybox")));
        assert_eq!(parse("local:busybox"), Listed::Repository(name("busybox")));
        assert_eq!(parse("docker://busybox"), Listed::Tags(name("busybox")));
        assert_eq!(parse("docker://a.test/b"), Listed::Tags(name("a.test/b")));
        for text in ["docker://a.test:1", "docker://a.test:1/"] {
            let host = "a.test:1".parse().expect("valid");
            assert_eq!(parse(text), Listed::Repositories(host));
        }
        for text in ["", "docker://", "docker://a.test/B", "UPPER"] {
            assert!(Listed::parse(Some(text)).is_err(), "accepted `{text}`");
        }
    }
}
