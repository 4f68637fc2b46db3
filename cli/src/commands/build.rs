//! `wharf build`.

mod caching;
mod call;
mod compression;
mod context;
mod deliver;
mod docker;
mod epoch;
mod labels;
mod load;
mod named;
mod output;
mod push;
mod results;
mod running;
mod sources;
mod verify;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use builder::{
    Built, Cache, Exports, Fidelity, Format, Modes, Prepared, Progress, Request, THREADS_LIMIT,
    Xattrs,
};
use image::Place;
use serde_json::json;

use crate::arguments::Global;
use crate::commands::{check, wait};
use crate::diagnostics::{self, Form};
use crate::environment::Environment;
use crate::places::{Need, Reached};
use crate::progress::{self, Building};
use crate::registries::Reach;
use crate::report::{self, say};

use self::call::Call;
pub(crate) use self::context::{DOCKERFILE_LIMIT, read_stdin};
use self::deliver::Delivery;
pub(crate) use self::docker::explain;
use self::load::Loader;
use self::output::{Stdout, Writing};
use self::push::Targets;
pub(crate) use self::running::{choice, launch, usual};
pub(crate) use self::sources::{Sources, request};

/// Builds an image from a Dockerfile.
///
/// The image goes to the library of this machine, under each name that `-t`
/// gives or else under its digest; `wharf push` brings it to a registry. The
/// digest is printed last: the same one for the same files on any machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The files that may be copied: a directory, a tar archive, a URL of one, a git repository, or - for either a tar archive or a Dockerfile on standard input
    #[arg(value_name = "CONTEXT")]
    context: PathBuf,

    #[command(flatten)]
    sources: Sources,

    /// A name for the image; may be given several times
    #[arg(short, long = "tag", value_name = "NAME")]
    tags: Vec<String>,

    /// Where else the result goes, as in type=oci,dest=image.tar; types are oci, docker, local, tar, image, registry and cacheonly; DIR alone is type=local, and - alone type=tar on standard output; may be given several times
    #[arg(short, long = "output", value_name = "OUTPUT")]
    outputs: Vec<String>,

    /// Push the image under each of its names
    #[arg(long)]
    push: bool,

    /// Give the image to docker or podman on this machine
    #[arg(long, value_name = "PROGRAM", num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    load: Option<load::Choice>,

    #[command(flatten)]
    labels: labels::Labels,

    /// Tell of each step that is done, and not cached, what changed since an earlier build
    #[arg(long)]
    explain_cache: bool,

    /// How it is shown how the build comes on [default: $BUILDKIT_PROGRESS, else auto]
    #[arg(long, value_name = "MODE")]
    progress: Option<progress::Mode>,

    #[command(flatten)]
    results: results::Results,

    /// Build nothing, and tell what is wrong with the Dockerfile or could be better, as `wharf check` does
    #[arg(long, conflicts_with = "call")]
    check: bool,

    /// What to do: build; check, as `wharf check` does; outline, the arguments, secrets and SSH agents that a stage takes; or targets, the stages; followed by ,format=json for programs
    #[arg(long, value_name = "METHOD[,format=FORMAT]", default_value = "build", value_parser = call::parse)]
    call: Call,

    /// Run every command and pack every layer anew
    #[arg(long)]
    no_cache: bool,

    /// Build a second time, without the cache and in another sandbox where there is one, and tell which files of which steps differ; then nothing is pushed or written, and the end is 9
    #[arg(long)]
    verify: bool,

    /// Whose types the image is written in: oci or docker
    #[arg(long, value_name = "FORMAT", default_value = "oci")]
    format: FormatName,

    #[command(flatten)]
    compression: compression::Flags,

    /// Take over the permissions of files as they are on this machine
    #[arg(long)]
    preserve_modes: bool,

    /// Take over the extended attributes of files
    #[arg(long)]
    preserve_xattrs: bool,

    /// The time of files and image: seconds since 1970, or git for that of the last commit [default: $SOURCE_DATE_EPOCH, else 0]
    #[arg(long, value_name = "TIME")]
    source_date_epoch: Option<String>,

    /// How many threads compress, at most 8 [default: as many as there are processors]
    #[arg(long, value_name = "NUMBER", value_parser = threads)]
    threads: Option<NonZeroUsize>,

    /// How many steps are done at a time, of stages that do not need each other [default: as many as there are processors]
    #[arg(long, value_name = "NUMBER", value_parser = threads)]
    jobs: Option<NonZeroUsize>,

    #[command(flatten)]
    caching: caching::Flags,

    #[command(flatten)]
    cache_mounts: caching::mounts::CacheMounts,

    #[command(flatten)]
    reach: Reach,

    #[command(flatten)]
    running: running::Flags,
}

