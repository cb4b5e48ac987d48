//! The recorder for engines that know one memory only: it keeps the recording in a block of the program's own allocator.
//!
//! ```wat
//! ;; before                          ;; after
//! (func (export "enter") …           (func (export "enter") … (local i32 i64 f64)
//!                                      (if (i32.le_u (global.get $base) (i32.const 1))
//!                                        (then (if (i32.eqz (call $begin)) (then (return …)))))
//!   (i32.store (i32.const 8)            (i32.store (i32.add (i32.const 8) (global.get $base))
//!     (local.get 0))                      (local.get 0))
//!   …)                                  …)
//! ```
//!
//! The block is asked for when the program first does something that is recorded. Until there is one, and while it is asked
//! for, nothing is noted. If it is refused, nothing ever is, and the program goes on.

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::{Function, Instruction, MemArg, MemArgTarget, ValType};
use wasmparser::{Operator, TypeRef};

use super::stack::IF;
use crate::Error;
use crate::edit::{Code, Edits, Frame, ImportEntry, Instrument, Sections, Site, Splice, Subject};

/// Of the recorder's exports, those that do without a recording.
const READY: [&str; 2] = ["begin", "place"];

/// The recorder with each place in its memory counted from its base.
pub(super) fn recorder(wasm: &[u8]) -> Result<Vec<u8>, Error> {
    let sections = Sections::read_valid(wasm)?;
    let mut globals = BTreeMap::new();
    let imported =
        sections.imports()?.into_iter().filter(|entry| matches!(entry.import.ty, TypeRef::Global(_)));
    for (index, ImportEntry { import, .. }) in (0..).zip(imported) {
        globals.insert(import.name, index);
    }
    let exported =
        |name: &&str| sections.exports().find(|export| export.name == *name).map(|export| export.index);
    let global = |name: &str| globals.get(name).copied().ok_or_else(|| missing(name));
    let ready: BTreeSet<u32> = READY.iter().filter_map(exported).collect();
    let mut based = Based {
        base: global("base")?,
        sp: global("sp")?,
        begin: exported(&"begin").ok_or_else(|| missing("begin"))?,
        enter: exported(&"enter").ok_or_else(|| missing("enter"))?,
        asks: sections.exports().map(|export| export.index).filter(|func| !ready.contains(func)).collect(),
        first_local: 0,
    };
    Ok(Edits::new(&sections).apply(&mut based)?.wasm)
}

fn missing(name: &str) -> Error {
    Error::Encode(format!("the recorder has no `{name}`"))
}

/// A function that puts the header to the address that it is given. Without data segments, as these would need one more
/// proposal to be put where only the program knows.
pub(super) fn put_header(header: &[u8]) -> Function {
    let mut body = Function::new([]);
    for (at, word) in (0..).step_by(8).zip(header.chunks(8)) {
        let mut bytes = [0; 8];
        bytes[..word.len()].copy_from_slice(word);
        let value = i64::from_le_bytes(bytes);
        if value != 0 {
            body.instruction(&Instruction::LocalGet(0))
                .instruction(&Instruction::I64Const(value))
                .instruction(&Instruction::I64Store(MemArg {
                    offset: at,
                    align: 3,
                    target: MemArgTarget::Memory(0),
                    ordering: None,
                }));
        }
    }
    body.instruction(&Instruction::End);
    body
}

struct Based {
    base: u32,
    sp: u32,
    begin: u32,
    enter: u32,
    /// Functions that see to it that there is a recording.
    asks: BTreeSet<u32>,
    /// Where a value waits while the address below it is changed: one local for each type.
    first_local: u32,
}

impl Instrument for Based {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        self.first_local = function.first_local;
        let mut entry = Code::default();
        if self.asks.contains(&function.index) {
            entry
                .push(&Instruction::GlobalGet(self.base))
                .push(&Instruction::I32Const(1))
                .push(&Instruction::I32LeU)
                .push(&IF)
                .push(&Instruction::Call(self.begin))
                .push(&Instruction::I32Eqz)
                .push(&IF);
            // Who enters puts the pointer back to where it was.
            if function.index == self.enter {
                entry.push(&Instruction::GlobalGet(self.sp));
            } else if !function.ty.results().is_empty() {
                entry.push(&Instruction::I32Const(0));
            }
            entry.push(&Instruction::Return).push(&Instruction::End).push(&Instruction::End);
        }
        let locals = vec![ValType::I32, ValType::I64, ValType::F64];
        Ok(Some(Frame { locals, entry, exit: Code::default() }))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
        let value = match site.operator {
            Operator::I32Load { .. } | Operator::I64Load { .. } | Operator::F64Load { .. } => None,
            Operator::I32Store { .. } => Some(self.first_local),
            Operator::I64Store { .. } => Some(self.first_local + 1),
            Operator::F64Store { .. } => Some(self.first_local + 2),
            _ => return Ok(()),
        };
        if let Some(value) = value {
            splice.before(&Instruction::LocalSet(value));
        }
        splice.before(&Instruction::GlobalGet(self.base)).before(&Instruction::I32Add);
        if let Some(value) = value {
            splice.before(&Instruction::LocalGet(value));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each access is one of those that are moved, and nothing else knows where memory begins.
    #[test]
    fn all_accesses_of_the_recorder_are_moved() {
        let wasm = recorder(super::super::RECORDER).expect("it can be moved");
        let sections = Sections::read(&wasm).expect("it is valid");
        let mut accesses = 0;
        for body in sections.bodies().expect("it has code") {
            let mut last = [const { None }; 2];
            for operator in body.expect("a body").get_operators_reader().expect("code") {
                let operator = operator.expect("an instruction");
                let text = format!("{operator:?}");
                if text.contains("Load") || text.contains("Store") {
                    accesses += 1;
                    let [before, just]: &[Option<String>; 2] = &last;
                    let is_moved = |text: &Option<String>| text.as_deref() == Some("I32Add");
                    let by = if text.contains("Store") { before } else { just };
                    assert!(is_moved(by), "{last:?} {text}");
                }
                last = [last[1].take(), Some(text)];
            }
        }
        assert!(accesses > 50, "{accesses}");
    }
}
