//! What a check found: for people, as JSON, and as SARIF for tools that show results of analyses.

mod leaks;
mod sarif;

use memgrove_module::facts::Facts;
use memgrove_profile::{Frame, Misuse, MisuseKind, Names, Profile, Site};
use memgrove_rewrite::check::{Layout, access_at};
use memgrove_text::{Line, Text, Tone, escape_name};
use serde::Serialize;

use self::leaks::Live;
pub use self::leaks::{Blocks, Reachability};
use crate::layout::Lines;
use crate::profile::{FrameRecord, Shown};
use crate::{Json, bytes, count};

/// Version of the JSON.
const SCHEMA: u32 = 1;
/// Frames of a stack that the text shows.
const SHOWN_FRAMES: usize = 12;
/// What no check of this kind sees, said with every result.
const NOT_SEEN: &str = "uninitialised reads, errors inside a block that the program divides itself, what the host \
     does to memory, overflow of static data or of a stack whose end the file does not tell, blocks freed by another function of the same \
     allocator (as by `free` what `new` made) or by one that is not known";
/// The same where blocks lie apart.
const NOT_SEEN_APART: &str = "accesses farther from their block than its red zone (9 bytes or more)";
/// The same where they lie as they do without a check.
const NOT_SEEN_SAME: &str = "use of a freed block once its bytes are handed out again, accesses next to a block beyond the \
     eight bytes in which it ends (where the allocator is known to have a word of its own before each block: beyond eight more, or more than \
     four bytes before it), accesses of memory that the allocator has not handed out yet, blocks of 1 GiB or more";
/// What the search for lost blocks does not see.
const NOT_SEEN_LOST: &str = "pointers that are kept in another form than as an address at a multiple of 4";

/// The recording of a check, with the names of the module.
pub struct CheckReport<'c> {
    /// The module's name.
    pub name: &'c str,
    /// The module that was checked.
    pub module: &'c Facts<'c>,
    /// What its functions and call sites are called.
    pub names: &'c dyn Names,
    /// The recording, whose places are located.
    pub profile: &'c Profile,
    /// The only function that the host called, but for one that begins or ends all, where that is known.
    pub entered: Option<&'c str>,
    /// Reports and leaks that are not wanted.
    pub suppressions: &'c [Suppression],
    /// Stacks of blocks that were live at the end, to show.
    pub top: usize,
}

/// A kind, or all, and a part of the name of a function that stands in the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// The id of a kind of misuse, `leak`, or `*`.
    pub kind: String,
    /// A part of the function's name.
    pub function: String,
}

impl Suppression {
    fn fits<'f>(&self, kind: &str, mut frames: impl Iterator<Item = &'f Frame>) -> bool {
        (self.kind == "*" || self.kind == kind) && frames.any(|frame| frame.function.contains(&self.function))
    }
}

/// Blocks that were live at the end, of one stack.
#[derive(Serialize)]
struct Leak {
    blocks: u64,
    bytes: u64,
    lost: Blocks,
    indirectly_lost: Blocks,
    stack: Vec<FrameRecord>,
}

#[derive(Serialize)]
struct Record<'a> {
    schema: u32,
    file: &'a str,
    reports: Vec<Report>,
    suppressed: usize,
    /// Blocks that were live at the end; none if the check did not come to its end.
    live_at_end: Option<Vec<Leak>>,
    reachability: Option<ReachabilityRecord>,
    frees_not_checked: u32,
    reports_left_out: u32,
    refused_beyond_4_gib: bool,
    unchecked: bool,
    recordings_missing: bool,
    layout: &'static str,
    not_seen: String,
}

#[derive(Serialize)]
struct ReachabilityRecord {
    searched: bool,
    certain: bool,
    doubts: Vec<&'static str>,
    still_reachable: Option<Blocks>,
    lost: Option<Blocks>,
    indirectly_lost: Option<Blocks>,
}

