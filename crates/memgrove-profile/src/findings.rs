//! What a check has found: misuse of the heap, as the recording has it.

use crate::layout::{self, kind, misuse, search};
use crate::read::{NumberedCall, Profile, Site};

/// What was done to the heap that must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MisuseKind {
    /// A block was read or written after it was freed.
    UseAfterFree,
    /// Behind the end of a block.
    Overflow,
    /// Before the beginning of a block.
    Underflow,
    /// A block was freed a second time.
    DoubleFree,
    /// What was freed is not the beginning of a block.
    InvalidFree,
    /// A block was freed with another size than was asked for.
    WrongSize,
    /// A block was freed with another alignment than was asked for.
    WrongAlignment,
    /// A block was reallocated after it was freed.
    ReallocAfterFree,
    /// Null, or a little more, was read or written after an allocation had been refused.
    NullOffset,
    /// The stack has grown beyond its end, into what lies there.
    StackOverflow,
    /// A block was freed or reallocated by a function of another heap than it is of.
    WrongHeap,
}

/// Every kind, with its number in the recording and its id.
const KINDS: &[(u32, MisuseKind, &str)] = &[
    (misuse::USE_AFTER_FREE, MisuseKind::UseAfterFree, "use-after-free"),
    (misuse::OVERFLOW, MisuseKind::Overflow, "heap-overflow"),
    (misuse::UNDERFLOW, MisuseKind::Underflow, "heap-underflow"),
    (misuse::DOUBLE_FREE, MisuseKind::DoubleFree, "double-free"),
    (misuse::INVALID_FREE, MisuseKind::InvalidFree, "invalid-free"),
    (misuse::WRONG_SIZE, MisuseKind::WrongSize, "wrong-size"),
    (misuse::WRONG_ALIGN, MisuseKind::WrongAlignment, "wrong-alignment"),
    (misuse::REALLOC_AFTER_FREE, MisuseKind::ReallocAfterFree, "realloc-after-free"),
    (misuse::NULL_OFFSET, MisuseKind::NullOffset, "null-offset"),
    (misuse::STACK_OVERFLOW, MisuseKind::StackOverflow, "stack-overflow"),
    (misuse::WRONG_HEAP, MisuseKind::WrongHeap, "wrong-heap"),
];

impl MisuseKind {
    fn numbered(number: u32) -> Option<Self> {
        KINDS.iter().find(|(known, ..)| *known == number).map(|(_, kind, _)| *kind)
    }

    /// Its name for programs and options.
    #[must_use]
    pub fn id(self) -> &'static str {
        KINDS.iter().find(|(_, kind, _)| *kind == self).map_or("", |(.., id)| id)
    }

    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(_, kind, _)| *kind)
    }
}

/// A report of misuse: the first at its site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misuse {
    /// What was done.
    pub kind: MisuseKind,
    /// Where in the program's memory; of a stack overflow, the new stack pointer.
    pub address: u32,
    /// The access, in bytes from the start of the original; `None`: a call of the allocator, or one that is told without.
    pub site: Option<u32>,
    /// What is known of an access that is told without its site.
    pub within: Option<AccessWithin>,
    /// Of an access, bytes from its first to the first that is misuse.
    pub into_access: u32,
    /// Size and alignment that a freeing call told, if it did.
    pub told: Option<(u32, u32)>,
    /// The block that it was about.
    pub block: Option<MisusedBlock>,
    /// Position of the stack in [`Profile::nodes`], without the access itself.
    node: u32,
    /// The number of the call of the function that holds the site, if that has no frame.
    number: i32,
    /// Where that function was called.
    called_at: Option<Site>,
}

impl Misuse {
    /// The node of its stack.
    pub(crate) fn own_node(&self) -> u32 {
        self.node
    }

