//! The functions of `trace/checker.wat` in the module that they were grafted into.

use super::Layout;
use super::threads::{Shared, Threads};
use super::width::{Kind, Width};
use crate::edit::Edits;
use crate::frames::{Added, StackFunctions};
use crate::graft::GraftError;

/// Functions of `trace/apart.wat`.
#[derive(Clone, Copy)]
pub(super) struct Apart {
    pub header: u32,
    pub total: u32,
    pub place: u32,
    pub base_of: u32,
    pub total_of: u32,
    pub which_of: u32,
    pub room: u32,
    pub pop: u32,
}

/// Functions of `trace/same.wat`.
#[derive(Clone, Copy)]
pub(super) struct Same {
    pub keep: u32,
    pub extend: u32,
    pub shortened: u32,
    pub forget: u32,
    pub taken: u32,
}

#[derive(Clone, Copy)]
pub(super) enum OfLayout {
    Apart(Apart),
    Same(Same),
}

/// Functions of `trace/checker.wat`, by their edit indices.
pub(super) struct Checker {
    pub width: Width,
    pub shadow: u32,
    /// Where threads share the program's memory.
    pub threads: Option<(Threads, Shared)>,
    pub sync: u32,
    pub is_sound: u32,
    /// Takes pages as the program does, and returns how many there were.
    pub grow: u32,
    pub beyond: u32,
    pub range: u32,
    pub state_of: u32,
    pub size_of: u32,
    pub nodes_of: u32,
    pub next_live: u32,
    pub behind: u32,
    pub free: u32,
    pub stale: u32,
    pub is_foreign: u32,
    /// What each layout has of its own.
    pub of_layout: OfLayout,
    pub stack: u32,
    pub frame: u32,
    pub enter: u32,
    /// The global that is 1 while a function of the allocator runs that a wrapper has called.
    pub inside: u32,
    /// Of the recorder: see [`StackFunctions::ask`] and [`Added::site`].
    pub ask: u32,
    pub site: u32,
    reads: [u32; 5],
    writes: [u32; 5],
    passes: [[u32; 5]; 2],
}

impl Checker {
    pub fn new(
        find: impl Fn(&str) -> Result<u32, GraftError>,
        added: Added,
        stack: StackFunctions,
        (layout, shadow, inside, threads): (Layout, u32, u32, Option<Threads>),
        (edits, width): (&mut Edits<'_, '_>, Width),
    ) -> Result<Self, GraftError> {
        let mut around = |name: &str, kind: Kind| Ok::<_, GraftError>(width.around(edits, find(name)?, kind));
        let mut widths = |what: &str, kind: Kind| -> Result<[u32; 5], GraftError> {
            let mut one = |width: u32| around(&format!("{what}_{width}"), kind);
            Ok([one(1)?, one(2)?, one(4)?, one(8)?, one(16)?])
        };
        let (reads, writes) = (widths("read", Kind::Access)?, widths("write", Kind::Access)?);
        let passes = [widths("pass_read", Kind::Pass)?, widths("pass_write", Kind::Pass)?];
        let beyond = find("beyond")?;
        let shared = |threads: Threads| {
            Ok::<_, GraftError>((
                threads,
                Shared {
                    claim: find("claim")?,
                    made: find("made")?,
                    is_ready: find("is_ready")?,
                    is_first: find("is_first")?,
                    is_without: find("is_without")?,
                    node_count: find("node_count")?,
                    thread_count: find("thread_count")?,
                },
            ))
        };
        let threads = threads.map(shared).transpose()?;
        let of_layout = match layout {
            Layout::Apart => OfLayout::Apart(Apart {
                header: find("header")?,
                total: find("total")?,
                place: find("place")?,
                base_of: find("base_of")?,
                total_of: find("total_of")?,
                which_of: find("which_of")?,
                room: find("room")?,
                pop: find("pop")?,
            }),
            Layout::Same => OfLayout::Same(Same {
                keep: find("keep")?,
                extend: find("extend")?,
                shortened: find("shortened")?,
                forget: find("forget")?,
                taken: find("taken")?,
            }),
        };
        Ok(Self {
            width,
            beyond,
            shadow,
            threads,
            sync: find("sync")?,
            is_sound: find("is_sound")?,
            grow: around("grow", Kind::Grow { beyond })?,
            range: around("range", Kind::Range)?,
            reads,
            writes,
            passes,
            state_of: find("state_of")?,
            size_of: find("size_of")?,
            nodes_of: find("nodes_of")?,
            next_live: find("next_live")?,
            behind: find("behind")?,
            free: find("free")?,
            stale: find("stale")?,
            is_foreign: find("is_foreign")?,
            of_layout,
            stack: around("stack", Kind::Stack)?,
            frame: around("frame", Kind::Stack)?,
            enter: find("enter")?,
            inside,
            ask: stack.ask,
            site: added.site,
        })
    }

    /// The function that is told where memory begins that the program takes beside the allocator, if that is of interest.
    pub fn taken(&self) -> Option<u32> {
        match self.of_layout {
            OfLayout::Apart(_) => None,
            OfLayout::Same(same) => Some(same.taken),
        }
    }

    /// The function that decides about an access of so many bytes.
    pub fn access(&self, width: u32, stores: bool) -> u32 {
        let at = width.trailing_zeros().min(4) as usize;
        if stores { self.writes[at] } else { self.reads[at] }
    }

    /// The same, for an address that it hands on, and of which nothing was tested before.
    pub fn pass(&self, width: u32, stores: bool) -> u32 {
        self.passes[usize::from(stores)][width.trailing_zeros().min(4) as usize]
    }
}
