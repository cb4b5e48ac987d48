//! The dearest single call of an allocator: what a program that must answer in time has to bear.
//!
//! ```text
//! guest ─► a call of the import `memgrove.call` before each read of its counter of calls
//!   each call of the allocator ─► host: the fuel that is left
//!   between two of them: one call, and what the program does until the next
//!   less the floor's fuel between the same two: what the allocator took for that call
//! ```
//!
//! The guests' wrapper of the allocator counts each call first of all, so its counter marks where a call begins, whatever was
//! inlined. A guest in which the counter cannot be found has no such figure.

use std::sync::{Arc, Mutex, PoisonError};

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, EntityType, ImportSection, Instruction, Module, SectionId, TypeSection};
use wasmparser::{ExternalKind, FunctionBody, Operator, Parser, Payload};

use super::subject::{Subject, Work};
use crate::engine::{Engine, Host};

/// Module name of the import.
const MODULE: &str = "memgrove";
/// Its field name.
const NAME: &str = "call";
/// The guest's function that answers what its counter says, and does nothing else.
const COUNTER: &str = "calls";

/// Fuel from the beginning of each call of the allocator to that of the next, or to the end. Linear in the calls.
pub(super) type Between = Vec<u64>;

/// A guest whose calls are seen, compiled on an engine that counts fuel.
pub(super) struct Marked {
    subject: Subject,
    /// Fuel that was left at each call.
    left: Arc<Mutex<Vec<u64>>>,
}

impl Marked {
    /// Compiles it; `None` if its calls cannot be seen.
    pub(super) fn load(engine: &dyn Engine, wasm: &[u8]) -> Option<Self> {
        let left = Arc::new(Mutex::new(Vec::new()));
        let seen = left.clone();
        let host = Host::new().function(MODULE, NAME, move |caller, _| {
            seen.lock().unwrap_or_else(PoisonError::into_inner).extend(caller.fuel());
            Ok(Vec::new())
        });
        let subject = Subject::load_with(engine, &marked(wasm)?, host).ok()?;
        Some(Self { subject, left })
    }

    /// Does the work once with this much fuel; `None` if it does not come to the end, or answers something else.
    pub(super) fn run(&self, work: &Work, fuel_limit: u64, checksum: u64) -> Option<Between> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let run = self.subject.begin(work).ok()?.run(fuel_limit).ok()?;
        let mut left = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        left.push(fuel_limit.checked_sub(run.fuel?)?);
        let between =
            left.windows(2).map(|pair| pair[0].checked_sub(pair[1])).collect::<Option<Between>>()?;
        (run.checksum == checksum).then_some(between)
    }
}

/// The most fuel that one call took more than on the floor; `None` if the calls are not the same.
pub(super) fn dearest(own: &[u64], floor: &[u64]) -> Option<u64> {
    if own.len() != floor.len() {
        return None;
    }
    own.iter().zip(floor).map(|(own, floor)| own.saturating_sub(*floor)).max()
}

/// The guest with its calls marked; `None` if it imports something, or its counter is not where the contract says.
fn marked(wasm: &[u8]) -> Option<Vec<u8>> {
    let mut marker = Marker { counter: counter(wasm)?, ty: 0, marks: 0 };
    let mut module = Module::new();
    marker.parse_core_module(&mut module, Parser::new(0), wasm).ok()?;
    (marker.marks > 0).then(|| module.finish())
}

/// The address of the counter: the constant that the exported function loads from, or one that it calls.
fn counter(wasm: &[u8]) -> Option<u64> {
    let (mut exported, mut bodies) = (None, Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::ImportSection(section) if section.count() > 0 => return None,
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.ok()?;
                    if export.name == COUNTER && export.kind == ExternalKind::Func {
                        exported = Some(export.index);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body),
            _ => {}
        }
    }
    // In what is called, where the compiler has not inlined that: once, whichever it is.
    let function = read(bodies.get(exported? as usize)?)?;
    let mut loaded = function.loaded;
    for callee in function.calls {
        loaded.extend(read(bodies.get(callee as usize)?)?.loaded);
    }
    match loaded[..] {
        [address] => Some(address),
        _ => None,
    }
}