    /// Sets to the root which nodes are not kept. Returns whether there are such.
    pub(crate) fn keep_nodes(&mut self, is_kept: impl Fn(u32) -> bool) -> bool {
        let mut are_some_lost = false;
        let block = self.block.iter_mut();
        let of_block = block.flat_map(|block| std::iter::once(&mut block.allocated).chain(&mut block.freed));
        for node in std::iter::once(&mut self.node).chain(of_block) {
            if *node != 0 && !is_kept(*node) {
                *node = 0;
                are_some_lost = true;
            }
        }
        are_some_lost
    }

    /// What tells it from reports of other sites: of an access with its site that is enough, as one thread tells it once; of
    /// others it is what is known of them, and their stack.
    pub(crate) fn key(&self) -> (MisuseKind, Option<u32>, Option<AccessWithin>, i32) {
        (self.kind, self.site, self.within, if self.site.is_some() { 0 } else { self.number })
    }
}

/// An access in a module that was instrumented without sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccessWithin {
    /// The function that holds it, if that is known.
    pub func: Option<u32>,
    /// Its bytes, if it has a fixed number, and whether it writes; `None` if nothing is accessed: the stack pointer is set.
    pub access: Option<(Option<u32>, bool)>,
}

impl AccessWithin {
    /// What stands in place of a site; `None` if it is one.
    fn of(word: u32) -> Option<Self> {
        if word & layout::NO_SITE == 0 {
            return None;
        }
        let func = Some(word & layout::NO_FUNC).filter(|func| *func != layout::NO_FUNC);
        let writes = word >> 23 & 1 != 0;
        let access = match word >> 20 & 7 {
            layout::NO_ACCESS => None,
            layout::WIDTH_OF_RANGE => Some((None, writes)),
            width_log2 => Some((Some(1 << width_log2), writes)),
        };
        Some(Self { func, access })
    }
}

/// A block of a [`Misuse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MisusedBlock {
    /// Its address.
    pub address: u32,
    /// Bytes asked for.
    pub size: u32,
    /// Position of the stack of its allocation in [`Profile::nodes`].
    pub allocated: u32,
    /// The same of its free, if it was freed.
    pub freed: Option<u32>,
}

/// What became of the search for blocks to which nothing points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Search {
    /// It was not made: the check did not come to its end, or was made by memgrove before it searched.
    #[default]
    None,
    /// It was not made, as the header of a block was overwritten.
    Broken,
    /// It was not made, as there was no memory for it.
    NoRoom,
    /// It was not made, as threads share the memory: their stacks and globals may hold pointers.
    Shared,
    /// It was made.
    Done {
        /// Functions were in progress at the end: their locals may have held pointers.
        in_progress: bool,
    },
}

impl Search {
    fn of(bits: u32) -> Self {
        match bits {
            _ if bits & search::DONE != 0 => Self::Done { in_progress: bits & search::IN_PROGRESS != 0 },
            _ if bits & search::BROKEN != 0 => Self::Broken,
            _ if bits & search::NO_ROOM != 0 => Self::NoRoom,
            _ if bits & search::SHARED != 0 => Self::Shared,
            _ => Self::None,
        }
    }
}

/// Blocks of one stack to which no pointer was found, in memory that can still be reached or in a global.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Position of the stack of their allocation in [`Profile::nodes`].
    pub node: u32,
    /// Other lost blocks point to them.
    pub is_indirect: bool,
    /// How many.
    pub blocks: u32,
    /// Their bytes.
    pub bytes: u32,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Reports, in the order in which they were made.
    pub misuses: Vec<Misuse>,
    /// The check came to its end: [`crate::Node::count`] and `bytes` are then the blocks that were live.
    pub is_finished: bool,
    /// What became of the search for lost blocks among them.
    pub search: Search,
    /// What it found.
    pub lost: Vec<Lost>,
    /// Frees of blocks that no known function had allocated: not checked.
    pub unknown_frees: u32,
    /// Reports for which there was no room.
    pub left_out: u32,
    /// Blocks lay where they do without a check: less could be seen.
    pub same_layout: bool,
    /// Threads that share the memory and had come to be checked at the end of this one's recording; 0 without threads.
    pub(crate) threads: u32,
    /// Recordings of other threads are missing: their reports, and where some blocks were allocated or freed.
    pub are_others_missing: bool,
    /// Nothing was checked, as there was no memory for the shadow that threads share.
    pub is_unchecked: bool,
    /// A program with 64-bit addresses asked for memory beyond 4 GiB and was given none, as that cannot be checked.
    pub was_cut: bool,
}

