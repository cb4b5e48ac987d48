//! Programs with one seeded misuse each: it is found at the right access, and their twins without it are not reported.
//! The sources are compiled when the test runs; names are then taken away, too.

use memgrove_lab::engine::{self, EngineId, Instance, Memory, Module, Settings, Value};
use memgrove_lab::wasi::{self, Streams};
use memgrove_module::Facts;
use memgrove_profile::{Frame, Misuse, MisuseKind, Profile, Site};
use memgrove_rewrite::check::{Checked, FINISH, Layout, Options, check};
use memgrove_rewrite::edit::{Edits, Sections, Untouched};
use memgrove_rewrite::swap::{Member, Role, To};
use memgrove_rewrite::trace::EXPORT;
use memgrove_view::check::{Blocks, CheckReport};

mod fix_support;
mod guest_support;
#[path = "check_seeded/tables.rs"]
mod tables;
#[path = "check_seeded/toolchains.rs"]
mod toolchains;

use tables::{ABOUT_NO_BLOCK, CASES};

use MisuseKind::{Overflow, Underflow, WrongHeap};

/// Compiles the cases in C or C++; the words of the compiler if it cannot.
fn compile(program: &str, arguments: &[&str]) -> Result<Vec<u8>, String> {
    guest_support::c(program, arguments, &guest_support::source("check_seeded/cases.c"))
}

/// The same module without names and debug information: no offset moves.
fn stripped(wasm: &[u8]) -> Vec<u8> {
    let sections = Sections::read(wasm).expect("it is valid");
    let mut edits = Edits::new(&sections);
    for section in [
        "name",
        "producers",
        "target_features",
        ".debug_info",
        ".debug_line",
        ".debug_str",
        ".debug_abbrev",
        ".debug_loc",
        ".debug_ranges",
        ".debug_aranges",
        ".debug_pubnames",
        ".debug_pubtypes",
    ] {
        edits.drop_custom(section);
    }
    edits.apply(&mut Untouched).expect("it can be written").wasm
}

fn checked(wasm: &[u8]) -> Result<Checked, String> {
    checked_as(wasm, &Options::default())
}

fn checked_as(wasm: &[u8], how: &Options) -> Result<Checked, String> {
    let facts = memgrove_module::facts(wasm).expect("it is valid");
    let known = memgrove_verify::swap::options_for(&facts, To::ALL[0]).map_err(|error| error.to_string())?;
    let options = Options {
        members: known.members.into_iter().chain(how.members.clone()).collect(),
        sbrk: known.sbrk,
        manners: known.manners,
        max_bytes: 1 << 26,
        ..how.clone()
    };
    check(&facts, &options).map_err(|error| error.to_string())
}

fn start(module: &dyn Module) -> Box<dyn Instance> {
    let streams = Streams {
        input: Box::new(std::io::empty()),
        output: Box::new(std::io::sink()),
        errors: Box::new(std::io::sink()),
    };
    let command = wasi::Command {
        arguments: vec!["cases".to_owned()],
        environment: Vec::new(),
        folders: Vec::new(),
        streams,
    };
    let (host, _) = wasi::host(command).expect("no folders");
    // Emscripten's glue is told that memory has grown.
    let host = host.function("env", "emscripten_notify_memory_growth", |_, _| Ok(Vec::new()));
    let mut instance = module.instantiate(&host).expect("it instantiates");
    let _ = instance.call("_initialize", &[]);
    instance
}

/// Runs a case in an instance of its own. Returns its result and what was recorded.
fn run(module: &dyn Module, wasm: &[u8], case: i32, bad: i32) -> (Option<i32>, Profile) {
    let mut instance = start(module);
    let result = instance.call("run", &[Value::I32(case), Value::I32(bad)]);
    let result = match result.map(|result| result.values) {
        Ok(values) => match values[..] {
            [Value::I32(value)] => Some(value),
            _ => None,
        },
        Err(_) => None,
    };
    let facts = memgrove_module::facts(wasm).expect("it is valid");
    (result, recorded(&mut *instance, &facts))
}

