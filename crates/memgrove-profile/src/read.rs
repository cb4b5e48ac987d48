//! A profile's bytes, and what stands in them.

use crate::Error;
use crate::findings::Findings;
use crate::layout::{self, kind};
use crate::links::{self, Tree};

/// A recording, as it stands in a file. Nothing in it has been followed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// SHA-256 of the module that was traced.
    pub original: [u8; 32],
    /// The log ended at its limit: events are missing behind its end.
    pub is_log_cut: bool,
    /// There were more stacks than nodes: later ones count for the nearest caller that has one.
    pub are_nodes_full: bool,
    /// Events that there were, also those that the log has not.
    pub event_count: u64,
    /// Bytes of all allocations.
    pub allocated_bytes: u64,
    /// The tree of stacks. The first is the root, which is its own parent.
    pub nodes: Vec<Node>,
    /// The log, in the order of the calls.
    pub events: Vec<Event>,
    /// More functions were in progress than there was room for: the deepest frames are missing in some stacks.
    pub are_stacks_cut: bool,
    /// Calls were suspended and went on in another order (JSPI): stacks may be those of others.
    pub are_stacks_mixed: bool,
    /// Not every block was recorded: the mean distance of hits in bytes asked for.
    pub sample_bytes: Option<u32>,
    /// More sampled blocks were live than could be told apart: later ones are missing.
    pub are_samples_full: bool,
    /// What a check has found, if this is the recording of one. The log then holds no events.
    pub findings: Option<Findings>,
    /// Events are numbered, as several instances have the program's memory, and this is the recording of one.
    pub is_of_one_instance: bool,
    /// By node: whether it is of this recording, where threads have one numbering of nodes.
    pub(crate) own_nodes: Vec<bool>,
    /// By event: its number, where they are numbered.
    pub(crate) numbers: Vec<u64>,
    /// Where the counter of these numbers stands in the program's memory.
    pub(crate) counter: Option<u32>,
    /// Numbers that no event has: other instances' events, of those that were read together ([`Profile::merge`]).
    pub missing_events: u64,
    /// By node: the call behind its site, where only its function is known yet.
    pub(crate) calls: Vec<Option<NumberedCall>>,
    /// By node: its function, where nodes stand for frames.
    pub(crate) funcs: Vec<Option<u32>>,
}

/// A call by its number: see `memgrove_module::code::CallNumbers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NumberedCall {
    /// The function that calls.
    pub caller: u32,
    /// The function that is called.
    pub callee: u32,
    /// Which of its calls.
    pub number: i32,
}

/// A call site with the stack under it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Node {
    /// Position of the caller's node; less than its own.
    pub parent: u32,
    /// The call.
    pub site: Site,
    /// Allocations that were made there; exact, even if the log was cut.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Where a call comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// The host called this function, by its export.
    Entry(u32),
    /// The call instruction at this offset in bytes from the start of the original.
    Call(u32),
    /// A call by this function; where in its code is not known, or not yet: see [`Profile::locate`].
    Within(u32),
}

impl Default for Site {
    fn default() -> Self {
        Self::Call(0)
    }
}

/// One call of the allocator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub what: What,
    /// It happened inside of another call of the allocator.
    pub is_nested: bool,
    /// Position of its stack in [`Profile::nodes`].
    pub node: u32,
}

/// What happened. Addresses are those of the program's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A block was allocated.
    Allocated {
        /// Its address.
        block: u64,
        /// Bytes asked for.
        size: u64,
        /// The alignment asked for, as a power of two; 0 if none was.
        align_log2: u8,
    },
    /// A block is about to be freed.
    Freed {
        /// Its address.
        block: u64,
        /// Its size, where the caller says it; else 0.
        size: u64,
    },
    /// A block is about to be reallocated.
    Moving {
        /// Its address.
        block: u64,
    },
    /// It was reallocated. Without a block, at size 0, it was freed.
    Moved {
        /// Its new address.
        block: u64,
        /// Bytes asked for.
        size: u64,
        /// The alignment asked for, as a power of two; 0 if none was.
        align_log2: u8,
    },
    /// An allocation was refused. A block that was to be reallocated stays.
    Refused {
        /// Bytes asked for.
        size: u64,
    },
}