impl Findings {
    /// Takes an event of the log, if it is one of a check's. `what`, `node`, `block` and `size` are its words.
    pub(crate) fn take(&mut self, what: u32, node: u32, block: u32, size: u32) -> bool {
        let low = what >> 8 & 0xff;
        match what & 0xf {
            kind::MISUSE => {
                let Some(kind) = MisuseKind::numbered(low) else { return false };
                // Twelve bits, signed.
                let number =
                    (what >> 16 << (32 - layout::FUNC_SHIFT)).cast_signed() >> (32 - layout::FUNC_SHIFT);
                let within = AccessWithin::of(size);
                self.misuses.push(Misuse {
                    kind,
                    address: block,
                    site: Some(size).filter(|site| *site != 0 && within.is_none()),
                    within,
                    into_access: 0,
                    told: None,
                    block: None,
                    node,
                    number,
                    called_at: None,
                });
            }
            kind::OF_BLOCK => {
                let Some(last) = self.misuses.last_mut() else { return false };
                last.block = Some(MisusedBlock { address: block, size, allocated: node, freed: None });
            }
            kind::FREED_AT => {
                let Some(last) = self.misuses.last_mut() else { return false };
                match last.site.is_some() || last.within.is_some() {
                    true => last.into_access = size,
                    false => last.told = Some((size, block)).filter(|_| size != u32::MAX),
                }
                if let Some(block) = &mut last.block
                    && low != 0
                {
                    block.freed = Some(node);
                }
            }
            kind::LOST => {
                self.lost.push(Lost { node, is_indirect: low & 1 != 0, blocks: block, bytes: size });
            }
            kind::CHECKED => {
                self.is_finished = low & search::COUNTED_ELSEWHERE == 0;
                self.threads = node;
                self.is_unchecked = low & search::UNCHECKED != 0;
                self.search = Search::of(low);
                (self.unknown_frees, self.left_out) = (block, size);
                self.was_cut = what >> 16 & 1 != 0;
            }
            _ => return false,
        }
        true
    }
}

impl Profile {
    /// Finds out by which calls functions without frames were entered. `function_at` is given an offset in bytes from the
    /// start of the original; `find` what tells a call, of which it returns the offset.
    pub fn settle(
        &mut self,
        function_at: impl Fn(u32) -> Option<u32>,
        mut find: impl FnMut(NumberedCall) -> Option<u32>,
    ) {
        let Some(findings) = &mut self.findings else { return };
        for misuse in &mut findings.misuses {
            let Some(callee) = misuse.site.and_then(&function_at) else { continue };
            let innermost = self.funcs.get(misuse.node as usize).copied().flatten();
            if innermost == Some(callee) {
                continue;
            }
            misuse.called_at = match (misuse.number, innermost) {
                (layout::HOST_CALL, _) => Some(Site::Entry(callee)),
                (layout::UNKNOWN_CALL, Some(caller)) => Some(Site::Within(caller)),
                (number, Some(caller)) => {
                    let offset = find(NumberedCall { caller, callee, number });
                    Some(offset.map_or(Site::Within(caller), Site::Call))
                }
                (_, None) => None,
            };
        }
    }

    /// The sites of a report, the innermost first.
    pub fn misuse_stack(&self, misuse: &Misuse) -> impl Iterator<Item = Site> {
        let within = misuse.within.and_then(|within| within.func);
        let access = misuse.site.map(Site::Call).or(within.map(Site::Within));
        access.into_iter().chain(misuse.called_at).chain(self.stack(misuse.node))
    }
}
