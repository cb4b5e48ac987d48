//! Verdicts and engines.

use memgrove_inspect::report::{Outcome, Verdict};
use memgrove_inspect::{Report, conclude, facts};
use std::path::Path;

fn inspect(text: &str) -> Report {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    conclude(&facts(&bytes).unwrap())
}

fn verdict(report: &Report, host: &str) -> Verdict {
    report.verdicts.iter().find(|verdict| verdict.host == host).unwrap().clone()
}

/// The outcome for `host`, and a text that one of its reasons, conditions or notes must hold.
fn check(text: &str, host: &str, outcome: Outcome, said: &str) {
    let verdict = verdict(&inspect(text), host);
    assert_eq!(verdict.outcome, outcome, "{text}: {verdict:?}");
    let reasons = verdict.reasons.iter().chain(&verdict.conditions).map(|reason| &reason.text);
    let found = reasons.chain(&verdict.notes).any(|text| text.contains(said));
    assert!(said.is_empty() || found, "{text}: nobody says {said:?}: {verdict:?}");
}

#[test]
fn a_bare_engine() {
    let check = |text, outcome, said| check(text, "bare", outcome, said);
    check("(module)", Outcome::Runs, "");
    check("(module (import \"a\" \"b\" (global i32)))", Outcome::No, "1 import is not provided: a.b");
    check("(module (memory 16384))", Outcome::RunsIf, "1024 MiB");
    check("(module (memory 1) (data (i32.const 65535) \"ab\"))", Outcome::No, "beyond the initial memory");
    check("(module (memory 1) (data (i32.const 65534) \"ab\"))", Outcome::Runs, "");
    check(
        "(module (table 1 funcref) (func $f) (elem (i32.const 1) $f))",
        Outcome::No,
        "longer than its table",
    );
    check("(module (func $s unreachable) (start $s))", Outcome::No, "traps at once");
    check("(module (func $s (drop (i32.const 1))) (start $s))", Outcome::Runs, "whether it traps");
    check("(module (func $s) (start $s))", Outcome::Runs, "");
    check("(module (memory 1 1 shared))", Outcome::RunsIf, "threads is used (shared memory at");
    check(
        "(module (func (result i32) i32.const 1 i32.extend8_s))",
        Outcome::Runs,
        "needs at least Wasmtime 0.1",
    );
    check("(module (type (struct)))", Outcome::RunsIf, "gc is used (struct or array type");
    check(
        "(module (memory 1) (func (drop (i64.mul_wide_u (i64.const 1) (i64.const 1))) drop))",
        Outcome::RunsIf,
        "the engine is Wasmtime from 50 or wasmi from 0.42.0 or Node.js (V8) with --wasm-wide-arithmetic",
    );
}