/// What a function loads from constant addresses, and which it calls.
#[derive(Default)]
struct Read {
    loaded: Vec<u64>,
    calls: Vec<u32>,
}

fn read(body: &FunctionBody<'_>) -> Option<Read> {
    let mut read = Read::default();
    let mut before = None;
    for operator in body.get_operators_reader().ok()? {
        let operator = operator.ok()?;
        read.loaded.extend(loaded_from(before.as_ref(), &operator));
        if let Operator::Call { function_index } = operator {
            read.calls.push(function_index);
        }
        before = Some(operator);
    }
    Some(read)
}

/// The address that eight bytes are loaded from, where it is a constant.
fn loaded_from(before: Option<&Operator<'_>>, operator: &Operator<'_>) -> Option<u64> {
    match (before?, operator) {
        (Operator::I32Const { value }, Operator::I64Load { memarg }) => {
            memarg.offset.checked_add(u64::from(value.cast_unsigned()))
        }
        _ => None,
    }
}

/// Copies a module whose functions move behind one import.
struct Marker {
    counter: u64,
    /// Index of the import's type.
    ty: u32,
    marks: usize,
}

impl Reencode for Marker {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, func: u32) -> Result<u32, Error<Self::Error>> {
        Ok(func + 1)
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_type_section(self, types, section)?;
        self.ty = types.len();
        types.ty().function([], []);
        Ok(())
    }

    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        after: Option<SectionId>,
        _: Option<SectionId>,
    ) -> Result<(), Error<Self::Error>> {
        if after == Some(SectionId::Type) {
            let mut imports = ImportSection::new();
            imports.import(MODULE, NAME, EntityType::Function(self.ty));
            module.section(&imports);
        }
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut before = None;
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            if loaded_from(before.as_ref(), &operator) == Some(self.counter) {
                function.instruction(&Instruction::Call(0));
                self.marks += 1;
            }
            function.instruction(&self.instruction(operator.clone())?);
            before = Some(operator);
        }
        code.function(&function);
        Ok(())
    }

    /// Names are of no use here, and speak of other indices.
    fn parse_custom_section(
        &mut self,
        _: &mut Module,
        _: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_seen_where_its_counter_is_read() {
        let guest = wat::parse_str(
            r#"(module (memory 1)
                (func (export "calls") (result i64) (i64.load offset=1024 (i32.const 0)))
                (func $allocate (i64.store (i32.const 1024) (i64.add (i64.load (i32.const 1024)) (i64.const 1))))
                (func (export "run") (call $allocate) (call $allocate) (drop (i64.load (i32.const 1032)))))"#,
        );
        let guest = guest.expect("a module");
        assert_eq!(counter(&guest), Some(1024));
        let marked = marked(&guest).expect("marks");
        wasmparser::validate(&marked).expect("a valid module");
        let seen = calls_of_the_import(&marked);
        assert_eq!(seen, 2, "the counter is read in two functions");
        let unknown = wat::parse_str(r#"(module (func (export "calls") (result i64) (i64.const 0)))"#);
        assert_eq!(super::marked(&unknown.expect("a module")), None);
    }

    /// How many calls of the import there are.
    fn calls_of_the_import(wasm: &[u8]) -> usize {
        let bodies = Parser::new(0).parse_all(wasm).filter_map(|payload| match payload.expect("a payload") {
            Payload::CodeSectionEntry(body) => Some(body),
            _ => None,
        });
        let operators = bodies.flat_map(|body| body.get_operators_reader().expect("operators").into_iter());
        operators.filter(|operator| matches!(operator, Ok(Operator::Call { function_index: 0 }))).count()
    }

    #[test]
    fn the_dearest_call_is_the_one_that_took_most_more_than_the_floor() {
        assert_eq!(dearest(&[10, 500, 30], &[9, 490, 5]), Some(25));
        assert_eq!(dearest(&[4, 5], &[9, 9]), Some(0));
        assert_eq!(dearest(&[4, 5], &[9]), None);
        assert_eq!(dearest(&[], &[]), None);
    }
}
