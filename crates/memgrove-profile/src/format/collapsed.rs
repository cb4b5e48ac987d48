//! Collapsed stacks: one line a stack, `outermost;…;innermost value`.
//!
//! Format: the header of stackcollapse.pl in <https://github.com/brendangregg/FlameGraph>.

use std::fmt::Write;

use super::Export;
use crate::summary::NodeSummary;

/// What a stack's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Bytes live at the peak.
    Peak,
    /// Bytes live at the end.
    Final,
    /// Bytes allocated.
    Allocated,
    /// Number of allocations.
    Count,
}

impl Metric {
    /// The value of a stack.
    #[must_use]
    pub fn of(self, node: &NodeSummary) -> u64 {
        match self {
            Self::Peak => node.at_peak_bytes,
            Self::Final => node.final_bytes,
            Self::Allocated => node.bytes,
            Self::Count => node.count,
        }
    }
}

impl Export<'_> {
    /// The stacks with their values; those with a value of 0 are left out.
    ///
    /// Semicolons and line breaks in a name would break a line, so they become `_`.
    #[must_use]
    pub fn collapsed(&self, metric: Metric) -> String {
        let frames = self.frames();
        let mut text = String::new();
        for (&node, figures) in &self.summary.nodes {
            let value = metric.of(figures);
            if value == 0 {
                continue;
            }
            let stack = self.stack(&frames, node);
            let names = stack.iter().rev().map(|&frame| frames.list[frame].label());
            let names: Vec<String> = names.map(|name| name.replace([';', '\n', '\r'], "_")).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {value}", names.join(";"));
        }
        text
    }
}
