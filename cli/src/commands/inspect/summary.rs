//! What a person wants to know of an image. Values of environment variables
//! are left out: they are often secret.

use image::Inspected;
use indicatif::BinaryBytes;
use oci::{Descriptor, ManifestKind};
use serde_json::Value;

/// The width of the names of fields.
const WIDTH: usize = 14;

/// Describes an image, a line for each thing.
pub(super) fn of(inspected: &Inspected) -> anyhow::Result<String> {
    let manifest = &inspected.manifest;
    let mut text = Text::default();
    text.field("name", &super::reference(&inspected.place));
    text.field("digest", &inspected.digest.to_string());
    text.field("media type", inspected.media_type.as_str());
    if let Some(artifact_type) = manifest.artifact_type()
        && inspected.config.is_none()
    {
        text.field("artifact type", artifact_type);
    }
    if let Some(bytes) = &inspected.config {
        let config = serde_json::from_slice(bytes).unwrap_or(Value::Null);
        describe_config(&mut text, &config);
    }
    if manifest.kind() == ManifestKind::Index {
        text.list("images", manifest.children().iter().map(child));
    } else {
        let layers = manifest.layers();
        let total: u64 = layers.iter().map(|layer| layer.size).sum();
        text.field(
            "size",
            &format!("{} in {}", BinaryBytes(total), count(layers.len(), "layer")),
        );
        text.list("layers", layers.iter().map(layer));
    }
    let annotations = manifest.annotations().iter();
    text.list(
        "annotations",
        annotations.map(|(key, value)| format!("{key}={value}")),
    );
    if let Some(subject) = manifest.subject() {
        text.field("subject", &subject.digest.to_string());
    }
    Ok(text.0)
}

fn describe_config(text: &mut Text, config: &Value) {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let (Some(os), Some(architecture)) = (config["os"].as_str(), config["architecture"].as_str())
    {
        let variant = config["variant"]
            .as_str()
            .map(|variant| format!("/{variant}"));
        let variant = variant.unwrap_or_default();
        text.field("platform", &format!("{os}/{architecture}{variant}"));
    }
    text.field("created", &word(&config["created"]));
    let run = &config["config"];
    text.field("entrypoint", &command(&run["Entrypoint"]));
    text.field("command", &command(&run["Cmd"]));
    text.field("user", &word(&run["User"]));
    text.field("working dir", &word(&run["WorkingDir"]));
    text.field("ports", &keys(&run["ExposedPorts"]).join(" "));
    text.field("volumes", &keys(&run["Volumes"]).join(" "));
    let variables = run["Env"].as_array().into_iter().flatten();
    let names: Vec<_> = variables
        .filter_map(|variable| variable.as_str()?.split('=').next())
        .collect();
    text.field("environment", &names.join(" "));
    let labels = run["Labels"].as_object().into_iter().flatten();
    text.list(
        "labels",
        labels.map(|(key, value)| format!("{key}={}", word(value))),
    );
}

fn child(child: &Descriptor) -> String {
    let platform = match &child.platform {
        Some(platform) => platform.to_string(),
        None => child
            .artifact_type
            .clone()
            .unwrap_or_else(|| "-".to_owned()),
    };
    format!("{} {platform}", child.digest)
}

fn layer(layer: &Descriptor) -> String {
    // Most people know layers by these four.
    let media_type = layer.media_type.as_str();
    let form = match media_type.rsplit_once('.') {
        Some((_, "tar" | "v1.tar")) => "tar",
        Some((_, "tar+gzip" | "gzip")) => "tar+gzip",
        Some((_, "tar+zstd")) => "tar+zstd",
        _ => media_type,
    };
    format!("{} {} {form}", layer.digest, BinaryBytes(layer.size))
}

/// Writes a command as the JSON array that it is, with single spaces.
fn command(words: &Value) -> String {
    match words.as_array() {
        Some(words) => {
            let words: Vec<_> = words.iter().map(Value::to_string).collect();
            format!("[{}]", words.join(", "))
        }
        None => String::new(),
    }
}

fn keys(object: &Value) -> Vec<&str> {
    let keys = object.as_object().into_iter().flatten();
    keys.map(|(key, _)| key.as_str()).collect()
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// Is a text of fields and lists. What has no value is left out.
#[derive(Default)]
struct Text(String);

impl Text {
    fn field(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            let value = plain(value);
            self.0.push_str(&format!("{name:WIDTH$} {value}\n"));
        }
    }

    fn list(&mut self, name: &str, values: impl Iterator<Item = String>) {
        for (index, value) in values.enumerate() {
            let name = if index == 0 { name } else { "" };
            let value = plain(&value);
            self.0.push_str(&format!("{name:WIDTH$} {value}\n"));
        }
    }
}

/// Keeps what an image says of itself from moving the cursor.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escaped = character.is_control().then(|| character.escape_default());
            let itself = escaped.is_none().then_some(character);
            escaped.into_iter().flatten().chain(itself)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_is_described() {
        let config = serde_json::json!({
            "os": "linux", "architecture": "arm", "variant": "v7", "created": "2024-01-01T00:00:00Z",
            "config": {
                "Entrypoint": ["/init", "a \"b\""], "Cmd": null, "User": "1000:1000",
                "Env": ["PATH=/bin", "TOKEN=secret"], "WorkingDir": "/srv",
                "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
                "Labels": {"a": "b\u{1b}[31m"},
            },
        });
        let mut text = Text::default();
        describe_config(&mut text, &config);
        let expected = "\
platform       linux/arm/v7
created        2024-01-01T00:00:00Z
entrypoint     [\"/init\", \"a \\\"b\\\"\"]
user           1000:1000
working dir    /srv
ports          80/tcp 53/udp
environment    PATH TOKEN
labels         a=b\\u{1b}[31m
";
        assert_eq!(text.0, expected);
    }

    #[test]
    fn any_json_is_described() {
        for json in [
            "null",
            "[]",
            "{\"config\": 5, \"os\": []}",
            "{\"config\":{\"Env\":[1]}}",
        ] {
            let mut text = Text::default();
            describe_config(&mut text, &serde_json::from_str(json).expect("JSON"));
            assert_eq!(text.0, "", "for `{json}`");
        }
    }
}
