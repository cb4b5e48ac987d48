//! Where everything went: function indices and code offsets, from the original to the output and back.
//!
//! Names, debug information, the addresses of traps and recorded stacks all speak of one of the two.
//! Code that is copied or only renumbered is described by *runs*: stretches of instructions that moved by
//! the same distance. What an edit added lies in no run.

use serde::{Deserialize, Serialize};

/// From a module to its edited form. Serialisable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Map {
    /// For each function of the original, the index where its own code (or import) is now.
    functions: Vec<u32>,
    /// For each function of the original, the index that stands for it: that of its wrapper, if it has one.
    references: Vec<u32>,
    /// Functions of the output that the original has not.
    added: Vec<AddedFunction>,
    /// Instructions that moved together, by their place in the original.
    runs: Vec<Run>,
    /// Positions in `runs`, by their place in the output.
    by_output: Vec<u32>,
    /// Where the contents of the code section begin, in bytes from the start of the original.
    original_code_start: u32,
    /// The same in the output.
    output_code_start: u32,
}

/// A function that an edit added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedFunction {
    /// Its index in the output.
    pub index: u32,
    /// Its name in the name section, if the module has one.
    pub name: String,
    /// The function of the original that it wraps.
    pub wraps: Option<u32>,
}

/// Instructions that lie as they lay, only elsewhere. Offsets are bytes from the start of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    pub original: u32,
    pub output: u32,
    pub len: u32,
}

impl Map {
    /// The index of a function's own code (or import) in the output; `None` if it was removed or never was.
    #[must_use]
    pub fn function(&self, original: u32) -> Option<u32> {
        self.functions.get(original as usize).copied().filter(|&index| index != u32::MAX)
    }

    /// The index by which the output refers to a function: that of its wrapper, if it has one.
    #[must_use]
    pub fn reference(&self, original: u32) -> Option<u32> {
        self.references.get(original as usize).copied()
    }

    /// The function of the original whose code has this index in the output. Linear in the functions.
    #[must_use]
    pub fn original_function(&self, output: u32) -> Option<u32> {
        let at = self.functions.iter().position(|&index| index == output && index != u32::MAX)?;
        u32::try_from(at).ok()
    }

    /// Functions of the output that the original has not.
    #[must_use]
    pub fn added(&self) -> &[AddedFunction] {
        &self.added
    }

    /// Where an instruction of the original is now; `None` if it was taken out. Logarithmic.
    ///
    /// Offsets are bytes from the start of the module, as engines print them for traps.
    #[must_use]
    pub fn offset(&self, original: u32) -> Option<u32> {
        let after = self.runs.partition_point(|run| run.original <= original);
        let run = self.runs.get(after.checked_sub(1)?)?;
        // A map that was read from a file may be anything.
        let into = original.checked_sub(run.original)?;
        run.output.checked_add(into).filter(|_| into < run.len)
    }

    /// Which instruction of the original lies here; `None` where an edit put one of its own. Logarithmic.
    #[must_use]
    pub fn original_offset(&self, output: u32) -> Option<u32> {
        let run_at = |at: &u32| self.runs.get(*at as usize);
        let after = self.by_output.partition_point(|at| run_at(at).is_some_and(|run| run.output <= output));
        let run = run_at(self.by_output.get(after.checked_sub(1)?)?)?;
        let into = output.checked_sub(run.output)?;
        run.original.checked_add(into).filter(|_| into < run.len)
    }

    /// [`Self::offset`] with both counted from the contents of the code section, as DWARF does.
    #[must_use]
    pub fn code_offset(&self, original: u32) -> Option<u32> {
        let output = self.offset(original.checked_add(self.original_code_start)?)?;
        output.checked_sub(self.output_code_start)
    }

    /// That of a module that is left alone.
    pub(super) fn identity(functions: u32, code_start: u32, code_len: u32) -> Self {
        let mut map = Self::new((0..functions).collect(), (0..functions).collect(), Vec::new());
        map.set_code(vec![Run { original: code_start, output: 0, len: code_len }], code_start);
        map.set_output_start(code_start);
        map
    }

    pub(super) fn new(functions: Vec<u32>, references: Vec<u32>, added: Vec<AddedFunction>) -> Self {
        Self { functions, references, added, ..Self::default() }
    }

    /// Takes the runs of the code section, whose places in the output are counted from its contents.
    pub(super) fn set_code(&mut self, mut runs: Vec<Run>, original_start: u32) {
        runs.sort_unstable_by_key(|run| run.original);
        let mut by_output: Vec<u32> = (0..super::count(runs.len())).collect();
        by_output.sort_unstable_by_key(|&at| runs[at as usize].output);
        self.runs = runs;
        self.by_output = by_output;
        self.original_code_start = original_start;
    }

    /// Says where the contents of the output's code section begin.
    pub(super) fn set_output_start(&mut self, start: u32) {
        for run in &mut self.runs {
            run.output += start;
        }
        self.output_code_start = start;
    }
}

/// Runs in the making, in the order of the output.
#[derive(Default)]
pub(super) struct Runs(pub Vec<Run>);

impl Runs {
    /// `len` bytes at `original` were written to `output` as as many bytes.
    pub fn push(&mut self, original: u32, output: u32, len: u32) {
        if let Some(last) = self.0.last_mut()
            && last.original + last.len == original
            && last.output + last.len == output
        {
            last.len += len;
            return;
        }
        self.0.push(Run { original, output, len });
    }
}
