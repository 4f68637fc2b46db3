//! Targets and outlines as JSON; `docs/reference/dockerfile-json.md` says what
//! each field is.

use serde_json::{Value, json};

use crate::json::Places;
use crate::outline::{Outline, OutlineMount, Scope, Target};

/// Is the version of what is written, as that of an AST.
const VERSION: u32 = 1;

/// Writes targets as one line of JSON. `source` is what the file was read
/// from.
#[must_use]
pub fn targets_json(source: &[u8], targets: &[Target]) -> String {
    let places = Places::new(source);
    let list: Value = targets.iter().map(|item| target(item, &places)).collect();
    json!({ "version": VERSION, "targets": list }).to_string()
}

/// Writes an outline as one line of JSON. `source` is what the file was read
/// from.
#[must_use]
pub fn outline_json(source: &[u8], outline: &Outline) -> String {
    let places = Places::new(source);
    let arguments = outline.arguments.iter().map(|argument| {
        let scope = match argument.scope {
            Scope::Global => "global",
            Scope::Stage => "stage",
        };
        json!({
            "name": argument.name,
            "default": argument.default,
            "description": argument.description,
            "scope": scope,
            "span": places.span(argument.span),
        })
    });
    json!({
        "version": VERSION,
        "target": target(&outline.target, &places),
        "arguments": arguments.collect::<Value>(),
        "secrets": mounts(&outline.secrets, &places),
        "agents": mounts(&outline.agents, &places),
    })
    .to_string()
}

fn target(target: &Target, places: &Places) -> Value {
    json!({
        "name": target.name,
        "stage": target.stage,
        "base": target.base,
        "platform": target.platform,
        "description": target.description,
        "default": target.is_default,
        "span": places.span(target.span),
    })
}

fn mounts(mounts: &[OutlineMount], places: &Places) -> Value {
    let mount = |mount: &OutlineMount| {
        json!({
            "id": mount.id,
            "required": mount.required,
            "span": places.span(mount.span),
        })
    };
    mounts.iter().map(mount).collect()
}