/// What was recorded, at the end.
fn recorded(instance: &mut dyn Instance, facts: &Facts<'_>) -> Profile {
    instance.call(FINISH, &[]).expect("it is exported");
    let memory = Memory::Export(EXPORT);
    let bytes = instance.memory_bytes(memory).expect("it is exported");
    let bytes = instance.read(memory, 0, bytes).expect("it can be read");
    let recording = Profile::bytes_of_memory(&bytes).expect("a recording");
    let mut profile = Profile::read(&recording).expect("a whole one");
    memgrove_view::profile::locate(&mut profile, facts);
    profile
}

/// Runs all cases of one module, of which `named` has the names. Returns how many were found at the right access, of how
/// many; says what was not, and what was found where nothing is.
fn examine(
    title: &str,
    wasm: &[u8],
    named: &[u8],
    cases: &[(&str, MisuseKind, &str)],
    how: &Options,
) -> (usize, usize, Vec<String>) {
    let checked = match checked_as(wasm, how) {
        Ok(checked) => checked,
        // That is no miss, and no find.
        Err(why) => return (0, 0, vec![format!("{title}: refused: {why}")]),
    };
    let facts = memgrove_module::facts(wasm).expect("it is valid");
    let named = memgrove_module::facts(named).expect("it is valid");
    let function = |site: Site| match site {
        Site::Call(offset) => {
            let at = facts.functions.partition_point(|function| function.body_offset <= offset);
            let index = facts.imported_func_count() + u32::try_from(at).expect("few") - 1;
            named.func_name(index).unwrap_or("?").to_owned()
        }
        other => format!("{other:?}"),
    };
    let engine = engine::open(EngineId::Wasmtime, &Settings::default()).expect("it is linked in");
    let module = engine.compile(&checked.wasm).expect("it compiles");
    let original = engine.compile(wasm).expect("it compiles");
    let (mut found, mut words) = (0, Vec::new());
    let (_, profile) = run(&*module, wasm, -1, 0);
    let misuses = profile.findings.expect("it is a check's").misuses;
    if !misuses.is_empty() {
        words.push(format!("FALSE {title}: clean: {misuses:?}"));
    }
    for (number, (name, kind, place)) in (0..).zip(cases) {
        let (result, twin) = run(&*module, wasm, number, 0);
        let expected =
            start(&*original).call("run", &[Value::I32(number), Value::I32(0)]).expect("it runs").values;
        if result.map(Value::I32).as_slice() != expected.as_slice() {
            words.push(format!("FALSE {title}: {name}: its twin returns {result:?}, not {expected:?}"));
        }
        let misuses = &twin.findings.as_ref().expect("it is a check's").misuses;
        if !misuses.is_empty() {
            words.push(format!("FALSE {title}: {name}: its twin: {misuses:?}"));
        }
        let (_, profile) = run(&*module, wasm, number, 1);
        let misuses = &profile.findings.as_ref().expect("it is a check's").misuses;
        let stacks: Vec<Vec<String>> =
            misuses.iter().map(|misuse| profile.misuse_stack(misuse).map(function).collect()).collect();
        // A library's function may stand above that which calls it, and that may be in its caller.
        let is_right = misuses.len() == 1
            && misuses.iter().all(|misuse| {
                misuse.kind == *kind && misuse.block.is_some() != ABOUT_NO_BLOCK.contains(name)
            })
            && stacks.iter().all(|stack| {
                let at = stack.iter().position(|function| function == place);
                let is_there =
                    at.is_some_and(|at| at <= 2) || stack.first().is_some_and(|first| first == name);
                is_there && stack.iter().any(|function| function == name)
            });
        if is_right {
            found += 1;
        } else {
            let kinds: Vec<_> = misuses.iter().map(|misuse| misuse.kind).collect();
            words.push(format!("{title}: {name}: {kinds:?} {stacks:?}"));
        }
    }
    (found, cases.len(), words)
}

