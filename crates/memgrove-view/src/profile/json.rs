//! A profile's figures for programs.

use memgrove_profile::{Frame, NodeSummary, Summary};
use serde::Serialize;

use super::HeapProfile;
use crate::Json;

/// Version of the JSON.
const SCHEMA: u32 = 1;

/// The JSON.
#[derive(Serialize)]
struct Record<'a> {
    schema: u32,
    file: &'a str,
    original_sha256: String,
    /// With sampling: the mean distance of hits in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_bytes: Option<u32>,
    is_log_cut: bool,
    are_stacks_folded: bool,
    /// Events of other instances with the same memory.
    #[serde(skip_serializing_if = "is_0")]
    missing_events: u64,
    events: u64,
    /// The summary without its nodes.
    #[serde(flatten)]
    totals: serde_json::Map<String, serde_json::Value>,
    stacks: Vec<Stack<'a>>,
}

fn is_0(value: &u64) -> bool {
    *value == 0
}

/// A stack and its figures; the innermost frame first.
#[derive(Serialize)]
struct Stack<'a> {
    #[serde(flatten)]
    figures: &'a NodeSummary,
    frames: Vec<FrameRecord>,
}

/// A frame of a stack.
#[derive(Serialize)]
pub(crate) struct FrameRecord {
    /// Function index; none where the offset lies in no function.
    func: Option<u32>,
    /// Its name; the index in words if it has none.
    name: String,
    /// Offset of the call in the original; none for an entry by the host.
    offset: Option<u32>,
    /// Source file, where it is known.
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    /// Whether it was inlined into the next frame.
    inlined: bool,
}

impl From<Frame> for FrameRecord {
    fn from(frame: Frame) -> Self {
        let Frame { function: name, func, offset, file, line, column, is_inlined: inlined, .. } = frame;
        Self { func, name, offset, file, line, column, inlined }
    }
}

impl HeapProfile<'_> {
    /// For programs: one document.
    ///
    /// # Errors
    /// What the serialiser says; there is no value here that it refuses.
    pub fn json(&self) -> serde_json::Result<Json> {
        let stacks = self.summary.nodes.iter().map(|(&node, figures)| Stack {
            figures,
            frames: self.frames(node).into_iter().map(FrameRecord::from).collect(),
        });
        Json::pretty(&Record {
            schema: SCHEMA,
            file: self.name,
            original_sha256: memgrove_text::hex(&self.profile.original),
            sample_bytes: self.profile.sample_bytes,
            is_log_cut: self.profile.is_log_cut,
            are_stacks_folded: self.profile.are_nodes_full,
            missing_events: self.profile.missing_events,
            events: self.profile.event_count,
            totals: totals(self.summary)?,
            stacks: stacks.collect(),
        })
    }
}

fn totals(summary: &Summary) -> serde_json::Result<serde_json::Map<String, serde_json::Value>> {
    let without_nodes = Summary { nodes: std::collections::BTreeMap::new(), ..summary.clone() };
    let value = serde_json::to_value(&without_nodes)?;
    let mut totals = match value {
        serde_json::Value::Object(map) => map,
        _ => serde_json::Map::new(),
    };
    totals.remove("nodes");
    Ok(totals)
}
