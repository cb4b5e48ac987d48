//! Heaptrack's data file, version 2, as `heaptrack_print` and `heaptrack_gui` open it.
//!
//! Format: the reader, `src/analyze/accumulatedtracedata.cpp` in <https://invent.kde.org/sdk/heaptrack>. One record a line, a
//! letter and numbers in hexadecimal; positions are counted from 1, and 0 is none:
//!
//! ```text
//! v VERSION FORMAT        X COMMAND                 I PAGE_BYTES PAGES
//! s STRING                i ADDRESS MODULE [FUNCTION FILE LINE]…   the innermost of inlined functions first
//! t INSTRUCTION CALLER    a SIZE TRACE              + ALLOCATION (from 0)      - ALLOCATION (from 0)
//! c TIME
//! ```

use std::collections::HashMap;
use std::fmt::Write;

use super::{Export, Frame};
use crate::read::Site;
use crate::replay::{Block, Step};

/// Times in a file: more would not be seen.
const TIMES: u64 = 2000;

#[derive(Default)]
struct File {
    text: String,
    strings: HashMap<String, usize>,
    /// Blocks of one size and stack are one allocation to heaptrack.
    allocations: HashMap<(u64, u32), usize>,
}

impl Export<'_> {
    /// A file for heaptrack's viewers. Its milliseconds are changes of the heap.
    #[must_use]
    pub fn heaptrack(&self) -> String {
        let mut file = File::default();
        // The version of heaptrack that wrote format 2 first.
        file.line(format_args!("v 10200 2"));
        file.line(format_args!("X {}", one_line(self.module)));
        file.line(format_args!("I 10000 0"));
        for remark in self.remarks() {
            file.line(format_args!("# {remark}"));
        }
        let module = file.string(self.module);
        let mut instructions: HashMap<Site, usize> = HashMap::new();
        // The first trace stands for the root, so that a node's trace is its position and 1.
        let host = file.string(super::HOST);
        file.line(format_args!("i 1 {module:x} {host:x} 0 0"));
        file.line(format_args!("t 1 0"));
        for node in self.profile.nodes.iter().skip(1) {
            let instruction = match instructions.get(&node.site) {
                Some(&instruction) => instruction,
                None => {
                    file.instruction(node.site, module, &self.names.frames(node.site));
                    let instruction = instructions.len() + 2;
                    instructions.insert(node.site, instruction);
                    instruction
                }
            };
            let caller = if node.parent == 0 { 0 } else { u64::from(node.parent) + 1 };
            file.line(format_args!("t {instruction:x} {caller:x}"));
        }
        let every = self.summary.changes.div_ceil(TIMES).max(1);
        self.profile.replay(|step, heap| {
            match step {
                Step::Born(block) => file.change('+', block),
                Step::Died(block, _) => file.change('-', block),
                Step::Moved(old, new) => {
                    file.change('-', old);
                    file.change('+', new);
                }
                Step::Refused(_) => {}
            }
            if heap.changes().is_multiple_of(every) {
                file.line(format_args!("c {:x}", heap.changes()));
            }
        });
        file.text
    }
}

impl File {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn string(&mut self, string: &str) -> usize {
        let string = one_line(string);
        if let Some(&known) = self.strings.get(&string) {
            return known;
        }
        self.line(format_args!("s {string}"));
        self.strings.insert(string, self.strings.len() + 1);
        self.strings.len()
    }

    fn instruction(&mut self, site: Site, module: usize, frames: &[Frame]) {
        let mut words = String::new();
        for frame in frames {
            let label = if frame.line.is_some() { frame.function.clone() } else { frame.label() };
            let function = self.string(&label);
            let file = frame.file.as_ref().map_or(0, |file| self.string(file));
            // Writing to a string cannot fail.
            let _ = write!(words, " {function:x} {file:x} {:x}", frame.line.unwrap_or(0));
        }
        let address = match site {
            // No code of a module lies so high, and 1 is the host.
            Site::Entry(func) => (1_u64 << 32) + u64::from(func),
            Site::Within(func) => (1_u64 << 33) + u64::from(func),
            Site::Call(offset) => offset.into(),
        };
        self.line(format_args!("i {address:x} {module:x}{words}"));
    }

    fn change(&mut self, sign: char, block: &Block) {
        let next = self.allocations.len();
        let allocation = *self.allocations.entry((block.size, block.node)).or_insert(next);
        if allocation == next {
            self.line(format_args!("a {:x} {:x}", block.size, u64::from(block.node) + 1));
        }
        self.line(format_args!("{sign} {allocation:x}"));
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
