//! `wharf config`.

use schemars::schema_for;
use toml::{Table, Value};

use crate::arguments::Global;
use crate::config::{self, Config, SECTIONS, Sources};
use crate::environment::Environment;
use crate::report::{self, redact};

/// Prints the configuration in effect, and where each setting was set.
///
/// What is printed is itself a configuration file. Settings without a value
/// are shown as comments; passwords in addresses, and keys of a bucket, are not
/// shown.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print the JSON Schema of configuration files instead
    #[arg(long)]
    schema: bool,
}

/// Prints the configuration, or its schema.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    if arguments.schema {
        let schema = schema_for!(Config);
        return report::result(&serde_json::to_string_pretty(&schema)?);
    }
    let (config, sources) = config::load(environment, global.config.as_deref(), Vec::new())?;
    report::result(render(&config, &sources)?.trim_end())
}

fn render(config: &Config, sources: &Sources) -> anyhow::Result<String> {
    let table = Table::try_from(config)?;
    let mut text = String::new();
    for (number, section) in SECTIONS.iter().enumerate() {
        let between = if number == 0 { "" } else { "\n" };
        text.push_str(&format!("{between}[{}]\n", section.name));
        let set = section.within(&table);
        for key in section.keys {
            let source = sources.of(&format!("{}.{key}", section.name));
            match set.and_then(|set| set.get(*key)) {
                Some(value) => {
                    text.push_str(&redact(&format!("{key} = {value} # {source}\n")));
                }
                None => text.push_str(&format!("# {key} is not set\n")),
            }
        }
    }
    let registries = table.get("registry").and_then(Value::as_array);
    for registry in registries.into_iter().flatten() {
        let source = sources.of("registry");
        text.push_str(&format!("\n[[registry]] # {source}\n"));
        for (key, value) in registry.as_table().into_iter().flatten() {
            text.push_str(&redact(&format!("{key} = {value}\n")));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        let config: Config = toml::from_str(
            "[serve]\nstorage = \"/a \\\"b\\\"\"\nhtpasswd = \"x\"\n\
             [[registry]]\nprefix = \"docker.io\"\nmirrors = [\"a.test/b\"]\nfallback = false\n",
        )
        .expect("valid");
        let text = render(&config, &Sources::default()).expect("rendered");
        assert_eq!(toml::from_str::<Config>(&text).expect("valid"), config);
        assert!(text.contains("# tls-cert is not set\n"), "{text}");
    }
}
