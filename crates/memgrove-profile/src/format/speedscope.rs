//! Speedscope's JSON.
//!
//! Format: `src/lib/file-format-spec.ts` in <https://github.com/jlfwong/speedscope>.

use serde::Serialize;

use super::{Export, Metric};

#[derive(Serialize)]
struct File<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    name: &'a str,
    exporter: String,
    #[serde(rename = "activeProfileIndex")]
    active: usize,
    shared: Shared<'a>,
    profiles: Vec<Sampled>,
}

#[derive(Serialize)]
struct Shared<'a> {
    frames: Vec<SpeedscopeFrame<'a>>,
}

#[derive(Serialize)]
struct SpeedscopeFrame<'a> {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    col: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sampled {
    r#type: &'static str,
    name: &'static str,
    unit: &'static str,
    start_value: u64,
    end_value: u64,
    samples: Vec<Vec<usize>>,
    weights: Vec<u64>,
}

impl Export<'_> {
    /// A file for speedscope: a profile for each of [`Metric`].
    ///
    /// # Errors
    /// What the serialiser says; there is no value here that it refuses.
    pub fn speedscope(&self) -> serde_json::Result<Vec<u8>> {
        let frames = self.frames();
        let profile = |(metric, name, unit): (Metric, &'static str, &'static str)| {
            let (mut samples, mut weights) = (Vec::new(), Vec::new());
            for (&node, figures) in &self.summary.nodes {
                let value = metric.of(figures);
                if value > 0 {
                    let mut stack = self.stack(&frames, node);
                    stack.reverse();
                    samples.push(stack);
                    weights.push(value);
                }
            }
            let end_value = weights.iter().fold(0, |sum: u64, weight| sum.saturating_add(*weight));
            Sampled { r#type: "sampled", name, unit, start_value: 0, end_value, samples, weights }
        };
        let metrics = [
            (Metric::Peak, "live at the peak", "bytes"),
            (Metric::Final, "live at the end", "bytes"),
            (Metric::Allocated, "allocated", "bytes"),
            (Metric::Count, "number of allocations", "none"),
        ];
        serde_json::to_vec(&File {
            schema: "https://www.speedscope.app/file-format-schema.json",
            name: self.module,
            exporter: format!("memgrove {}", env!("CARGO_PKG_VERSION")),
            active: 0,
            shared: Shared {
                frames: frames
                    .list
                    .iter()
                    .map(|frame| SpeedscopeFrame {
                        // Frames without a line are told apart by their offset.
                        name: if frame.line.is_some() { frame.function.clone() } else { frame.label() },
                        file: frame.file.as_deref(),
                        line: frame.line,
                        col: frame.column,
                    })
                    .collect(),
            },
            profiles: metrics.into_iter().map(profile).collect(),
        })
    }
}
