//! Walks a plan: stage by stage, instruction by instruction. The one place
//! that composes a build.

mod bases;
mod copying;
mod files;
mod keeping;
mod lookup;
mod planning;
mod run;
mod running;
mod stage;
mod workdir;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ::image::{Images, Library, Place};
use bytes::Bytes;
use dockerfile::{Diagnostic, Ignore, Severity};
use futures_util::{FutureExt as _, StreamExt as _};
use oci::{Config, Descriptor, Digest, ImageName, Platform};
use tokio::sync::{Semaphore, mpsc};

use crate::cache::remote::{self, CacheDestination, CacheSent, ExportedStep, InlineCache};
use crate::cache::{Memory, Traces, mounts};
use crate::context::{ContextSource, Filtered};
use crate::error::{Error, ErrorKind, Mistaken};
use crate::events::{Event, Progress};
use crate::image::LayerOf;
use crate::pack::layers::{Layers, locked};
use crate::pack::reading::Content;
use crate::plan::Plan;
use crate::prepare::Prepared;
use crate::request::{Cache, Request, SandboxChoice};
use crate::verify::{self, Report};

use self::keeping::{compose_image, keep};
use self::planning::Planned;
use self::run::{Build, Works};
use self::running::Sandboxes;
use self::stage::StageState;

/// Is what was built, and kept in the library: one image, or an index of one
/// for each platform.
#[derive(Debug, Clone)]
pub struct Built {
    /// The manifest or the index that the names stand for: type, digest and
    /// size.
    pub descriptor: Descriptor,
    /// What a layout notes where it lists this.
    pub annotations: BTreeMap<String, String>,
    /// The images, one for each platform that was asked for, in that order.
    pub images: Vec<BuiltImage>,
    /// How many blobs and names the library did not have before.
    pub written: usize,
    /// The cache mounts that [`Prepared::export`] sent to other machines.
    pub cache_mounts: Vec<mounts::MountExported>,
    /// The caches that it wrote, by where they are.
    pub caches: Vec<(CacheDestination, CacheSent)>,
    /// The cache that goes with the image, when it is pushed.
    pub inline: Option<InlineCache>,
    /// What there is to say of the Dockerfile, though it could be built.
    pub warnings: Vec<Diagnostic>,
    /// What there is to say of the ignore file.
    pub ignore_warnings: Vec<Diagnostic>,
    /// The names that it was given; at least one.
    pub names: Vec<ImageName>,
}

/// Is one image that was built.
#[derive(Debug, Clone)]
pub struct BuiltImage {
    /// The machine that it is for, as its config says.
    pub platform: Platform,
    /// Its manifest: type, digest and size.
    pub descriptor: Descriptor,
    /// The digest of its config, by which docker knows it.
    pub config: Digest,
    /// Its layers, lowest first.
    pub layers: Vec<BuiltLayer>,
    /// All instructions that were done for it, in the order of the plan.
    pub steps: Vec<BuiltStep>,
}

/// Is a layer of an image that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltLayer {
    /// The blob: type, digest and size.
    pub descriptor: Descriptor,
    /// The digest of what it holds, uncompressed.
    pub diff_id: Digest,
}

/// Names an image that was given no name: by its digest, in a repository that
/// no registry has.
#[must_use]
pub fn untagged(digest: &Digest) -> ImageName {
    let registry = "localhost".parse().expect("a registry by its form");
    let repository = "untagged".parse().expect("a repository by its form");
    ImageName::new(registry, repository, oci::Reference::Digest(*digest))
}

/// Is one instruction that was done, for whoever compares two builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltStep {
    /// The stage, by its name or its number from 0.
    pub stage: String,
    /// The instruction as it is written, in one line.
    pub text: String,
    /// Where it stands in the Dockerfile.
    pub span: dockerfile::Span,
    /// The layer that it made, if it made one.
    pub layer: Option<BuiltLayer>,
}

/// Is what a build has for other machines: what its steps came to, and which
/// caches its commands had. It goes nowhere but by [`Prepared::export`].
#[derive(Debug)]
pub struct Exports {
    steps: Vec<ExportedStep>,
    mounts: Arc<mounts::Ledger>,
}

/// Is what the walks over the plans of all platforms came to.
struct Walked {
    images: LastStages,
    /// What steps came to, for caches elsewhere.
    exported: Vec<ExportedStep>,
    /// How many layers were made.
    packed: usize,
    warnings: Vec<Diagnostic>,
    ignore_warnings: Vec<Diagnostic>,
}

