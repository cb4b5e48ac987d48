//! The shadow stack: the global that points to the top of LLVM's stack in linear memory.

use wasmparser::Operator;

use crate::code::Code;
use crate::facts::{ConstExpr, ExternKind, Facts, Global, ValType, offset32};

/// A prologue stands at the very start of a function: this many instructions are looked at.
const PROLOGUE_INSTRUCTIONS: usize = 24;
/// Functions looked at; a stack pointer shows in the first few. (4096 took as long as a third of validating.)
const MAX_FUNCTIONS: usize = 512;

/// The global that is the stack pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackPointer {
    /// Its index.
    pub global: u32,
    /// Whether the host places it: it is imported, or starts with the value of an imported one.
    pub imported: bool,
    /// What tells.
    pub shown_by: ShownBy,
}

/// What shows that a global is the stack pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownBy {
    /// It is exported under its name.
    Export,
    /// It has its name in the `name` section.
    Name,
    /// It starts with the value of an imported global of fastcomp's that has the name.
    ImportedValue,
    /// It is imported under its name.
    Import,
    /// So many function prologues move it.
    Prologues(u32),
    /// So many do, and the first function among them that puts it back does so by the same amount: a frame.
    Frame(u32),
}

/// The names of a stack pointer: wasm-ld's and AssemblyScript's.
const NAMES: [&str; 2] = ["__stack_pointer", "~lib/memory/__stack_pointer"];
/// Those of an imported one: wasm-ld's and fastcomp's.
const IMPORTS: [&str; 2] = ["__stack_pointer", "STACKTOP"];
/// The module that both import it from.
const IMPORTED_FROM: &str = "env";

impl StackPointer {
    /// Finds it: by name, else as the global that most prologues move. Linear in the globals and names.
    pub(crate) fn find(code: &Code<'_>) -> Option<Self> {
        let facts = code.facts();
        let (global, shown_by) = named(facts).or_else(|| {
            let (global, seen) = code.prologues().most_moved()?;
            let count = seen.down + seen.up;
            let shown_by = if puts_back(facts, global, seen) { ShownBy::Frame } else { ShownBy::Prologues };
            Some((global, shown_by(count)))
        })?;
        let imported = is_imported(facts, facts.globals.get(global as usize)?);
        Some(Self { global, imported, shown_by })
    }
}

fn named(facts: &Facts<'_>) -> Option<(u32, ShownBy)> {
    let can_be = |global: &u32| facts.globals.get(*global as usize).is_some_and(is_word);
    for name in NAMES {
        let export = facts.export(name).filter(|export| export.kind == ExternKind::Global);
        if let Some(global) = export.map(|export| export.index).filter(can_be) {
            return Some((global, ShownBy::Export));
        }
        if let Some(global) = facts.names.globals.find(name).filter(can_be) {
            return Some((global, ShownBy::Name));
        }
    }
    let mut imports = facts.imports.iter().filter(|import| {
        import.ty.kind() == ExternKind::Global
            && import.module == IMPORTED_FROM
            && IMPORTS.contains(&import.name)
            && can_be(&import.index)
    });
    // Of two, the names do not tell which one it is.
    let (Some(import), None) = (imports.next(), imports.next()) else { return None };
    // Fastcomp copies the immutable import into a global of its own.
    let copy = facts.globals.iter().position(|global| global.init == Some(ConstExpr::Global(import.index)));
    Some(match copy {
        Some(copy) => (offset32(copy as u64), ShownBy::ImportedValue),
        None => (import.index, ShownBy::Import),
    })
}

/// It can hold an address.
fn is_word(global: &Global) -> bool {
    matches!(global.ty.content, ValType::I32 | ValType::I64)
}

fn is_imported(facts: &Facts<'_>, global: &Global) -> bool {
    match global.init {
        None => true,
        Some(ConstExpr::Global(source)) => {
            facts.globals.get(source as usize).is_some_and(|source| source.init.is_none())
        }
        Some(_) => false,
    }
}

/// A stack pointer is mutable and starts with an address above zero (or the host's).
fn has_stack_value(facts: &Facts<'_>, global: &Global) -> bool {
    let plausible = match global.init.and_then(|init| init.address()) {
        Some(address) => address > 0,
        None => is_imported(facts, global),
    };
    plausible && global.ty.mutable && is_word(global)
}

/// How often function prologues move a global.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moves {
    /// Prologues that lower it.
    pub down: u32,
    /// Prologues that raise it.
    pub up: u32,
    /// The first function that moves it, where one does.
    pub first_func: u32,
    /// Byte offset of the instruction there.
    pub first_offset: u32,
    /// By how many bytes: less than zero where it lowers it.
    pub first_step: i64,
}

