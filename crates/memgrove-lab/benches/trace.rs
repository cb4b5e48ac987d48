//! What tracing and checking cost a program that does nothing but allocate and free: the worst case. For each allocator and
//! way: fuel of wasmtime, wall time, and the module's bytes, as ratios to the same module without the recorder.
//!
//! `cargo bench -p memgrove-lab --bench trace` prints all; `cargo test -p memgrove-lab --bench trace` leaves times out, and is quick. Wall
//! times are medians of samples taken in turn in one run; the control is the original measured against itself.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::collections::BTreeMap;

use memgrove_lab::engine::{self, EngineId, Host, Instance, Limits, Settings, Value};
use memgrove_rewrite::check::{self, check};
use memgrove_rewrite::swap::Member;
use memgrove_rewrite::trace::{Options, Role, Sample, trace};
use memgrove_rewrite::{Allocator, fix};

/// The program: 256 blocks live at once, of 8 to 135 bytes, each replaced by another in turn; called over three functions.
const PROGRAM: &str = r#"
    (memory (export "memory") 16)
    (func $make (param i32) (result i32) (call $malloc (local.get 0)))
    (func $replace (param $at i32) (param $size i32)
        (call $free (i32.load (local.get $at)))
        (i32.store (local.get $at) (call $make (local.get $size))))
    (func (export "run") (param $rounds i32) (local $at i32)
        (loop $next
            (local.set $at (i32.shl (i32.and (local.get $rounds) (i32.const 255)) (i32.const 2)))
            (call $replace (local.get $at)
                (i32.add (i32.const 8) (i32.shr_u (i32.mul (local.get $rounds) (i32.const 0x9e3779b1)) (i32.const 25))))
            (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))"#;

/// An allocator that is hardly more than its calls: one list of blocks of 256 bytes.
const LIST: &str = r#"
    (global $next (mut i32) (i32.const 4096)) (global $list (mut i32) (i32.const 0))
    (func $malloc (param i32) (result i32) (local $block i32)
        (if (local.tee $block (global.get $list))
            (then (global.set $list (i32.load (local.get $block))) (return (local.get $block))))
        (global.get $next)
        (global.set $next (i32.add (global.get $next) (i32.const 256))))
    (func $free (param i32)
        (if (i32.eqz (local.get 0)) (then (return)))
        (i32.store (local.get 0) (global.get $list))
        (global.set $list (local.get 0)))"#;
const IMPORTS: &str = r#"
    (import "env" "malloc" (func $malloc (param i32) (result i32)))
    (import "env" "free" (func $free (param i32)))"#;

/// The most time that is aimed at for a program of this kind: with call sites. What the others aim at is for programs that do
/// more than allocate, `trace_corpus`'s `cost`.
const STACKS_AIM: f64 = 2.0;
/// Samples of each wall time.
const TIMES: usize = 15;
/// The mean distance of hits that a long run would take.
const SAMPLE: Option<Sample> = Some(Sample { mean_bytes: 512 << 10, seed: 1 });

/// The program over an allocator, whose `malloc` and `free` are functions 0 and 1.
fn programs() -> [(&'static str, Vec<u8>); 2] {
    let assembled = |functions: &str| {
        wat::parse_str(format!("(module {functions} {PROGRAM})")).unwrap_or_else(|error| panic!("{error}"))
    };
    let options =
        memgrove_rewrite::Options { allocator: Some(Allocator::Wee), ..memgrove_rewrite::Options::default() };
    let wee = fix(&assembled(IMPORTS), &options).expect("it is C's malloc").wasm;
    [("one list", assembled(LIST)), ("memgrove's Wee", wee)]
}

/// The program with every access checked, in line in loops or all by calls.
fn checked(wasm: &[u8], in_line: bool) -> Result<Vec<u8>, String> {
    let facts = memgrove_module::facts(wasm).expect("it is valid");
    let member = |func, role| Member { func, role, has_heap: false, is_certain: true };
    let options = check::Options {
        members: vec![member(0, Role::Malloc), member(1, Role::Free)],
        in_line,
        max_bytes: 64 << 20,
        ..check::Options::default()
    };
    check(&facts, &options).map(|checked| checked.wasm).map_err(|error| error.to_string())
}

fn start(wasm: &[u8], settings: &Settings) -> Box<dyn Instance> {
    let engine = engine::open(EngineId::Wasmtime, settings).expect("it is linked in");
    engine.compile(wasm).and_then(|module| module.instantiate(&Host::new())).expect("it instantiates")
}

fn main() {
    let is_timed = std::env::args().any(|argument| argument == "--bench");
    let rounds = Value::I32(if is_timed { 2_000_000 } else { 100_000 });
    let limits = Limits { body_bytes: u64::from(u32::MAX), ..Limits::GUEST };
    for (name, wasm) in programs() {
        println!("{name}");
        let options =
            Options { functions: BTreeMap::from([(0, Role::Malloc), (1, Role::Free)]), ..Options::default() };
        let traced = [
            ("control", None),
            ("no stacks", Some(Options { stacks: false, ..options.clone() })),
            ("no stacks, sampled", Some(Options { stacks: false, sample: SAMPLE, ..options.clone() })),
            ("stacks", Some(options.clone())),
            ("stacks, sampled", Some(Options { sample: SAMPLE, ..options })),
        ];
        let mut ways = Vec::new();
        let mut modules = vec![wasm.clone()];
        for (way, options) in &traced {
            ways.push(*way);
            modules.push(match options {
                Some(options) => trace(&wasm, options).expect("it can be traced").wasm,
                None => wasm.clone(),
            });
        }
        for (way, in_line) in [("checked", true), ("checked by call", false)] {
            match checked(&wasm, in_line) {
                Ok(wasm) => {
                    ways.push(way);
                    modules.push(wasm);
                }
                Err(why) => println!("  {way:20} refused: {why}"),
            }
        }
        let fuel = |wasm: &Vec<u8>| {
            let mut instance = start(wasm, &Settings::counting(limits));
            instance.limit_fuel(u64::MAX);
            let outcome = instance.call("run", &[rounds]).expect("it runs");
            outcome.fuel.expect("it is counted") as f64
        };
        let fuel: Vec<f64> = modules.iter().map(fuel).collect();
        let mut seconds = vec![Vec::new(); modules.len()];
        for _ in 0..if is_timed { TIMES } else { 0 } {
            for (wasm, seconds) in modules.iter().zip(&mut seconds) {
                // A new instance each time, as a recording grows.
                let mut instance = start(wasm, &Settings { timing: true, ..Settings::within(limits) });
                let outcome = instance.call("run", &[rounds]).expect("it runs");
                seconds.push(outcome.elapsed.as_secs_f64());
            }
        }
        let median = |seconds: &mut Vec<f64>| {
            seconds.sort_by(f64::total_cmp);
            seconds.get(seconds.len() / 2).copied()
        };
        let seconds: Vec<Option<f64>> = seconds.iter_mut().map(median).collect();
        for (at, way) in (1..).zip(&ways) {
            let time =
                seconds[at].zip(seconds[0]).map(|(with, without)| format!(", {:.3} x time", with / without));
            let more = modules[at].len() - modules[0].len();
            let aim = if *way == "stacks" { format!(" (aim {STACKS_AIM} x time)") } else { String::new() };
            println!(
                "  {way:20} {:.3} x fuel{}, {more} bytes more{aim}",
                fuel[at] / fuel[0],
                time.unwrap_or_default()
            );
        }
    }
}
