//! JSON Schema, as much of it as docs/schema uses; a keyword that is not known here fails, so nothing goes unchecked.
//!
//! Stricter than a reader has to be: an object may only have the properties that are described.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::support;

pub(crate) struct Schema(Value);

/// Says nothing about a value.
const NOTES: [&str; 5] = ["$schema", "$id", "$defs", "title", "description"];

impl Schema {
    /// The schema of that name in docs/schema.
    pub(crate) fn read(name: &str) -> Self {
        let path = support::root().join("docs/schema").join(format!("{name}.schema.json"));
        Self(serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
    }

    /// A schema as a test writes it.
    fn of(value: Value) -> Self {
        Self(value)
    }

    /// Where a value is not what the schema says.
    pub(crate) fn faults(&self, value: &Value) -> Vec<String> {
        self.faults_at("#", value)
    }

    /// The same for a part of the schema, by its pointer.
    pub(crate) fn faults_at(&self, pointer: &str, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(self.part(pointer), value, "$", &mut faults);
        faults
    }

    fn part(&self, pointer: &str) -> &Value {
        let path = pointer.strip_prefix('#').unwrap();
        self.0.pointer(path).unwrap_or_else(|| panic!("no {pointer} in the schema"))
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let described = self.described(schema, value, at, faults);
        for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
            if !described.contains(name) {
                faults.push(format!("{at}.{name} is not described"));
            }
        }
    }

    /// Checks a value; returns its properties that are described.
    fn described(
        &self,
        schema: &Value,
        value: &Value,
        at: &str,
        faults: &mut Vec<String>,
    ) -> BTreeSet<String> {
        let mut known = BTreeSet::new();
        let mut fault = |words: String| faults.push(format!("{at}: {words}"));
        for (keyword, rule) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "type" => {
                    let types = rule.as_array().map_or(std::slice::from_ref(rule), Vec::as_slice);
                    if !types.iter().any(|name| is_type(value, name.as_str().unwrap())) {
                        fault(format!("{value} is not {rule}"));
                    }
                }
                "enum" if !rule.as_array().unwrap().contains(value) => {
                    fault(format!("{value} is not in {rule}"))
                }
                "const" if rule != value => fault(format!("{value} is not {rule}")),
                "minimum" if value.is_number() && value.as_f64() < rule.as_f64() => {
                    fault(format!("{value} is less than {rule}"))
                }
                "maximum" if value.is_number() && value.as_f64() > rule.as_f64() => {
                    fault(format!("{value} is more than {rule}"))
                }
                "required" => {
                    for name in rule.as_array().unwrap() {
                        if value.is_object() && value.get(name.as_str().unwrap()).is_none() {
                            fault(format!("lacks {name}"));
                        }
                    }
                }
                "enum" | "const" | "minimum" | "maximum" => {}
                "properties" | "items" | "$ref" | "anyOf" | "oneOf" => {}
                note if NOTES.contains(&note) => {}
                other => panic!("the keyword {other} is not known here"),
            }
        }
        if let (Some(properties), Some(object)) = (schema.get("properties"), value.as_object()) {
            for (name, value) in object {
                if let Some(rule) = properties.get(name) {
                    self.check(rule, value, &format!("{at}.{name}"), faults);
                    known.insert(name.clone());
                }
            }
        }
        if let (Some(rule), Some(items)) = (schema.get("items"), value.as_array()) {
            for (index, item) in items.iter().enumerate() {
                self.check(rule, item, &format!("{at}[{index}]"), faults);
            }
        }
        if let Some(pointer) = schema.get("$ref") {
            known.extend(self.described(self.part(pointer.as_str().unwrap()), value, at, faults));
        }
        for keyword in ["anyOf", "oneOf"] {
            let Some(rules) = schema.get(keyword).and_then(Value::as_array) else { continue };
            let tried = rules.iter().map(|rule| {
                let mut faults = Vec::new();
                (self.described(rule, value, at, &mut faults), faults)
            });
            let (fitting, failing): (Vec<_>, Vec<_>) = tried.partition(|(_, faults)| faults.is_empty());
            if fitting.is_empty() || keyword == "oneOf" && fitting.len() > 1 {
                faults.push(format!("{at}: {} of {keyword} fit", fitting.len()));
                faults.extend(failing.into_iter().flat_map(|(_, faults)| faults));
            } else {
                known.extend(fitting.into_iter().flat_map(|(names, _)| names));
            }
        }
        known
    }
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type {other}"),
    }
}

#[test]
fn what_is_wrong_is_found() {
    use serde_json::json;
    let schema = Schema::of(json!({
        "type": "object",
        "required": ["kind"],
        "properties": { "kind": { "enum": ["a", "b"] }, "sizes": { "type": "array", "items": { "$ref": "#/$defs/size" } } },
        "oneOf": [
            { "required": ["words"], "properties": { "kind": { "const": "a" }, "words": { "type": "string" } } },
            { "properties": { "kind": { "const": "b" } } },
        ],
        "$defs": { "size": { "type": ["integer", "null"], "minimum": 0 } },
    }));
    for right in [json!({ "kind": "a", "words": "x" }), json!({ "kind": "b", "sizes": [1, null] })] {
        assert_eq!(schema.faults(&right), Vec::<String>::new());
    }
    for wrong in [
        json!([]),
        json!({}),
        json!({ "kind": "c" }),
        json!({ "kind": "a" }),
        json!({ "kind": "a", "words": 1 }),
        json!({ "kind": "b", "words": "described for the other kind only" }),
        json!({ "kind": "b", "sizes": [-1] }),
        json!({ "kind": "b", "sizes": ["1"] }),
        json!({ "kind": "b", "more": 1 }),
    ] {
        assert!(!schema.faults(&wrong).is_empty(), "{wrong}");
    }
}
