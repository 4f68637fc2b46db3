//! From the text of a Dockerfile to a plan: in rounds, because what an image
//! says in `ONBUILD` may need further stages, and so further images.

use std::collections::{BTreeMap, BTreeSet};

use ::image::{Images, Library};
use dockerfile::{
    BaseFacts, Diagnostic, Dockerfile, Facts, Families, Ignore, Instruction, Kind, Severity,
};
use oci::Platform;

use crate::error::{Error, ErrorKind, Mistaken};
use crate::image::Runtime;
use crate::image::base::BaseImage;
use crate::plan::{self, Base, Plan, PlannedStage, SYNTAX, UNSUPPORTED, Wish, excerpt};
use crate::prepare::Prepared;
use crate::request::Request;
use crate::solve::bases::Bases;

/// Is a plan, and what was found while it was made.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) bases: Bases,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Is a file that is being planned.
struct Planning<'a> {
    request: &'a Request,
    platform: &'a Platform,
    file: Dockerfile,
    /// What the images that stages are on have in `ONBUILD`.
    triggers: BTreeMap<usize, Vec<Instruction>>,
    /// What is known of the images that stages are on.
    facts: BTreeMap<usize, BaseFacts>,
    /// The stages that start from what was given a name from outside.
    outside: BTreeSet<usize>,
    bases: Bases,
}

/// Plans a build, and finds the images that it starts from.
pub(crate) async fn plan(
    prepared: &Prepared,
    (images, library): (&Images, &Library),
    platform: &Platform,
    ignore: &Ignore,
) -> Result<Planned, Error> {
    let (mut planning, parsed) = Planning::begin(prepared, platform)?;
    loop {
        let (plan, found) = planning.round();
        let rules = (ignore, Families::Dockerfile);
        let Some(plan) = plan.filter(|_| !parsed.iter().any(is_error)) else {
            let said = planning.check(prepared, parsed, rules);
            return Err(mistakes(said, found));
        };
        if planning.look(&plan, images, library).await? {
            continue;
        }
        let mut warnings = planning.check(prepared, parsed, rules);
        warnings.extend(found);
        warnings.sort_by_key(|said| said.span);
        if warnings.iter().any(is_error) {
            return Err(Error::mistakes(Mistaken::Dockerfile, warnings));
        }
        let bases = planning.bases;
        return Ok(Planned {
            plan,
            bases,
            warnings,
        });
    }
}

/// Says all there is to say of a file; of images what the library knows.
pub(crate) async fn check(
    prepared: &Prepared,
    images: &Images,
    platform: &Platform,
    ignore: &Ignore,
) -> Result<Vec<Diagnostic>, Error> {
    let (mut planning, parsed) = Planning::begin(prepared, platform)?;
    let found = loop {
        let (plan, found) = planning.round();
        let grown = match plan {
            Some(plan) => planning.look_here(&plan, images).await,
            None => false,
        };
        if !grown {
            break found;
        }
    };
    let mut said = planning.check(prepared, parsed, (ignore, Families::All));
    said.extend(found);
    said.sort_by_key(|said| said.span);
    Ok(said)
}