/// Builds what was prepared, and writes nothing but to the library.
pub(crate) async fn run(prepared: &Prepared, images: &Images) -> Result<(Built, Exports), Error> {
    let library = library(images)?;
    let request = &prepared.request;
    let mounts = Arc::default();
    let walked = walk(prepared, request, (images, &mounts)).await?;
    let mut all = Vec::with_capacity(walked.images.len());
    for (stage, steps) in walked.images {
        all.push((compose_image(request, stage)?, steps));
    }
    let built = keep(request, library, all).await?;
    let built = Built {
        written: built.written + walked.packed,
        warnings: walked.warnings,
        ignore_warnings: walked.ignore_warnings,
        ..built
    };
    let steps = walked.exported;
    Ok((built, Exports { steps, mounts }))
}

/// Writes what a build has for other machines to where it was asked for.
pub(crate) async fn export(
    request: &Request,
    images: &Images,
    (built, exports): (&mut Built, &Exports),
) -> Result<(), Error> {
    let targets = &request.caches.mounts.to;
    built.cache_mounts = mounts::export(images, request, targets, &exports.mounts).await?;
    let (progress, image) = (request.progress.as_ref(), &built.descriptor);
    let caches = &request.caches.to;
    let caches = remote::export_all(images, caches, &exports.steps, image, progress).await?;
    built.caches = caches.sent;
    built.inline = caches.inline;
    Ok(())
}

/// Builds once more what was built: without what was packed or run before, by
/// another number of threads, and in another sandbox where there is one. What
/// it packs serves no other build.
pub(crate) async fn verify(
    prepared: &Prepared,
    images: &Images,
    built: &Built,
) -> Result<Report, Error> {
    let library = library(images)?;
    let mut request = prepared.request.clone();
    request.cache = Cache::Apart;
    request.threads = match request.threads.get() {
        1 => NonZeroUsize::MIN.saturating_add(1),
        _ => NonZeroUsize::MIN,
    };
    request.progress.note(&Event::Verifying);
    let mut steps = built.images.iter().flat_map(|image| &image.steps);
    if steps.any(BuiltStep::is_command)
        && let Some(name) = running::another(&request.running).await?
    {
        request.running.sandbox = SandboxChoice::Named(name);
    }
    let again = walk(prepared, &request, (images, &Arc::default())).await?;
    let layers = Layers::new(images, library, &request);
    let mut report = Report::default();
    for ((stage, steps), first) in again.images.into_iter().zip(&built.images) {
        let image = compose_image(&request, stage)?;
        let read = library.read(&first.config, Config::LIMIT).await;
        let config = read.map_err(|error| Error::image("can not read the config", error))?;
        report.add_all(verify::compare(
            &evidence(&layers, &first.steps, &config.unwrap_or_default()).await?,
            &evidence(&layers, &steps, &image.config).await?,
        ));
    }
    Ok(report)
}

/// Gathers what one build came to.
async fn evidence(
    layers: &Layers,
    steps: &[BuiltStep],
    config: &Bytes,
) -> Result<verify::Evidence, Error> {
    let mut all = Vec::with_capacity(steps.len());
    for step in steps {
        let mut layer = None;
        if let Some(built) = &step.layer {
            let of = LayerOf {
                descriptor: built.descriptor.clone(),
                diff_id: built.diff_id,
            };
            let place = here(&built.descriptor.digest);
            layer = Some(verify::LayerEvidence {
                diff_id: built.diff_id,
                index: layers.index(0, (&of, &place), Content::Passed).await?,
            });
        }
        all.push(verify::StepEvidence {
            stage: step.stage.clone(),
            text: step.text.clone(),
            span: step.span,
            layer,
        });
    }
    Ok(verify::Evidence {
        steps: all,
        config: config.to_vec(),
    })
}

impl BuiltStep {
    /// Says whether it is a `RUN`.
    fn is_command(&self) -> bool {
        let word = self.text.split_whitespace().next();
        word.is_some_and(|word| word.eq_ignore_ascii_case("RUN"))
    }
}

fn library(images: &Images) -> Result<&Library, Error> {
    images.library().ok_or_else(|| {
        Error::new(
            ErrorKind::Image,
            "there is no local library to keep the image in",
        )
    })
}