/// Names the types that an image is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FormatName {
    /// OCI's
    Oci,
    /// Docker's
    Docker,
}

/// Builds.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let call = match arguments.check {
        true => Call::Check(Form::Human),
        false => arguments.call,
    };
    if call != Call::Build {
        return answer(environment, global, arguments, call);
    }
    let form = progress::Form::choose(environment, global, arguments.progress)?;
    let global = &Global {
        quiet: form.is_silent(),
        ..global.clone()
    };
    let building = match arguments.explain_cache {
        true => Building::new(environment, form).explaining(),
        false => Building::new(environment, form),
    };
    let building = Arc::new(building);
    let done = make(environment, global, arguments, &building);
    if let Err(error) = &done {
        building.clear();
        let (exit, message) = report::told(error);
        building.tell("failed", &json!({ "exit": exit, "message": message }));
    }
    done
}

/// Builds, and brings what was built to where it goes.
fn make(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
    building: &Arc<Building>,
) -> anyhow::Result<()> {
    let outputs = output::parse_all(&arguments.outputs)?;
    outputs.check_stdout(Stdout::of_this_process())?;
    let targets = Targets::of((arguments.push, &arguments.tags), &outputs)?;
    let mut reached = Reached::new(environment, global, &arguments.reach, Need::Library)?;
    outputs.check_library(&environment.library_directory()?)?;
    for (name, _) in &targets.pushed {
        reached = reached.blaming(&Place::Registry(name.clone()));
    }
    let request = Request {
        names: targets.names.clone(),
        sending: match arguments.verify {
            true => Vec::new(),
            false => targets.repositories(),
        },
        running: arguments.running.running(environment, &reached.config)?,
        ..requested(environment, arguments, Arc::clone(building))?
    };
    caching::check_destinations(&request.caches, &targets, &outputs)?;
    let platforms = request.platforms.clone();
    outputs.check_platforms(&platforms)?;
    let loader = Loader::choose(environment, arguments.load, &outputs)?;
    if loader.is_some() {
        output::check_one("`--load`", &platforms)?;
    }
    let dockerfile = arguments.sources.file.clone();
    let dockerfile = dockerfile.unwrap_or_else(|| arguments.context.join("Dockerfile"));
    arguments.results.clear(&dockerfile)?;
    if !global.quiet {
        epoch::tell(request.epoch);
        outputs.warn_of_types(request.format);
    }
    caching::warn_of_unread(&request);
    let (prepared, mut built, exports) = build(&reached, request, building, global)?;
    building.clear();
    tell(&built, building, global);
    if arguments.verify {
        let report = again(&reached, (&prepared, &built), building)?;
        verify::tell(&prepared, &report, global.quiet)?;
    }
    export(&reached, &prepared, (&mut built, &exports), building)?;
    caching::tell(&built, building, global.quiet);
    let delivery = Delivery {
        environment,
        writing: Writing {
            reached: &reached,
            built: &built,
            platforms: &platforms,
            scratch: &environment.temporary_directory(),
            building,
        },
        quiet: global.quiet,
    };
    delivery.deliver(&outputs, loader.as_ref(), &targets)?;
    arguments.results.write(environment, (&prepared, &built))?;
    building.sum_up();
    drop(prepared);
    print(&built, &outputs, global)
}

/// Prints the digest of what was built.
fn print(built: &Built, outputs: &output::Outputs, global: &Global) -> anyhow::Result<()> {
    let digest = built.descriptor.digest.to_string();
    if outputs.has_stdout() {
        // The result is there already; the digest would spoil it.
        if !global.quiet {
            say(&digest);
        }
        return Ok(());
    }
    report::result(&digest)
}

/// Tells what there is to tell of a Dockerfile, in the place of a build.
fn answer(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
    call: Call,
) -> anyhow::Result<()> {
    let request = request(environment, &arguments.context, &arguments.sources)?;
    if !global.quiet {
        call::warn_of_idle(arguments);
    }
    match call {
        Call::Build => Ok(()),
        Call::Check(form) => {
            let reach = &arguments.reach;
            let reached = Reached::new(environment, global, reach, Need::LibraryIfThere)?;
            check::check(environment, global, &reached, (request, form))
        }
        Call::Outline(written) => call::outline(request, written),
        Call::Targets(written) => call::targets(request, written),
    }
}

