//! The shape of a function: what is left of its code when all that compilers choose freely is taken away.
//!
//! Which local holds a value, which block a branch leaves, whether a comparison is turned round: these change
//! with every version and every level of optimisation. Which constants meet which operations, and in what order
//! fields of a structure are read and written, hardly does. So a function becomes a sequence of *tokens*, one
//! for each operation on values or memory (together with its constant), and its shape is the set of hashed
//! runs of 1 to [`MAX_RUN`] tokens, known as k-grams (Broder, "On the resemblance and containment of
//! documents", 1997). Containment of such sets survives inlining: code that is inlined keeps its runs.

use wasmparser::{MemArg, Operator, OperatorsReader};

/// Changes whenever the same code would give another shape; the library is made for one version.
pub const SHAPE_VERSION: u16 = 2;

/// Longest run of tokens that is hashed.
pub const MAX_RUN: usize = 4;

/// Offsets and constants from here on may be addresses of static data, which differ in every module.
const FIRST_ADDRESS: i64 = 1024;
/// Static data does not reach beyond 64 MiB in practice, so larger constants are no addresses.
const LAST_ADDRESS: i64 = 1 << 26;
/// Stands for all constants that may be addresses.
const ADDRESS: u64 = 0xadd7;

/// Calls `gram` with the hash of every run of tokens in a function, repetitions included. O(operators).
///
/// Stops at an operator that cannot be read; a validated module has none.
pub fn for_each_gram(mut operators: OperatorsReader<'_>, mut gram: impl FnMut(u32)) {
    let mut runs = Runs { last: [0; MAX_RUN], len: 0 };
    let mut pending: Option<u64> = None;
    while !operators.eof() {
        let Ok(operator) = operators.read() else { return };
        match token(&operator, &mut pending) {
            Step::Skip => {}
            Step::One(token) => runs.push(token, &mut gram),
            Step::Two(first, second) => {
                runs.push(first, &mut gram);
                runs.push(second, &mut gram);
            }
        }
    }
}

/// The shape of a function: its grams, sorted, each once.
#[must_use]
pub fn shape(operators: OperatorsReader<'_>) -> Vec<u32> {
    let mut grams = Vec::new();
    for_each_gram(operators, |gram| grams.push(gram));
    grams.sort_unstable();
    grams.dedup();
    grams
}

/// The last tokens, newest first.
struct Runs {
    last: [u64; MAX_RUN],
    len: usize,
}

impl Runs {
    fn push(&mut self, token: u64, gram: &mut impl FnMut(u32)) {
        self.last.copy_within(0..MAX_RUN - 1, 1);
        self.last[0] = token;
        self.len = (self.len + 1).min(MAX_RUN);
        let mut hash = 0;
        for (length, &token) in (1_u64..).zip(&self.last[..self.len]) {
            hash = mix(hash ^ token);
            // A single operation without a constant says nothing.
            if length > 1 || token >> CONST_SHIFT != 0 {
                gram(fold(hash));
            }
        }
    }
}

/// A multiplicative hash (Knuth's, with the golden ratio): four of them are computed for every operation.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value ^ (value >> 29)
}

