//! Random modules are the same before and after fixing: the fuzzer's body with fixed seeds.

#[path = "fix_support/random.rs"]
mod random;
#[path = "fix_support/smith.rs"]
mod smith;

use memgrove_lab::verify::Verdict;
use memgrove_rewrite::{Behaviour, Options, fix};
use random::bytes;
use wasmparser::{BinaryReader, Parser, Payload};

#[test]
fn random_modules_do_the_same_before_and_after() {
    let answers: Vec<usize> = (0..150).filter_map(|seed| smith::check(&bytes(seed, 2048))).collect();
    assert!(answers.len() >= 100, "only {} of the seeds made a module", answers.len());
    let compared = answers.iter().filter(|&&count| count > 0).count();
    assert!(compared >= 20, "only {compared} modules ran at all");
}

/// A module with another body for one of its functions.
fn with_body(wasm: &[u8], body_at: usize, body: &[u8]) -> Vec<u8> {
    let at = |offset: u64| usize::try_from(offset).expect("small");
    let (mut section, mut bodies) = (0..0, Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.expect("valid") {
            Payload::CodeSectionStart { unchecked_range: range, .. } => {
                section = at(range.start)..at(range.end)
            }
            Payload::CodeSectionEntry(body) => {
                bodies.push(wasm[at(body.range().start)..at(body.range().end)].to_vec())
            }
            _ => {}
        }
    }
    bodies[body_at] = body.to_vec();
    let leb = |number: usize| {
        let mut rest = number;
        let mut out = Vec::new();
        while rest >= 0x80 {
            out.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
            rest >>= 7;
        }
        out.push(u8::try_from(rest).expect("seven bits"));
        out
    };
    let mut contents = leb(bodies.len());
    for body in &bodies {
        contents.extend(leb(body.len()));
        contents.extend(body);
    }
    // The section's header is its id and its size, which has as many bytes as it had.
    let size_before = (1..=5)
        .find(|length| {
            let mut reader = BinaryReader::new(&wasm[section.start - length..section.start], 0);
            wasm[section.start - length - 1] == 10
                && reader.read_var_u32().is_ok_and(|size| size as usize == section.len())
                && reader.eof()
        })
        .expect("a size before the contents");
    let mut out = wasm[..section.start - size_before].to_vec();
    out.extend(leb(contents.len()));
    out.extend(contents);
    out.extend(&wasm[section.end..]);
    out
}

#[test]
fn a_stand_in_that_traps_instead_or_returns_instead_is_never_verified() {
    let (mut tried, mut started) = (0, 0);
    for seed in 0..24 {
        let Some(wasm) = smith::module(&bytes(seed, 2048)) else { continue };
        let fixed = fix(&wasm, &Options::default()).expect("a valid module can be fixed");
        if !fixed.plan.is_complete() {
            continue;
        }
        let right = smith::verify(&wasm, &fixed.wasm, &fixed.plan);
        let functions = fixed.plan.imports.iter().filter(|item| {
            matches!(item.behaviour, Behaviour::Traps | Behaviour::Answers(_) | Behaviour::Computes(_))
        });
        for (at, item) in functions.enumerate() {
            // No locals; `unreachable`, or nothing where nothing is to be returned.
            let body: &[u8] = match item.behaviour {
                Behaviour::Traps if item.ty.ends_with("->") => &[0, 0x0b],
                Behaviour::Traps => continue,
                _ => &[0, 0x00, 0x0b],
            };
            let wrong = with_body(&fixed.wasm, at, body);
            wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
                .validate_all(&wrong)
                .expect("a wrong fix is a valid module");
            tried += 1;
            let verification = smith::verify(&wasm, &wrong, &fixed.plan);
            assert_ne!(verification.verdict, Verdict::Verified, "seed {seed}, {}", item.name);
            if right.evidence.iter().any(|evidence| evidence.stand_ins_compared > 0) {
                started += 1;
                assert_eq!(
                    verification.verdict,
                    Verdict::Failed,
                    "seed {seed}, {}: {verification:#?}",
                    item.name
                );
            }
        }
    }
    assert!(tried >= 20, "only {tried} wrong fixes were tried");
    assert!(started >= 10, "only {started} of {tried} started at all");
}
