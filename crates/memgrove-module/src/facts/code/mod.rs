//! One pass over the function bodies that validates them and notes what matters for memory.
//!
//! Each instruction is decoded once: [`Scanner`] looks at it and hands it on to wasmparser's validator.

mod immediates;

use self::immediates::Immediate;
use super::encoding::{self, Encoding};
use super::numbers::Numbers;
use super::proposals::{Proposal, ProposalsUsed};
use super::types::{Site, SiteKind};
use super::{offset32, wasm_types};
use wasmparser::{
    FrameKind, FrameStack, FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody,
    ModuleArity, ValidatorResources, VisitOperator, VisitSimdOperator, WasmModuleResources,
};

/// A body waiting to be validated.
pub(super) struct Job<'a> {
    pub(super) validator: FuncToValidate<ValidatorResources>,
    pub(super) body: FunctionBody<'a>,
}

/// What a run of consecutive functions holds.
#[derive(Default)]
pub(super) struct Scan {
    /// For each function, the number of its entries in `callees`.
    pub(super) callee_counts: Vec<u32>,
    /// Direct callees of each function, sorted and without repetition.
    pub(super) callees: Vec<u32>,
    /// Where the row of the function being scanned starts in `callees`.
    row_start: usize,
    /// What each function may name.
    pub(super) numbers: Vec<Numbers>,
    /// What the function being scanned names.
    named: Numbers,
    /// Functions of which `ref.func` takes the address, sorted.
    pub(super) referenced: Vec<u32>,
    /// Globals that are set, sorted.
    pub(super) written_globals: Vec<u32>,
    /// Reads of the globals that are watched, as `(global, function)`.
    pub(super) global_reads: Vec<(u32, u32)>,
    pub(super) catches: bool,
    pub(super) sites: Vec<Site>,
    pub(super) proposals: ProposalsUsed,
}

/// Validates and scans consecutive bodies; for each global, whether reads of it are noted.
pub(super) fn scan(jobs: Vec<Job<'_>>, watched: &[bool]) -> Result<Scan, wasmparser::Error> {
    let mut scan = Scan::default();
    let mut allocations = FuncValidatorAllocations::default();
    for job in jobs {
        let mut validator = job.validator.into_validator(allocations);
        let row_start = scan.callees.len();
        scan.row_start = row_start;
        scan.named = Numbers::default();
        scan_body(&mut validator, &job.body, watched, &mut scan)?;
        scan.callees[row_start..].sort_unstable();
        dedup_tail(&mut scan.callees, row_start);
        scan.callee_counts.push(offset32((scan.callees.len() - row_start) as u64));
        scan.numbers.push(scan.named);
        allocations = validator.into_allocations();
    }
    scan.referenced.sort_unstable();
    scan.referenced.dedup();
    scan.written_globals.sort_unstable();
    scan.written_globals.dedup();
    Ok(scan)
}

/// Removes repetitions from the sorted tail of `values`.
fn dedup_tail(values: &mut Vec<u32>, start: usize) {
    let mut kept = start;
    for i in start..values.len() {
        if kept == start || values[kept - 1] != values[i] {
            values[kept] = values[i];
            kept += 1;
        }
    }
    values.truncate(kept);
}

fn scan_body(
    validator: &mut FuncValidator<ValidatorResources>,
    body: &FunctionBody<'_>,
    watched: &[bool],
    scan: &mut Scan,
) -> Result<(), wasmparser::Error> {
    let func = validator.index();
    let resources = validator.resources().clone();
    note_local_types(body, func, &mut scan.proposals)?;
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    reader.set_features(*validator.features());
    let start = reader.original_position();
    let mut rest = reader.clone();
    let bytes = rest.read_bytes(rest.bytes_remaining())?;
    while !reader.eof() {
        let offset = reader.original_position();
        let mut scanner = Scanner {
            validator: validator.simd_visitor(offset),
            resources: &resources,
            scan,
            watched,
            func,
            offset,
            encoding: Encoding::Plain,
        };
        reader.visit_operator(&mut scanner)??;
        if scanner.encoding != Encoding::Plain {
            let at = |position: u64| usize::try_from(position - start).unwrap_or(usize::MAX);
            if let Some(instruction) = bytes.get(at(offset)..at(reader.original_position())) {
                encoding::note(scanner.encoding, instruction, func, offset, &mut scan.proposals);
            }
        }
    }
    reader.finish_expression(&validator.visitor(reader.original_position()))
}

fn note_local_types(
    body: &FunctionBody<'_>,
    func: u32,
    proposals: &mut ProposalsUsed,
) -> Result<(), wasmparser::Error> {
    let mut locals = body.get_locals_reader()?;
    for _ in 0..locals.get_count() {
        let offset = locals.original_position();
        let (_, ty) = locals.read()?;
        wasm_types::note_val_type(ty, Some(func), offset, proposals);
    }
    Ok(())
}

