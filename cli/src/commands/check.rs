//! `wharf check`.

mod scrub;

use std::path::{Component, Path, PathBuf};

use builder::{ContextSource, DockerfileSource, ErrorKind, Prepared, Request, SourceText};

use crate::arguments::Global;
use crate::commands::build::{self, Sources};
use crate::commands::wait;
use crate::diagnostics::{self, Checked, Colours, Form};
use crate::environment::{self, Environment};
use crate::places::{Need, Reached};
use crate::registries::Reach;
use crate::report::{self, hinted, say, usage};

/// Tells what is wrong with a Dockerfile, or with the storage of a registry.
///
/// Of a Dockerfile, nothing is built, and no registry is asked: of bases only
/// what is in the library is known. The end is 0 if nothing was found, 1 for
/// warnings, and 2 for what can not be built. `# check=skip=RULE` in the file
/// skips a rule.
///
/// Of a storage, which `--storage` names, everything is read: it finds what is
/// missing, damaged, left over or not of wharf. A check that was stopped goes
/// on where it was. A bucket may be served meanwhile, a directory not. The end
/// is 0 if nothing is wrong or all was healed, and 1 otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The files that may be copied: a directory, a tar archive, a URL of one, a git repository, or - [default: .]
    #[arg(value_name = "CONTEXT")]
    context: Option<PathBuf>,

    #[command(flatten)]
    sources: Sources,

    /// How it is told
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Form,

    #[command(flatten)]
    reach: Reach,

    #[command(flatten)]
    scrub: scrub::Scrubbing,
}

/// Checks.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    if arguments.scrub.storage.storage.is_some() {
        let of_dockerfile = arguments.context.is_some()
            || arguments.sources != Sources::default()
            || arguments.reach != Reach::default();
        if of_dockerfile {
            return Err(usage(
                "`--storage` checks a storage, and what else was named is about a Dockerfile",
            ));
        }
        return scrub::run(environment, global, &arguments.scrub, arguments.format);
    }
    if let Some((_, flag, _)) = arguments.scrub.storage.flags().first() {
        return Err(usage(format!(
            "`{flag}` is about a storage, and `--storage` names none"
        )));
    }
    let context = arguments.context.as_deref().unwrap_or(Path::new("."));
    let reached = Reached::new(environment, global, &arguments.reach, Need::LibraryIfThere)?;
    let request = build::request(environment, context, &arguments.sources)?;
    check(environment, global, &reached, (request, arguments.format))
}

/// What helps where the Dockerfile itself was named as the context.
const IS_FILE: &str = "a Dockerfile is named by `-f`: `wharf check -f FILE`";

/// Checks what a build was asked for, and tells what was found.
pub(super) fn check(
    environment: &Environment,
    global: &Global,
    reached: &Reached,
    (request, form): (Request, Form),
) -> anyhow::Result<()> {
    let named = Named::of(&request);
    let file = matches!(request.context, ContextSource::Archive(_));
    let (prepared, found) = wait(async {
        let prepared = Prepared::new(request).await;
        let prepared = prepared.map_err(|error| match (file, error.kind()) {
            // Other programs take the Dockerfile in this place.
            (true, ErrorKind::Context) => hinted(diagnostics::plain(error), IS_FILE),
            _ => diagnostics::plain(error),
        })?;
        let found = prepared.check(&reached.images).await;
        let found = found.map_err(|error| diagnostics::failed(&prepared, error))?;
        Ok((prepared, found))
    })?;
    let dockerfile = prepared.dockerfile();
    let mut checked = vec![Checked {
        name: named.dockerfile(dockerfile),
        source: dockerfile,
        diagnostics: &found.diagnostics,
    }];
    if let Some(ignore_file) = prepared.ignore_file() {
        checked.push(Checked {
            name: named.ignore_file(ignore_file),
            source: ignore_file,
            diagnostics: &found.ignore_diagnostics,
        });
    }
    let coloured = environment::stdout_is_terminal()
        && environment.variable("NO_COLOR").is_none()
        && environment.variable("TERM") != Some("dumb");
    let colours = match coloured {
        true => Colours::On,
        false => Colours::Off,
    };
    let written = diagnostics::write(form, colours, &checked)?;
    report::result_bytes(written.as_bytes())?;
    if !global.quiet {
        say(&diagnostics::summary(&checked));
    }
    diagnostics::end(&checked)
}

/// Names the files as seen from where the program runs, for whoever wants to
/// open them: those of a context are known by their paths in it.
struct Named {
    /// The directory of the context, if it is one.
    context: Option<PathBuf>,
    /// Whether the Dockerfile is in the context.
    inside: bool,
}

/// The name of the ignore file of a context.
const IGNORE_FILE: &str = ".dockerignore";

impl Named {
    fn of(request: &Request) -> Self {
        Self {
            context: match &request.context {
                ContextSource::Directory(path) => Some(path.clone()),
                _ => None,
            },
            inside: matches!(request.dockerfile, DockerfileSource::Context(_)),
        }
    }

    fn dockerfile(&self, source: &SourceText) -> String {
        self.name(source, self.inside)
    }

    fn ignore_file(&self, source: &SourceText) -> String {
        // Beside a Dockerfile elsewhere it has the name of that.
        self.name(source, self.inside || source.name == IGNORE_FILE)
    }

    fn name(&self, source: &SourceText, inside: bool) -> String {
        let name = Path::new(&source.name);
        match &self.context {
            Some(context) if inside => from_here(&context.join(name)),
            _ if source.name.contains("://") => source.name.clone(),
            _ => from_here(name),
        }
    }
}

/// Names a path relative to where the program runs, if it is below there.
fn from_here(path: &Path) -> String {
    let here = environment::working_directory();
    let below = here
        .as_deref()
        .and_then(|here| path.strip_prefix(here).ok());
    let parts = below.unwrap_or(path).components();
    let path: PathBuf = parts.filter(|part| *part != Component::CurDir).collect();
    path.display().to_string()
}
