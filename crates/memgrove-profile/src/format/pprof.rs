//! pprof's `profile.proto`, compressed with gzip, which `go tool pprof` opens.
//!
//! Format: `proto/profile.proto` in <https://github.com/google/pprof>; its field numbers are the constants below.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use prost::encoding::{self, WireType};

use super::{Export, Frame};
use crate::summary::NodeSummary;

/// Fields of `Profile`.
mod profile {
    pub(super) const SAMPLE_TYPE: u32 = 1;
    pub(super) const SAMPLE: u32 = 2;
    pub(super) const MAPPING: u32 = 3;
    pub(super) const LOCATION: u32 = 4;
    pub(super) const FUNCTION: u32 = 5;
    pub(super) const STRING_TABLE: u32 = 6;
    pub(super) const COMMENT: u32 = 13;
    pub(super) const DEFAULT_SAMPLE_TYPE: u32 = 14;
}

/// Name, unit, and the figure of a stack.
type Value = (&'static str, &'static str, fn(&NodeSummary) -> u64);

/// What a sample's values are: name and unit, as `go tool pprof` knows those of heaps, and two for the peak.
const VALUES: [Value; 6] = [
    ("alloc_objects", "count", |node| node.count),
    ("alloc_space", "bytes", |node| node.bytes),
    ("inuse_objects", "count", |node| node.final_blocks),
    ("inuse_space", "bytes", |node| node.final_bytes),
    ("peak_objects", "count", |node| node.at_peak_blocks),
    ("peak_space", "bytes", |node| node.at_peak_bytes),
];

/// A message in the making.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(mut self, field: u32, value: u64) -> Self {
        // 0 is what a missing field means.
        if value != 0 {
            encoding::uint64::encode(field, &value, &mut self.0);
        }
        self
    }

    /// A repeated number, packed.
    fn numbers(mut self, field: u32, values: impl IntoIterator<Item = u64>) -> Self {
        let values: Vec<u64> = values.into_iter().collect();
        encoding::uint64::encode_packed(field, &values, &mut self.0);
        self
    }

    fn message(&mut self, field: u32, message: &Self) {
        self.bytes(field, &message.0);
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        encoding::encode_key(field, WireType::LengthDelimited, &mut self.0);
        encoding::encode_varint(bytes.len() as u64, &mut self.0);
        self.0.extend_from_slice(bytes);
    }
}

/// The table of strings; the first is empty.
struct Strings(HashMap<String, u64>, Vec<String>);

impl Strings {
    fn place(&mut self, string: &str) -> u64 {
        if let Some(&place) = self.0.get(string) {
            return place;
        }
        let place = self.1.len() as u64;
        self.0.insert(string.to_owned(), place);
        self.1.push(string.to_owned());
        place
    }
}

impl Export<'_> {
    /// A file for `go tool pprof`: values for all allocations, for what is live at the end, and at the peak.
    ///
    /// # Errors
    /// Never in fact: it is written to memory.
    pub fn pprof(&self) -> io::Result<Vec<u8>> {
        let mut strings = Strings(HashMap::from([(String::new(), 0)]), vec![String::new()]);
        let mut file = Message::default();
        for (name, unit, _) in VALUES {
            let value = Message::default().number(1, strings.place(name)).number(2, strings.place(unit));
            file.message(profile::SAMPLE_TYPE, &value);
        }
        let mut locations = Locations::default();
        for (&node, figures) in self.summary.nodes.iter().filter(|(_, figures)| figures.count > 0) {
            let stack = self.locations(node, &mut locations, &mut strings);
            let values = VALUES.map(|(.., value)| value(figures));
            file.message(profile::SAMPLE, &Message::default().numbers(1, stack).numbers(2, values));
        }
        let build_id: String = self.profile.original.iter().map(|byte| format!("{byte:02x}")).collect();
        let mapping = Message::default()
            .number(1, 1)
            .number(3, u64::from(u32::MAX))
            .number(5, strings.place(self.module))
            .number(6, strings.place(&build_id));
        // Names, files, lines and inlined frames are here, so that nobody looks for the module.
        let mapping = [7, 8, 9, 10].into_iter().fold(mapping, |mapping, field| mapping.number(field, 1));
        file.message(profile::MAPPING, &mapping);
        for location in &locations.messages {
            file.message(profile::LOCATION, location);
        }
        for function in &locations.functions {
            file.message(profile::FUNCTION, function);
        }
        let remarks: Vec<u64> = self.remarks().iter().map(|remark| strings.place(remark)).collect();
        let default = strings.place("peak_space");
        for string in &strings.1 {
            file.bytes(profile::STRING_TABLE, string.as_bytes());
        }
        let file = file.numbers(profile::COMMENT, remarks).number(profile::DEFAULT_SAMPLE_TYPE, default);
        // Without a time, so that the same profile gives the same bytes.
        let mut packed = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
        packed.write_all(&file.0)?;
        packed.finish()
    }

    /// The locations of a stack, the innermost first: one a node, as inlined frames are lines of one location.
    fn locations(&self, node: u32, locations: &mut Locations, strings: &mut Strings) -> Vec<u64> {
        let mut stack = Vec::new();
        let mut next = node;
        while next != 0 {
            let Some(node) = self.profile.nodes.get(next as usize) else { break };
            let id = match locations.of_site.get(&Some(node.site)) {
                Some(&id) => id,
                None => locations.add(Some(node.site), &self.names.frames(node.site), strings),
            };
            stack.push(id);
            next = node.parent;
        }
        if stack.is_empty() {
            let id = match locations.of_site.get(&None) {
                Some(&id) => id,
                None => locations.add(None, &[Frame::host()], strings),
            };
            stack.push(id);
        }
        stack
    }
}

#[derive(Default)]
struct Locations {
    of_site: BTreeMap<Option<crate::read::Site>, u64>,
    messages: Vec<Message>,
    of_function: HashMap<(u64, u64), u64>,
    functions: Vec<Message>,
}

impl Locations {
    fn add(&mut self, site: Option<crate::read::Site>, frames: &[Frame], strings: &mut Strings) -> u64 {
        let id = self.messages.len() as u64 + 1;
        let address = frames.iter().find_map(|frame| frame.offset).unwrap_or(0);
        let mut location = Message::default().number(1, id).number(2, 1).number(3, address.into());
        for frame in frames {
            // An entry by the host is no second call of its function.
            let name = if frame.offset.is_some() { frame.function.clone() } else { frame.label() };
            let (name, file) = (strings.place(&name), strings.place(frame.file.as_deref().unwrap_or("")));
            let next = self.functions.len() as u64 + 1;
            let function = *self.of_function.entry((name, file)).or_insert(next);
            if function == next {
                let message = Message::default().number(1, next).number(2, name).number(3, name);
                self.functions.push(message.number(4, file));
            }
            let line = Message::default().number(1, function).number(2, frame.line.unwrap_or(0).into());
            location.message(4, &line.number(3, frame.column.unwrap_or(0).into()));
        }
        self.messages.push(location);
        self.of_site.insert(site, id);
        id
    }
}
