//! Other tools' formats, one file each.
//!
//! ```text
//! Profile, Summary, Names ─► Export ─► collapsed   flame graph tools
//!                                   ├► dhat        valgrind's dh_view.html
//!                                   ├► pprof       go tool pprof
//!                                   ├► firefox     profiler.firefox.com
//!                                   ├► speedscope  speedscope
//!                                   ├► heaptrack   heaptrack_print, heaptrack_gui
//!                                   └► mgtr        memgrove bench --trace
//! ```
//!
//! A recording knows no clock. Where a format has a time, it is the number of changes of the heap.

mod collapsed;
mod dhat;
#[cfg(feature = "viewers")]
mod firefox;
mod heaptrack;
mod mgtr;
#[cfg(feature = "viewers")]
mod pprof;
mod speedscope;

use std::collections::HashMap;

pub use collapsed::Metric;
pub use mgtr::NotReplayable;

use crate::read::{Profile, Site};
use crate::summary::Summary;

/// A frame of a stack, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The function: its name, or its index in words.
    pub function: String,
    /// Its index; none where a call lies in no function.
    pub func: Option<u32>,
    /// Where the call lies, in bytes from the start of the original; none for an entry by the host.
    pub offset: Option<u32>,
    /// The source file.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
    /// It was inlined into the next frame.
    pub is_inlined: bool,
    /// The host called the function.
    pub is_entry: bool,
}

/// Gives names to call sites.
pub trait Names {
    /// The frames of a call site, at least one: the innermost first, with more than one where functions were inlined.
    fn frames(&self, site: Site) -> Vec<Frame>;
}

impl<F: Fn(Site) -> Vec<Frame>> Names for F {
    fn frames(&self, site: Site) -> Vec<Frame> {
        self(site)
    }
}

/// A profile, to be written in a format.
#[derive(Clone, Copy)]
pub struct Export<'p> {
    /// What is written.
    pub profile: &'p Profile,
    /// Its figures.
    pub summary: &'p Summary,
    /// The names of its frames.
    pub names: &'p dyn Names,
    /// The module's name.
    pub module: &'p str,
}

/// Frames that differ, and which of them a node has of its own.
struct Frames {
    list: Vec<Frame>,
    /// For each node the positions in `list` of its own frames, the innermost first.
    of_node: Vec<Vec<usize>>,
}

/// What the stack of a block is called that the host asked for itself, where no entry was recorded.
const HOST: &str = "(host)";

impl Frame {
    /// Function, file and line in one.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.file, self.line, self.offset) {
            (Some(file), Some(line), _) => format!("{} ({file}:{line})", self.function),
            (Some(file), None, _) => format!("{} ({file})", self.function),
            (None, _, Some(offset)) => format!("{} at {offset:#x}", self.function),
            (None, _, None) if self.is_entry => format!("{}, called by the host", self.function),
            (None, _, None) => self.function.clone(),
        }
    }

    fn host() -> Self {
        Self { function: HOST.to_owned(), ..Self::default() }
    }
}

impl Export<'_> {
    /// Asks once for each site. Linear in the nodes.
    fn frames(&self) -> Frames {
        let mut list = vec![Frame::host()];
        let mut of_frame: HashMap<Frame, usize> = HashMap::from([(Frame::host(), 0)]);
        let mut of_site: HashMap<Site, Vec<usize>> = HashMap::new();
        let mut of_node = Vec::with_capacity(self.profile.nodes.len());
        for (index, node) in self.profile.nodes.iter().enumerate() {
            if index == 0 {
                of_node.push(vec![0]);
                continue;
            }
            let frames = of_site.entry(node.site).or_insert_with(|| {
                let frames = self.names.frames(node.site).into_iter();
                let place = |frame: Frame| {
                    *of_frame.entry(frame).or_insert_with_key(|frame| {
                        list.push(frame.clone());
                        list.len() - 1
                    })
                };
                frames.map(place).collect()
            });
            of_node.push(frames.clone());
        }
        Frames { list, of_node }
    }

    /// The positions of a node's frames with those of its callers, the innermost first; never empty.
    fn stack(&self, frames: &Frames, node: u32) -> Vec<usize> {
        let mut stack = Vec::new();
        let mut next = node;
        while next != 0 {
            stack.extend(frames.of_node.get(next as usize).into_iter().flatten());
            next = self.profile.nodes.get(next as usize).map_or(0, |node| node.parent);
        }
        if stack.is_empty() {
            stack.push(0);
        }
        stack
    }

    /// How the figures were made, in words; with what is not whole.
    fn remarks(&self) -> Vec<String> {
        let mut remarks =
            vec!["time is counted in changes of the heap: allocations, frees, reallocations".to_owned()];
        if self.profile.is_log_cut {
            remarks.push(format!(
                "the log ended at its limit, after {} of {} events",
                self.profile.events.len(),
                self.profile.event_count
            ));
        }
        if let Some(mean) = self.profile.sample_bytes {
            remarks.push(format!(
                "a sample: one block in {mean} bytes asked for; the figures are those of the sample"
            ));
        }
        if self.profile.are_nodes_full {
            remarks.push("there were more stacks than fit: later ones count for their callers".to_owned());
        }
        remarks
    }
}