impl Profile {
    /// Makes a profile of the memory that a traced module exports: header, nodes and log, without what lies between.
    /// Where the recording is a block of the program's memory, of that from the block on.
    ///
    /// # Errors
    /// If it is not such a memory.
    pub fn bytes_of_memory(memory: &[u8]) -> Result<Vec<u8>, Error> {
        let header = Header::read(memory)?;
        let mut bytes = slice(memory, "the header", 0, u64::from(layout::HEADER_BYTES))?.to_vec();
        let nodes_at = match word(memory, layout::NODES_AT as usize) {
            0 => layout::NODES,
            at => at,
        };
        bytes.extend(slice(memory, "the nodes", u64::from(nodes_at), header.nodes_bytes())?);
        bytes.extend(slice(memory, "the log", u64::from(header.log_start), header.log_bytes()?)?);
        Ok(bytes)
    }

    /// Reads a profile. Linear in its length.
    ///
    /// # Errors
    /// If it is not a profile, or cut short or damaged; says where.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let header = Header::read(bytes)?;
        let nodes_at = u64::from(layout::HEADER_BYTES);
        let log_at = nodes_at + header.nodes_bytes();
        let nodes = slice(bytes, "the nodes", nodes_at, header.nodes_bytes())?;
        let log = slice(bytes, "the log", log_at, header.log_bytes()?)?;
        let mut tree = read_nodes(nodes, header.has_frames, nodes_at)?;
        let node_count = tree.nodes.len();
        let (mut high, mut numbering) = (High::default(), Numbering::default());
        let event = |(bytes, at): (&[u8], u64)| {
            if numbering.take(bytes) {
                return None;
            }
            let entry = read_event(bytes, log_at + at, node_count, &mut high).transpose();
            if let Some(Ok(Entry::Event(_))) = entry {
                numbering.count();
            }
            entry
        };
        // With threads, that of a block may be another's.
        let is_one_of_several = header.state & layout::NUMBERED != 0;
        let known = |node: u32| if is_one_of_several || (node as usize) < node_count { node } else { 0 };
        let places = (0..).step_by(layout::EVENT_BYTES as usize);
        let mut findings = header
            .is_check()
            .then(|| Findings { same_layout: header.check == layout::check::SAME, ..Findings::default() });
        let mut is_event = |event: &[u8]| match &mut findings {
            Some(findings) => {
                !findings.take(word(event, 0), known(word(event, 4)), word(event, 8), word(event, 12))
            }
            None => true,
        };
        let entries: Vec<Entry> = log
            .chunks_exact(layout::EVENT_BYTES as usize)
            .zip(places)
            .filter(|(event, _)| is_event(event))
            .filter_map(event)
            .collect::<Result<_, _>>()?;
        let events = links::resolve(entries, &mut tree);
        Ok(Self {
            original: header.original,
            is_log_cut: header.state & layout::LOG_CUT != 0,
            are_nodes_full: header.state & layout::NODES_FULL != 0,
            event_count: header.event_count,
            allocated_bytes: header.allocated_bytes,
            nodes: tree.nodes,
            events,
            are_stacks_cut: header.state & layout::STACK_FULL != 0,
            are_stacks_mixed: header.state & layout::OVERLAPPED != 0,
            sample_bytes: Some(header.sample_bytes).filter(|&bytes| bytes > 0),
            are_samples_full: header.state & layout::SAMPLES_FULL != 0,
            findings,
            is_of_one_instance: is_one_of_several,
            own_nodes: match header.is_check() && is_one_of_several {
                true => own_nodes(nodes),
                false => Vec::new(),
            },
            numbers: numbering.numbers,
            counter: numbering.counter,
            missing_events: 0,
            calls: tree.calls,
            funcs: tree.funcs,
        })
    }

    /// Finds out where calls lie of which only the functions are known so far. `find` is given what tells a call,
    /// and returns its offset in bytes from the start of the original.
    pub fn locate(&mut self, mut find: impl FnMut(NumberedCall) -> Option<u32>) {
        for (node, call) in self.nodes.iter_mut().zip(&mut self.calls) {
            if let Some(offset) = call.take().and_then(&mut find) {
                node.site = Site::Call(offset);
            }
        }
    }

    /// The call sites of a node, the innermost first.
    pub fn stack(&self, node: u32) -> impl Iterator<Item = Site> {
        let mut next = node;
        std::iter::from_fn(move || {
            let node = self.nodes.get(next as usize).filter(|_| next != 0)?;
            next = node.parent;
            Some(node.site)
        })
    }
}