/// Both forms of a module.
fn both(title: &str, wasm: &[u8], cases: &[(&str, MisuseKind, &str)]) -> (usize, usize, Vec<String>) {
    both_in(Layout::Apart, title, wasm, cases)
}

fn both_in(
    layout: Layout,
    title: &str,
    wasm: &[u8],
    cases: &[(&str, MisuseKind, &str)],
) -> (usize, usize, Vec<String>) {
    let how = Options { layout, ..Options::default() };
    let (found, all, mut words) = examine(title, wasm, wasm, cases, &how);
    let (more_found, more, more_words) =
        examine(&format!("{title}, stripped"), &stripped(wasm), wasm, cases, &how);
    words.extend(more_words);
    (found + more_found, all + more, words)
}

const WASI: &[&str] =
    &["--target=wasm32-wasi", "--no-wasm-opt", "-mexec-model=reactor", "-fno-builtin-malloc", "-w"];

#[test]
fn seeded_misuse_is_found_and_its_twins_are_silent() {
    let arguments = [WASI, &["-O2"]].concat();
    let wasm = compile("clang-22", &arguments);
    let wasm = wasm.expect("clang-22 is installed: cargo xtask setup");
    let (found, all, words) = both("C, wasi-libc, -O2", &wasm, CASES);
    assert!(found == all && words.is_empty(), "{found} of {all}\n{}", words.join("\n"));
}

/// Blocks lie where they do without a check. What is no misuse there, as nothing is in quarantine, is not found: a block that
/// was handed out again, and one that `realloc` has made longer where it was.
const NOT_IN_THE_SAME_LAYOUT: [&str; 2] = ["use_after_reuse", "use_after_realloc"];

#[test]
fn seeded_misuse_is_found_in_the_same_layout() {
    let arguments = [WASI, &["-O2"]].concat();
    let wasm = compile("clang-22", &arguments);
    let wasm = wasm.expect("clang-22 is installed: cargo xtask setup");
    let (found, all, mut words) = both_in(Layout::Same, "C, wasi-libc, -O2", &wasm, CASES);
    words.retain(|word| !NOT_IN_THE_SAME_LAYOUT.iter().any(|case| word.ends_with(&format!("{case}: [] []"))));
    assert!(words.is_empty(), "{}", words.join("\n"));
    assert_eq!((found, all), (2 * (CASES.len() - NOT_IN_THE_SAME_LAYOUT.len()), 2 * CASES.len()));
    let [same, apart] =
        [Layout::Same, Layout::Apart].map(|layout| one_byte("C, wasi-libc, -O2", &wasm, layout));
    assert_eq!(apart, [64; 4]);
    // dlmalloc has a word before each block, and the granule behind a block's end holds it, or nothing.
    assert_eq!(same, [64; 4]);
}

/// How many of the sizes from 1 to 64 there are of which a byte behind the block is found to be read and written, and a byte
/// before it.
#[track_caller]
fn one_byte(title: &str, wasm: &[u8], layout: Layout) -> [usize; 4] {
    let checked = checked_as(wasm, &Options { layout, ..Options::default() }).expect("it can be checked");
    let facts = memgrove_module::facts(wasm).expect("it is valid");
    let engine = engine::open(EngineId::Wasmtime, &Settings::default()).expect("it is linked in");
    let module = engine.compile(&checked.wasm).expect("it compiles");
    let found = |what: i32, size: i32| {
        let mut instance = start(&*module);
        let _ = instance.call("edge", &[Value::I32(size), Value::I32(what)]);
        recorded(&mut *instance, &facts).findings.expect("it is a check's").misuses
    };
    for size in 1..=64 {
        let misuses = found(0, size);
        assert!(misuses.is_empty(), "{title}: {size} bytes: {misuses:?}");
    }
    [1, 2, 3, 4].map(|what| {
        let is_found = |size: &i32| {
            let misuses = found(what, *size);
            // Where blocks touch each other, before one is behind another.
            let is_right = |one: &Misuse| {
                one.kind == if what < 3 { Overflow } else { Underflow } || what > 2 && one.kind == Overflow
            };
            let is_of_it = |one: &Misuse| one.block.is_some_and(|block| block.size == size.cast_unsigned());
            assert!(
                misuses.iter().all(|one| is_right(one) && is_of_it(one)),
                "{title}: {size} bytes, {what}: {misuses:?}"
            );
            !misuses.is_empty()
        };
        (1..=64).filter(is_found).count()
    })
}

