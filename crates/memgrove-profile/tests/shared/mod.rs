//! A small profile with everything that a format can show.

use memgrove_profile::{Frame, Profile, Site, layout};

/// A profile with these nodes after the root, `(parent, site, allocations, bytes)`, and these events, `(what, node, block, size)`.
pub fn profile(nodes: &[(u32, u32, u64, u64)], events: &[(u32, u32, u32, u32)]) -> Vec<u8> {
    let mut bytes = vec![0; layout::HEADER_BYTES as usize];
    let mut put = |at: u32, value: u32| bytes[at as usize..][..4].copy_from_slice(&value.to_le_bytes());
    put(0, u32::from_le_bytes(layout::MAGIC));
    put(4, layout::VERSION);
    let count = u32::try_from(events.len()).expect("a few");
    put(layout::LOG_CURSOR, layout::LOG + count * layout::EVENT_BYTES);
    put(layout::NODE_COUNT, 1 + u32::try_from(nodes.len()).expect("a few"));
    put(layout::EVENT_COUNT, count);
    put(layout::ORIGINAL, 0xabcd_ef01);
    bytes.resize(bytes.len() + layout::NODE_BYTES as usize, 0);
    for (parent, site, count, size) in nodes {
        for word in [*parent, *site, 0, 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(count.to_le_bytes());
        bytes.extend(size.to_le_bytes());
    }
    for (what, node, block, size) in events {
        for word in [*what, *node, *block, *size] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes
}

/// Two stacks under one entry, one of them with an inlined function, and a block of the host's own. One block leaks.
pub fn sample() -> Profile {
    use layout::kind::{ALLOCATED, FREED, MOVED, MOVING};
    let nodes = [(0, layout::ENTRY | 7, 0, 0), (1, 0x40, 0, 0), (2, 0x90, 3, 500), (1, 0x60, 2, 4096 + 8192)];
    let aligned = ALLOCATED | 4 << layout::ALIGN_SHIFT;
    let events = [
        (ALLOCATED, 3, 1024, 100),
        (ALLOCATED, 3, 1136, 200),
        (FREED, 3, 1136, 0),
        (aligned, 4, 2048, 4096),
        (MOVING, 4, 2048, 0),
        (MOVED, 4, 8192, 8192),
        (ALLOCATED, 3, 1136, 200),
        (ALLOCATED, 0, 32, 16),
        (FREED, 2, 8192, 0),
        (FREED, 0, 32, 0),
    ];
    Profile::read(&profile(&nodes, &events)).expect("it is whole")
}

/// Names with what is awkward in one format or another.
pub fn names(site: Site) -> Vec<Frame> {
    let frame = |function: &str, line: u32, is_inlined| Frame {
        function: function.to_owned(),
        func: Some(3),
        offset: Some(0x90),
        file: Some("src/näme;x.c".to_owned()),
        line: Some(line),
        column: Some(5),
        is_inlined,
        is_entry: false,
    };
    match site {
        Site::Entry(func) => {
            vec![Frame { function: "main".to_owned(), func: Some(func), is_entry: true, ..Frame::default() }]
        }
        Site::Call(0x90) => vec![frame("push<T>", 12, true), frame("fill;\"</script>\n{\\", 34, false)],
        Site::Within(_) => unreachable!("the sample has none"),
        Site::Call(offset) => {
            vec![Frame {
                function: "function 5".to_owned(),
                func: Some(5),
                offset: Some(offset),
                ..Frame::default()
            }]
        }
    }
}