/// Does all steps of a build, for all platforms at once.
async fn walk(
    prepared: &Prepared,
    request: &Request,
    (images, cache_mounts): (&Images, &Arc<mounts::Ledger>),
) -> Result<Walked, Error> {
    let library = library(images)?;
    let (ignore, ignore_warnings) = read_ignore(prepared)?;
    let mut imported = Vec::new();
    if request.cache == Cache::Use {
        let progress = request.progress.as_ref();
        imported = remote::import_all(images, &request.caches.from, progress).await;
    }
    let mut planned = Vec::with_capacity(request.platforms.len());
    for platform in &request.platforms {
        planned.push(planning::plan(prepared, (images, library), platform, &ignore).await?);
    }
    let progress = request.progress.as_ref();
    progress.note(&Event::Planned {
        stages: planned
            .iter()
            .map(|planned| planned.plan.stages.len())
            .sum(),
        steps: planned.iter().map(|planned| planned.plan.steps()).sum(),
    });
    let mut warnings = Vec::new();
    if let Some(first) = planned.first() {
        // The file is the same for all.
        if request.cache != Cache::Apart {
            warn_of_unused(&first.plan, progress);
            warn_of_library(&request.context, library, (&ignore, progress));
        }
        warnings.clone_from(&first.warnings);
    }
    // What is built once more is only compared.
    let sends = request.cache != Cache::Apart && !request.sending.is_empty();
    let (outgoing, layers) = mpsc::unbounded_channel();
    let works = Works {
        request,
        layers: Layers::new(images, library, request),
        memory: Memory::new(library, request.cache, imported),
        traces: Traces::open(library, request.cache, identity(prepared)).await,
        sandboxes: Sandboxes::new(request.running.clone()),
        jobs: Semaphore::new(request.jobs.get()),
        told_of_users: AtomicBool::new(false),
        lacking: Mutex::default(),
        packed: AtomicUsize::new(0),
        cache_mounts: Arc::clone(cache_mounts),
        outgoing: Mutex::new(sends.then_some(outgoing)),
    };
    let context = Filtered {
        opened: prepared.context.clone(),
        ignore,
        ignore_name: prepared
            .ignore
            .as_ref()
            .map_or_else(String::new, |file| file.name.clone()),
    };
    let files = (&context, &prepared.contexts);
    let all = async {
        let done = all_stages(&works, &mut planned, files).await;
        // Of a build that failed too: its steps were done.
        tokio::join!(works.traces.save(), works.sandboxes.close());
        done
    };
    let sending = send_all(request, images, layers);
    let done = futures_util::future::try_join(all, sending.map(Ok)).await;
    let ((images, exported), ()) = done.map_err(|error| error.after(warnings.clone()))?;
    Ok(Walked {
        images,
        exported,
        packed: works.packed.load(Ordering::Relaxed),
        warnings,
        ignore_warnings,
    })
}

/// Is what the last stages became, and what was done for them.
type LastStages = Vec<(StageState, Vec<BuiltStep>)>;

/// Does all stages for all platforms, and gives what the last ones became, and
/// what steps came to, for caches elsewhere.
async fn all_stages(
    works: &Works<'_>,
    planned: &mut [Planned],
    files: (&Filtered, &BTreeMap<String, Filtered>),
) -> Result<(LastStages, Vec<ExportedStep>), Error> {
    let platforms = &works.request.platforms;
    let mut builds = Vec::with_capacity(planned.len());
    let mut before = 0;
    for (planned, platform) in planned.iter_mut().zip(platforms) {
        let label = match platforms.len() {
            1 => String::new(),
            _ => format!("{platform} "),
        };
        let plan = (&planned.plan, std::mem::take(&mut planned.bases));
        builds.push(Build::new(works, plan, files, (label, before)));
        before += planned.plan.steps();
    }
    let done = futures_util::future::try_join_all(builds.iter().map(Build::stages)).await;
    // There will be no more layers to send.
    locked(&works.outgoing).take();
    let last = done?.into_iter().zip(&builds);
    let images = last.map(|(last, build)| (last.state.clone(), build.steps()));
    let exported = builds.iter().flat_map(Build::take_exported);
    Ok((images.collect(), exported.collect()))
}

/// Names what is built, so that builds of it can be compared.
fn identity(prepared: &Prepared) -> Digest {
    let Prepared {
        request,
        dockerfile,
        ..
    } = prepared;
    let context = match &request.context {
        ContextSource::Directory(path) => {
            let path = fs_err::canonicalize(path).unwrap_or_else(|_| path.clone());
            path.display().to_string()
        }
        ContextSource::Archive(_) | ContextSource::Stream(_) => String::new(),
        ContextSource::Remote(address) => address.clone(),
    };
    let target = request.target.as_deref().unwrap_or_default();
    let identity = format!("{context}\0{}\0{target}", dockerfile.name);
    Digest::sha256(identity.as_bytes())
}

/// How many layers are sent at a time while steps are done.
const SENDS_AT_ONCE: usize = 4;

