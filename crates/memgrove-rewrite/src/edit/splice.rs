//! What instrumenting is asked, and what it says.

use wasm_encoder::{Encode, Instruction, ValType};
use wasmparser::{FuncType, FunctionBody, Operator};

use crate::Error;

/// Instructions in edit indices. Blocks that begin in it end in it, and no branch leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Code {
    pub(super) bytes: Vec<u8>,
}

impl Code {
    /// Appends an instruction.
    pub fn push(&mut self, instruction: &Instruction<'_>) -> &mut Self {
        instruction.encode(&mut self.bytes);
        self
    }

    /// There is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl<'i> FromIterator<Instruction<'i>> for Code {
    fn from_iter<T: IntoIterator<Item = Instruction<'i>>>(instructions: T) -> Self {
        let mut code = Self::default();
        for instruction in instructions {
            code.push(&instruction);
        }
        code
    }
}

/// Changes inside of the functions that a module defines, asked in the order of the code section.
pub trait Instrument {
    /// What this function gets; `None`: it is copied, and its instructions are not looked at.
    ///
    /// # Errors
    /// Those of the instrument: nothing is written then.
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error>;

    /// What becomes of one instruction of a function that got a [`Frame`]. Left alone by default.
    ///
    /// # Errors
    /// Those of the instrument: nothing is written then.
    fn instruction(&mut self, _site: &Site<'_, '_>, _splice: &mut Splice) -> Result<(), Error> {
        Ok(())
    }
}

/// Instruments nothing.
pub struct Untouched;

impl Instrument for Untouched {
    fn function(&mut self, _: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        Ok(None)
    }
}

/// A function that may be instrumented.
pub struct Subject<'f, 'a> {
    /// Its index in the original.
    pub index: u32,
    /// Its type.
    pub ty: &'f FuncType,
    /// Its code.
    pub body: &'f FunctionBody<'a>,
    /// The index that its first added local gets.
    pub first_local: u32,
}

/// What a function gets as a whole.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// Locals to add.
    pub locals: Vec<ValType>,
    /// Run once, when it is entered. Takes and leaves nothing on the stack.
    pub entry: Code,
    /// Run at every way out but an exception or a trap; before the jump of a tail call. Takes and leaves
    /// nothing on the stack.
    pub exit: Code,
}

/// One instruction of a function.
pub struct Site<'f, 'a> {
    /// The function.
    pub function: &'f Subject<'f, 'a>,
    /// The instruction, in the original's indices.
    pub operator: &'f Operator<'a>,
    /// Where it lies, in bytes from the start of the original.
    pub offset: u64,
    /// Blocks around it, within the function.
    pub depth: u32,
}

/// What becomes of one instruction.
#[derive(Debug, Clone, Default)]
pub struct Splice {
    pub(super) before: Code,
    pub(super) after: Code,
    pub(super) removed: bool,
}

impl Splice {
    /// Puts an instruction before it, behind those that were put there already.
    pub fn before(&mut self, instruction: &Instruction<'_>) -> &mut Self {
        self.before.push(instruction);
        self
    }

    /// Puts an instruction behind it. Behind one that never returns control, it is never run.
    pub fn after(&mut self, instruction: &Instruction<'_>) -> &mut Self {
        self.after.push(instruction);
        self
    }

    /// Takes it out: what is put before and after stands instead of it. Not for the beginning or end of a block.
    pub fn remove(&mut self) -> &mut Self {
        self.removed = true;
        self
    }

    pub(super) fn clear(&mut self) {
        self.before.bytes.clear();
        self.after.bytes.clear();
        self.removed = false;
    }
}
