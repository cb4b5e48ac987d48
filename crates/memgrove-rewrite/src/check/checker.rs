//! The functions of `trace/checker.wat` in the module that they were grafted into.

use super::width::{Kind, Width};
use crate::edit::Edits;
use crate::frames::{Added, StackFunctions};
use crate::graft::GraftError;

/// Functions of `trace/checker.wat`, by their edit indices.
pub(super) struct Checker {
    pub width: Width,
    pub shadow: u32,
    pub sync: u32,
    pub is_sound: u32,
    /// Takes pages as the program does, and returns how many there were.
    pub grow: u32,
    pub beyond: u32,
    pub range: u32,
    pub header: u32,
    pub total: u32,
    pub place: u32,
    pub state_of: u32,
    pub size_of: u32,
    pub base_of: u32,
    pub total_of: u32,
    pub which_of: u32,
    pub free: u32,
    pub room: u32,
    pub pop: u32,
    pub stale: u32,
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
        (shadow, inside): (u32, u32),
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
        Ok(Self {
            width,
            beyond,
            shadow,
            sync: find("sync")?,
            is_sound: find("is_sound")?,
            grow: around("grow", Kind::Grow { beyond })?,
            range: around("range", Kind::Range)?,
            header: find("header")?,
            reads,
            writes,
            passes,
            total: find("total")?,
            place: find("place")?,
            state_of: find("state_of")?,
            size_of: find("size_of")?,
            base_of: find("base_of")?,
            total_of: find("total_of")?,
            which_of: find("which_of")?,
            free: find("free")?,
            room: find("room")?,
            pop: find("pop")?,
            stale: find("stale")?,
            stack: around("stack", Kind::Stack)?,
            frame: around("frame", Kind::Stack)?,
            enter: find("enter")?,
            inside,
            ask: stack.ask,
            site: added.site,
        })
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