/// What function prologues do to globals.
#[derive(Debug, Clone, Default)]
pub struct Prologues {
    /// For each global.
    moves: Vec<Moves>,
    /// The global that is moved most of those that can be a stack pointer.
    most_moved: Option<u32>,
}

impl Prologues {
    /// How often a global is moved. O(1).
    #[must_use]
    pub fn of(&self, global: u32) -> Moves {
        self.moves.get(global as usize).copied().unwrap_or_default()
    }

    /// The global that is moved most, of those that can be a stack pointer: mutable, and starting with an address.
    #[must_use]
    pub fn most_moved(&self) -> Option<(u32, Moves)> {
        self.most_moved.map(|global| (global, self.of(global)))
    }

    /// Looks at the first functions. O(globals).
    pub(crate) fn find(code: &Code<'_>) -> Self {
        let facts = code.facts();
        let moves = moves(facts);
        let candidates = (0u32..).zip(&facts.globals).zip(&moves);
        let most_moved = candidates
            .filter(|((_, global), seen)| seen.down + seen.up > 0 && has_stack_value(facts, global))
            .max_by_key(|((index, _), seen)| (seen.down + seen.up, u32::MAX - index))
            .map(|((index, _), _)| index);
        Self { moves, most_moved }
    }
}

/// Counts, for each global, prologues of the form `global.get G … i32.const N … i32.sub … global.set G`.
fn moves(facts: &Facts<'_>) -> Vec<Moves> {
    let mut counts = vec![Moves::default(); facts.globals.len()];
    let defined = facts.imported_func_count()..facts.func_count();
    for func in defined.take(MAX_FUNCTIONS) {
        if let Some(moved) = prologue(facts, func)
            && let Some(count) = counts.get_mut(moved.global as usize)
        {
            if count.down + count.up == 0 {
                (count.first_func, count.first_offset) = (func, moved.offset);
                count.first_step = moved.step;
            }
            if moved.step < 0 { count.down += 1 } else { count.up += 1 }
        }
    }
    counts
}

struct Moved {
    global: u32,
    /// In bytes, not zero.
    step: i64,
    offset: u32,
}

fn prologue(facts: &Facts<'_>, func: u32) -> Option<Moved> {
    let mut reader = facts.operators(func)?;
    let mut read: Option<u32> = None;
    let mut constant: Option<i64> = None;
    // The sign of the last `constant; add` or `constant; sub`.
    let mut step: Option<i64> = None;
    let mut depth = 0;
    for _ in 0..PROLOGUE_INSTRUCTIONS {
        let (operator, offset) = reader.read_with_offset().ok()?;
        match operator {
            Operator::GlobalGet { global_index } => {
                read = read.or(Some(global_index));
                constant = None;
            }
            Operator::I32Const { value } => constant = Some(i64::from(value)),
            Operator::I64Const { value } => constant = Some(value),
            Operator::I32Sub | Operator::I64Sub => step = constant.take().map(i64::wrapping_neg),
            Operator::I32Add | Operator::I64Add => step = constant.take(),
            Operator::LocalGet { .. } | Operator::LocalSet { .. } | Operator::LocalTee { .. } => {}
            Operator::GlobalSet { global_index } if read == Some(global_index) => {
                let step = step.filter(|step| *step != 0)?;
                return Some(Moved { global: global_index, step, offset: offset32(offset) });
            }
            // A check for overflow may stand between.
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
            Operator::End if depth == 0 => return None,
            Operator::End => depth -= 1,
            _ => constant = None,
        }
    }
    None
}

/// Whether the first function that moves a global by a multiple of the stack's alignment moves it back by the same. Linear
/// in that function.
fn puts_back(facts: &Facts<'_>, global: u32, seen: Moves) -> bool {
    let Some(mut reader) = facts.operators(seen.first_func).filter(|_| seen.first_step % 16 == 0) else {
        return false;
    };
    // The last constant, and what was done with it.
    let mut constant: Option<i64> = None;
    let mut step: Option<i64> = None;
    while let Ok(operator) = reader.read() {
        match operator {
            Operator::I32Const { value } => constant = Some(i64::from(value)),
            Operator::I64Const { value } => constant = Some(value),
            Operator::I32Add | Operator::I64Add => step = constant.take(),
            Operator::I32Sub | Operator::I64Sub => step = constant.take().map(i64::wrapping_neg),
            Operator::GlobalSet { global_index } => {
                if global_index == global && step.take() == seen.first_step.checked_neg() {
                    return true;
                }
            }
            // The new top may be kept before it is set.
            Operator::LocalTee { .. } => {}
            _ => (constant, step) = (None, None),
        }
    }
    false
}