impl<'a> Planning<'a> {
    fn begin(
        prepared: &'a Prepared,
        platform: &'a Platform,
    ) -> Result<(Self, Vec<Diagnostic>), Error> {
        let request = &prepared.request;
        if let Some(syntax) = request.arguments.get(SYNTAX)
            && !plan::is_known(syntax)
        {
            let message = format!(
                "the syntax `{}` of `{SYNTAX}` is not known",
                excerpt(syntax)
            );
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("wharf reads Dockerfiles itself; `docker/dockerfile:1` is known"));
        }
        let (file, parsed) = dockerfile::parse(&prepared.dockerfile.bytes);
        let planning = Self {
            request,
            platform,
            file,
            triggers: BTreeMap::new(),
            facts: BTreeMap::new(),
            outside: BTreeSet::new(),
            bases: Bases::default(),
        };
        Ok((planning, parsed))
    }

    fn round(&mut self) -> (Option<Plan>, Vec<Diagnostic>) {
        let request = self.request;
        let (plan, found) = Plan::make(
            &self.file,
            &Wish {
                target: request.target.as_deref(),
                arguments: &request.arguments,
                platform: self.platform,
                build_platform: &request.build_platform,
                contexts: &request.contexts,
                triggers: &self.triggers,
            },
        );
        if let Some(plan) = &plan {
            self.outside.clone_from(&plan.outside);
        }
        (plan, found)
    }

    /// Looks for the images of a plan; says whether one had instructions for
    /// the stages on it, so that the plan has to be made anew.
    async fn look(
        &mut self,
        plan: &Plan,
        images: &Images,
        library: &Library,
    ) -> Result<bool, Error> {
        let mut grown = false;
        for (at, stage) in plan.stages.iter().enumerate() {
            let Base::Image(name) = &stage.base else {
                continue;
            };
            if self.facts.contains_key(&stage.number) {
                continue;
            }
            let base = self.bases.find((images, library), plan, name, at).await;
            let base = base.map_err(|error| error.at(stage.span))?;
            grown |= self
                .learn(stage, &base)
                .map_err(|error| error.at(stage.span))?;
        }
        Ok(grown)
    }

    /// Does the same with what this machine has; what it has not is not
    /// looked for elsewhere, and what is wrong with it is for the build to say.
    async fn look_here(&mut self, plan: &Plan, images: &Images) -> bool {
        let mut grown = false;
        let mut seen = BTreeSet::new();
        for stage in &plan.stages {
            let Base::Image(name) = &stage.base else {
                continue;
            };
            if self.facts.contains_key(&stage.number) || !seen.insert(stage.number) {
                continue;
            }
            let base = crate::image::base::find_here(images, name, &stage.platform).await;
            if let Ok(Some(base)) = base {
                grown |= self.learn(stage, &base).unwrap_or_default();
            }
        }
        grown
    }

    /// Takes note of an image; says whether it has instructions for the stage.
    fn learn(&mut self, stage: &PlannedStage, base: &BaseImage) -> Result<bool, Error> {
        let mut triggers = Vec::with_capacity(base.triggers.len());
        for trigger in &base.triggers {
            let parsed = dockerfile::parse_trigger(trigger, stage.span);
            let parsed = parsed.map_err(|error| {
                let message = format!(
                    "the image has the `ONBUILD` instruction `{}`, which is none",
                    excerpt(trigger)
                );
                Error::caused(ErrorKind::Image, message, error)
            })?;
            if names_layout(&parsed) {
                let message = format!(
                    "the image has the `ONBUILD` instruction `{}`, which names a directory of this machine",
                    excerpt(trigger)
                );
                return Err(Error::new(ErrorKind::Image, message)
                    .with_hint("only a Dockerfile may name an OCI layout"));
            }
            triggers.push(parsed);
        }
        let mut facts = facts(base);
        for trigger in &triggers {
            match &trigger.kind {
                Kind::Arg(arguments) => {
                    let names = arguments.iter().map(|argument| &argument.name);
                    facts.variables.extend(names.map(ToString::to_string));
                }
                Kind::Env(pairs) => {
                    let names = pairs.iter().map(|pair| &pair.key);
                    facts.variables.extend(names.map(ToString::to_string));
                }
                _ => {}
            }
        }
        self.facts.insert(stage.number, facts);
        let grown = !triggers.is_empty();
        self.triggers.insert(stage.number, triggers);
        Ok(grown)
    }

    /// Adds what the rules find to what the parser said.
    fn check(
        &self,
        prepared: &Prepared,
        parsed: Vec<Diagnostic>,
        (ignore, families): (&Ignore, Families),
    ) -> Vec<Diagnostic> {
        let facts = Facts {
            ignore: prepared.ignore.as_ref().map(|_| ignore),
            bases: self.facts.clone(),
            outside: self.outside.clone(),
            arguments: self.request.arguments.clone(),
            target_platform: self.platform.to_string(),
            families,
        };
        dockerfile::check(&self.file, &prepared.dockerfile.bytes, parsed, &facts)
    }
}

/// Says whether an instruction takes files of an OCI layout: an image has no
/// say in what of this machine is read.
fn names_layout(trigger: &Instruction) -> bool {
    let is_layout = |from: &str| from.starts_with("oci-layout:");
    match &trigger.kind {
        Kind::Copy(copy) => copy
            .from
            .as_ref()
            .is_some_and(|from| is_layout(from.as_str())),
        Kind::Run(run) => {
            let mut from = run
                .mounts()
                .map(|mount| dockerfile::mount_from(mount.as_str()));
            from.any(|from| from.is_some_and(|from| is_layout(&from)))
        }
        _ => false,
    }
}

/// Says what rules ask of an image.
fn facts(base: &BaseImage) -> BaseFacts {
    let Runtime {
        env,
        working_dir,
        shell,
        ..
    } = &base.config.config;
    let names = env.iter().filter_map(|pair| pair.split('=').next());
    BaseFacts {
        variables: names.map(str::to_owned).collect(),
        working_directory: working_dir.clone(),
        platform: base.config.platform.to_string(),
        has_shell: shell.is_some(),
    }
}

/// Reports what is wrong with a file.
fn mistakes(mut parsed: Vec<Diagnostic>, found: Vec<Diagnostic>) -> Error {
    // What is not done need not be advised against besides.
    parsed.retain(|said| {
        let is_same =
            |found: &Diagnostic| found.code == UNSUPPORTED && found.span.start == said.span.start;
        is_error(said) || !found.iter().any(is_same)
    });
    parsed.extend(found);
    parsed.sort_by_key(|said| said.span);
    Error::mistakes(Mistaken::Dockerfile, parsed)
}

fn is_error(said: &Diagnostic) -> bool {
    said.severity == Severity::Error
}
