//! SARIF 2.1.0: results of an analysis, for code hosts and editors.
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html>

use memgrove_profile::{Frame, Misuse, MisuseKind, Site};
use serde_json::{Value, json};

use super::CheckReport;
use crate::Json;

/// Where the schema is.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The rule of lost blocks.
const LOST: &str = "lost";

impl CheckReport<'_> {
    /// As a SARIF log of one run.
    ///
    /// # Errors
    /// What the serialiser says.
    pub fn sarif(&self) -> serde_json::Result<Json> {
        let rules = MisuseKind::all().map(MisuseKind::id).chain([LOST]);
        let rules: Vec<Value> = rules.map(|id| json!({ "id": id })).collect();
        let results: Vec<Value> =
            self.misuses().map(|misuse| self.result(misuse)).chain(self.lost()).collect();
        Json::pretty(&json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "memgrove check",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": rules,
                } },
                "columnKind": "unicodeCodePoints",
                "results": results,
            }],
        }))
    }

    /// Blocks that are lost for certain, where nothing at all points to them: what hangs on those is no leak of its own.
    fn lost(&self) -> Vec<Value> {
        if !self.reachability().is_ok_and(|known| known.is_certain()) {
            return Vec::new();
        }
        let nodes = self.live_nodes().unwrap_or_default();
        let results = nodes.iter().filter(|live| live.lost.blocks > 0).map(|live| {
            let frames = self.frames(self.profile.stack(live.node));
            json!({
                "ruleId": LOST,
                "level": "warning",
                "message": { "text": format!("{} definitely lost", live.lost.words()) },
                "locations": frames.first().map(|frame| self.location(frame)).into_iter().collect::<Vec<_>>(),
                "stacks": [self.stack_of("allocation", frames.iter())],
            })
        });
        results.collect()
    }

    fn result(&self, misuse: &Misuse) -> Value {
        let frames = self.frames(self.profile.misuse_stack(misuse));
        let mut result = json!({
            "ruleId": misuse.kind.id(),
            "level": "error",
            "message": { "text": self.message(misuse) },
            "locations": frames.first().map(|frame| self.location(frame)).into_iter().collect::<Vec<_>>(),
            "stacks": [self.stack_of("access", frames.iter())],
        });
        if let Some(block) = &misuse.block {
            let mut related = vec![self.related(0, "allocated here", self.profile.stack(block.allocated))];
            if let Some(freed) = block.freed {
                related.push(self.related(1, "freed here", self.profile.stack(freed)));
            }
            result["relatedLocations"] = related.into_iter().flatten().collect();
        }
        result
    }

    fn stack_of<'f>(&self, words: &str, frames: impl Iterator<Item = &'f Frame>) -> Value {
        let frames: Vec<Value> = frames.map(|frame| json!({ "location": self.location(frame) })).collect();
        json!({ "message": { "text": words }, "frames": frames })
    }

    fn related(&self, id: u32, words: &str, sites: impl Iterator<Item = Site>) -> Option<Value> {
        let frames = self.frames(sites);
        // The allocator's own function says less than who called it.
        let mut location = self.location(frames.first()?);
        location["id"] = json!(id);
        location["message"] = json!({ "text": words });
        Some(location)
    }

    /// A place in the source where it is known; always one in the module.
    fn location(&self, frame: &Frame) -> Value {
        let mut location = json!({ "logicalLocations": [{ "name": frame.function, "kind": "function" }] });
        location["physicalLocation"] = match (&frame.file, frame.line.filter(|line| *line > 0)) {
            (Some(file), Some(line)) => {
                let mut region = json!({ "startLine": line });
                if let Some(column) = frame.column.filter(|column| *column > 0) {
                    region["startColumn"] = json!(column);
                }
                json!({ "artifactLocation": { "uri": uri(file) }, "region": region })
            }
            _ => {
                // Of a place that is not known, the function.
                let body = || Some(self.module.function(frame.func?)?.body_offset);
                let offset = frame.offset.or_else(body).unwrap_or(0);
                json!({
                    "artifactLocation": { "uri": uri(self.name) },
                    "region": { "byteOffset": offset },
                })
            }
        };
        location
    }
}

/// A path as a reference of a URI: what is not one of its characters is percent-encoded.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            b'\\' => uri.push('/'),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}