impl From<Result<Reachability, &'static str>> for ReachabilityRecord {
    fn from(reachability: Result<Reachability, &'static str>) -> Self {
        match reachability {
            Ok(known) => Self {
                searched: true,
                certain: known.is_certain(),
                doubts: known.doubts,
                still_reachable: Some(known.reachable),
                lost: Some(known.lost),
                indirectly_lost: Some(known.indirect),
            },
            Err(why) => Self {
                searched: false,
                certain: false,
                doubts: vec![why],
                still_reachable: None,
                lost: None,
                indirectly_lost: None,
            },
        }
    }
}

#[derive(Serialize)]
struct Report {
    kind: &'static str,
    message: String,
    address: u32,
    /// Offset of the access in the original.
    site: Option<u32>,
    access_bytes: Option<u32>,
    writes: Option<bool>,
    block: Option<BlockRecord>,
    stack: Vec<FrameRecord>,
}

#[derive(Serialize)]
struct BlockRecord {
    address: u32,
    size: u32,
    /// Where the first byte that is misuse lies, from the block's beginning.
    offset: i64,
    allocated: Vec<FrameRecord>,
    freed: Option<Vec<FrameRecord>>,
}

impl CheckReport<'_> {
    /// Reports that are not suppressed.
    pub fn misuses(&self) -> impl Iterator<Item = &Misuse> {
        let all = self.profile.findings.iter().flat_map(|findings| &findings.misuses);
        all.filter(|misuse| {
            let frames = self.frames(self.profile.misuse_stack(misuse));
            !self.suppressions.iter().any(|one| one.fits(misuse.kind.id(), frames.iter()))
        })
    }

    fn suppressed(&self) -> usize {
        let all = self.profile.findings.as_ref().map_or(0, |findings| findings.misuses.len());
        all - self.misuses().count()
    }

    fn frames(&self, sites: impl Iterator<Item = Site>) -> Vec<Frame> {
        let names = Shown(self.names);
        sites.flat_map(|site| names.frames(site)).collect()
    }

    /// Of an access, how many bytes it is of, if that is known, and whether it writes.
    fn access(&self, misuse: &Misuse) -> Option<(Option<u32>, bool)> {
        match misuse.within {
            Some(within) => within.access,
            None => misuse.site.and_then(|site| access_at(self.module, site)),
        }
    }

    /// What happened, in a sentence.
    fn message(&self, misuse: &Misuse) -> String {
        let what = match misuse.kind {
            MisuseKind::UseAfterFree => "use after free",
            MisuseKind::Overflow => "heap overflow",
            MisuseKind::Underflow => "heap underflow",
            MisuseKind::DoubleFree => "double free",
            MisuseKind::InvalidFree => "free of what is not the beginning of a block",
            MisuseKind::WrongSize => "freed with another size",
            MisuseKind::WrongAlignment => "freed with another alignment",
            MisuseKind::WrongHeap => "freed or reallocated by a function of another heap",
            MisuseKind::ReallocAfterFree => "realloc after free",
            MisuseKind::NullOffset => "use of an allocation that was refused",
            MisuseKind::StackOverflow => "stack overflow: the stack pointer is set to",
            _ => "misuse",
        };
        let mut words = what.to_owned();
        if let Some((width, writes)) = self.access(misuse) {
            let verb = if writes { "write" } else { "read" };
            let size = width.map_or("a range".to_owned(), |width| count(width.into(), "byte"));
            words.push_str(&format!(": {verb} of {size} at {:#x}", misuse.address));
        } else if misuse.kind == MisuseKind::StackOverflow {
            words.push_str(&format!(" {:#x}", misuse.address));
        } else {
            words.push_str(&format!(" at {:#x}", misuse.address));
        }
        if let Some((size, align)) = misuse.told {
            words.push_str(&format!(", told to be {} with alignment {align}", count(size.into(), "byte")));
        }
        if let Some(block) = &misuse.block {
            let size = count(block.size.into(), "byte");
            let place = match offset(misuse) {
                0 => format!("at the beginning of a block of {size}"),
                at if at < 0 => format!("{} before a block of {size}", count(at.unsigned_abs(), "byte")),
                at if at.unsigned_abs() < u64::from(block.size) => {
                    format!("{} into a block of {size}", count(at.unsigned_abs(), "byte"))
                }
                at if at.unsigned_abs() == u64::from(block.size) => format!("right behind a block of {size}"),
                at => {
                    let behind = at.unsigned_abs() - u64::from(block.size);
                    format!("{} behind a block of {size}", count(behind, "byte"))
                }
            };
            words.push_str(&format!(", {place}"));
        }
        words
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> Text {
        let mut lines = Lines::default();
        let misuses: Vec<&Misuse> = self.misuses().collect();
        let verdict = match misuses.len() {
            0 => "no misuse of the heap was seen".to_owned(),
            found => count(found as u64, "report"),
        };
        lines.line(Line::new().with(Tone::Heading, escape_name(self.name)).plain(format!(": {verdict}")));
        for caution in self.cautions() {
            lines.field("caution", Tone::Warn, &caution);
        }
        let reachability = self.reachability();
        if let Some(live) = self.live() {
            let words = format!("{} live in {}", bytes(live.bytes), count(live.blocks, "block"));
            lines.field("at the end", Tone::Plain, &words);
            match &reachability {
                _ if live.blocks == 0 => {}
                Ok(known) => {
                    lines.field("of these", Tone::Plain, &known.words());
                    for doubt in &known.doubts {
                        lines.field("not certain", Tone::Plain, doubt);
                    }
                }
                Err(why) => {
                    lines.field("of these", Tone::Plain, &format!("it is not known which are lost: {why}"))
                }
            }
        }
        if self.has_same_layout() {
            lines.field("layout", Tone::Plain, "blocks lie where they do without a check");
        }
        lines.field("not seen", Tone::Plain, &self.not_seen());
        for misuse in misuses {
            lines.gap();
            lines.line(
                Line::new().with(Tone::Bad, misuse.kind.id()).plain(format!(": {}", self.message(misuse))),
            );
            self.stack(&mut lines, "at", self.profile.misuse_stack(misuse));
            if let Some(block) = &misuse.block {
                if let Some(freed) = block.freed {
                    self.stack(&mut lines, "freed", self.profile.stack(freed));
                }
                self.stack(&mut lines, "allocated", self.profile.stack(block.allocated));
            }
        }
        let live = self.live_nodes().unwrap_or_default();
        if !live.is_empty() && self.top > 0 {
            lines.gap();
            lines.line(Line::new().with(Tone::Heading, "Live at the end"));
            for live in live.iter().take(self.top) {
                let words = reachability.as_ref().map(|known| known.words_of(live)).unwrap_or_default();
                lines.line(Line::new().plain(format!("  {}{words}", live.all.words())));
                self.stack(&mut lines, "allocated", self.profile.stack(live.node));
            }
            if let Some(more) = live.len().checked_sub(self.top).filter(|more| *more > 0) {
                lines.line(Line::new().plain(format!("  and {}", count(more as u64, "more stack"))));
            }
        }
        lines.into_text()
    }

    fn has_same_layout(&self) -> bool {
        self.profile.findings.as_ref().is_some_and(|findings| findings.same_layout)
    }

    fn not_seen(&self) -> String {
        let of_layout = if self.has_same_layout() { NOT_SEEN_SAME } else { NOT_SEEN_APART };
        [NOT_SEEN, of_layout, NOT_SEEN_LOST].join(", ")
    }

    fn cautions(&self) -> Vec<String> {
        let mut cautions = Vec::new();
        let Some(findings) = &self.profile.findings else { return cautions };
        if findings.unknown_frees > 0 {
            cautions.push(format!(
                "{} of blocks that no known function had allocated: they were not checked",
                count(findings.unknown_frees.into(), "free")
            ));
        }
        if findings.left_out > 0 || self.profile.is_log_cut {
            cautions.push("there was no room for all reports".to_owned());
        }
        if findings.was_cut {
            cautions.push(
                "it asked for memory beyond 4 GiB, which a checked program is not given: without the check it may go on otherwise"
                    .to_owned(),
            );
        }
        if findings.is_unchecked {
            cautions.push(
                "nothing was checked: there was no memory for what its threads have to know of blocks"
                    .to_owned(),
            );
        }
        if findings.are_others_missing {
            cautions.push(
                "recordings of other threads are missing: their reports, and where they allocated and freed"
                    .to_owned(),
            );
        }
        if !findings.is_finished {
            cautions.push("the check did not come to its end: what was live then is not known".to_owned());
        }
        let suppressed = self.suppressed();
        if suppressed > 0 {
            cautions.push(format!("{} suppressed", count(suppressed as u64, "report")));
        }
        cautions
    }

    fn stack(&self, lines: &mut Lines, label: &str, sites: impl Iterator<Item = Site>) {
        let frames = self.frames(sites);
        let mut first = Some(label);
        let mut line = |words: String| {
            let label = first.take().unwrap_or_default();
            lines.line(Line::new().plain(format!("  {label:<10} ")).plain(words));
        };
        if frames.is_empty() {
            line("(the host, without an entry)".to_owned());
        }
        for frame in frames.iter().take(SHOWN_FRAMES) {
            let inlined = if frame.is_inlined { ", inlined" } else { "" };
            line(format!("{}{inlined}", frame.label()));
        }
        if let Some(more) = frames.len().checked_sub(SHOWN_FRAMES).filter(|more| *more > 0) {
            line(format!("and {}", count(more as u64, "more frame")));
        }
    }

    fn records(&self, sites: impl Iterator<Item = Site>) -> Vec<FrameRecord> {
        self.frames(sites).into_iter().map(Into::into).collect()
    }

    /// For programs.
    ///
    /// # Errors
    /// What the serialiser says.
    pub fn json(&self) -> serde_json::Result<Json> {
        let report = |misuse: &Misuse| {
            let access = self.access(misuse);
            Report {
                kind: misuse.kind.id(),
                message: self.message(misuse),
                address: misuse.address,
                site: misuse.site,
                access_bytes: access.and_then(|(width, _)| width),
                writes: access.map(|(_, writes)| writes),
                block: misuse.block.map(|block| BlockRecord {
                    address: block.address,
                    size: block.size,
                    offset: offset(misuse),
                    allocated: self.records(self.profile.stack(block.allocated)),
                    freed: block.freed.map(|freed| self.records(self.profile.stack(freed))),
                }),
                stack: self.records(self.profile.misuse_stack(misuse)),
            }
        };
        let leak = |live: Live| Leak {
            blocks: live.all.blocks,
            bytes: live.all.bytes,
            lost: live.lost,
            indirectly_lost: live.indirect,
            stack: self.records(self.profile.stack(live.node)),
        };
        let findings = self.profile.findings.as_ref();
        Json::pretty(&Record {
            schema: SCHEMA,
            file: self.name,
            reports: self.misuses().map(report).collect(),
            suppressed: self.suppressed(),
            live_at_end: self.live_nodes().map(|nodes| nodes.into_iter().map(leak).collect()),
            reachability: self.live().map(|_| self.reachability().into()),
            frees_not_checked: findings.map_or(0, |findings| findings.unknown_frees),
            reports_left_out: findings.map_or(0, |findings| findings.left_out),
            layout: if self.has_same_layout() { Layout::Same } else { Layout::Apart }.name(),
            refused_beyond_4_gib: findings.is_some_and(|findings| findings.was_cut),
            unchecked: findings.is_some_and(|findings| findings.is_unchecked),
            recordings_missing: findings.is_some_and(|findings| findings.are_others_missing),
            not_seen: self.not_seen(),
        })
    }
}

/// Where the first byte that is misuse lies, from the beginning of its block.
fn offset(misuse: &Misuse) -> i64 {
    let at = i64::from(misuse.address) + i64::from(misuse.into_access);
    misuse.block.map_or(0, |block| at - i64::from(block.address))
}
