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

/// The proposals found are exactly those that the module takes: with them it validates, and without any one of them it
/// does not. Nor is floating point missed.
fn check_proposals(facts: &Facts<'_>) {
    let range = facts.range();
    if facts.kind == BinaryKind::Component || range.start != 0 {
        return;
    }
    let found: Vec<Proposal> = facts.proposals.iter().map(|first| first.proposal).collect();
    let ids: Vec<&str> = found.iter().map(|proposal| proposal.id()).collect();
    let bytes = facts.bytes();
    let validate = |features| Validator::new_with_features(features).validate_all(bytes);
    let all = found.iter().fold(WasmFeatures::MVP, |all, &proposal| all | feature(proposal));
    let again = validate(all);
    assert!(again.is_ok(), "{ids:?} do not suffice: {:?}", again.err());
    for &proposal in &found {
        let without = validate(all.difference(feature(proposal)));
        assert!(without.is_err(), "{} is not needed, of {ids:?}", proposal.id());
    }
    let has_floats = validate(all.difference(WasmFeatures::FLOATS)).is_err();
    // The validator lets a conversion pass in code that is never reached.
    assert!(!has_floats || facts.proposals.floats().is_some(), "floating point was missed");
}

/// wasmparser's name of a proposal.
fn feature(proposal: Proposal) -> WasmFeatures {
    use WasmFeatures as W;
    match proposal {
        Proposal::MutableGlobals => W::MUTABLE_GLOBAL,
        Proposal::SignExtension => W::SIGN_EXTENSION,
        Proposal::SaturatingFloatToInt => W::SATURATING_FLOAT_TO_INT,
        Proposal::MultiValue => W::MULTI_VALUE,
        Proposal::BulkMemory => W::BULK_MEMORY,
        Proposal::ReferenceTypes => W::REFERENCE_TYPES,
        Proposal::Simd => W::SIMD,
        Proposal::RelaxedSimd => W::RELAXED_SIMD,
        Proposal::Threads => W::THREADS,
        Proposal::TailCall => W::TAIL_CALL,
        Proposal::ExtendedConst => W::EXTENDED_CONST,
        // Its tags are those of the newer proposal.
        Proposal::LegacyExceptions => W::LEGACY_EXCEPTIONS | W::EXCEPTIONS,
        Proposal::Exceptions => W::EXCEPTIONS,
        Proposal::Memory64 => W::MEMORY64,
        Proposal::MultiMemory => W::MULTI_MEMORY,
        Proposal::FunctionReferences => W::FUNCTION_REFERENCES,
        Proposal::Gc => W::GC,
        Proposal::CustomPageSizes => W::CUSTOM_PAGE_SIZES,
        Proposal::WideArithmetic => W::WIDE_ARITHMETIC,
        Proposal::StackSwitching => W::STACK_SWITCHING,
        Proposal::MemoryControl => W::MEMORY_CONTROL,
        Proposal::SharedEverythingThreads => W::SHARED_EVERYTHING_THREADS,
        Proposal::CustomDescriptors => W::CUSTOM_DESCRIPTORS,
        Proposal::AcquireReleaseAtomics => W::ACQUIRE_RELEASE_ATOMICS,
        Proposal::MultibyteArrayAccess => W::MULTIBYTE_ARRAY_ACCESS,
        Proposal::CompactImports => W::COMPACT_IMPORTS,
        Proposal::ComponentModel => W::COMPONENT_MODEL,
    }
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