/// Looks at one instruction, then lets the validator look at it.
struct Scanner<'s, V> {
    validator: V,
    /// The module's types.
    resources: &'s ValidatorResources,
    scan: &'s mut Scan,
    watched: &'s [bool],
    func: u32,
    offset: u64,
    /// Which of its numbers may be written in a way that takes a proposal.
    encoding: Encoding,
}

impl<V> Scanner<'_, V> {
    #[inline]
    fn note(&mut self, proposal: Proposal, what: &'static str) {
        self.scan.proposals.note(proposal, what, Some(self.func), self.offset);
    }

    fn site(&mut self, kind: SiteKind) {
        self.scan.sites.push(Site { kind, func: self.func, offset: offset32(self.offset) });
    }

    fn global_get(&mut self, global: u32) {
        self.scan.named.note_global(global);
        let read = (global, self.func);
        if self.watched.get(global as usize) == Some(&true) && self.scan.global_reads.last() != Some(&read) {
            self.scan.global_reads.push(read);
        }
    }

    fn global_set(&mut self, global: u32) {
        self.scan.named.note_global(global);
        // The stack pointer is set in most functions; the rest is removed after sorting.
        if self.scan.written_globals.last() != Some(&global) {
            self.scan.written_globals.push(global);
        }
    }

    /// A branch on a cast: to a type that is no subtype it is allowed since custom-descriptors.
    fn cast(&mut self, mut from: wasmparser::RefType, mut to: wasmparser::RefType) {
        let types = self.resources;
        if types.check_ref_type(&mut from, self.offset).is_ok()
            && types.check_ref_type(&mut to, self.offset).is_ok()
            && !types.is_subtype(to.into(), from.into())
        {
            self.note(Proposal::CustomDescriptors, "cast to a type that is no subtype");
        }
    }

    fn call(&mut self, callee: u32) {
        // Loops over one callee are common in generated code; the rest is removed after sorting.
        if self.scan.callees[self.scan.row_start..].last() != Some(&callee) {
            self.scan.callees.push(callee);
        }
    }
}

impl<V: ModuleArity> FrameStack for Scanner<'_, V> {
    #[inline]
    fn current_frame(&self) -> Option<FrameKind> {
        if self.validator.control_stack_height() == 0 {
            return None;
        }
        self.validator.label_block(0).map(|(_, kind)| kind)
    }
}

/// Whether an instruction has to do with floating point, told by the name of wasmparser's visit method.
const fn is_float(visit: &str) -> bool {
    let name = visit.as_bytes();
    let mut at = 0;
    while at + 2 < name.len() {
        if name[at] == b'f' && matches!((name[at + 1], name[at + 2]), (b'3', b'2') | (b'6', b'4')) {
            return true;
        }
        at += 1;
    }
    false
}

/// The proposal that an instruction's group in wasmparser stands for.
macro_rules! note_group {
    ($self:ident mvp $name:expr) => {};
    ($self:ident sign_extension $name:expr) => {
        $self.note(Proposal::SignExtension, $name)
    };
    ($self:ident saturating_float_to_int $name:expr) => {
        $self.note(Proposal::SaturatingFloatToInt, $name)
    };
    ($self:ident bulk_memory $name:expr) => {
        $self.note(Proposal::BulkMemory, $name)
    };
    ($self:ident reference_types $name:expr) => {
        $self.note(Proposal::ReferenceTypes, $name)
    };
    ($self:ident simd $name:expr) => {
        $self.note(Proposal::Simd, $name)
    };
    ($self:ident relaxed_simd $name:expr) => {
        $self.note(Proposal::RelaxedSimd, $name)
    };
    ($self:ident threads $name:expr) => {
        $self.note(Proposal::Threads, $name)
    };
    ($self:ident tail_call $name:expr) => {
        $self.note(Proposal::TailCall, $name)
    };
    ($self:ident exceptions $name:expr) => {
        // Both exception proposals have `throw`.
        if $name == "visit_throw" {
            $self.scan.proposals.note_tag($name, Some($self.func), $self.offset);
        } else {
            $self.note(Proposal::Exceptions, $name);
        }
    };
    ($self:ident legacy_exceptions $name:expr) => {
        $self.note(Proposal::LegacyExceptions, $name)
    };
    ($self:ident function_references $name:expr) => {
        $self.note(Proposal::FunctionReferences, $name)
    };
    ($self:ident gc $name:expr) => {
        $self.note(Proposal::Gc, $name)
    };
    ($self:ident wide_arithmetic $name:expr) => {
        $self.note(Proposal::WideArithmetic, $name)
    };
    ($self:ident stack_switching $name:expr) => {
        $self.note(Proposal::StackSwitching, $name)
    };
    ($self:ident memory_control $name:expr) => {
        $self.note(Proposal::MemoryControl, $name)
    };
    ($self:ident shared_everything_threads $name:expr) => {
        $self.note(Proposal::SharedEverythingThreads, $name)
    };
    ($self:ident custom_descriptors $name:expr) => {
        $self.note(Proposal::CustomDescriptors, $name)
    };
    ($self:ident acquire_release_atomics $name:expr) => {
        $self.note(Proposal::AcquireReleaseAtomics, $name)
    };
    ($self:ident multibyte_array_access $name:expr) => {
        $self.note(Proposal::MultibyteArrayAccess, $name)
    };
}

