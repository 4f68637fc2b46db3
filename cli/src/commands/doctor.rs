//! `wharf doctor`.

use std::path::Path;

use builder::{Finding, Probe, SandboxChoice, TierName};
use serde::Serialize;
use serde_json::{Value, json};

use crate::arguments::Global;
use crate::commands::build;
use crate::config::{self, Sandbox};
use crate::environment::Environment;
use crate::report::{self, Exit, ended, one_line, sandbox, table};

/// Tells what keeps the commands of a build apart from this machine.
///
/// Each sandbox is tried as a build would use it, and for what does not work
/// the options are named that help. The end is 0 if `RUN` works here, and 8 if
/// it does not.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Ask about this one alone [default: `build.sandbox` of the configuration, else auto]
    #[arg(long, value_name = "SANDBOX")]
    sandbox: Option<Sandbox>,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// The sandboxes that run something, the best first.
const TRIED: [TierName; 4] = [
    TierName::Root,
    TierName::Mapped,
    TierName::One,
    TierName::Chroot,
];

/// Tells.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let (config, sources) = config::load(environment, global.config.as_deref(), Vec::new())?;
    let chosen = arguments.sandbox.unwrap_or(config.build.sandbox);
    let directory = build::usual(environment).store;
    let report = Report {
        unwritable: unwritable(environment, &directory),
        asked: build::choice(chosen),
        why: match arguments.sandbox {
            Some(Sandbox::Auto) => "the best that works here".to_owned(),
            Some(_) => "which `--sandbox` names".to_owned(),
            None if chosen == Sandbox::Auto => "the best that works here".to_owned(),
            None => format!("which {} names", sources.name("build.sandbox")),
        },
        probe: Probe::run(&build::launch(), &directory),
    };
    let used = report.used();
    if arguments.json {
        report::result(&serde_json::to_string_pretty(&report.json())?)?;
    } else if global.quiet {
        report::result(used.unwrap_or(TierName::None).as_str())?;
    } else {
        report::result_bytes(report.text().as_bytes())?;
    }
    match used {
        Some(_) => Ok(()),
        None => Err(ended(Exit::Sandbox)),
    }
}

/// Says why nothing can be written where builds keep what they unpack, if so:
/// then nothing else can be tried there either.
fn unwritable(environment: &Environment, directory: &Path) -> Option<Failure> {
    let failure = |reason: String| Failure {
        name: "store",
        reason,
        hint: Some("set `WHARF_HOME` to a directory that can be written".to_owned()),
    };
    if let Err(error) = environment.store_directory() {
        return Some(failure(error.root_cause().to_string()));
    }
    let there = directory.ancestors().find(|path| path.is_dir())?;
    let error = tempfile::tempdir_in(there).err()?;
    Some(failure(format!(
        "can not write in `{}`: {error}",
        there.display()
    )))
}

/// Is what was found out, and what it was for.
struct Report {
    asked: SandboxChoice,
    /// Why this one, in words.
    why: String,
    /// Why nothing can be kept where builds keep it.
    unwritable: Option<Failure>,
    probe: Probe,
}

/// Is something that does not work.
#[derive(Debug, Clone)]
struct Failure {
    /// The sandbox, or what else it is of.
    name: &'static str,
    reason: String,
    hint: Option<String>,
}

/// Says how a file system of the kernel comes to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Own,
    Bound,
    Absent,
}

impl Given {
    /// Reads it from what was found out.
    fn of(given: &impl Serialize) -> Self {
        let value = serde_json::to_value(given).unwrap_or_default();
        match value.as_str() {
            Some("Fresh") => Self::Own,
            Some("Bound") => Self::Bound,
            _ => Self::Absent,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Bound => "bound",
            Self::Absent => "absent",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Own => "their own",
            Self::Bound => "that of this machine, bound",
            Self::Absent => "none",
        }
    }
}

impl Report {
    /// Gives the sandbox that a build would use.
    fn used(&self) -> Option<TierName> {
        let tier = match self.asked {
            SandboxChoice::Best => self.probe.best(),
            SandboxChoice::Named(name) => self.probe.tier(name),
        };
        tier.ok().map(|tier| tier.name())
    }

    /// Lists the sandboxes that were asked about.
    fn shown(&self) -> Vec<TierName> {
        match self.asked {
            SandboxChoice::Best => TRIED.to_vec(),
            SandboxChoice::Named(name) => vec![name],
        }
    }

    fn findings(&self, name: TierName) -> impl Iterator<Item = &Finding> {
        let findings = self.probe.findings.iter();
        findings.filter(move |finding| finding.tier == name)
    }

    fn works(&self, name: TierName) -> bool {
        self.probe.facts.contains_key(&name)
    }

    fn text(&self) -> String {
        let rows = self.shown().into_iter().map(|name| {
            let works = if self.works(name) { "yes" } else { "no" };
            vec![
                name.to_string(),
                name.number().to_string(),
                works.to_owned(),
                sandbox(name).to_owned(),
            ]
        });
        let mut text = table(&["SANDBOX", "TIER", "WORKS", "WHAT IT IS"], rows);
        text.push('\n');
        text.push_str(&self.used_text());
        let (help, rest) = self.failures();
        text.push_str(&section("What would help", &help));
        text.push_str(&section("What else does not work", &rest));
        text.push_str(&self.tried_text());
        text
    }

