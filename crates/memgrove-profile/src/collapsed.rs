//! Collapsed stacks: one line a stack, `outermost;…;innermost value`, as flame graph tools read them.

use std::fmt::Write;

use crate::read::{Profile, Site};
use crate::summary::{NodeSummary, Summary};

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

impl Profile {
    /// The stacks with their values, sites named by `name`; those with a value of 0 are left out.
    ///
    /// Semicolons, line breaks and blanks at the end of a name would break a line, so they become `_`.
    #[must_use]
    pub fn collapsed(&self, summary: &Summary, metric: Metric, name: impl Fn(Site) -> String) -> String {
        let mut text = String::new();
        for (&node, figures) in &summary.nodes {
            let value = metric.of(figures);
            if value == 0 {
                continue;
            }
            let mut stack: Vec<_> =
                self.stack(node).map(|site| name(site).replace([';', '\n', '\r'], "_")).collect();
            stack.reverse();
            let stack = if stack.is_empty() { "(host)".to_owned() } else { stack.join(";") };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{stack} {value}");
        }
        text
    }
}