/// The high half: a multiplication mixes upwards.
fn fold(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A token is an operation in the low bits and, above them, its constant plus one (0: none).
const CONST_SHIFT: u32 = 8;

mod op {
    //! Operations; several instructions that mean the same to us share one.
    pub const CONST: u64 = 1;
    pub const ADD: u64 = 2;
    pub const MUL: u64 = 3;
    pub const DIV: u64 = 4;
    pub const AND: u64 = 5;
    pub const OR: u64 = 6;
    pub const XOR: u64 = 7;
    pub const SHL: u64 = 8;
    pub const SHR_S: u64 = 9;
    pub const SHR_U: u64 = 10;
    pub const ROT: u64 = 11;
    pub const CLZ: u64 = 12;
    pub const CTZ: u64 = 13;
    pub const POPCNT: u64 = 14;
    pub const EQ: u64 = 15;
    pub const CMP_S: u64 = 16;
    pub const CMP_U: u64 = 17;
    pub const SUB: u64 = 18;
    pub const CALL: u64 = 19;
    pub const CALL_INDIRECT: u64 = 20;
    pub const GROW: u64 = 21;
    pub const SIZE: u64 = 22;
    pub const COPY: u64 = 23;
    pub const FILL: u64 = 24;
    pub const FLOAT: u64 = 25;
    pub const VECTOR_OR_OTHER: u64 = 26;
    pub const ATOMIC: u64 = 27;
    pub const BR_TABLE: u64 = 28;
    pub const LOAD: u64 = 32; // + width class
    pub const STORE: u64 = 48; // + width class
    /// Added for the 64-bit variant of an operation.
    pub const WIDE: u64 = 64;
}

enum Step {
    Skip,
    One(u64),
    Two(u64, u64),
}

/// What an instruction adds. `pending` is a constant that no operation has consumed yet.
fn token(operator: &Operator<'_>, pending: &mut Option<u64>) -> Step {
    use Operator as O;
    let (code, operand) = match operator {
        O::I32Const { value } => return constant(pending, class(i64::from(*value))),
        O::I64Const { value } => return constant(pending, class(*value)),
        O::I32Add => (op::ADD, Operand::Plain),
        O::I64Add => (op::ADD | op::WIDE, Operand::Plain),
        O::I32Sub => (op::SUB, Operand::Subtract),
        O::I64Sub => (op::SUB | op::WIDE, Operand::Subtract),
        O::I32Mul => (op::MUL, Operand::Multiply),
        O::I64Mul => (op::MUL | op::WIDE, Operand::Multiply),
        O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU => (op::DIV, Operand::Plain),
        O::I64DivS | O::I64DivU | O::I64RemS | O::I64RemU => (op::DIV | op::WIDE, Operand::Plain),
        O::I32And => (op::AND, Operand::Plain),
        O::I64And => (op::AND | op::WIDE, Operand::Plain),
        O::I32Or => (op::OR, Operand::Plain),
        O::I64Or => (op::OR | op::WIDE, Operand::Plain),
        O::I32Xor => (op::XOR, Operand::Plain),
        O::I64Xor => (op::XOR | op::WIDE, Operand::Plain),
        O::I32Shl => (op::SHL, Operand::Plain),
        O::I64Shl => (op::SHL | op::WIDE, Operand::Plain),
        O::I32ShrS => (op::SHR_S, Operand::Plain),
        O::I64ShrS => (op::SHR_S | op::WIDE, Operand::Plain),
        O::I32ShrU => (op::SHR_U, Operand::Plain),
        O::I64ShrU => (op::SHR_U | op::WIDE, Operand::Plain),
        O::I32Rotl | O::I32Rotr => (op::ROT, Operand::Plain),
        O::I64Rotl | O::I64Rotr => (op::ROT | op::WIDE, Operand::Plain),
        O::I32Clz => (op::CLZ, Operand::Plain),
        O::I64Clz => (op::CLZ | op::WIDE, Operand::Plain),
        O::I32Ctz => (op::CTZ, Operand::Plain),
        O::I64Ctz => (op::CTZ | op::WIDE, Operand::Plain),
        O::I32Popcnt => (op::POPCNT, Operand::Plain),
        O::I64Popcnt => (op::POPCNT | op::WIDE, Operand::Plain),
        O::I32Eq | O::I32Ne => (op::EQ, Operand::Plain),
        O::I64Eq | O::I64Ne => (op::EQ | op::WIDE, Operand::Plain),
        // `x < c` and `x >= c` ask the same as `x <= c - 1` and `x > c - 1`.
        O::I32LtS | O::I32GeS => (op::CMP_S, Operand::Below),
        O::I32LeS | O::I32GtS => (op::CMP_S, Operand::Plain),
        O::I32LtU | O::I32GeU => (op::CMP_U, Operand::Below),
        O::I32LeU | O::I32GtU => (op::CMP_U, Operand::Plain),
        O::I64LtS | O::I64GeS => (op::CMP_S | op::WIDE, Operand::Below),
        O::I64LeS | O::I64GtS => (op::CMP_S | op::WIDE, Operand::Plain),
        O::I64LtU | O::I64GeU => (op::CMP_U | op::WIDE, Operand::Below),
        O::I64LeU | O::I64GtU => (op::CMP_U | op::WIDE, Operand::Plain),
        O::I32Load { memarg } => return access(op::LOAD, memarg, pending),
        O::I64Load { memarg } => return access(op::LOAD + 1, memarg, pending),
        O::I32Load8S { memarg } | O::I32Load8U { memarg } => return access(op::LOAD + 2, memarg, pending),
        O::I32Load16S { memarg } | O::I32Load16U { memarg } => return access(op::LOAD + 3, memarg, pending),
        O::I64Load32S { memarg } | O::I64Load32U { memarg } => return access(op::LOAD + 4, memarg, pending),
        O::I32Store { memarg } => return access(op::STORE, memarg, pending),
        O::I64Store { memarg } => return access(op::STORE + 1, memarg, pending),
        O::I32Store8 { memarg } | O::I64Store8 { memarg } => return access(op::STORE + 2, memarg, pending),
        O::I32Store16 { memarg } | O::I64Store16 { memarg } => return access(op::STORE + 3, memarg, pending),
        O::I64Store32 { memarg } => return access(op::STORE + 4, memarg, pending),
        O::Call { .. } | O::ReturnCall { .. } => return after(pending, op::CALL),
        O::CallIndirect { .. } | O::ReturnCallIndirect { .. } => return after(pending, op::CALL_INDIRECT),
        O::MemoryGrow { .. } => return after(pending, op::GROW),
        O::MemorySize { .. } => return after(pending, op::SIZE),
        O::MemoryCopy { .. } => return after(pending, op::COPY),
        O::MemoryFill { .. } => return after(pending, op::FILL),
        O::BrTable { .. } => return after(pending, op::BR_TABLE),
        other => return the_rest(other, pending),
    };
    let operand = match (operand, pending.take()) {
        (_, None) => return Step::One(code),
        (Operand::Plain, Some(value)) => (code, value),
        (Operand::Below, Some(value)) => (code, if value == ADDRESS { value } else { value.wrapping_sub(1) }),
        // `x - c` is `x + -c`; compilers write either.
        (Operand::Subtract, Some(ADDRESS)) => (code, ADDRESS),
        (Operand::Subtract, Some(value)) => (code - op::SUB + op::ADD, value.wrapping_neg()),
        (Operand::Multiply, Some(value)) if value.is_power_of_two() => {
            (code - op::MUL + op::SHL, u64::from(value.trailing_zeros()))
        }
        (Operand::Multiply, Some(value)) => (code, value),
    };
    Step::One(with_constant(operand.0, operand.1))
}

/// How an operation takes its constant.
#[derive(Clone, Copy)]
enum Operand {
    Plain,
    Subtract,
    Multiply,
    Below,
}

/// Operations that are left out or lumped together.
fn the_rest(operator: &Operator<'_>, pending: &mut Option<u64>) -> Step {
    use Operator as O;
    match operator {
        // Where values are kept and where control goes is the compiler's choice.
        O::LocalGet { .. }
        | O::LocalSet { .. }
        | O::LocalTee { .. }
        | O::GlobalGet { .. }
        | O::GlobalSet { .. }
        | O::Block { .. }
        | O::Loop { .. }
        | O::If { .. }
        | O::Else
        | O::End
        | O::Br { .. }
        | O::BrIf { .. }
        | O::Return
        | O::Unreachable
        | O::Nop
        | O::Drop
        | O::Select
        | O::I32Eqz
        | O::I64Eqz
        | O::I32WrapI64
        | O::I64ExtendI32U
        | O::I64ExtendI32S
        | O::TypedSelect { .. } => Step::Skip,
        O::MemoryAtomicNotify { .. }
        | O::MemoryAtomicWait32 { .. }
        | O::AtomicFence { .. }
        | O::I32AtomicLoad { .. }
        | O::I32AtomicLoad8U { .. }
        | O::I32AtomicStore { .. }
        | O::I32AtomicStore8 { .. }
        | O::I32AtomicRmwAdd { .. }
        | O::I32AtomicRmwSub { .. }
        | O::I32AtomicRmwXchg { .. }
        | O::I32AtomicRmwCmpxchg { .. } => after(pending, op::ATOMIC),
        O::F32Load { .. } | O::F64Load { .. } | O::F32Store { .. } | O::F64Store { .. } => {
            after(pending, op::FLOAT)
        }
        _ => after(pending, op::VECTOR_OR_OTHER),
    }
}

fn constant(pending: &mut Option<u64>, value: u64) -> Step {
    match pending.replace(value) {
        None => Step::Skip,
        Some(earlier) => Step::One(with_constant(op::CONST, earlier)),
    }
}

/// An operation that does not take the pending constant as its own.
fn after(pending: &mut Option<u64>, code: u64) -> Step {
    match pending.take() {
        None => Step::One(code),
        Some(value) => Step::Two(with_constant(op::CONST, value), code),
    }
}

fn access(code: u64, memarg: &MemArg, pending: &mut Option<u64>) -> Step {
    let offset = if memarg.offset < FIRST_ADDRESS.unsigned_abs() { memarg.offset } else { ADDRESS };
    // A constant address is the address of something static, however small it is.
    let is_static = pending.is_some() && code < op::STORE;
    let token = with_constant(code, if is_static { ADDRESS } else { offset });
    if is_static {
        *pending = None;
        return Step::One(token);
    }
    match pending.take() {
        None => Step::One(token),
        Some(value) => Step::Two(with_constant(op::CONST, value), token),
    }
}

fn with_constant(code: u64, value: u64) -> u64 {
    code | (mix(value).max(1) << CONST_SHIFT)
}

/// A constant as it enters a token: itself, unless it may be an address.
fn class(value: i64) -> u64 {
    // Masks and bounds are runs of ones (0xff00, 0x7f000, 4096), or one away from a power of two.
    let run = |value: u64| value != 0 && (value >> value.trailing_zeros()).wrapping_add(1).is_power_of_two();
    let bits = value.cast_unsigned();
    let characteristic = run(bits) || run(bits.wrapping_sub(1)) || run(bits.wrapping_add(1));
    if (FIRST_ADDRESS..LAST_ADDRESS).contains(&value) && !characteristic { ADDRESS } else { bits }
}