struct Header {
    has_frames: bool,
    /// [`layout::check`], or 0.
    check: u32,
    sample_bytes: u32,
    log_start: u32,
    original: [u8; 32],
    state: u32,
    node_count: u32,
    log_end: u32,
    event_count: u64,
    allocated_bytes: u64,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        if !bytes.starts_with(&layout::MAGIC) {
            return Err(Error::NotAProfile);
        }
        let header = slice(bytes, "the header", 0, u64::from(layout::HEADER_BYTES))?;
        let version = word(header, 4);
        if version != layout::VERSION {
            return Err(Error::Version { version });
        }
        let mut original = [0; 32];
        original.copy_from_slice(&header[layout::ORIGINAL as usize..]);
        let sample_bytes = word(header, layout::SAMPLE_BYTES as usize);
        let check = word(header, layout::IS_CHECK as usize);
        let header = Self {
            has_frames: word(header, layout::FRAMES as usize) != 0,
            check,
            sample_bytes,
            // Recordings were read before this was looked at.
            log_start: match word(header, layout::LOG_START as usize) {
                0 => layout::log_start(sample_bytes > 0 || check != 0),
                start => start,
            },
            original,
            state: word(header, layout::STATE as usize),
            node_count: word(header, layout::NODE_COUNT as usize),
            log_end: word(header, layout::LOG_CURSOR as usize),
            event_count: long(header, layout::EVENT_COUNT as usize),
            allocated_bytes: long(header, layout::ALLOCATED_BYTES as usize),
        };
        if header.node_count == 0 || header.node_count > (layout::LOG - layout::NODES) / layout::NODE_BYTES {
            return Err(Error::Damaged { what: "the number of nodes", offset: layout::NODE_COUNT.into() });
        }
        Ok(header)
    }

    fn is_check(&self) -> bool {
        self.check != 0
    }

    fn nodes_bytes(&self) -> u64 {
        u64::from(self.node_count) * u64::from(layout::NODE_BYTES)
    }

    fn log_bytes(&self) -> Result<u64, Error> {
        let bytes = self.log_end.checked_sub(self.log_start);
        bytes
            .filter(|bytes| bytes.is_multiple_of(layout::EVENT_BYTES))
            .map(u64::from)
            .ok_or(Error::Damaged { what: "the end of the log", offset: layout::LOG_CURSOR.into() })
    }
}

/// What stands in the log: an event, or what is to be known of others.
pub(crate) enum Entry {
    Event(Event),
    /// What follows was called by the host, which was called by the frames of this node, below this place.
    Linked {
        node: u32,
        place: u32,
    },
    /// The frames below this place went on.
    Resumed {
        place: u32,
    },
}

fn read_nodes(bytes: &[u8], has_frames: bool, start: u64) -> Result<Tree, Error> {
    let mut tree = Tree::default();
    for (bytes, index) in bytes.chunks_exact(layout::NODE_BYTES as usize).zip(0_u32..) {
        let (parent, site) = (word(bytes, 0), word(bytes, 4));
        if parent >= index.max(1) {
            let offset = start + u64::from(index) * u64::from(layout::NODE_BYTES);
            return Err(Error::Damaged { what: "a node comes before its caller's", offset });
        }
        let func = (has_frames && index > 0).then_some(site >> layout::FUNC_SHIFT);
        let (site, call) = match has_frames {
            true => {
                let callee = site >> layout::FUNC_SHIFT;
                // The low bits are the number, signed.
                let number = (site << (32 - layout::FUNC_SHIFT)).cast_signed() >> (32 - layout::FUNC_SHIFT);
                let caller = tree.funcs.get(parent as usize).copied().flatten();
                match (number, caller) {
                    (layout::HOST_CALL, _) => (Site::Entry(callee), None),
                    (layout::UNKNOWN_CALL, Some(caller)) => (Site::Within(caller), None),
                    (_, Some(caller)) => {
                        (Site::Within(caller), Some(NumberedCall { caller, callee, number }))
                    }
                    // The caller has no frame; the root has no site.
                    (_, None) => (Site::Call(0), None),
                }
            }
            false if site & layout::ENTRY != 0 => (Site::Entry(site & !layout::ENTRY), None),
            false => (Site::Call(site), None),
        };
        let node = Node { parent, site, count: long(bytes, 16), bytes: long(bytes, 24) };
        tree.push(node, call, func);
    }
    Ok(tree)
}

