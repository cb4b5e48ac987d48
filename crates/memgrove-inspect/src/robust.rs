//! What must hold for any bytes. The fuzz target and the seeded tests run the same body.

use crate::facts::{BinaryKind, Facts, Proposal};
use crate::report::{MemoryReport, Report};
use crate::{conclude, facts};
use std::collections::BTreeSet;
use wasmparser::{Operator, Validator, WasmFeatures};

/// Inspects `bytes` and checks what must hold, whatever they are.
///
/// # Panics
/// When something does not hold. That is a bug of this crate.
#[doc(hidden)]
pub fn check_any_bytes(bytes: &[u8]) {
    let valid = Validator::new_with_features(WasmFeatures::all()).validate_all(bytes);
    match facts(bytes) {
        Ok(facts) => {
            assert!(valid.is_ok(), "facts accept what the validator refuses: {:?}", valid.err());
            check_facts(&facts);
            let report = conclude(&facts);
            check_report(&report);
            serde_json::to_string(&report).expect("a report serialises");
        }
        Err(error) => {
            assert!(valid.is_err(), "facts refuse what the validator accepts: {error}");
            assert!(error.offset() <= bytes.len() as u64, "{error} in {} bytes", bytes.len());
        }
    }
}

fn check_facts(facts: &Facts<'_>) {
    for inner in facts.component.iter().flat_map(|component| &component.modules) {
        check_facts(inner);
    }
    let funcs = facts.func_count();
    assert!(facts.sites.iter().all(|site| site.func < funcs && facts.function(site.func).is_some()));
    for func in 0..funcs {
        assert_eq!(facts.call_graph.callees(func), callees(facts, func), "callees of {func}");
        assert_eq!(facts.body(func).is_some(), func >= facts.imported_func_count(), "body of {func}");
        assert!(facts.func_type(func).is_some(), "type of {func}");
    }
    check_proposals(facts);
}

/// Direct callees of a function, found the slow way.
fn callees(facts: &Facts<'_>, func: u32) -> Vec<u32> {
    let mut callees = BTreeSet::new();
    for operator in facts.operators(func).into_iter().flatten() {
        if let Ok(Operator::Call { function_index } | Operator::ReturnCall { function_index }) = operator {
            callees.insert(function_index);
        }
    }
    callees.into_iter().collect()
}

/// The proposals found suffice to validate the module: nothing that it uses was missed.
fn check_proposals(facts: &Facts<'_>) {
    let range = facts.range();
    if facts.kind == BinaryKind::Component || range.start != 0 {
        return;
    }
    let features = features_of(facts.proposals.iter().map(|first| first.proposal));
    let again = Validator::new_with_features(features).validate_all(facts.bytes());
    let found: Vec<&str> = facts.proposals.iter().map(|first| first.proposal.id()).collect();
    assert!(again.is_ok(), "{found:?} do not suffice: {:?}", again.err());
}

/// wasmparser's names of the proposals, on top of the first version of WebAssembly.
fn features_of(proposals: impl Iterator<Item = Proposal>) -> WasmFeatures {
    use WasmFeatures as W;
    let feature = |proposal| match proposal {
        Proposal::MutableGlobals => W::MUTABLE_GLOBAL,
        Proposal::SignExtension => W::SIGN_EXTENSION,
        Proposal::SaturatingFloatToInt => W::SATURATING_FLOAT_TO_INT,
        Proposal::MultiValue => W::MULTI_VALUE,
        Proposal::BulkMemory => W::BULK_MEMORY,
        Proposal::ReferenceTypes => W::REFERENCE_TYPES,
        Proposal::Simd => W::SIMD,
        // Relaxed instructions are on vectors.
        Proposal::RelaxedSimd => W::RELAXED_SIMD | W::SIMD,
        Proposal::Threads => W::THREADS,
        Proposal::TailCall => W::TAIL_CALL,
        Proposal::ExtendedConst => W::EXTENDED_CONST,
        Proposal::LegacyExceptions => W::LEGACY_EXCEPTIONS | W::EXCEPTIONS,
        Proposal::Exceptions => W::EXCEPTIONS | W::REFERENCE_TYPES,
        Proposal::Memory64 => W::MEMORY64,
        Proposal::MultiMemory => W::MULTI_MEMORY,
        Proposal::FunctionReferences => W::FUNCTION_REFERENCES | W::REFERENCE_TYPES,
        Proposal::Gc => W::GC | W::FUNCTION_REFERENCES | W::REFERENCE_TYPES,
        Proposal::CustomPageSizes => W::CUSTOM_PAGE_SIZES,
        Proposal::WideArithmetic => W::WIDE_ARITHMETIC,
        Proposal::StackSwitching => {
            W::STACK_SWITCHING | W::FUNCTION_REFERENCES | W::REFERENCE_TYPES | W::EXCEPTIONS
        }
        Proposal::MemoryControl => W::MEMORY_CONTROL,
        Proposal::SharedEverythingThreads => {
            W::SHARED_EVERYTHING_THREADS | W::THREADS | W::GC | W::FUNCTION_REFERENCES
        }
        Proposal::CustomDescriptors => {
            W::CUSTOM_DESCRIPTORS | W::GC | W::FUNCTION_REFERENCES | W::REFERENCE_TYPES
        }
        Proposal::AcquireReleaseAtomics => W::ACQUIRE_RELEASE_ATOMICS | W::THREADS,
        Proposal::MultibyteArrayAccess => W::MULTIBYTE_ARRAY_ACCESS | W::GC,
        Proposal::CompactImports => W::COMPACT_IMPORTS,
        Proposal::ComponentModel => W::COMPONENT_MODEL,
    };
    proposals.fold(W::MVP, |features, proposal| features | feature(proposal))
}

fn check_report(report: &Report) {
    check_regions(&report.memory);
    for inner in report.component.iter().flat_map(|component| &component.modules) {
        check_report(&inner.report);
    }
}

fn check_regions(memory: &MemoryReport) {
    let mut at = Some(0);
    for region in &memory.regions {
        assert_eq!(Some(region.start), at, "regions have gaps: {:?}", memory.regions);
        assert!(region.end.is_none_or(|end| end > region.start), "{region:?}");
        at = region.end;
    }
}
