//! Blocks that were live at the end: which of them are lost, and how certain that is.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use memgrove_module::facts::{ExternType, Import, ValType};
use memgrove_profile::{Search, Site};
use memgrove_rewrite::check::Arguments;
use serde::Serialize;

use super::CheckReport;
use crate::{bytes, count};

/// Blocks and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Blocks {
    /// How many.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Blocks {
    fn add(&mut self, blocks: u64, bytes: u64) {
        self.blocks = self.blocks.saturating_add(blocks);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn without(self, other: Self) -> Self {
        Self {
            blocks: self.blocks.saturating_sub(other.blocks),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    pub(super) fn words(self) -> String {
        format!("{} in {}", bytes(self.bytes), count(self.blocks, "block"))
    }
}

/// Blocks of one stack that were live at the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live {
    pub node: u32,
    pub all: Blocks,
    /// Of them, those to which no pointer was found; but in other such blocks, then they are in `indirect`.
    pub lost: Blocks,
    pub indirect: Blocks,
}

/// What is known of the pointers to blocks that were live at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reachability {
    /// Blocks to which a pointer was found.
    pub reachable: Blocks,
    /// Those to which none was found.
    pub lost: Blocks,
    /// Those to which one was found in the latter only.
    pub indirect: Blocks,
    /// Why a pointer to those may be where none can be seen; empty: they are lost for certain.
    pub doubts: Vec<&'static str>,
}

impl Reachability {
    /// No pointer can be anywhere else: what is lost is so for certain.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.doubts.is_empty()
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        let (lost, indirect) = match self.is_certain() {
            true => ("definitely lost", "indirectly lost"),
            false => ("without a pointer that was found", "with pointers from those only"),
        };
        let parts = [(self.lost, lost), (self.indirect, indirect), (self.reachable, "still reachable")];
        let parts = parts.iter().filter(|(blocks, _)| blocks.blocks > 0);
        parts.map(|(blocks, what)| format!("{} {what}", blocks.words())).collect::<Vec<_>>().join(", ")
    }

    /// What is to be said of the blocks of one stack.
    pub(super) fn words_of(&self, live: &Live) -> String {
        let (lost, indirect) = match self.is_certain() {
            true => ("definitely lost", "indirectly lost"),
            false => ("no pointer found", "pointers from such blocks only"),
        };
        let parts: Vec<String> = [(live.lost, lost), (live.indirect, indirect)]
            .iter()
            .filter(|(blocks, _)| blocks.blocks > 0)
            .map(|(blocks, what)| match blocks.blocks >= live.all.blocks {
                true => format!(", {what}"),
                false => format!(", {} of them: {what}", blocks.blocks),
            })
            .collect();
        if parts.is_empty() { ", still reachable".to_owned() } else { parts.concat() }
    }
}

impl CheckReport<'_> {
    /// Blocks that were live at the end by stack, without those that are suppressed: the most lost bytes first.
    pub(super) fn live_nodes(&self) -> Option<Vec<Live>> {
        let findings = self.profile.findings.as_ref().filter(|findings| findings.is_finished)?;
        let mut lost: BTreeMap<u32, [Blocks; 2]> = BTreeMap::new();
        for part in &findings.lost {
            let of = &mut lost.entry(part.node).or_default()[usize::from(part.is_indirect)];
            of.add(part.blocks.into(), part.bytes.into());
        }
        let arguments = Arguments::of(self.module);
        let nodes = (0..).zip(&self.profile.nodes).filter(|(_, node)| node.count > 0);
        let mut live: Vec<Live> = nodes
            .filter(|(at, _)| {
                let frames = self.frames(self.profile.stack(*at));
                !self.suppressions.iter().any(|one| one.fits("leak", frames.iter()))
            })
            .map(|(node, counts)| {
                let [lost, indirect] = match self
                    .profile
                    .stack(node)
                    .any(|site| matches!(site, Site::Call(at) if arguments.holds(at)))
                {
                    true => Default::default(),
                    false => lost.get(&node).copied().unwrap_or_default(),
                };
                Live { node, all: Blocks { blocks: counts.count, bytes: counts.bytes }, lost, indirect }
            })
            .collect();
        live.sort_by_key(|live| (Reverse((live.lost.bytes, live.indirect.bytes, live.all.bytes)), live.node));
        Some(live)
    }

    /// Blocks and bytes that were live at the end, of stacks that are not suppressed; `None` if that is not known.
    #[must_use]
    pub fn live(&self) -> Option<Blocks> {
        let mut sum = Blocks::default();
        self.live_nodes()?.iter().for_each(|live| sum.add(live.all.blocks, live.all.bytes));
        Some(sum)
    }

    /// Which of them are lost, or why that is not known.
    ///
    /// # Errors
    /// If pointers were not searched for.
    pub fn reachability(&self) -> Result<Reachability, &'static str> {
        let search = self.profile.findings.as_ref().map_or(Search::None, |findings| findings.search);
        let in_progress = match search {
            Search::Done { in_progress } => in_progress,
            Search::Broken => return Err("the header of a block was overwritten"),
            Search::Shared => {
                return Err("threads share the memory, and their stacks and globals may hold pointers");
            }
            Search::NoRoom => return Err("there was no memory for the search"),
            Search::None => return Err("the check did not search for pointers"),
        };
        let nodes = self.live_nodes().unwrap_or_default();
        let (mut all, mut lost, mut indirect) = (Blocks::default(), Blocks::default(), Blocks::default());
        for live in &nodes {
            all.add(live.all.blocks, live.all.bytes);
            lost.add(live.lost.blocks, live.lost.bytes);
            indirect.add(live.indirect.blocks, live.indirect.bytes);
        }
        let reachable = all.without(lost).without(indirect);
        let mut doubts = Vec::new();
        if lost.blocks == 0 && indirect.blocks == 0 {
            return Ok(Reachability { reachable, lost, indirect, doubts });
        }
        if in_progress {
            doubts.push("functions were in progress at the end, as the program exited or trapped; their locals are not seen");
        }
        if self.module.memories.len() > 1 {
            doubts.push("its other memories are not searched");
        }
        let lost_nodes = nodes.iter().filter(|live| live.lost.blocks > 0).map(|live| live.node);
        if self.may_host_hold_pointers(lost_nodes) {
            doubts.push("the host, such as JavaScript, may hold pointers");
        }
        Ok(Reachability { reachable, lost, indirect, doubts })
    }

    /// Whether the host was given pointers that it may keep, as far as can be known.
    fn may_host_hold_pointers(&self, mut lost_nodes: impl Iterator<Item = u32>) -> bool {
        let module = self.module;
        if let Some(name) = self.entered {
            // What it returns stays with the host.
            let ty = module.exported_func(name).and_then(|func| module.func_type(func));
            return ty
                .is_none_or(|ty| ty.results().iter().any(|ty| !matches!(ty, ValType::F32 | ValType::F64)));
        }
        // A command is entered once, by this function, and WASI keeps no pointer.
        let Some(start) = module.exported_func("_start") else { return true };
        let is_wasi = |import: &Import<'_>| {
            matches!(import.ty, ExternType::Func(_)) && import.module.starts_with("wasi_")
        };
        !module.imports.iter().all(is_wasi)
            || lost_nodes.any(|node| match self.profile.stack(node).last() {
                Some(Site::Entry(func)) => {
                    func != start && module.start.is_none_or(|start| start.func != func)
                }
                _ => true,
            })
    }
}