fn requested(
    environment: &Environment,
    arguments: &Arguments,
    progress: Arc<Building>,
) -> anyhow::Result<Request> {
    let request = request(environment, &arguments.context, &arguments.sources)?;
    let chosen = arguments.source_date_epoch.as_deref();
    let given = request.arguments.get(epoch::VARIABLE).map(String::as_str);
    let threads = match arguments.threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    Ok(Request {
        epoch: epoch::choose(environment, chosen.or(given), &arguments.context)?,
        fidelity: Fidelity {
            modes: match arguments.preserve_modes {
                true => Modes::Preserved,
                false => Modes::Normalized,
            },
            xattrs: match arguments.preserve_xattrs {
                true => Xattrs::Preserved,
                false => Xattrs::Dropped,
            },
        },
        format: match arguments.format {
            FormatName::Oci => Format::Oci,
            FormatName::Docker => Format::Docker,
        },
        compression: arguments.compression.compression()?,
        annotations: arguments.labels.annotations(&request.platforms)?,
        labels: arguments.labels.labels()?,
        caches: builder::Caches {
            mounts: arguments.cache_mounts.mounts()?,
            ..arguments.caching.caches()?
        },
        cache: match arguments.no_cache {
            true => Cache::Refresh,
            false => Cache::Use,
        },
        threads,
        jobs: arguments.jobs.unwrap_or(threads),
        progress: progress as Arc<dyn Progress>,
        ..request
    })
}

/// Reads a number of threads.
fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse::<NonZeroUsize>().ok();
    number
        .filter(|number| number.get() <= THREADS_LIMIT)
        .ok_or_else(|| format!("it is a number from 1 to {THREADS_LIMIT}"))
}

/// Builds, and shows what there is to say of the Dockerfile.
fn build(
    reached: &Reached,
    request: Request,
    building: &Building,
    global: &Global,
) -> anyhow::Result<(Prepared, Built, Exports)> {
    wait(async {
        let prepared = Prepared::new(request).await.map_err(diagnostics::plain)?;
        let built = prepared.build(&reached.images).await;
        building.clear();
        let (built, exports) = built.map_err(|error| {
            if !global.quiet {
                diagnostics::warn_before(&prepared, &error);
            }
            failed(reached, &prepared, error)
        })?;
        if !global.quiet {
            diagnostics::warn(&prepared, &built);
        }
        results::tell_warnings(building, (&prepared, &built));
        Ok((prepared, built, exports))
    })
}

/// Shows where a build failed, and gives the error to end with.
fn failed(reached: &Reached, prepared: &Prepared, error: builder::Error) -> anyhow::Error {
    // The names that `-t` gives have no part in this.
    let base = error.base().map(|base| base.registry().clone());
    let error = diagnostics::failed(prepared, error);
    reached.advise_on(error, base.as_slice())
}

/// Builds once more, and compares.
fn again(
    reached: &Reached,
    (prepared, built): (&Prepared, &Built),
    building: &Building,
) -> anyhow::Result<builder::Report> {
    wait(async {
        let report = prepared.verify(&reached.images, built).await;
        building.clear();
        report.map_err(|error| failed(reached, prepared, error))
    })
    .context("the second build failed")
}

/// Writes caches for other machines.
fn export(
    reached: &Reached,
    prepared: &Prepared,
    (built, exports): (&mut Built, &Exports),
    building: &Building,
) -> anyhow::Result<()> {
    wait(async {
        let exported = prepared.export(&reached.images, built, exports).await;
        building.clear();
        exported.map_err(|error| failed(reached, prepared, error))
    })
}

/// Sums up what was built.
fn tell(built: &Built, building: &Building, global: &Global) {
    building.tell("built", &results::metadata(built, None));
    if global.quiet {
        return;
    }
    let layers: Vec<_> = built
        .images
        .iter()
        .flat_map(|image| &image.layers)
        .collect();
    let size: u64 = layers.iter().map(|layer| layer.descriptor.size).sum();
    let layers = match layers.len() {
        1 => "1 layer".to_owned(),
        count => format!("{count} layers"),
    };
    let names: Vec<String> = built.names.iter().map(|name| format!("`{name}`")).collect();
    say(&format!(
        "built {}: {layers}, {}{}",
        names.join(", "),
        progress::bytes(size),
        match built.written {
            0 => "; nothing changed, and the library was not written to",
            _ => "",
        }
    ));
}