/// What is recorded of single instructions.
macro_rules! note_instruction {
    ($self:ident visit_call $callee:ident) => {
        $self.call($callee)
    };
    ($self:ident visit_return_call $callee:ident) => {
        $self.call($callee)
    };
    ($self:ident visit_global_get $global:ident) => {
        $self.global_get($global)
    };
    ($self:ident visit_global_set $global:ident) => {
        $self.global_set($global)
    };
    ($self:ident visit_i32_const $value:ident) => {
        $self.scan.named.note(u64::from($value.cast_unsigned()))
    };
    ($self:ident visit_i64_const $value:ident) => {
        $self.scan.named.note($value.cast_unsigned())
    };
    ($self:ident visit_try $blockty:ident) => {
        $self.scan.catches = true
    };
    ($self:ident visit_try_table $try_table:ident) => {
        $self.scan.catches = true
    };
    ($self:ident visit_ref_func $func:ident) => {
        $self.scan.referenced.push($func)
    };
    ($self:ident visit_call_indirect $ty:ident $table:ident) => {
        match $table {
            0 => $self.encoding = Encoding::Table,
            _ => $self.note(Proposal::ReferenceTypes, "call_indirect of a second table"),
        }
    };
    ($self:ident visit_memory_grow $memory:ident) => {
        $self.encoding = Encoding::Memory;
        $self.site(SiteKind::Grow { memory: $memory });
    };
    ($self:ident visit_memory_size $memory:ident) => {
        $self.encoding = Encoding::Memory;
        $self.site(SiteKind::Size { memory: $memory });
    };
    ($self:ident visit_memory_init $segment:ident $memory:ident) => {
        $self.encoding = Encoding::Memory;
        $self.site(SiteKind::Init { segment: $segment, memory: $memory });
    };
    ($self:ident visit_table_grow $table:ident) => {
        $self.site(SiteKind::GrowTable { table: $table })
    };
    ($self:ident visit_memory_copy $to:ident $from:ident) => {
        $self.encoding = Encoding::Memory
    };
    ($self:ident visit_memory_fill $memory:ident) => {
        $self.encoding = Encoding::Memory
    };
    ($self:ident visit_br_on_cast $depth:ident $from:ident $to:ident) => {
        $self.cast($from, $to)
    };
    ($self:ident visit_br_on_cast_fail $depth:ident $from:ident $to:ident) => {
        $self.cast($from, $to)
    };
    ($self:ident visit_br_on_cast_desc_eq $depth:ident $from:ident $to:ident) => {
        $self.cast($from, $to)
    };
    ($self:ident visit_br_on_cast_desc_eq_fail $depth:ident $from:ident $to:ident) => {
        $self.cast($from, $to)
    };
    ($self:ident visit_memory_atomic_wait32 $memarg:ident) => {
        $self.site(SiteKind::Wait)
    };
    ($self:ident visit_memory_atomic_wait64 $memarg:ident) => {
        $self.site(SiteKind::Wait)
    };
    ($self:ident $other:ident $($arg:ident)*) => {};
}

macro_rules! scan_then_validate {
    ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*) )*) => {$(
        #[inline]
        fn $visit(&mut self $($(, $arg: $argty)*)?) -> Self::Output {
            note_group!(self $proposal stringify!($visit));
            if const { is_float(stringify!($visit)) } {
                self.scan.proposals.note_float(stringify!($visit), Some(self.func), self.offset);
            }
            $($( Immediate::note(&$arg, self, stringify!($visit)); )*)?
            note_instruction!(self $visit $($($arg)*)?);
            self.validator.$visit($($($arg),*)?)
        }
    )*};
}

impl<'a, V: VisitSimdOperator<'a>> VisitOperator<'a> for Scanner<'_, V> {
    type Output = V::Output;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(scan_then_validate);
}

impl<'a, V: VisitSimdOperator<'a>> VisitSimdOperator<'a> for Scanner<'_, V> {
    wasmparser::for_each_visit_simd_operator!(scan_then_validate);
}

/// The name in the text format of an instruction that is named by wasmparser's visit method.
pub(super) fn mnemonic(visit: &str) -> String {
    let Some(name) = visit.strip_prefix("visit_") else { return visit.to_owned() };
    let name = name.replacen("atomic_", "atomic.", 1).replacen("atomic.rmw_", "atomic.rmw.", 1);
    let prefixes = [
        "i32_", "i64_", "f32_", "f64_", "v128_", "i8x16_", "i16x8_", "i32x4_", "i64x2_", "f32x4_", "f64x2_",
        "memory_", "table_", "ref_", "local_", "global_", "struct_", "array_", "i31_", "any_", "extern_",
        "data_", "elem_",
    ];
    match prefixes.iter().find(|prefix| name.starts_with(**prefix)) {
        Some(prefix) => format!("{}.{}", &prefix[..prefix.len() - 1], &name[prefix.len()..]),
        None => name,
    }
}
