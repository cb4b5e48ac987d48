//! What tracing and checking cost a program that does more than allocate: sql.js, stripped, at inserts and queries.

use std::fs;
use std::path::{Path, PathBuf};

use memgrove_rewrite::trace::fingerprint;

use super::leak::stripped;
use super::own_js::{Node, OwnJs};
use super::{fix_support, memgrove, own_js};

/// Prints what it computed, and the milliseconds of the processor that it took.
const SQL: OwnJs = OwnJs {
    id: "0734155c83e49398",
    package: "sql.js@1.13.0",
    javascript: "require('./dist/sql-wasm.js')({ locateFile: name => './dist/' + name }).then(SQL => {
            const load = rows => {
                const db = new SQL.Database();
                db.run('create table t(n, s); create index i on t(s)');
                const insert = db.prepare('insert into t values (?, ?)');
                for (let n = 0; n < rows; n++) insert.run([n, 'row ' + Math.imul(n, 7919)]);
                insert.free();
                const found = db.exec('select count(*), min(s), (select sum(n) from (select n from t order by s limit 999)) from t');
                db.close();
                return JSON.stringify(found[0].values);
            };
            load(2000);
            const before = process.cpuUsage();
            const found = load(20000);
            const { user, system } = process.cpuUsage(before);
            console.log(found + ' ' + (user + system) / 1000);
        })",
};

/// A way of tracing or checking: the command with its options, the most of the original's time that is aimed at, and the most bytes more.
struct Way {
    name: &'static str,
    command: &'static [&'static str],
    time_aim: f64,
    more_bytes: fn(u64) -> u64,
}

const WAYS: [Way; 3] = [
    Way {
        name: "stacks and call sites",
        command: &["trace"],
        time_aim: 1.25,
        more_bytes: |before| before * 8 / 100,
    },
    Way { name: "no stacks", command: &["trace", "--no-stacks"], time_aim: 1.05, more_bytes: |_| 1023 },
    Way {
        name: "no stacks, sampled",
        command: &["trace", "--no-stacks", "--sample", "512KiB"],
        time_aim: 1.10,
        more_bytes: |_| 4096,
    },
];

/// By call, time is given for bytes: that has no aim.
const CHECKS: [Way; 3] = [
    Way { name: "checked", command: &["check"], time_aim: 2.0, more_bytes: |before| before * 90 / 100 },
    Way {
        name: "checked by call",
        command: &["check", "--by-call"],
        time_aim: f64::INFINITY,
        more_bytes: |before| before * 50 / 100,
    },
    Way {
        name: "checked by call, without sites",
        command: &["check", "--by-call", "--no-sites"],
        time_aim: f64::INFINITY,
        more_bytes: |before| before * 30 / 100,
    },
];

/// The stripped module, and instrumented in each way, in a folder.
fn modules(folder: &Path, wasm: &[u8], ways: &[Way]) -> (PathBuf, Vec<PathBuf>) {
    let plain = folder.join("plain.wasm");
    fs::write(&plain, stripped(wasm)).expect("a writable folder");
    let traced = ways.iter().enumerate().map(|(at, way)| {
        let out = folder.join(format!("{at}.wasm"));
        let (input, output) = (plain.to_string_lossy(), out.to_string_lossy());
        let arguments = [way.command, &[&*input, "-o", &*output]].concat();
        memgrove(&arguments).unwrap_or_else(|why| panic!("{}: {why}", way.name));
        out
    });
    let traced = traced.collect();
    (plain, traced)
}

fn corpus() -> Option<Vec<u8>> {
    let modules = fix_support::corpus()?;
    Some(modules.into_iter().find(|(id, _)| id == SQL.id).expect("it is in the corpus").1)
}

fn bytes(path: &Path) -> u64 {
    fs::metadata(path).expect("it was written").len()
}

#[test]
fn tracing_adds_few_bytes_to_sql_js() {
    bytes_of(&WAYS);
}

#[test]
fn checking_adds_no_more_bytes_to_sql_js_than_is_said() {
    bytes_of(&CHECKS);
}

fn bytes_of(ways: &[Way]) {
    let Some(wasm) = corpus() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, traced) = modules(folder.path(), &wasm, ways);
    let before = bytes(&plain);
    for (way, path) in ways.iter().zip(&traced) {
        let more = bytes(path) - before;
        fix_support::say(&format!("{}: {more} bytes more than {before}", way.name));
        assert!(more <= (way.more_bytes)(before), "{}: {more} bytes more than {before}", way.name);
    }
}

/// Medians of runs that are made in turn. With `QUIET=1` the aims are held, for which nothing else may run on the machine.
#[test]
#[ignore = "a minute of runs: cargo test --locked --workspace --test trace_corpus cost -- --ignored --nocapture"]
fn tracing_costs_sql_js_little_time() {
    time_of(&WAYS);
}

#[test]
#[ignore = "as the cost of tracing"]
fn checking_costs_sql_js_no_more_time_than_is_said() {
    time_of(&CHECKS);
}

fn time_of(ways: &[Way]) {
    const ROUNDS: usize = 9;
    /// Of what noise makes of a ratio on a machine that does other things.
    const LOADED: f64 = 1.6;
    let wasm = corpus().expect("cargo xtask corpus fetch");
    let node = Node::with_several_memories().expect("cargo xtask setup");
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, traced) = modules(folder.path(), &wasm, ways);
    let sha256: String = fingerprint(&wasm).iter().map(|byte| format!("{byte:02x}")).collect();
    let run = |module: &Path| {
        let table = serde_json::json!({ &sha256: module }).to_string();
        let arguments = ["--require".to_owned(), own_js::hook()];
        let printed = own_js::run(&SQL, &node, &arguments, &[("REPLACED", table)]);
        let printed = printed.unwrap_or_else(|why| panic!("{}: {why}", module.display()));
        let (found, time) = printed.rsplit_once(' ').expect("an answer and a time");
        (found.to_owned(), time.parse::<f64>().expect("a number"))
    };
    let timed: Vec<(&str, &Path, f64)> = [("control", plain.as_path(), 1.05)]
        .into_iter()
        .chain(ways.iter().zip(&traced).map(|(way, path)| (way.name, path.as_path(), way.time_aim)))
        .collect();
    let mut ratios = vec![Vec::new(); timed.len()];
    let (answer, _) = run(&plain);
    for _ in 0..ROUNDS {
        let (_, original) = run(&plain);
        for ((_, module, _), ratios) in timed.iter().zip(&mut ratios) {
            let (found, time) = run(module);
            assert_eq!(found, answer, "{}", module.display());
            ratios.push(time / original);
        }
    }
    let is_quiet = std::env::var_os("QUIET").is_some();
    let mut missed = Vec::new();
    for ((name, _, aim), ratios) in timed.iter().zip(&mut ratios) {
        ratios.sort_by(f64::total_cmp);
        let median = ratios[ratios.len() / 2];
        let words = format!(
            "{name}: {median:.3} x the time of the processor ({:.3} to {:.3}), aim {aim}",
            ratios[0],
            ratios[ROUNDS - 1]
        );
        fix_support::say(&words);
        if median > if is_quiet { *aim } else { aim * LOADED } {
            missed.push(words);
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
