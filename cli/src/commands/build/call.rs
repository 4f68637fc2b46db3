//! `--call`: what else than building is done with a Dockerfile. Tables and
//! objects are those of `docker buildx build --call`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use builder::{Outline, OutlineMount, Prepared, Request, SourceText, Span, Target};
use clap::ValueEnum as _;
use serde_json::{Map, Value, json};

use super::Arguments;
use crate::commands::wait;
use crate::diagnostics::{self, Form, Lines};
use crate::report::{self, WithHint as _, one_line, say, table, usage};

/// Says what is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// The image is built.
    Build,
    /// What is wrong is told.
    Check(Form),
    /// What the stage to build takes is told.
    Outline(Written),
    /// The stages are listed.
    Targets(Written),
}

/// Says how a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// As tables, for people.
    Text,
    /// As JSON.
    Json,
}

/// The forms of `--call`, for messages.
const FORMS: &str =
    "it is `build`, `check`, `outline` or `targets`, with a format as in `targets,format=json`";

/// Reads what is to be done.
pub(super) fn parse(text: &str) -> Result<Call, String> {
    let mut fields = text.split(',');
    let name = fields.next().unwrap_or_default();
    let mut format = None;
    for field in fields {
        match field.split_once('=') {
            Some(("format", value)) if format.is_none() => format = Some(value),
            _ => return Err(FORMS.to_owned()),
        }
    }
    match name {
        "build" if format.is_none() => Ok(Call::Build),
        "check" | "lint" => {
            let form = Form::from_str(format.unwrap_or("human"), false);
            form.map(Call::Check).map_err(|_names_none| {
                "a check has the formats `human`, `json`, `sarif` and `github`".to_owned()
            })
        }
        "outline" => written(format).map(Call::Outline),
        "targets" => written(format).map(Call::Targets),
        _ => Err(FORMS.to_owned()),
    }
}

fn written(format: Option<&str>) -> Result<Written, String> {
    match format {
        None | Some("text") => Ok(Written::Text),
        Some("json") => Ok(Written::Json),
        Some(_) => Err("the formats are `text` and `json`".to_owned()),
    }
}

/// Tells of flags that are about what a build comes to, where there is none.
pub(super) fn warn_of_idle(arguments: &Arguments) {
    let flags = [
        ("`--push`", arguments.push),
        ("`--output`", !arguments.outputs.is_empty()),
        ("`--load`", arguments.load.is_some()),
        ("`--cache-to`", arguments.caching.writes()),
        ("`--cache-mount-to`", arguments.cache_mounts.writes()),
        ("`--verify`", arguments.verify),
        ("files for results", arguments.results.is_some()),
    ];
    let idle: Vec<&str> = flags
        .into_iter()
        .filter_map(|(flag, given)| given.then_some(flag))
        .collect();
    if !idle.is_empty() {
        say(&format!(
            "warning: nothing is built, so these do nothing: {}",
            idle.join(", ")
        ));
        say("   hint: leave out `--check` and `--call` to build");
    }
}

/// Lists the stages that can be built.
pub(super) fn targets(request: Request, written: Written) -> anyhow::Result<()> {
    let read = Read::of(request)?;
    let bytes = &read.source.bytes;
    let targets = builder::targets(&read.file, bytes);
    match written {
        Written::Text => report::result_bytes(targets_table(&targets).as_bytes()),
        Written::Json => {
            let lines = Lines::of(bytes);
            let list: Vec<Value> = targets.iter().map(|one| target_json(one, &lines)).collect();
            print(&json!({ "targets": list, "sources": [STANDARD.encode(bytes)] }))
        }
    }
}

/// Tells what the stage to build takes.
pub(super) fn outline(request: Request, written: Written) -> anyhow::Result<()> {
    let values = request.arguments.clone();
    let wanted = request.target.clone();
    let read = Read::of(request)?;
    let bytes = &read.source.bytes;
    let outline = match &wanted {
        Some(name) => builder::outline(&read.file, bytes, name, &values),
        None => builder::outline_default(&read.file, bytes, &values),
    };
    let outline = outline
        .ok_or_else(|| {
            let wanted = wanted.unwrap_or_default();
            usage(format!("there is no stage `{wanted}` to build"))
        })
        .hint("`wharf build --call=targets` lists the stages")?;
    match written {
        Written::Text => report::result_bytes(outline_tables(&outline).as_bytes()),
        Written::Json => print(&outline_json(bytes, &outline)),
    }
}