#[test]
fn hosts_with_wasi() {
    let program =
        "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func (param i32 i32 i32 i32) (result i32)))
        (memory (export \"memory\") 1) (func (export \"_start\")))";
    for host in ["wasmtime", "wasmer", "wasmedge", "wasmi", "node-wasi"] {
        check(program, host, Outcome::Runs, "");
        check(&program.replace("fd_write", "fd_wrote"), host, Outcome::No, "wasi_snapshot_preview1.fd_wrote");
        check(&program.replace("_start", "go"), host, Outcome::RunsIf, "`_start`");
    }
    check(&program.replace("\"memory\"", "\"mem\""), "node-wasi", Outcome::No, "no memory is exported");
    // Nothing calls it, so nothing looks for the memory.
    check(&program.replace("\"memory\"", "\"mem\""), "wasmtime", Outcome::Runs, "");
    check(program, "browser", Outcome::No, "fd_write");
    check("(module (memory 1000) (func (export \"f\")))", "edge-worker", Outcome::Runs, "");
    check("(module (memory 2049) (func (export \"f\")))", "edge-worker", Outcome::No, "limit is 128 MiB");
    check("(module (memory 1 1 shared))", "edge-worker", Outcome::No, "not offered");
}

#[test]
fn growth_ends_at_a_hosts_limit() {
    let said = |text: &str, host: &str| {
        let verdict = verdict(&inspect(text), host);
        assert_eq!(verdict.outcome, Outcome::Runs, "{text}: {verdict:?}");
        verdict.notes.iter().any(|note| note == "its growth ends at 128 MiB, the host's limit")
    };
    let module =
        |limits: &str, code: &str| format!("(module (memory {limits}) (func (export \"f\") {code}))");
    let grows = "(drop (memory.grow (i32.const 1)))";
    assert!(said(&module("1", grows), "edge-worker"));
    assert!(said(&module("2048 2049", grows), "edge-worker"));
    // Its own maximum comes first; nothing in it grows; a host without a limit.
    assert!(!said(&module("1 2048", grows), "edge-worker"));
    assert!(!said(&module("1", ""), "edge-worker"));
    assert!(!said(&module("1", grows), "browser"));
}

#[test]
fn components() {
    let report = inspect(
        "(component (import \"wasi:cli/stdout@0.2.0\" (instance))
           (core module (memory 2) (func (export \"f\") (drop (memory.grow (i32.const 1)))))
           (component (core module (memory 3))))",
    );
    let component = report.component.as_ref().unwrap();
    assert_eq!(component.imports, ["wasi:cli/stdout@0.2.0"]);
    assert_eq!((component.nested_components, component.modules.len()), (1, 2));
    let pages: Vec<u64> = component.modules.iter().map(|m| m.report.memory.memories[0].min_pages).collect();
    assert_eq!(pages, [2, 3]);
    assert!(component.modules[0].offset > 8 && component.modules[0].size_bytes > 8);
    assert_eq!(verdict(&report, "wasmtime").outcome, Outcome::RunsIf);
    assert_eq!(verdict(&report, "browser").outcome, Outcome::No);
    check("(component (import \"acme:db/store\" (instance)))", "wasmtime", Outcome::No, "acme:db/store");
}

#[test]
fn engines_say_since_when() {
    let report =
        inspect("(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 1))))");
    let engine = |id: &str| report.engines.iter().find(|engine| engine.engine == id).unwrap();
    assert_eq!(engine("chrome").since.as_deref(), Some("75"));
    assert_eq!(engine("wasmtime").since.as_deref(), Some("0.20"));
    let report = inspect("(module (memory i64 1))");
    let safari = report.engines.iter().find(|engine| engine.engine == "safari").unwrap();
    assert_eq!((safari.since.as_deref(), safari.missing.len()), (None, 1));
}

/// The three cases of the study, as modules built from its program.
#[test]
fn the_studys_three_cases() {
    let inspect = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/prebuilt").join(name);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        conclude(&facts(&bytes).unwrap())
    };
    let growth = |report: &Report| -> Vec<String> {
        report
            .memory
            .growth
            .value
            .as_ref()
            .unwrap()
            .imports
            .iter()
            .map(|import| import.name.clone())
            .collect()
    };
    let emscripten_2018 = inspect("c-fastcomp2018-handmade.wasm");
    assert_eq!(growth(&emscripten_2018), ["enlargeMemory"]);
    assert_eq!(verdict(&emscripten_2018, "bare").outcome, Outcome::No);
    assert_eq!(verdict(&emscripten_2018, "browser-emscripten").outcome, Outcome::RunsIf);

    let emscripten = inspect("c-emscripten-dlmalloc.wasm");
    assert_eq!(growth(&emscripten), ["emscripten_resize_heap"]);
    assert_eq!(verdict(&emscripten, "bare").outcome, Outcome::No);

    let musl = inspect("c-musl2018.wasm");
    assert!(growth(&musl).iter().all(|name| name.starts_with("__syscall")), "{:?}", growth(&musl));
    assert!(!growth(&musl).is_empty());
    assert_eq!(verdict(&musl, "bare").outcome, Outcome::No);

    let rust = inspect("rust-no-std-wee_alloc.wasm");
    assert!(growth(&rust).is_empty() && rust.requirements.import_count == 0);
    assert_eq!(verdict(&rust, "bare").outcome, Outcome::Runs);
}

const NATIVE_WASI: [&str; 6] = ["wasmtime", "wasmer", "wasmedge", "wasmi", "wazero", "wasm3"];

#[test]
fn functions_of_wasi_have_one_type() {
    // Sizes and addresses of 64 bits; a size of 64 bits; a parameter too few; a result too many, or none.
    let wrong = [
        (
            "fd_write",
            "(param i32 i64 i64 i64) (result i32)",
            "(i32 i64 i64 i64) -> i32, expected (i32 i32 i32 i32) -> i32",
        ),
        ("random_get", "(param i32 i64) (result i32)", "expected (i32 i32) -> i32"),
        ("clock_time_get", "(param i32 i32 i32) (result i32)", "expected (i32 i64 i32) -> i32"),
        ("fd_seek", "(param i32 i32 i32 i32 i32) (result i32)", "expected (i32 i64 i32 i32) -> i32"),
        ("args_get", "(param i32) (result i32)", "expected (i32 i32) -> i32"),
        ("proc_exit", "(param i32) (result i32)", "expected (i32) -> ()"),
        ("sched_yield", "", "expected () -> i32"),
    ];
    for from in ["wasi_snapshot_preview1", "wasi_unstable"] {
        for (name, ty, said) in wrong {
            let module = format!(
                "(module (import \"{from}\" \"{name}\" (func {ty})) (memory (export \"memory\") 1) (func (export \"_start\")))"
            );
            let older = from == "wasi_unstable";
            for host in
                NATIVE_WASI.into_iter().filter(|host| !(older && ["wasmedge", "wasmi"].contains(host)))
            {
                check(&module, host, Outcome::No, &format!("{from}.{name} is"));
                check(&module, host, Outcome::No, said);
            }
            // JavaScript and WAMR link it, and its calls fail.
            for host in ["node-wasi", "wamr"] {
                check(&module, host, Outcome::RunsIf, said);
            }
        }
    }
    let all: String = memgrove_inspect::Knowledge::builtin()
        .interface("wasi_snapshot_preview1")
        .unwrap()
        .functions
        .iter()
        .filter(|(name, _)| *name != "sock_accept")
        .map(|(name, ty)| {
            let (params, result) = ty.list()[0].split_once(" -> ").unwrap();
            let params = params.trim_matches(['(', ')']);
            let result = if result == "()" { "" } else { "(result i32)" };
            format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func (param {params}) {result}))")
        })
        .collect();
    for host in NATIVE_WASI {
        check(
            &format!("(module {all} (memory (export \"memory\") 1) (func (export \"_start\")))"),
            host,
            Outcome::Runs,
            "",
        );
    }
}

#[test]
fn functions_of_wasi_look_for_an_exported_memory() {
    let exit = |uses: &str, memory: &str| {
        format!(
            "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32))) {memory}
               (func (export \"_start\")) {uses})"
        )
    };
    let uses = [
        "(func (call $exit (i32.const 1)))",
        "(table 1 funcref) (elem (i32.const 0) $exit)",
        "(export \"exit\" (func $exit))",
        "(elem declare func $exit) (func (result funcref) (ref.func $exit))",
    ];
    for host in ["wasmtime", "wasmi"] {
        for uses in uses {
            for memory in [
                "",
                "(memory 1)",
                "(memory (export \"mem\") 1)",
                "(global (export \"memory\") i32 (i32.const 0))",
            ] {
                check(&exit(uses, memory), host, Outcome::No, "no memory is exported as `memory`");
            }
            check(&exit(uses, "(memory (export \"memory\") 0)"), host, Outcome::Runs, "");
        }
        check(&exit("", ""), host, Outcome::Runs, "");
    }
    // These ask for it before anything runs.
    check(&exit("", ""), "node-wasi", Outcome::No, "no memory");
    check(&exit("", ""), "wasmer", Outcome::No, "no memory");
}

#[test]
fn what_the_host_has_to_pass_for_active_segments() {
    let imports = "(import \"env\" \"memory\" (memory 1 3)) (import \"env\" \"__indirect_function_table\" (table 1 4 funcref)) \
                   (import \"env\" \"emscripten_resize_heap\" (func (param i32) (result i32)))";
    let with = |rest: &str| format!("(module {imports} (func $f) {rest})");
    let host = "browser-emscripten";
    check(&with("(data (i32.const 131080) \"abcd\")"), host, Outcome::RunsIf, "a memory of at least 3 pages");
    check(&with("(data (i32.const 196605) \"abcd\")"), host, Outcome::No, "beyond the largest memory");
    check(&with("(elem (i32.const 1) $f $f)"), host, Outcome::RunsIf, "a table of at least 3 elements");
    check(&with("(elem (i32.const 3) $f $f)"), host, Outcome::No, "longer than its table");
    let own = |rest: &str| format!("(module (memory 1) (global $a i32 (i32.const 65534)) {rest})");
    check(&own("(data (global.get $a) \"ab\")"), "bare", Outcome::RunsIf, "gc is used");
    check(&own("(data (global.get $a) \"abc\")"), "bare", Outcome::No, "beyond the initial memory");
    check(
        &own("(data (i32.add (global.get $a) (i32.const 2)) \"a\")"),
        "bare",
        Outcome::No,
        "beyond the initial",
    );
    check(
        &own("(data (i32.add (global.get $a) (i32.const -65534)) \"a\")"),
        "bare",
        Outcome::RunsIf,
        "gc is used",
    );
}

#[test]
fn wasi_called_from_the_start_function() {
    let module = |begin: &str| {
        format!(
            "(module (import \"wasi_snapshot_preview1\" \"sched_yield\" (func $yield (result i32)))
               (memory (export \"memory\") 1) (global $g (mut i32) (i32.const 0)) (func (export \"_start\"))
               (func $deep (drop (call $yield))) (func $begin {begin}) (start $begin))"
        )
    };
    let host = "node-wasi";
    for certain in [
        "(drop (call $yield))",
        "(call $deep)",
        "(global.set $g (i32.const 1)) (block (loop (call $deep) (br_if 1 (global.get $g))))",
    ] {
        check(&module(certain), host, Outcome::No, "calls sched_yield of WASI");
        // Elsewhere the functions are ready by then.
        check(&module(certain), "wasmtime", Outcome::Runs, "");
    }
    for perhaps in
        ["(if (global.get $g) (then (call $deep)))", "(block (br_if 0 (global.get $g)) (call $deep))"]
    {
        check(&module(perhaps), host, Outcome::RunsIf, "does not get as far as calling sched_yield");
    }
    for never in ["", "(global.set $g (i32.const 1))"] {
        check(&module(never), host, Outcome::Runs, "");
    }
}

#[test]
fn glue_is_for_what_its_toolchain_made() {
    let memory = "(module (import \"env\" \"memory\" (memory 1)) (func (export \"f\")))";
    check(memory, "browser-emscripten", Outcome::No, "nothing shows that it was made for this glue");
    let emscripten = "(module (import \"env\" \"emscripten_resize_heap\" (func (param i32) (result i32))))";
    check(emscripten, "browser-emscripten", Outcome::RunsIf, "the JavaScript glue that Emscripten generated");
    let wasi = "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32))) (memory (export \"memory\") 1))";
    check(wasi, "browser-go", Outcome::No, "nothing shows that it was made for this glue, by go or tinygo");
}

#[test]
fn hosts_with_versions_and_bounds() {
    // An engine that is built in does not get newer.
    let gc = "(module (memory (export \"memory\") 1) (type (struct)))";
    check(gc, "extism", Outcome::No, "Wasmtime 37 does not support it");
    check(gc, "wasmtime", Outcome::RunsIf, "needs at least Wasmtime 47");
    // What is not provided shows only when it is called.
    let other =
        "(module (import \"env\" \"mine\" (func)) (memory (export \"memory\") 1) (func (export \"_start\")))";
    check(other, "wamr", Outcome::RunsIf, "1 import is not provided: env.mine, and nothing calls them");
    check(other, "wasm3", Outcome::RunsIf, "env.mine");
    check(other, "wazero", Outcome::No, "env.mine");
    // A memory that the host gives has a size.
    let cart = |limits: &str| {
        format!("(module (import \"env\" \"memory\" (memory {limits})) (func (export \"update\")))")
    };
    check(&cart("1"), "wasm4", Outcome::Runs, "");
    check(&cart("1 1"), "wasm4", Outcome::Runs, "");
    check(&cart("0 1"), "wasm4", Outcome::Runs, "");
    check(&cart("2"), "wasm4", Outcome::No, "has at least 2 pages, and the host gives 1");
    check(&cart("1024 2047"), "near", Outcome::No, "at most 2047 pages, and the host's may grow to 2048");
    check(
        &format!("(module (memory 1) (data \"{}\"))", "x".repeat(70_000)),
        "wasm4",
        Outcome::No,
        "the limit is 65536",
    );
    // Floating point, wherever it shows.
    for float in [
        "(func (param f32))",
        "(func (local f64))",
        "(global f64 (f64.const 1))",
        "(func (drop (f32.load (i32.const 0))))",
        "(func (drop (i32.trunc_f64_s (unreachable))))",
        "(func (drop (f32x4.splat (unreachable))))",
    ] {
        check(&format!("(module (memory 1) {float})"), "soroban", Outcome::No, "floating point is used");
    }
    check(
        "(module (memory 1) (func (drop (i32.load (i32.const 0)))))",
        "soroban",
        Outcome::Runs,
        "contractenvmetav0",
    );
}

/// Small inputs from public reports, with what is right.
#[test]
fn cases() {
    let case = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases").join(name);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // Comments before the module are no part of it.
        text[text.find("(module").unwrap()..].to_owned()
    };
    for host in NATIVE_WASI {
        check(
            &case("import-types/wrongsig.wat"),
            host,
            Outcome::No,
            "random_get is (i32 i64) -> i32, expected (i32 i32) -> i32",
        );
        check(&case("import-types/wasi64.wat"), host, Outcome::No, "fd_write is (i32 i64 i64 i64) -> i32");
    }
    check(&case("import-types/wrongsig.wat"), "node-wasi", Outcome::RunsIf, "2 imports have another type");
    for host in ["wasmtime", "wasmi", "wasmer", "node-wasi"] {
        check(&case("memory-export/nomem.wat"), host, Outcome::No, "no memory is exported");
        check(&case("memory-export/mem0.wat"), host, Outcome::No, "no memory is exported");
    }
    check(&case("threads/own.wat"), "wasmtime", Outcome::RunsIf, "Wasmtime is 46 or older, with -S threads");
    check(&case("hostile/tagres.wat"), "node-wasi", Outcome::No, "stack-switching is used (tag with results");
    // As it is spelled today; memgrove-open reads the older spelling.
    let fence = case("hostile/fence.wat").replace("acq_rel", "acqrel");
    check(&fence, "node-wasi", Outcome::No, "acquire-release-atomics is used (atomic.fence with an ordering");
    for glue in ["browser-emscripten", "browser-go"] {
        check(
            &case("import-types/wasi64.wat"),
            glue,
            Outcome::No,
            "nothing shows that it was made for this glue",
        );
    }
    let mut knowledge = memgrove_inspect::Knowledge::builtin().clone();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/proposal-lacking/mvp.toml");
    let host = knowledge.add_host("mvp.toml", &std::fs::read_to_string(path).unwrap()).unwrap();
    let bytes = wat::parse_str(case("proposal-lacking/bulk.wat")).unwrap();
    let report = memgrove_inspect::conclude_with(&facts(&bytes).unwrap(), &knowledge);
    let verdict = verdict(&report, &host);
    assert_eq!((verdict.outcome, verdict.reasons.len()), (Outcome::No, 3), "{verdict:?}");
}

/// What a contract or a plug-in imports is known, and nothing else would do.
#[test]
fn functions_of_one_kind_of_host() {
    let purposes = |text: &str| {
        let report = inspect(text);
        let groups = report.requirements.groups.iter();
        groups
            .map(|group| (group.purpose.clone(), group.imports[0].meaning.value.clone()))
            .collect::<Vec<_>>()
    };
    let known = |title: &str| vec![("one-host".to_owned(), Some(format!("a function of {title}")))];
    assert_eq!(
        purposes("(module (import \"vm_hooks\" \"read_args\" (func (param i32))))"),
        known("Arbitrum Stylus contract")
    );
    assert_eq!(
        purposes("(module (import \"l\" \"1\" (func (param i64 i64) (result i64))))"),
        known("Soroban contract (Stellar)")
    );
    let cosmwasm = [
        "(import \"env\" \"db_read\" (func (param i32) (result i32)))",
        "(import \"env\" \"db_write\" (func (param i32 i32)))",
        "(import \"env\" \"debug\" (func (param i32)))",
    ];
    assert_eq!(purposes(&format!("(module {})", cosmwasm.concat())), known("CosmWasm contract"));
    // One such name from `env` is anybody's; so are those of a C library.
    for import in [cosmwasm[2], "(import \"env\" \"strspn\" (func (param i32 i32) (result i32)))"] {
        assert_ne!(purposes(&format!("(module {import})"))[0].0, "one-host");
    }
    // Another type is another function; and WASI has many hosts.
    let unknown = vec![("unknown".to_owned(), None)];
    assert_eq!(purposes("(module (import \"l\" \"1\" (func (param i32 i32) (result i32))))"), unknown);
    let wasi = purposes("(module (import \"wasi_snapshot_preview1\" \"sched_yield\" (func (result i32))))");
    assert_eq!(wasi[0].0, "wasi");
}

#[test]
fn no_allocator_is_said_only_where_no_import_is_unresolved() {
    let allocator = |imports: &str| {
        let report = inspect(&format!("(module {imports} (memory 1) (func (export \"f\")))"));
        report.allocator.identity.value.map(|value| value.id)
    };
    assert_eq!(allocator("").as_deref(), Some("none"));
    let wasi = "(import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32)))";
    assert_eq!(allocator(wasi).as_deref(), Some("none"));
    assert_eq!(allocator("(import \"env\" \"malloc\" (func (param i32) (result i32)))"), None);
    assert_eq!(allocator("(import \"host\" \"work\" (func))"), None);
}