/// Sends layers to where the image will be pushed, until there are no more.
/// What fails is for the push to do again, and to tell of.
async fn send_all(
    request: &Request,
    images: &Images,
    mut layers: mpsc::UnboundedReceiver<(Descriptor, Place)>,
) {
    let layers = futures_util::stream::poll_fn(|context| layers.poll_recv(context));
    let sends = layers.for_each_concurrent(SENDS_AT_ONCE, async |(layer, place)| {
        for name in &request.sending {
            let bytes = match images.send(&layer, &place, name).await {
                Ok(::image::Sent::Uploaded { bytes }) => bytes,
                Ok(_) => 0,
                Err(_) => continue,
            };
            request.progress.note(&Event::Sent {
                digest: &layer.digest,
                bytes,
            });
        }
    });
    sends.await;
}

/// Tells of what was given and is not asked for.
fn warn_of_unused(plan: &Plan, progress: &dyn Progress) {
    for name in &plan.unused {
        let message = format!("no `ARG` takes the build argument `{name}`");
        progress.note(&Event::Warned {
            message: &message,
            hint: "declare it with `ARG`",
        });
    }
    for name in &plan.unused_contexts {
        let message = format!("no instruction names the build context `{name}`");
        progress.note(&Event::Warned {
            message: &message,
            hint: "`FROM`, `COPY --from` and `from=` of a mount take it",
        });
    }
}

/// Tells of a library that lies in the context: what copies its directory has
/// it in the image, and finds another one there every time.
fn warn_of_library(
    context: &ContextSource,
    library: &Library,
    (ignore, progress): (&Ignore, &dyn Progress),
) {
    let ContextSource::Directory(context) = context else {
        return;
    };
    let resolved = (
        fs_err::canonicalize(context),
        fs_err::canonicalize(library.root()),
    );
    let (Ok(context), Ok(library)) = resolved else {
        return;
    };
    let Ok(inner) = library.strip_prefix(&context) else {
        return;
    };
    // By itself, or all that is in it.
    let paths = [inner.to_owned(), inner.join("blobs")];
    let is_ignored = |path: &PathBuf| ignore.matches(path.as_os_str().as_bytes());
    if paths.iter().any(is_ignored) {
        return;
    }
    let message = match inner.as_os_str().is_empty() {
        true => "the context is the library of images".to_owned(),
        false => format!(
            "the library of images `{}` is a part of the context",
            inner.display()
        ),
    };
    progress.note(&Event::Warned {
        message: &message,
        hint: "have `.dockerignore` name it, or `WHARF_HOME` name another directory",
    });
}

/// Is what there is to say of the files of a build.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Of the Dockerfile, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// Of the ignore file.
    pub ignore_diagnostics: Vec<Diagnostic>,
}

/// Checks what was prepared, and builds nothing.
pub(crate) async fn check(prepared: &Prepared, images: &Images) -> Result<Checked, Error> {
    let bytes = prepared.ignore.as_ref().map(|file| file.bytes.as_slice());
    let (ignore, ignore_diagnostics) = Ignore::parse(bytes.unwrap_or_default());
    let Some(platform) = prepared.request.platforms.first() else {
        return Err(Error::new(ErrorKind::Unsupported, "no platform is given"));
    };
    Ok(Checked {
        diagnostics: planning::check(prepared, images, platform, &ignore).await?,
        ignore_diagnostics,
    })
}

fn read_ignore(prepared: &Prepared) -> Result<(Ignore, Vec<Diagnostic>), Error> {
    let bytes = prepared.ignore.as_ref().map(|file| file.bytes.as_slice());
    let (ignore, diagnostics) = Ignore::parse(bytes.unwrap_or_default());
    if diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
    {
        return Err(Error::mistakes(Mistaken::IgnoreFile, diagnostics));
    }
    Ok((ignore, diagnostics))
}

impl BuiltLayer {
    fn of(layer: &LayerOf) -> Self {
        Self {
            descriptor: layer.descriptor.clone(),
            diff_id: layer.diff_id,
        }
    }
}

/// Names a time as configs do (RFC 3339).
fn created(epoch: u64) -> Result<String, Error> {
    let time = i64::try_from(epoch)
        .ok()
        .and_then(|epoch| jiff::Timestamp::from_second(epoch).ok());
    time.map(|time| time.to_string()).ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            format!("the time {epoch} is after the year 9999"),
        )
    })
}

/// Gives the place that content of the library is read from.
pub(crate) fn here(digest: &Digest) -> Place {
    Place::Library(untagged(digest))
}
