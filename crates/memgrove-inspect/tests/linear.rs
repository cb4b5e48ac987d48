//! Memory, work and the report's length grow in proportion to the file, whatever it is full of.
//!
//! Counted, not timed: bytes asked of the allocator are the same on every machine. Loops that allocate nothing show
//! in processor time only: the example `shapes` prints it, and the ignored test below compares it.

mod shapes;

use memgrove_inspect::{Error, conclude, facts};
use shapes::SHAPES;
use shapes::counting::{count, cpu_nanoseconds};
use std::sync::Mutex;

/// Parts in the smallest of the three modules of each kind.
const N: usize = 500;
/// Twice as many parts may take so many times as much. Buffers double, so that exactly twice is too strict.
const DOUBLED: f64 = 2.3;
/// Bytes held at most for each byte of the file; an import without names has four bytes, and the entries of a list of
/// producers two.
const PEAK_PER_BYTE: usize = 200;
/// Bytes of JSON for each byte of the file.
const JSON_PER_BYTE: usize = 50;
/// What does not depend on the file: fingerprints, texts of hosts, what the validator holds of up to a thousand
/// components.
const FIXED_BYTES: usize = 3 << 20;

/// Less than this grows as it likes.
const SMALL_BYTES: usize = 64 << 10;

/// The counts are of the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[derive(Debug)]
struct Cost {
    file: usize,
    peak: usize,
    total: usize,
    json: usize,
}

fn cost(wasm: &[u8]) -> Cost {
    let (json, taken) = count(|| match facts(wasm) {
        Ok(facts) => serde_json::to_vec(&conclude(&facts)).unwrap().len(),
        Err(_) => 0,
    });
    Cost { file: wasm.len(), peak: taken.peak, total: taken.total, json }
}

#[test]
fn twice_as_much_takes_twice_as_much() {
    let _guard = ONE_AT_A_TIME.lock();
    // What is read once a process is not the module's.
    cost(b"\0asm\x01\0\0\0");
    let mut failures = Vec::new();
    for (name, shape) in SHAPES {
        let costs = [N, 2 * N, 4 * N].map(|n| cost(&shape(n)));
        for [one, two] in [[&costs[0], &costs[1]], [&costs[1], &costs[2]]] {
            // The file itself may not double: some counts have limits.
            let files = two.file as f64 / one.file as f64;
            for (what, one, two) in
                [("peak", one.peak, two.peak), ("total", one.total, two.total), ("JSON", one.json, two.json)]
            {
                if two > SMALL_BYTES && two as f64 > one as f64 * DOUBLED.max(files * DOUBLED / 2.0) {
                    failures.push(format!("{name}: {what} {one}, then {two}"));
                }
            }
        }
        for cost in &costs {
            let too_much = cost.peak > PEAK_PER_BYTE * cost.file + FIXED_BYTES
                || cost.json > JSON_PER_BYTE * cost.file + FIXED_BYTES;
            if too_much {
                failures.push(format!("{name}: {cost:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Every kind of module that the test above is about can be read, but for those that exceed a limit on purpose.
#[test]
fn the_modules_are_valid() {
    let _guard = ONE_AT_A_TIME.lock();
    for (name, shape) in SHAPES {
        if let Err(error) = facts(&shape(64)) {
            panic!("{name}: {error}");
        }
    }
}

/// Processor time depends on the machine's load a little, hence the margin: a quadratic loop takes 64 times as long.
#[test]
#[ignore = "takes minutes without optimisation"]
fn eight_times_as_much_takes_no_more_than_twenty_times_as_long() {
    let _guard = ONE_AT_A_TIME.lock();
    let time = |wasm: &[u8]| {
        let once = || {
            let start = cpu_nanoseconds();
            cost(wasm);
            cpu_nanoseconds().saturating_sub(start)
        };
        (0..3).map(|_| once()).min().unwrap_or(0)
    };
    cost(b"\0asm\x01\0\0\0");
    let mut failures = Vec::new();
    for (name, shape) in SHAPES {
        let times = [2000, 16_000].map(|n| time(&shape(n)));
        // Below that the clock's ticks decide.
        if times[1] > 200_000_000 && times[1] > 20 * times[0].max(8_000_000) {
            failures.push(format!("{name}: {times:?} ns"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is nested in the module is not nested on the stack: a test's thread has 2 MiB of it.
#[test]
fn depth_in_the_module_is_no_depth_on_the_stack() {
    let _guard = ONE_AT_A_TIME.lock();
    for (name, n) in [
        ("deep blocks", 100_000),
        ("growth sites reached by a chain of calls", 100_000),
        ("start function that reaches all", 50_000),
        ("components in components", 900),
    ] {
        let (_, shape) = SHAPES.iter().find(|(known, _)| *known == name).unwrap();
        let wasm = shape(n);
        serde_json::to_string(&conclude(&facts(&wasm).unwrap_or_else(|error| panic!("{name}: {error}"))))
            .unwrap();
    }
}

/// The compact form gives one name to any number of imports: a hundred thousand bytes to each of as many.
#[test]
fn a_file_that_says_little_and_means_much_is_refused() {
    let _guard = ONE_AT_A_TIME.lock();
    let (_, compact) = SHAPES.iter().find(|(name, _)| name.starts_with("compact imports")).unwrap();
    let wasm = compact(100_000);
    let (result, taken) = count(|| facts(&wasm).map(drop));
    assert!(matches!(result, Err(Error::TooComplex { what: "the names of its imports", .. })), "{result:?}");
    assert!(taken.peak < 64 * wasm.len(), "{taken:?} for {} bytes", wasm.len());
    let error = result.unwrap_err();
    assert!(error.offset() > 0 && error.hint().is_some(), "{error}");
}

/// Names of any length: each is said once, and shortened in sentences.
#[test]
fn a_name_is_said_a_fixed_number_of_times() {
    let _guard = ONE_AT_A_TIME.lock();
    let (_, names) = SHAPES.iter().find(|(name, _)| *name == "long names").unwrap();
    let wasm = names(6000);
    let json = serde_json::to_string(&conclude(&facts(&wasm).unwrap())).unwrap();
    assert!(json.len() < 3 * wasm.len(), "{} bytes of JSON for {}", json.len(), wasm.len());
}