fn print(value: &Value) -> anyhow::Result<()> {
    report::result(&serde_json::to_string_pretty(value)?)
}

/// Is a Dockerfile without mistakes.
struct Read {
    source: SourceText,
    file: builder::Dockerfile,
}

impl Read {
    fn of(request: Request) -> anyhow::Result<Self> {
        let prepared = wait(async {
            let prepared = Prepared::new(request).await;
            prepared.map_err(diagnostics::plain)
        })?;
        let source = prepared.dockerfile().clone();
        let (file, said) = builder::parse(&source.bytes);
        let errors = diagnostics::show_mistakes(&source, &said);
        if errors > 0 {
            let mistakes = report::count(errors, "mistake");
            return Err(usage(format!("the Dockerfile has {mistakes}")));
        }
        Ok(Self { source, file })
    }
}

fn targets_table(targets: &[Target]) -> String {
    let row = |target: &Target| {
        let name = match target.is_default {
            true => format!("{} (default)", target.name),
            false => target.name.clone(),
        };
        vec![name, target.description.clone().unwrap_or_default()]
    };
    table(&["TARGET", "DESCRIPTION"], targets.iter().map(row))
}

fn outline_tables(outline: &Outline) -> String {
    let target = &outline.target;
    let mut head = format!("TARGET:      {}\n", one_line(&target.name));
    if let Some(description) = &target.description {
        head.push_str(&format!("DESCRIPTION: {}\n", one_line(description)));
    }
    let mut parts = vec![head];
    let arguments = outline.arguments.iter().map(|argument| {
        vec![
            argument.name.clone(),
            argument.value.clone().unwrap_or_default(),
            argument.description.clone().unwrap_or_default(),
        ]
    });
    if !outline.arguments.is_empty() {
        parts.push(table(&["BUILD ARG", "VALUE", "DESCRIPTION"], arguments));
    }
    for (title, mounts) in [("SECRET", &outline.secrets), ("SSH", &outline.agents)] {
        if !mounts.is_empty() {
            let rows = mounts.iter().map(|mount| {
                let required = if mount.required { "true" } else { "" };
                vec![mount.id.clone(), required.to_owned()]
            });
            parts.push(table(&[title, "REQUIRED"], rows));
        }
    }
    parts.join("\n")
}

fn outline_json(bytes: &[u8], outline: &Outline) -> Value {
    let lines = Lines::of(bytes);
    let mut object = Map::new();
    let mut set = |key: &str, value: Value| {
        if !value.is_null() && value != json!([]) {
            object.insert(key.to_owned(), value);
        }
    };
    set("name", json!(outline.target.name));
    set("description", json!(outline.target.description));
    let arguments = outline.arguments.iter().map(|argument| {
        without_nulls(json!({
            "name": argument.name,
            "description": argument.description,
            "value": argument.value,
            "location": location(argument.span, &lines),
        }))
    });
    set("args", arguments.collect());
    for (key, mounts) in [("secrets", &outline.secrets), ("ssh", &outline.agents)] {
        set(
            key,
            mounts
                .iter()
                .map(|mount| mount_json(mount, &lines))
                .collect(),
        );
    }
    set("sources", json!([STANDARD.encode(bytes)]));
    Value::Object(object)
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}

fn target_json(target: &Target, lines: &Lines) -> Value {
    without_nulls(json!({
        "name": target.name,
        "default": target.is_default.then_some(true),
        "description": target.description,
        "base": target.base,
        "platform": target.platform,
        "location": location(target.span, lines),
    }))
}

fn mount_json(mount: &OutlineMount, lines: &Lines) -> Value {
    without_nulls(json!({
        "name": mount.id,
        "required": mount.required.then_some(true),
        "location": location(mount.span, lines),
    }))
}

fn location(span: Span, lines: &Lines) -> Value {
    let (start, end) = lines.range(span);
    json!({ "ranges": [{ "start": { "line": start.line }, "end": { "line": end.line } }] })
}
