//! Any bytes are a profile or an error, and nested calls are resolved as the format promises.

use memgrove_profile::{Contradictions, Error, Profile, Step, layout};

/// A profile with a root and one more node, and these events: `(what, block, size)`.
fn profile(events: &[(u32, u32, u32)]) -> Vec<u8> {
    let mut bytes = vec![0; layout::HEADER_BYTES as usize];
    let mut put = |at: u32, value: u32| bytes[at as usize..][..4].copy_from_slice(&value.to_le_bytes());
    put(0, u32::from_le_bytes(layout::MAGIC));
    put(4, layout::VERSION);
    let count = u32::try_from(events.len()).expect("a few");
    put(layout::LOG_CURSOR, layout::LOG + count * layout::EVENT_BYTES);
    put(layout::NODE_COUNT, 2);
    bytes.resize(bytes.len() + 2 * layout::NODE_BYTES as usize, 0);
    for (what, block, size) in events {
        for word in [*what, 1, *block, *size] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes
}

/// The changes of the heap in words.
fn steps(events: &[(u32, u32, u32)]) -> (String, Contradictions) {
    let profile = Profile::read(&profile(events)).expect("it is whole");
    let mut words = Vec::new();
    let heap = profile.replay(|step, _| {
        words.push(match step {
            Step::Born(block) => format!("+{}", block.address),
            Step::Died(block, _) => format!("-{}", block.address),
            Step::Moved(old, new) => format!("{}>{}", old.address, new.address),
            Step::Refused(size) => format!("!{size}"),
        });
    });
    (words.join(" "), heap.contradictions())
}

const NEW: u32 = layout::kind::ALLOCATED;
const FREE: u32 = layout::kind::FREED;
const MOVING: u32 = layout::kind::MOVING;
const MOVED: u32 = layout::kind::MOVED;
const REFUSED: u32 = layout::kind::REFUSED;
const IN: u32 = layout::NESTED;

#[test]
fn a_nested_call_about_the_same_block_is_no_event_of_its_own() {
    let none = Contradictions::default();
    let calloc = [(NEW | IN, 16, 8), (NEW, 16, 8)];
    assert_eq!(steps(&calloc), ("+16".to_owned(), none));
    let realloc = [(NEW, 16, 8), (MOVING, 16, 0), (NEW | IN, 32, 64), (FREE | IN, 16, 0), (MOVED, 32, 64)];
    assert_eq!(steps(&realloc), ("+16 16>32".to_owned(), none));
    let aligned = [(NEW | IN, 16, 96), (NEW, 64, 32), (FREE, 64, 0)];
    assert_eq!(steps(&aligned), ("+64 -64".to_owned(), none));
    let delete = [(NEW, 16, 8), (FREE, 16, 0), (FREE | IN, 16, 0), (NEW, 16, 4)];
    assert_eq!(steps(&delete), ("+16 -16 +16".to_owned(), none));
}

#[test]
fn a_nested_call_about_another_block_counts() {
    let none = Contradictions::default();
    // A collector runs inside of an allocation and frees; a handler inside of another allocates.
    let collector = [(NEW, 16, 8), (NEW, 32, 8), (FREE | IN, 16, 0), (NEW, 48, 8)];
    assert_eq!(steps(&collector), ("+16 +32 -16 +48".to_owned(), none));
    let at_the_end = [(NEW, 16, 8), (NEW, 32, 8), (FREE, 32, 0), (FREE | IN, 16, 0)];
    assert_eq!(steps(&at_the_end), ("+16 +32 -32 -16".to_owned(), none));
}

#[test]
fn a_nested_reallocation_of_another_block_moves_it() {
    let none = Contradictions::default();
    // An allocation that makes a table longer before it hands out its block; one that fails to.
    let table = [
        (NEW, 16, 8),
        (MOVING | IN, 16, 0),
        (NEW | IN, 32, 64),
        (FREE | IN, 16, 0),
        (MOVED | IN, 32, 64),
        (NEW, 48, 8),
    ];
    let (words, contradictions) = steps(&table);
    assert_eq!((words.as_str(), contradictions), ("+16 16>32 +48", none));
    // Inside of it one function of the allocator is built on another.
    let layers = [(NEW | IN, 16, 8), (NEW | IN, 16, 8), (FREE | IN, 16, 0), (FREE | IN, 16, 0), (NEW, 48, 8)];
    assert_eq!(steps(&layers), ("+16 -16 +48".to_owned(), none));
    let fails = [(NEW, 16, 8), (MOVING | IN, 16, 0), (REFUSED | IN, 0, 64), (NEW, 48, 8), (FREE, 16, 0)];
    assert_eq!(steps(&fails), ("+16 +48 -16".to_owned(), none));
    let around = [
        (NEW, 16, 8),
        (NEW, 32, 8),
        (MOVING, 16, 0),
        (MOVING | IN, 32, 0),
        (MOVED | IN, 64, 9),
        (MOVED, 96, 9),
    ];
    assert_eq!(steps(&around), ("+16 +32 32>64 16>96".to_owned(), none));
}

#[test]
fn a_refused_reallocation_keeps_the_block() {
    let refused = [(NEW, 16, 8), (MOVING, 16, 0), (REFUSED, 0, 99), (FREE, 16, 0)];
    assert_eq!(steps(&refused), ("+16 !99 -16".to_owned(), Contradictions::default()));
    let freed = [(NEW, 16, 8), (MOVING, 16, 0), (MOVED, 0, 0)];
    assert_eq!(steps(&freed), ("+16 -16".to_owned(), Contradictions::default()));
}

#[test]
fn what_does_not_fit_an_allocator_is_counted() {
    let (_, counted) = steps(&[(FREE, 16, 0), (NEW, 32, 8), (NEW, 32, 8)]);
    assert_eq!(counted, Contradictions { freed_unknown: 1, allocated_live: 1 });
}

#[test]
fn figures_are_those_of_the_log() {
    let events = [(NEW, 16, 100), (NEW, 200, 50), (FREE, 200, 0), (NEW, 200, 20)];
    let summary = Profile::read(&profile(&events)).expect("it is whole").summary();
    assert_eq!((summary.peak_bytes, summary.peak_at), (150, 2));
    assert_eq!((summary.final_bytes, summary.final_blocks), (120, 2));
    assert_eq!((summary.allocations, summary.frees, summary.temporary), (3, 1, 1));
    assert_eq!(summary.nodes[&1].at_peak_bytes, 150);
}

/// Whatever a damaged or wrongly recorded profile says: no figure overflows, in any format.
#[test]
fn sizes_and_addresses_of_64_bits_add_up_at_most_to_the_largest() {
    let high = (layout::kind::HIGH, u32::MAX, u32::MAX);
    let events =
        [high, (NEW, 16, 8), high, (NEW, 32, 8), (NEW, 48, 8), high, (MOVING, 16, 0), high, (MOVED, 64, 64)];
    let profile = Profile::read(&profile(&events)).expect("it is whole");
    let addresses: Vec<u64> = profile.replay(|_, _| ()).live().map(|block| block.address).collect();
    assert!(addresses.contains(&48) && addresses.contains(&(0xffff_ffff_0000_0000 + 64)), "{addresses:x?}");
    let summary = profile.summary();
    assert_eq!((summary.peak_bytes, summary.allocated_bytes), (u64::MAX, u64::MAX));
    assert_eq!(summary.contradictions, Contradictions::default());
    assert!(!profile.timeline(&summary, 10).is_empty());
    let names: &dyn memgrove_profile::Names = &|_| vec![memgrove_profile::Frame::default()];
    let export = memgrove_profile::Export { profile: &profile, summary: &summary, names, module: "" };
    for bytes in [export.dhat().ok(), export.pprof().ok(), export.firefox().ok(), export.speedscope().ok()] {
        assert!(bytes.is_some_and(|bytes| !bytes.is_empty()));
    }
    assert!(!export.heaptrack().is_empty() && profile.mgtr().is_ok());
    // Nothing follows the upper halves.
    assert!(Profile::read(&self::profile(&[high])).expect("it is whole").events.is_empty());
}

#[test]
fn a_profile_that_is_cut_short_or_damaged_says_where() {
    let whole = profile(&[(NEW, 16, 8)]);
    for len in 0..whole.len() {
        assert!(Profile::read(&whole[..len]).is_err(), "{len} bytes");
    }
    let mut version = whole.clone();
    version[4] = 9;
    assert_eq!(Profile::read(&version), Err(Error::Version { version: 9 }));
    // Each byte takes a few other values; whatever comes of it, it ends.
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            if let Ok(profile) = Profile::read(&damaged) {
                let _ = profile.summary();
            }
        }
    }
}
