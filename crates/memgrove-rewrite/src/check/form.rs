//! The code that tests an access: in line, or in a function for all accesses of one form, which does them, too.

use wasm_encoder::{Encode, Function, Instruction, MemArg, MemArgTarget, ValType};
use wasmparser::Operator;

use super::checker::Checker;
use super::width::Width;
use crate::frames::IF;

/// Accesses of one form, for which a function of their own decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    pub width: u32,
    /// It writes, or is a read that is tested to the byte, as writes are.
    pub stores: bool,
    is_exact_read: bool,
    pub offset: u32,
    /// It lies within one granule.
    is_aligned: bool,
}

/// How often a form has to be used in loops to get a function that decides, which takes 15 bytes and saves two or three at
/// each access, or without sites four.
pub(super) const fn least_of_a_form(sites: bool) -> u32 {
    if sites { 24 } else { 10 }
}

/// The same of a function that tests and accesses: it takes 30 to 45 bytes and saves five to twelve.
pub(super) const LEAST_OF_A_WHOLE: u32 = 6;

/// What stands for a site in a module without sites; `checker.wat` has these numbers.
pub(super) const NO_SITE: i32 = -1;
/// Of a range that is written.
pub(super) const NO_SITE_OF_RANGE_WRITTEN: i32 = -2;
/// Of a read that is tested as a write is.
const NO_SITE_OF_EXACT_READ: i32 = -3;

impl Form {
    pub fn of(memarg: wasmparser::MemArg, width: u32, stores: bool, is_exact: bool) -> Self {
        let offset = u32::try_from(memarg.offset).unwrap_or(u32::MAX);
        let is_aligned = width < 16 && 1 << memarg.align >= width;
        Self { width, stores: stores || is_exact, is_exact_read: is_exact && !stores, offset, is_aligned }
    }

    /// What the checker is handed as the site where there are none.
    pub fn no_site(self) -> Instruction<'static> {
        Instruction::I32Const(if self.is_exact_read { NO_SITE_OF_EXACT_READ } else { NO_SITE })
    }

    /// The site in a function of the form's own: this parameter, if there are sites.
    fn site(self, sites: bool, param: u32) -> Instruction<'static> {
        if sites { Instruction::LocalGet(param) } else { self.no_site() }
    }

    /// The granules to be tested of an access whose address is in a local: what is not 0 is not whole.
    pub fn granules(self, address: u32, checker: &Checker) -> Vec<Instruction<'static>> {
        let granule = |distance: u32, is_wide: bool| {
            let mut code = vec![Instruction::LocalGet(address)];
            // What lies beyond 4 GiB is looked at more closely where it would not be whole.
            code.extend(checker.width.cut().iter().cloned());
            if distance > 0 {
                code.extend([Instruction::I32Const(distance.cast_signed()), Instruction::I32Add]);
            }
            let shadow =
                MemArg { offset: 0, align: 0, target: MemArgTarget::Memory(checker.shadow), ordering: None };
            code.extend([Instruction::I32Const(3), Instruction::I32ShrU]);
            if let Some((threads, _)) = checker.threads {
                code.extend([Instruction::GlobalGet(threads.shadow_at), Instruction::I32Add]);
            }
            code.push(match is_wide {
                true => Instruction::I32Load16U(shadow),
                false => Instruction::I32Load8U(shadow),
            });
            code
        };
        let last = granule(self.offset + (self.width - 1), false);
        if self.is_aligned {
            return last;
        }
        let mut code = granule(self.offset, self.width == 16);
        code.extend(last);
        code.push(Instruction::I32Or);
        code
    }

    /// `(address, site)`, or `(address)` without sites: decides, after a test in line.
    pub fn decides(self, checker: &Checker, sites: bool) -> Function {
        let mut body = Function::new([]);
        body.instruction(&Instruction::LocalGet(0))
            .instruction(&Instruction::I32Const(self.offset.cast_signed()))
            .instruction(&self.site(sites, 1))
            .instruction(&Instruction::Call(checker.access(self.width, self.stores)))
            .instruction(&Instruction::End);
        body
    }
}

/// An access that a function of its own does, once it has tested it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Whole {
    form: Form,
    /// The instruction.
    code: Vec<u8>,
    /// What is stored, or else loaded.
    is_store: bool,
    value: Value,
    address: Width,
}

/// Types of what whole accesses store or load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    I32,
    I64,
    F32,
    F64,
}

impl Whole {
    /// The loads and stores of one number; others are rare.
    pub fn of(operator: &Operator<'_>, form: Form, address: Width) -> Option<Self> {
        use Instruction as I;
        let instruction = Instruction::try_from(operator.clone()).ok()?;
        let (is_store, value) = match instruction {
            I::I32Load(_) | I::I32Load8S(_) | I::I32Load8U(_) | I::I32Load16S(_) | I::I32Load16U(_) => {
                (false, Value::I32)
            }
            I::I64Load(_)
            | I::I64Load8S(_)
            | I::I64Load8U(_)
            | I::I64Load16S(_)
            | I::I64Load16U(_)
            | I::I64Load32S(_)
            | I::I64Load32U(_) => (false, Value::I64),
            I::F32Load(_) => (false, Value::F32),
            I::F64Load(_) => (false, Value::F64),
            I::I32Store(_) | I::I32Store8(_) | I::I32Store16(_) => (true, Value::I32),
            I::I64Store(_) | I::I64Store8(_) | I::I64Store16(_) | I::I64Store32(_) => (true, Value::I64),
            I::F32Store(_) => (true, Value::F32),
            I::F64Store(_) => (true, Value::F64),
            _ => return None,
        };
        let mut code = Vec::new();
        instruction.encode(&mut code);
        Some(Self { form, code, is_store, value, address })
    }

    /// `(address, value, site)`, or `(address, site)` and a result; no site without sites.
    pub fn ty(&self, sites: bool) -> (Vec<ValType>, Vec<ValType>) {
        let value = match self.value {
            Value::I32 => ValType::I32,
            Value::I64 => ValType::I64,
            Value::F32 => ValType::F32,
            Value::F64 => ValType::F64,
        };
        let site = sites.then_some(ValType::I32);
        let stored = self.is_store.then_some(value);
        let params = [self.address.ty()].into_iter().chain(stored).chain(site).collect();
        (params, (!self.is_store).then_some(value).into_iter().collect())
    }

    /// Tests and accesses.
    pub fn function(&self, checker: &Checker, sites: bool) -> Function {
        let form = self.form;
        let site = 1 + u32::from(self.is_store);
        let mut body = Function::new([]);
        for instruction in form.granules(0, checker) {
            body.instruction(&instruction);
        }
        body.instruction(&IF)
            .instruction(&Instruction::LocalGet(0))
            .instruction(&Instruction::I32Const(form.offset.cast_signed()))
            .instruction(&form.site(sites, site))
            .instruction(&Instruction::Call(checker.access(form.width, form.stores)))
            .instruction(&Instruction::End)
            .instruction(&Instruction::LocalGet(0));
        if self.is_store {
            body.instruction(&Instruction::LocalGet(1));
        }
        body.raw(self.code.iter().copied()).instruction(&Instruction::End);
        body
    }
}
