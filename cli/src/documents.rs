//! The reference in `docs/reference/`, made of what the program itself knows.
//!
//! Each test compares a file with what it should be. With `WHARF_UPDATE_DOCS=1`
//! in the environment it writes the file anew and passes.

use std::path::Path;

use clap::CommandFactory as _;
use schemars::schema_for;
use serde_json::Value;

use crate::arguments::Arguments;
use crate::config::{Config, SECTIONS};
use crate::environment::{Environment, VARIABLES};
use crate::report::MEANINGS;

/// The width of help texts in the reference, in columns.
const WIDTH: usize = 90;

/// What every file starts with.
const NOTE: &str = "<!-- Made by a test: `WHARF_UPDATE_DOCS=1 cargo test -p wharf documents`. -->";

#[test]
fn command_line() {
    let mut text = head("Command line");
    text.push_str("What the program takes, as `wharf help` and `wharf help COMMAND` print it.\n");
    let mut program = Arguments::command().term_width(WIDTH);
    program.build();
    text.push_str(&help(&mut program, "wharf"));
    for command in program.get_subcommands_mut() {
        if command.get_name() == "help" {
            continue;
        }
        let title = format!("wharf {}", command.get_name());
        text.push_str(&help(command, &title));
        for below in command.get_subcommands_mut() {
            if below.get_name() != "help" {
                let title = format!("{title} {}", below.get_name());
                text.push_str(&help(below, &title));
            }
        }
    }
    check("command-line.md", &text);
}

fn help(command: &mut clap::Command, title: &str) -> String {
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    format!(
        "\n## {title}\n\n```\n{}\n```\n",
        lines.join("\n").trim_end()
    )
}

#[test]
fn configuration() {
    let mut text = head("Configuration");
    text.push_str(
        "One file in TOML: the one that `--config` or `WHARF_CONFIG` names, else\n\
         `$XDG_CONFIG_HOME/wharf/config.toml`, else `~/.config/wharf/config.toml`. A default is\n\
         weaker than the file, the file weaker than the environment, and a flag is stronger than\n\
         all. A key that nothing knows is an error. `wharf config` prints what counts in the end\n\
         and where it was set; `wharf config --schema` prints a JSON Schema.\n",
    );
    let schema = schema_for!(Config).to_value();
    let defaults = toml::Table::try_from(Config::default()).expect("defaults are valid");
    for section in &SECTIONS {
        let set = section.within(&defaults);
        let title = section.title;
        let what = description(&schema["$defs"][title]);
        text.push_str(&format!("\n## `[{}]`\n\n{what}\n\n", section.name));
        text.push_str("| key | default | what it says | variable |\n|---|---|---|---|\n");
        for key in section.keys {
            let default = match set.and_then(|set| set.get(*key)) {
                Some(value) => format!("`{value}`"),
                None => "none".to_owned(),
            };
            let what = description(&schema["$defs"][title]["properties"][key]);
            let variable = section.variable(key);
            text.push_str(&format!(
                "| `{key}` | {default} | {what} | `{variable}` |\n"
            ));
        }
    }
    text.push_str("\n## `[[registry]]`\n\nHow a registry is reached; as many as there are.\n\n");
    text.push_str("| key | what it says |\n|---|---|\n");
    let registry = &schema["$defs"]["Registry"]["properties"];
    for (key, property) in registry.as_object().expect("an object") {
        text.push_str(&format!("| `{key}` | {} |\n", description(property)));
    }
    check("configuration.md", &text);
}

fn description(property: &Value) -> String {
    let text = property["description"].as_str();
    text.expect("every setting says what it is")
        .replace('\n', " ")
}

#[test]
fn environment() {
    let mut text = head("Environment");
    text.push_str(
        "The variables that count. One that is empty is as if it were not set.\n\n\
         | variable | what it says |\n|---|---|\n",
    );
    for (name, what) in VARIABLES {
        text.push_str(&format!("| `{name}` | {what} |\n"));
    }
    for section in &SECTIONS {
        for key in section.keys {
            let (name, section) = (section.variable(key), section.name);
            text.push_str(&format!("| `{name}` | The setting `{section}.{key}`. |\n"));
        }
    }
    check("environment.md", &text);
}

#[test]
fn exit_codes() {
    let mut text = head("Exit codes");
    text.push_str(
        "How a command ends, for scripts. Results go to standard output, everything else to\n\
         standard error: `error:`, then what caused it, each after `caused by:`, then `hint:`.\n\n\
         | code | what it means |\n|---|---|\n\
         | 0 | It did what was asked. |\n",
    );
    for (exit, meaning) in MEANINGS {
        text.push_str(&format!("| {} | {meaning} |\n", exit as u8));
    }
    check("exit-codes.md", &text);
}

fn head(title: &str) -> String {
    format!("# {title}\n\n{NOTE}\n\n")
}

/// Compares a file of the reference, or writes it anew.
fn check(name: &str, expected: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference");
    let path = folder.join(name);
    let update = Environment::of_this_process();
    if update.variable("WHARF_UPDATE_DOCS") == Some("1") {
        fs_err::create_dir_all(&folder).expect("a folder");
        fs_err::write(&path, expected).expect("written");
        return;
    }
    let found = fs_err::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "`docs/reference/{name}` is stale: run `WHARF_UPDATE_DOCS=1 cargo test -p wharf documents`"
    );
}
