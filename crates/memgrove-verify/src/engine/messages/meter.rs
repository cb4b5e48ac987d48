//! Counts what a module executes, in the module itself: for engines that neither count nor stop a loop.

use wasm_encoder::{BlockType, ConstExpr, GlobalType, Instruction, ValType};
use wasmparser::{ExternalKind, Operator};

use memgrove_rewrite::edit::{Code, Edits, Frame, Instrument, Sections, Site, Splice, Subject};

use crate::engine::EngineError;

/// The name of the export that tells what is left; with underscores behind it where a module has it.
const EXPORT: &str = "memgrove_fuel";

/// How much a module may execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metering {
    /// Functions entered and loops begun again in one call, and in `start`. No loop and no recursion is without
    /// one of these, so each call ends; what one instruction does (copying a whole memory) is not counted.
    pub fuel: u64,
}

/// Where a metered module tells what is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meter {
    export: String,
    fuel: u64,
}

impl Meter {
    /// The mutable i64 global: what is left, below 0 when it ran out.
    pub(super) fn export(&self) -> &str {
        &self.export
    }

    /// What a call may take at first.
    pub(super) fn fuel(&self) -> u64 {
        self.fuel
    }
}

impl Metering {
    /// The module with a counter: one global, exported, and a check in each function and loop. When it runs out the
    /// module traps by `unreachable`.
    pub(super) fn apply(self, wasm: &[u8]) -> Result<(Vec<u8>, Meter), EngineError> {
        let compile = |error: memgrove_rewrite::Error| EngineError::Compile { words: error.to_string() };
        let sections = Sections::read(wasm).map_err(compile)?;
        let mut edits = Edits::new(&sections);
        let fuel = self.fuel.min(i64::MAX.cast_unsigned());
        let ty = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
        let global = edits.add_global(ty, ConstExpr::i64_const(fuel.cast_signed()));
        let mut export = EXPORT.to_owned();
        while edits.add_export(export.clone(), ExternalKind::Global, global).is_err() {
            export.push('_');
        }
        let check = check(global);
        let metered = edits.apply(&mut Counter { check }).map_err(compile)?;
        Ok((metered.wasm, Meter { export, fuel }))
    }
}

/// Takes one, and traps below 0.
fn check(global: u32) -> [Instruction<'static>; 9] {
    [
        Instruction::GlobalGet(global),
        Instruction::I64Const(1),
        Instruction::I64Sub,
        Instruction::GlobalSet(global),
        Instruction::GlobalGet(global),
        Instruction::I64Const(0),
        Instruction::I64LtS,
        Instruction::If(BlockType::Empty),
        Instruction::Unreachable,
    ]
}

struct Counter {
    check: [Instruction<'static>; 9],
}

impl Counter {
    fn instructions(&self) -> impl Iterator<Item = Instruction<'static>> + '_ {
        self.check.iter().cloned().chain([Instruction::End])
    }
}

impl Instrument for Counter {
    fn function(&mut self, _: &Subject<'_, '_>) -> Result<Option<Frame>, memgrove_rewrite::Error> {
        let entry: Code = self.instructions().collect();
        Ok(Some(Frame { entry, ..Frame::default() }))
    }

    fn instruction(
        &mut self,
        site: &Site<'_, '_>,
        splice: &mut Splice,
    ) -> Result<(), memgrove_rewrite::Error> {
        if matches!(site.operator, Operator::Loop { .. }) {
            for instruction in self.instructions() {
                splice.after(&instruction);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_left_alone() {
        let wasm = wat::parse_str(r#"(module (func (export "memgrove_fuel") (loop (br 0))))"#).unwrap();
        let (metered, meter) = Metering { fuel: 5 }.apply(&wasm).unwrap();
        assert_eq!(meter.export(), "memgrove_fuel_");
        assert!(memgrove_module::facts(&metered).is_ok());
    }
}
