//! What differs between two configs of images.

use serde_json::Value;

/// Is one field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDifference {
    /// The way to it: `config.Env[2]`.
    pub field: String,
    /// What the first build says, as JSON; empty where it says nothing.
    pub first: String,
    /// What the second build says.
    pub second: String,
}

/// The most fields that are named.
const FIELDS_LIMIT: usize = 100;
/// The longest excerpt of a value, in characters.
const EXCERPT: usize = 200;
/// What says the layers, which the steps tell more of.
const LAYERS: &str = "rootfs.diff_ids";

/// Compares two configs, field by field.
pub(super) fn compare(first: &[u8], second: &[u8]) -> Vec<FieldDifference> {
    if first == second {
        return Vec::new();
    }
    let mut differences = Vec::new();
    let read = |bytes| serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let (one, other): (Value, Value) = (read(first), read(second));
    if one == other {
        differences.push(FieldDifference {
            field: String::new(),
            first: "in other bytes".into(),
            second: String::new(),
        });
    }
    values("", Some(&one), Some(&other), &mut differences);
    differences
}

fn values(
    field: &str,
    one: Option<&Value>,
    other: Option<&Value>,
    differences: &mut Vec<FieldDifference>,
) {
    if one == other || field == LAYERS || differences.len() >= FIELDS_LIMIT {
        return;
    }
    match (one, other) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let field = match field {
                    "" => key.clone(),
                    field => format!("{field}.{key}"),
                };
                values(&field, one.get(key), other.get(key), differences);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for at in 0..one.len().max(other.len()) {
                let field = format!("{field}[{at}]");
                values(&field, one.get(at), other.get(at), differences);
            }
        }
        _ => differences.push(FieldDifference {
            field: field.to_owned(),
            first: excerpt(one),
            second: excerpt(other),
        }),
    }
}

fn excerpt(value: Option<&Value>) -> String {
    let text = value.map(Value::to_string).unwrap_or_default();
    text.chars().take(EXCERPT).collect()
}