    /// Says which sandbox is used, and what it gives.
    fn used_text(&self) -> String {
        let Some(name) = self.used() else {
            let refusal = match self.asked {
                SandboxChoice::Best => self.probe.best(),
                SandboxChoice::Named(name) => self.probe.tier(name),
            };
            let reason = refusal.map_or_else(|error| error.to_string(), |_| String::new());
            return format!(
                "`RUN` does not work: {}\nBuilds without `RUN` do.\n",
                one_line(&reason)
            );
        };
        let number = name.number();
        let mut text = format!("`RUN` uses `{name}` (tier {number}), {}.\n", self.why);
        if let Some(facts) = self.probe.facts.get(&name) {
            let files = match &facts.overlay {
                Ok(_) => "overlays: layers are shared between commands and builds".to_owned(),
                Err(error) => format!("copies, which are slower: {}", one_line(&error.to_string())),
            };
            text.push_str(&format!(
                "  files   {files}\n  /proc   {}\n  /sys    {}\n",
                Given::of(&facts.proc).words(),
                Given::of(&facts.sys).words(),
            ));
        }
        text
    }

    /// Lists what does not work: first what would do better than what is used,
    /// then the rest, of which nobody needs to know what would help.
    fn failures(&self) -> (Vec<Failure>, Vec<Failure>) {
        let used = self.used();
        let number = used.map_or(u8::MAX, TierName::number);
        let (mut help, mut rest) = (Vec::from_iter(self.unwritable.clone()), Vec::new());
        for name in self.shown() {
            let refusal = self.probe.refusals.get(&name);
            let of_tier = refusal.map(|refusal| (refusal.to_string(), refusal.hint()));
            let of_checks = self.findings(name).filter_map(|finding| {
                let refusal = finding.refusal.as_ref()?;
                Some((named(finding.check.as_str(), refusal), refusal.hint()))
            });
            let is_better = name.number() < number || used == Some(name);
            for (reason, hint) in of_tier.into_iter().chain(of_checks) {
                let is_known = |known: &Failure| {
                    known.name == name.as_str() && reason.ends_with(&known.reason)
                };
                if help.iter().chain(&rest).any(is_known) {
                    continue;
                }
                let hint = hint.filter(|_| is_better).map(str::to_owned);
                let list = if hint.is_some() { &mut help } else { &mut rest };
                list.push(Failure {
                    name: name.as_str(),
                    reason,
                    hint,
                });
            }
        }
        (help, rest)
    }

    /// Says in a table what was tried where.
    fn tried_text(&self) -> String {
        let shown = self.shown();
        let mut checks: Vec<&str> = Vec::new();
        for finding in &self.probe.findings {
            let check = finding.check.as_str();
            if shown.contains(&finding.tier) && !checks.contains(&check) {
                checks.push(check);
            }
        }
        if checks.is_empty() {
            return String::new();
        }
        let rows = checks.into_iter().map(|check| {
            let cell = |name: &TierName| {
                let mut found = self.findings(*name);
                let found = found.find(|finding| finding.check.as_str() == check);
                match found.map(|finding| finding.refusal.is_none()) {
                    Some(true) => "yes".to_owned(),
                    Some(false) => "no".to_owned(),
                    None => String::new(),
                }
            };
            let first = std::iter::once(check.to_owned());
            first.chain(shown.iter().map(cell)).collect()
        });
        let titles: Vec<&str> = std::iter::once("TRIED")
            .chain(shown.iter().map(|name| name.as_str()))
            .collect();
        format!("\n{}", table(&titles, rows))
    }

    fn json(&self) -> Value {
        let used = self.used();
        let sandboxes: Vec<Value> = self
            .shown()
            .into_iter()
            .map(|name| self.json_of(name))
            .collect();
        json!({
            "sandbox": used.map(TierName::as_str),
            "tier": used.unwrap_or(TierName::None).number(),
            "store": {
                "works": self.unwritable.is_none(),
                "reason": self.unwritable.as_ref().map(|failure| &failure.reason),
                "hint": self.unwritable.as_ref().map(|failure| &failure.hint),
            },
            "sandboxes": sandboxes,
        })
    }

    fn json_of(&self, name: TierName) -> Value {
        let refusal = self.probe.refusals.get(&name);
        let checks: Vec<Value> = self
            .findings(name)
            .map(|finding| {
                let refusal = finding.refusal.as_ref();
                json!({
                    "check": finding.check.as_str(),
                    "works": refusal.is_none(),
                    "reason": refusal.map(ToString::to_string),
                    "hint": refusal.and_then(|refusal| refusal.hint()),
                })
            })
            .collect();
        let facts = self.probe.facts.get(&name).map(|facts| {
            json!({
                "files": if facts.overlay.is_ok() { "overlay" } else { "copy" },
                "proc": Given::of(&facts.proc).as_str(),
                "sys": Given::of(&facts.sys).as_str(),
            })
        });
        json!({
            "name": name.as_str(),
            "tier": name.number(),
            "works": self.works(name),
            "reason": refusal.map(ToString::to_string),
            "hint": refusal.and_then(|refusal| refusal.hint()),
            "gives": facts,
            "checks": checks,
        })
    }
}

/// Writes a list of what does not work, if there is anything.
fn section(title: &str, failures: &[Failure]) -> String {
    let lines = failures.iter().map(|Failure { name, reason, hint }| {
        let hint = hint
            .as_deref()
            .map(|hint| format!("    {}\n", one_line(hint)));
        let line = format!("  {name}: {}\n", one_line(reason));
        line + &hint.unwrap_or_default()
    });
    let lines: String = lines.collect();
    match lines.is_empty() {
        true => lines,
        false => format!("\n{title}\n{lines}"),
    }
}

/// Says why something does not work, with what it is where the reason does not
/// begin with that.
fn named(check: &str, refusal: &impl ToString) -> String {
    let reason = refusal.to_string();
    match reason.starts_with(check) {
        true => reason,
        false => format!("{check}: {reason}"),
    }
}

#[cfg(test)]
mod tests;