/// Addresses of 64 bits: no C library is for them, so the guest brings its own.
#[test]
fn seeded_misuse_is_found_where_addresses_have_64_bits() {
    let folder = guest_support::source("check_seeded/wide");
    let (include, library) = (format!("-I{}", folder.display()), folder.join("libc.c"));
    let wide = [
        "--target=wasm64",
        "-nostdlib",
        "-ffreestanding",
        "-fno-builtin",
        "--no-wasm-opt",
        "-w",
        "-Wl,--no-entry",
        "-Wl,--export-memory",
    ];
    for level in ["-O1", "-O2", "-Os"] {
        let more = [level, &include, library.to_str().expect("a name in UTF-8")];
        let wasm = compile("clang-22", &[&wide[..], &more].concat());
        let wasm = wasm.expect("clang-22 is installed: cargo xtask setup");
        let (found, all, words) = both(&format!("C, wasm64, {level}"), &wasm, CASES);
        assert!(found == all && words.is_empty(), "{found} of {all}\n{}", words.join("\n"));
    }
}

/// A pool of the program's own, whose functions are named, and the library's heap: a block goes back to where it is from.
#[test]
fn a_block_that_goes_to_the_wrong_heap_is_found() {
    const OF_POOL: &[(&str, MisuseKind, &str)] = &[
        ("malloc_to_pool", WrongHeap, "back"),
        ("calloc_to_pool", WrongHeap, "back"),
        ("pool_to_free", WrongHeap, "give"),
        ("pool_to_realloc", WrongHeap, "pool_to_realloc"),
    ];
    for level in ["-O1", "-O2", "-Os"] {
        let named = guest_support::c(
            "clang-22",
            &[WASI, &[level]].concat(),
            &guest_support::source("check_seeded/pool.c"),
        );
        let named = named.expect("clang-22 is installed: cargo xtask setup");
        let facts = memgrove_module::facts(&named).expect("it is valid");
        let func = |name: &str| facts.func_named(name).unwrap_or_else(|| panic!("no {name}"));
        let pool = [(func("pool_take"), Role::Malloc), (func("pool_give"), Role::Free)];
        let of = |(func, role): (u32, Role)| Member { func, role, has_heap: false, is_certain: true };
        for layout in Layout::ALL {
            for wasm in [&named, &stripped(&named)] {
                let how = Options { layout, members: pool.map(of).to_vec(), ..Options::default() };
                assert_eq!(checked_as(wasm, &how).expect("it can be checked").heaps.values().max(), Some(&2));
                let (found, all, words) =
                    examine(&format!("pool, {level}, {layout:?}"), wasm, &named, OF_POOL, &how);
                assert!(found == all && words.is_empty(), "{found} of {all}\n{}", words.join("\n"));
                // Without them one heap is known.
                let how = Options { members: Vec::new(), ..how };
                assert!(checked_as(wasm, &how).expect("it can be checked").heaps.is_empty());
            }
        }
    }
}