fn own_nodes(bytes: &[u8]) -> Vec<bool> {
    let nodes = bytes.chunks_exact(layout::NODE_BYTES as usize);
    nodes.map(|node| word(node, layout::NODE_IS_OWN as usize) == 1).collect()
}

/// The numbers of events.
#[derive(Default)]
struct Numbering {
    next: u64,
    counter: Option<u32>,
    numbers: Vec<u64>,
}

impl Numbering {
    /// Takes what says the number of the next event.
    fn take(&mut self, bytes: &[u8]) -> bool {
        if word(bytes, 0) & 0xf != kind::NUMBER {
            return false;
        }
        // Recordings with several counters are nobody's.
        let counter = word(bytes, 4);
        self.counter = Some(self.counter.filter(|known| *known != counter).map_or(counter, |_| 0));
        self.next = u64::from(word(bytes, 8)) | u64::from(word(bytes, 12)) << 32;
        true
    }

    fn count(&mut self) {
        if self.counter.is_some() {
            self.numbers.push(self.next);
            self.next = self.next.saturating_add(1);
        }
    }
}

/// Upper halves of the next event's block and size.
#[derive(Default)]
struct High {
    block: u32,
    size: u32,
}

/// What an event is; `None`: it is to be read with the next.
fn read_event(bytes: &[u8], offset: u64, nodes: usize, high: &mut High) -> Result<Option<Entry>, Error> {
    let (what, node, block, size) = (word(bytes, 0), word(bytes, 4), word(bytes, 8), word(bytes, 12));
    if what & 0xf == kind::HIGH {
        *high = High { block, size };
        return Ok(None);
    }
    let High { block: block_high, size: size_high } = std::mem::take(high);
    let place = block;
    let block = u64::from(block) | u64::from(block_high) << 32;
    let size = u64::from(size) | u64::from(size_high) << 32;
    if node as usize >= nodes {
        return Err(Error::Damaged { what: "an event without a stack", offset: offset + 4 });
    }
    // ctz of an alignment of 0 is 32 or 64, which no allocator is asked for.
    let align_log2 = (what >> layout::ALIGN_SHIFT & 0xff).min(31) as u8;
    let is_nested = what & layout::NESTED != 0;
    let what = match what & 0xf {
        kind::ALLOCATED => What::Allocated { block, size, align_log2 },
        kind::FREED => What::Freed { block, size },
        kind::MOVING => What::Moving { block },
        kind::MOVED => What::Moved { block, size, align_log2 },
        kind::REFUSED => What::Refused { size },
        kind::LINKED => return Ok(Some(Entry::Linked { node, place })),
        kind::RESUMED => return Ok(Some(Entry::Resumed { place })),
        _ => return Err(Error::Damaged { what: "an event of no known kind", offset }),
    };
    Ok(Some(Entry::Event(Event { what, is_nested, node })))
}

fn slice<'b>(bytes: &'b [u8], what: &'static str, start: u64, len: u64) -> Result<&'b [u8], Error> {
    let end = start.saturating_add(len);
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    range.and_then(|(start, end)| bytes.get(start..end)).ok_or(Error::CutShort {
        what,
        end,
        len: bytes.len() as u64,
    })
}

/// The number at `at`, within what [`slice`] has given.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}
