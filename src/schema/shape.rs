//! The fields of a schema with what they mean, by record: what Avro's own rules let pass.
//!
//! Avro resolves a timestamp in milliseconds to one in microseconds and a decimal to bytes, and
//! lets a field disappear. Readers of a released schema would then see other numbers, or nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What a field may hold: one text for each branch of its union (one where it is no union).
type Branches = BTreeSet<String>;

/// Fields by `Record.field`.
pub(super) struct Shape {
    fields: BTreeMap<String, Field>,
}

struct Field {
    branches: Branches,
    has_default: bool,
}

impl Shape {
    /// The shape of a schema that the Avro library has already accepted.
    pub(super) fn of(schema: &Value) -> Self {
        let mut shape = Self { fields: BTreeMap::new() };
        shape.collect(schema);
        shape
    }

    /// Why readers of `released` would misread what this schema writes.
    pub(super) fn breaks_of(&self, released: &Self) -> Vec<String> {
        let mut breaks = Vec::new();
        for (name, old) in &released.fields {
            match self.fields.get(name) {
                None if old.has_default => {}
                None => breaks.push(format!(
                    "{name}: expected to stay, as the released field has no default; found removed"
                )),
                Some(new) => {
                    let lost: Vec<&str> =
                        old.branches.difference(&new.branches).map(String::as_str).collect();
                    if !lost.is_empty() {
                        let found: Vec<&str> = new.branches.iter().map(String::as_str).collect();
                        breaks.push(format!(
                            "{name}: expected to keep {}, found {}",
                            lost.join(" and "),
                            found.join(" or ")
                        ));
                    }
                }
            }
        }
        breaks
    }

    fn collect(&mut self, schema: &Value) {
        if let Value::Array(branches) = schema {
            branches.iter().for_each(|branch| self.collect(branch));
        }
        let Value::Object(object) = schema else { return };
        for inner in ["items", "values", "type"].iter().filter_map(|key| object.get(*key)) {
            self.collect(inner);
        }
        let Some(Value::Array(fields)) = object.get("fields") else { return };
        let record = text(schema, "name");
        for field in fields {
            let Some(kind) = field.get("type") else { continue };
            let branches = kind.as_array().map_or_else(
                || BTreeSet::from([describe(kind)]),
                |branches| branches.iter().map(describe).collect(),
            );
            let has_default = field.get("default").is_some();
            let name = format!("{record}.{}", text(field, "name"));
            self.fields.insert(name, Field { branches, has_default });
            self.collect(kind);
        }
    }
}

/// A type in one line: a name, or a primitive with its logical type and measures.
fn describe(kind: &Value) -> String {
    let Value::Object(object) = kind else {
        return kind.as_str().unwrap_or_default().to_owned();
    };
    if object.contains_key("fields") {
        return text(kind, "name").to_owned();
    }
    let mut parts: Vec<String> = Vec::new();
    for key in ["name", "type", "logicalType", "precision", "scale", "size", "symbols"] {
        match object.get(key) {
            None => {}
            Some(Value::String(text)) => parts.push(text.clone()),
            Some(other) => parts.push(format!("{key} {other}")),
        }
    }
    for key in ["items", "values"] {
        if let Some(inner) = object.get(key) {
            parts.push(format!("of {}", describe(inner)));
        }
    }
    parts.join(" ")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