/// What checking adds, as a part of the code: data stay as they are. That is less than 90, 50 and 30 percent, which are
/// the aims, so that a form that becomes longer is noticed.
#[test]
fn files_grow_by_no_more_than_is_promised() {
    let compile = |source: &str| {
        let arguments = ["--target=wasm32-wasi", "--no-wasm-opt", "-w", "-O2", "-Wl,-s", "-lm"];
        let wasm = guest_support::c("clang-22", &arguments, &guest_support::source(source));
        wasm.expect("clang-22 is installed: cargo xtask setup")
    };
    let wasm = compile("check_seeded/library.c");
    let facts = memgrove_module::facts(&wasm).expect("it is valid");
    let code: u64 = facts.functions.iter().map(|function| u64::from(function.body_len)).sum();
    for (in_line, sites, most_percent) in [(true, true, 65), (false, true, 25), (false, false, 15)] {
        let how = Options { in_line, sites, ..Options::default() };
        let checked = checked_as(&wasm, &how).unwrap_or_else(|error| panic!("{error}"));
        let grown = checked.wasm.len().saturating_sub(wasm.len()) as u64;
        let percent = grown * 100 / code;
        assert!(checked.sites > 2000, "only {} accesses are checked", checked.sites);
        assert!(
            percent <= most_percent,
            "{percent} %: {grown} of {code} bytes, in line: {in_line}, sites: {sites}"
        );
    }
}

/// What is lost of the blocks that a command leaves, by the argument that it is given: blocks and bytes that nothing points
/// to, that only those point to, and the others. The arguments themselves are two blocks of 13 and 12 bytes.
#[test]
fn blocks_that_are_lost_are_told_from_those_that_can_be_reached() {
    let wasi = ["--target=wasm32-wasi", "--no-wasm-opt", "-fno-builtin-malloc", "-w", "-O2"];
    let named = guest_support::c("clang-22", &wasi, &guest_support::source("check_seeded/leaks.c"));
    let named = named.expect("clang-22 is installed: cargo xtask setup");
    let nameless = |_: Site| -> Vec<Frame> { Vec::new() };
    let engine = engine::open(EngineId::Wasmtime, &Settings::default()).expect("it is linked in");
    for wasm in [stripped(&named), named] {
        let facts = memgrove_module::facts(&wasm).expect("it is valid");
        let checked = checked(&wasm).unwrap_or_else(|error| panic!("{error}"));
        let module = engine.compile(&checked.wasm).expect("it compiles");
        for (case, lost, indirect, reachable, is_certain) in [
            ("f", (0, 0), (0, 0), (2, 25), true),
            ("k", (0, 0), (0, 0), (22, 405), true),
            ("i", (0, 0), (0, 0), (3, 125), true),
            ("l", (1, 8), (19, 372), (2, 25), true),
            ("n", (10, 300), (0, 0), (2, 25), true),
            ("e", (1, 8), (19, 372), (2, 25), false),
        ] {
            let streams = Streams {
                input: Box::new(std::io::empty()),
                output: Box::new(std::io::sink()),
                errors: Box::new(std::io::sink()),
            };
            let command = wasi::Command {
                arguments: vec!["leaks.wasm".to_owned(), case.to_owned()],
                environment: Vec::new(),
                folders: Vec::new(),
                streams,
            };
            let (host, _) = wasi::host(command).expect("no folders");
            let mut instance = module.instantiate(&host).expect("it instantiates");
            assert_eq!(instance.call("_start", &[]).is_err(), case == "e", "only one exits by itself");
            let profile = recorded(&mut *instance, &facts);
            let report = CheckReport {
                name: "leaks.wasm",
                module: &facts,
                names: &nameless,
                profile: &profile,
                entered: None,
                suppressions: &[],
                top: 5,
            };
            assert_eq!(report.misuses().count(), 0, "{case}");
            let known = report.reachability().expect("pointers are searched for");
            let pair = |blocks: Blocks| (blocks.blocks, blocks.bytes);
            assert_eq!(
                (pair(known.lost), pair(known.indirect), pair(known.reachable), known.is_certain()),
                (lost, indirect, reachable, is_certain),
                "{case}: {:?}",
                known.doubts
            );
        }
    }
}
