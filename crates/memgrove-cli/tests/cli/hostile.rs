//! Names out of modules, files and profiles cannot drive the terminal, forge a line or disguise themselves,
//! wherever they are shown.
//!
//! Every way of asking is tried twice: with hostile names, and with harmless ones that are spelled as the hostile
//! ones must be shown. Both must print the same number of lines, and neither a hidden character.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{memgrove, root, sized};

/// One of each kind: controls of ASCII, DEL, C1 (a terminal may take U+009B for an escape sequence's start), marks of
/// direction, separators, blanks without width, fillers, variation selectors, tags, no characters.
const HIDDEN: &str = "\u{1}\u{7}\u{8}\t\n\u{b}\u{c}\r\u{1b}\u{7f}\u{80}\u{85}\u{9b}\u{9d}\u{ad}\u{34f}\u{600}\u{61c}\
    \u{115f}\u{17b4}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\
    \u{202e}\u{2060}\u{2066}\u{2067}\u{2068}\u{2069}\u{206f}\u{2800}\u{3164}\u{fdd0}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\
    \u{ffff}\u{110bd}\u{1d173}\u{e0001}\u{e007f}\u{e0100}\u{a0}\u{2003}\u{202f}\u{3000}";

/// What a forger would write.
const FORGED: &str =
    "\n  yes     forged\r\n✓ runs\u{1b}[2J\u{1b}]0;title\u{7}</script><b title='\"'>&|`*_[x]";

/// A file's name has at most 255 bytes.
const FORGED_FILE: &str =
    "\u{1b}[31m\n  yes  forged\r\t\u{7f}\u{9b}\u{202e}\u{2066}\u{2028}\u{200b}\u{e0001}\u{feff}";

/// How a name must be shown.
fn shown(name: &str) -> String {
    let hidden = |c: char| HIDDEN.contains(c) || c.is_control();
    name.chars().map(|c| if hidden(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// Whether `c` may not be in anything that people read. On purpose not the rule of the code that is tested: by
/// the ranges of Unicode's blocks, a little coarser.
fn is_harmful(c: char) -> bool {
    c != '\n'
        && (c.is_control()
            || HIDDEN.contains(c)
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(c, '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'))
}

/// The names of one of the two tries.
#[derive(Clone, Copy)]
struct Names {
    hostile: bool,
    /// Whether they hold every hidden character. Names that long are cut, hostile and harmless ones at different
    /// places, so that their lines cannot be compared.
    all: bool,
}

impl Names {
    /// `number` keeps names apart where they must be.
    fn name(&self, number: u32) -> String {
        let name = format!("n{number}{FORGED}{}", if self.all { HIDDEN } else { "" });
        if self.hostile { name } else { shown(&name) }
    }

    /// A name as a string of the text format.
    fn wat(&self, number: u32) -> String {
        let bytes = self.name(number).into_bytes();
        let digits: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!("\"{digits}\"")
    }

    fn file(&self, ending: &str) -> String {
        let name = format!("f{FORGED_FILE}{ending}");
        if self.hostile { name } else { shown(&name) }
    }
}

/// A module with a hostile name in every place that has one.
fn module(names: &Names) -> Vec<u8> {
    let n = |number| names.wat(number);
    let text = format!(
        "(module ${}
          (@dylink.0 (needed {}))
          (@producers (language {} {}) (processed-by {} {}) (sdk {} {}))
          (import {} {} (func ${} (param i32) (result i32)))
          (import {} {} (memory 1))
          (import {} {} (global ${} i32))
          (import {} {} (table ${} 1 funcref))
          (import \"wasi_snapshot_preview1\" {} (func (param i32)))
          (import \"env\" {} (func (result f64)))
          (func ${} (export {}) (result i32) (memory.grow (call ${} (i32.const 1))))
          (func ${} (export {}) (result i32) (memory.grow (i32.const 1)))
          (global ${} (export {}) (mut i32) (i32.const 70000))
          (start ${})
          (func ${} (drop (call ${})))
          (export {} (memory 0)) (export {} (table 0))
          (data ${} (i32.const 8) {})
          (@custom {} {}))",
        n(1),
        n(2),
        n(3),
        n(4),
        n(5),
        n(6),
        n(7),
        n(8),
        n(9),
        n(10),
        n(11),
        n(12),
        n(13),
        n(14),
        n(15),
        n(16),
        n(17),
        n(18),
        n(19),
        n(20),
        n(21),
        n(22),
        n(23),
        n(11),
        n(24),
        n(25),
        n(26),
        n(27),
        n(28),
        n(28),
        n(22),
        n(29),
        n(30),
        n(31),
        n(32),
        n(33),
        n(34),
    );
    let mut wasm = wat::parse_str(text).unwrap();
    // The text format cannot say what the target features are.
    let mut body = sized(b"target_features");
    body.extend(b"\x01+");
    body.extend(sized(names.name(35).as_bytes()));
    wasm.push(0);
    wasm.extend(sized(&body));
    wasm
}

/// A module that `fix` can mend, with hostile names where that leaves room for some.
fn fixable(names: &Names) -> Vec<u8> {
    let n = |number| names.wat(number);
    wat::parse_str(format!(
        "(module ${}
          (import \"env\" \"memory\" (memory ${} 1))
          (import \"env\" \"sbrk\" (func ${} (param i32) (result i32)))
          (func ${} (export {}) (param i32) (result i32) (call ${} (local.get 0)))
          (export {} (memory 0))
          (data (i32.const 16) {})
          (@custom {} \"x\"))",
        n(1),
        n(2),
        n(3),
        n(4),
        n(5),
        n(3),
        n(6),
        n(7),
        n(8)
    ))
    .unwrap()
}

fn text_files(names: &Names) -> Vec<(&'static str, Vec<u8>)> {
    let n = |number| names.wat(number);
    let twice = format!("(module (func (export {0})) (func (export {0})))", n(1));
    let component = format!(
        "(component (core module ${} (import {} {} (func)) (func (export {}))))",
        n(1),
        n(2),
        n(3),
        n(4)
    );
    let no_name = format!("(module (func call ${}))", n(1));
    let profile = |id: &str| {
        let text = toml_string(&names.name(0));
        format!(
            "id = {id}\ntitle = {text}\ndescription = {text}\nsource = \"x\"\nengines = [\"wasmtime\"]\n\n[[provides]]\nmodule = {text}\nname = {text}\n"
        )
    };
    // What depends on where blocks lie is told by its name.
    let swappable = fs::read_to_string(root().join("tests/cli/files/swappable.wat")).unwrap();
    // A function that reads what the allocator keeps, by which the refusal calls it.
    let end = swappable.trim_end().strip_suffix(')').unwrap();
    let refused = format!("{end} (func (export {}) (result i32) (i32.load (i32.const 1032))))", n(1));
    let swappable = swappable.replace("(export \"sbrk\")", &format!("(export \"sbrk\") (export {})", n(1)));
    vec![
        ("swappable.wat", swappable.into_bytes()),
        ("refused.wat", refused.into_bytes()),
        ("module.wasm", module(names)),
        ("module.mgpr", recording(&module(names))),
        ("module.mgck", check_recording(&module(names))),
        ("stack.txt", stack(names)),
        ("hostile.map", source_map(names, &module(names))),
        ("hostile.symbols", symbol_map(names)),
        ("fixable.wasm", fixable(names)),
        ("twice.wat", twice.into_bytes()),
        ("component.wat", component.into_bytes()),
        ("no-name.wat", no_name.into_bytes()),
        ("archive.tar", archive(names)),
        ("archive.a", [b"!<arch>\n".as_slice(), names.name(1).as_bytes()].concat()),
        ("text.js", names.wat(1).into_bytes()),
        ("host.toml", profile(&toml_string(&names.name(0))).into_bytes()),
        (
            "policy.toml",
            format!("[imports]\nallow = []\ndeny = [{}]", toml_string(&names.name(5))).into_bytes(),
        ),
        ("named.toml", profile("\"named\"").into_bytes()),
        ("bad.toml", format!("id = \"x\"\n{} = 1\n", toml_string(&names.name(0))).into_bytes()),
        ("broken.toml", format!("id = \"x\"\ntitle = {}", &names.name(0)).into_bytes()),
    ]
}

/// A module under a hostile name.
fn archive(names: &Names) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let bytes = module(names);
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, names.file(".wasm"), &bytes[..]).unwrap();
    tar.into_inner().unwrap()
}

/// A recording of [`module`], in which its functions allocate: called by the host, and at the start of each body.
fn recording(wasm: &[u8]) -> Vec<u8> {
    use memgrove_profile::layout;
    let sites: Vec<u32> = (0..6).map(|func| layout::ENTRY | func).chain(bodies(wasm)).collect();
    let mut bytes = vec![0; layout::HEADER_BYTES as usize];
    let mut put = |at: u32, value: u32| bytes[at as usize..][..4].copy_from_slice(&value.to_le_bytes());
    let count = u32::try_from(sites.len()).unwrap();
    put(0, u32::from_le_bytes(layout::MAGIC));
    put(4, layout::VERSION);
    put(layout::LOG_CURSOR, layout::LOG + count * layout::EVENT_BYTES);
    put(layout::NODE_COUNT, 1 + count);
    put(layout::EVENT_COUNT, count);
    bytes[layout::ORIGINAL as usize..].copy_from_slice(&memgrove_rewrite::trace::fingerprint(wasm));
    bytes.resize(bytes.len() + layout::NODE_BYTES as usize, 0);
    for site in sites {
        // Each is called by the root.
        bytes.extend([0, site, 0, 0, 1, 0, 8, 0].into_iter().flat_map(u32::to_le_bytes));
    }
    for node in 1..=count {
        bytes.extend([layout::kind::ALLOCATED, node, node * 16, 8].into_iter().flat_map(u32::to_le_bytes));
    }
    bytes
}

/// A recording of a check of [`module`], in which each function misuses a block that the host asked it for.
fn check_recording(wasm: &[u8]) -> Vec<u8> {
    use memgrove_profile::layout::{self, kind, misuse};
    let sites = bodies(wasm);
    let mut events = Vec::new();
    for (site, node) in sites.iter().zip(1..) {
        events.push([kind::MISUSE | misuse::USE_AFTER_FREE << 8, node, 64, *site]);
        events.push([kind::OF_BLOCK, node, 64, 8]);
        events.push([kind::FREED_AT | 1 << 8, node, 0, 0]);
        // The same access without a site, of a function whose index is as hostile as its name.
        events.push([kind::MISUSE | misuse::OVERFLOW << 8, node, 64, layout::NO_SITE | (node - 1)]);
        events.push([kind::MISUSE | misuse::OVERFLOW << 8, node, 64, layout::NO_SITE | 0xf_fff0 | node]);
    }
    // More is lost than is live.
    events.push([kind::LOST, 1, 1, 8]);
    events.push([kind::LOST | 1 << 8, 1, u32::MAX, u32::MAX]);
    events.push([kind::CHECKED | layout::search::DONE << 8, 0, 1, 1]);
    let (nodes, len) = (u32::try_from(sites.len()).unwrap(), u32::try_from(events.len()).unwrap());
    let mut bytes = vec![0; layout::HEADER_BYTES as usize];
    let mut put = |at: u32, value: u32| bytes[at as usize..][..4].copy_from_slice(&value.to_le_bytes());
    put(0, u32::from_le_bytes(layout::MAGIC));
    put(4, layout::VERSION);
    put(layout::LOG_CURSOR, layout::log_start(true) + len * layout::EVENT_BYTES);
    put(layout::NODE_COUNT, 1 + nodes);
    put(layout::IS_CHECK, 1);
    bytes[layout::ORIGINAL as usize..].copy_from_slice(&memgrove_rewrite::trace::fingerprint(wasm));
    bytes.resize(bytes.len() + layout::NODE_BYTES as usize, 0);
    for func in 0..nodes {
        bytes.extend([0, layout::ENTRY | func, 0, 0, 1, 0, 8, 0].into_iter().flat_map(u32::to_le_bytes));
    }
    bytes.extend(events.into_iter().flatten().flat_map(u32::to_le_bytes));
    bytes
}

/// Where the bodies of the functions of a module begin.
fn bodies(wasm: &[u8]) -> Vec<u32> {
    let payloads = wasmparser::Parser::new(0).parse_all(wasm).map_while(Result::ok);
    let starts = payloads.filter_map(|payload| match payload {
        wasmparser::Payload::CodeSectionEntry(body) => u32::try_from(body.range().start).ok(),
        _ => None,
    });
    starts.collect()
}

/// A source map in which the first body is of a file with a hostile name.
fn source_map(names: &Names, wasm: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut column = bodies(wasm)[0] << 1;
    let mut mappings = String::new();
    while column > 31 {
        mappings.push(char::from(DIGITS[(column & 31 | 32) as usize]));
        column >>= 5;
    }
    mappings.push(char::from(DIGITS[column as usize]));
    mappings.push_str("AAA");
    serde_json::json!({ "version": 3, "names": [], "sources": [names.name(1)], "mappings": mappings })
        .to_string()
        .into_bytes()
}

/// An engine's stack with hostile names, in the code of the module.
fn stack(names: &Names) -> Vec<u8> {
    let places = (0..64_u32).map(|at| {
        // Line feeds are the text's own.
        let name = names.name(at).replace('\n', "");
        format!("    at {name} (wasm-function[{at}]:{:#x})\n", at * 8)
    });
    places.collect::<String>().into_bytes()
}

/// A symbol map that gives every function a hostile name.
fn symbol_map(names: &Names) -> Vec<u8> {
    let escaped = |name: String| name.bytes().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    (0..9).map(|func| format!("{func}:{}\n", escaped(names.name(func)))).collect::<String>().into_bytes()
}

fn toml_string(text: &str) -> String {
    let digits: String = text.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
    format!("\"{digits}\"")
}

/// A folder with everything for one try.
fn folder(names: &Names) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join(names.file(""));
    fs::create_dir(&inner).unwrap();
    for (name, bytes) in text_files(names) {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    for name in [".wasm", ".wat", ".png", ".symbols"] {
        // What a file is said to be that is no module depends on its bytes, so those are the same in both tries.
        let bytes = if name == ".wasm" { module(names) } else { b"\x01nothing".to_vec() };
        fs::write(folder.path().join(names.file(name)), bytes).unwrap();
    }
    fs::write(inner.join(names.file(".wasm")), module(names)).unwrap();
    fs::write(inner.join("cut.wasm"), &module(names)[..200]).unwrap();
    let run = fs::read_to_string(root().join("results/bench.json")).unwrap();
    let run = ["\"dlmalloc\"", "\"AMD EPYC\"", "\"larson\"", "\"bump (floor)\""]
        .into_iter()
        .fold(run, |run, name| {
            run.replace(name, &serde_json::to_string(&format!("{name}{}", names.name(0))).unwrap())
        });
    fs::write(folder.path().join(names.file(".json")), run).unwrap();
    let list = [
        serde_json::json!({"path": names.file(".wasm")}),
        serde_json::json!({"path": names.file(".missing")}),
        serde_json::json!({"name": names.name(0), "bytes": "AGFzbQEAAAA="}),
        serde_json::json!({"name": names.name(0), "bytes": names.name(0)}),
        serde_json::json!({names.name(0): 1}),
    ];
    let list: String = list.iter().map(|line| format!("{line}\n")).collect();
    fs::write(folder.path().join(names.file(".list")), list).unwrap();
    folder
}

/// Every way of asking: `@` stands for the hostile name, `@.x` for a file of that name, `%` for the hostile words.
const ASKED: &[&str] = &[
    "inspect module.wasm",
    "inspect -v module.wasm",
    "inspect -f table module.wasm @.wasm",
    "inspect archive.tar",
    "inspect -v -f text archive.tar",
    "inspect -f json archive.tar",
    "inspect -f json module.wasm twice.wat @.wat",
    "inspect -f ndjson module.wasm twice.wat",
    "inspect -v @.wasm --html report.html",
    "inspect @ --html all.html",
    "inspect -v --color always module.wasm",
    "inspect --color always @.wat",
    "inspect -f table --require bare --require wasmtime @.wasm module.wasm",
    "inspect --host host.toml -v module.wasm",
    "inspect --host named.toml --require named module.wasm",
    "inspect --host host.toml --list-hosts",
    "inspect --host bad.toml --list-hosts",
    "inspect --host broken.toml --list-hosts",
    "inspect --host @.toml --list-hosts",
    "inspect --require % module.wasm",
    "inspect -f table --policy policy.toml @.wasm module.wasm",
    "inspect --host host.toml --require % module.wasm",
    "inspect --runs-on % module.wasm",
    "inspect --imports % --sort size module.wasm",
    "inspect --format % module.wasm",
    "inspect --% module.wasm",
    "inspect --jobs % module.wasm",
    "inspect --format csv module.wasm twice.wat @.wat @.missing archive.tar component.wat",
    "inspect --format rows module.wasm twice.wat @.wat @.missing archive.tar component.wat",
    "inspect --format csv --host host.toml --files-from @.list",
    "inspect --format rows --files-from @.list",
    "inspect --format rows --files-from @.missing",
    "inspect --format csv --output @.csv module.wasm",
    "inspect --format csv --output @.wasm module.wasm",
    "inspect --format csv --resume --output @.wasm module.wasm",
    "inspect --format rows --resume --output @.wasm module.wasm",
    "inspect --format csv --output @.missing/rows module.wasm",
    "inspect --format csv --require % module.wasm",
    "inspect --format csv --max-time % module.wasm",
    "inspect --format csv --max-memory % module.wasm",
    "inspect --format csv --max-nesting % module.wasm",
    "inspect --format csv --max-ratio % module.wasm",
    "inspect --format parquet --output @.parquet module.wasm",
    "inspect --max-size % module.wasm",
    "inspect component.wat",
    "inspect -v -f text component.wat fixable.wasm --html component.html",
    "inspect -v component.wat --extract parts",
    "inspect archive.tar --extract @.parts",
    "inspect component.wat --extract @",
    "inspect component.wat --extract @.wasm",
    "inspect twice.wat",
    "inspect no-name.wat @.wat @.png",
    "inspect archive.a",
    "inspect text.js",
    "inspect @.missing",
    "inspect module.wasm --html @.missing/report.html",
    "inspect @.wasm --html @.wasm",
    "inspect module.wasm --html @",
    "check module.wasm -o checked.wasm",
    "check @.wasm -o @.out --fail-on %",
    "check @.wasm -o @.out --exact %",
    "check @.wasm -o @.out --layout %",
    "check @.wasm -o @.out --alloc %",
    "check @.wasm -o @.out --no-sites --by-call",
    "check @.wasm -o @.out --alloc %=malloc",
    "check @.wasm -o @.out --alloc 0=%",
    "check @.wasm",
    "check @.wasm --suppress @.missing",
    "check @.wasm --suppress @.wat",
    "check @.wasm --invoke %",
    "check @.wasm --dir @.missing::% --env % -- %",
    "check module.wasm --profile @.missing",
    "check module.wasm --profile module.mgpr",
    "check module.wasm --profile module.mgck",
    "check module.wasm --profile module.mgck --json",
    "check module.wasm --profile module.mgck --sarif @.sarif",
    "swap module.wasm --to wee --dry-run",
    "swap module.wasm --to % --dry-run",
    "swap @.wasm --to wee --dry-run --json",
    "swap @.missing --to wee --dry-run",
    "swap @.wasm --to wee -o @.out",
    "swap @.wasm --to wee -o @.wasm",
    "swap swappable.wat --to dlmalloc -o @.out",
    "swap refused.wat --to dlmalloc --dry-run",
    "swap swappable.wat --to dlmalloc -o @.out --json",
    "trace module.wasm -o traced.wasm",
    "trace module.wasm -o traced.wasm --alloc 0=malloc",
    "trace @.wasm --alloc 0=malloc,1=free --instances -o traced.wasm",
    "trace module.wasm --profile module.mgpr --profile module.mgpr",
    "trace @.wasm --alloc 0=malloc,1=free --one-memory --invoke malloc 8",
    "trace @.wasm -o @.out --alloc %",
    "trace @.wasm -o out.wasm --alloc %=malloc",
    "trace @.wasm -o out.wasm --alloc 0=%",
    "trace @.wat -o @.wat",
    "trace @.wasm",
    "trace @.wasm --alloc 0=malloc,1=free",
    "trace @.wasm --alloc 0=malloc,1=free --invoke %",
    "trace @.wasm --alloc 0=malloc,1=free --invoke malloc %",
    "trace @.wasm --dir @.missing::% --env % -- %",
    "trace @.wasm --engine % --save @.wasm",
    "trace @.wasm --alloc 0=malloc -o traced.wasm --map hostile.json",
    "trace @.wasm --alloc 0=malloc -o traced.wasm --map @.wasm",
    "trace module.wasm --map hostile.json --resolve stack.txt",
    "trace module.wasm --map @.missing --resolve @.wasm",
    "trace module.wasm --map @.wasm --resolve stack.txt",
    "trace twice.wat -o out.wasm",
    "trace module.wasm --profile @.missing",
    "trace module.wasm --profile @.wasm",
    "trace module.wasm --profile @.wasm --collapsed @.wasm",
    "trace module.wasm --diff @.missing @.wasm",
    "trace module.wasm --profile module.mgpr",
    "trace module.wasm --profile module.mgpr --json",
    "trace module.wasm --diff module.mgpr module.mgpr",
    "trace module.wasm --diff module.mgpr module.mgpr --json",
    "trace module.wasm --profile module.mgpr --html @.html --speedscope @.json --dhat dhat.json",
    "trace module.wasm --profile module.mgpr --collapsed @.txt --heaptrack heaptrack.txt --firefox firefox.json",
    "trace module.wasm --profile module.mgpr --symbols @.symbols",
    "trace module.wasm --profile module.mgpr --symbols hostile.symbols --source-map hostile.map",
    "trace module.wasm --profile module.mgpr --source-map @.wasm",
    "trace module.wasm --profile module.mgpr --debug-file @.wasm",
    "trace module.wasm --profile module.mgpr --debug-file @.missing",
    "%",
    "man %",
    "man --dir @.wasm",
    "completions %",
];

/// Those that need engines.
const ASKED_OF_ENGINES: &[&str] = &[
    "fix module.wasm -n",
    "fix module.wasm -n --json",
    "fix module.wasm -n --trap rest",
    "fix module.wasm -n --trap %",
    "fix module.wasm --explain %",
    "fix module.wasm -n --glue @.wasm",
    "fix module.wasm -n --lower=all --discard raise",
    "fix module.wasm -o out.wasm",
    "fix module.wasm -o partial.wasm --partial",
    "fix fixable.wasm -o fixed.wasm",
    "fix fixable.wasm -o @.out",
    "fix fixable.wasm -o color.wasm --color always",
    "fix fixable.wasm -o json.wasm --json",
    "fix @.wasm -n --host host.toml",
    "fix @.wasm -n --host named.toml",
    "fix @.wasm -n --host bad.toml",
    "fix @.wasm -n --host %",
    "fix @.wasm -n --stub %",
    "fix @.wasm -o @.wasm",
    "fix @.wat -o out.wasm",
    "fix twice.wat -o out.wasm",
    "fix no-name.wat -o out.wasm",
    "fix @.missing -o out.wasm",
    "fix fixable.wasm -o @.missing/out.wasm",
    "advise module.mgpr module.wasm --allocators memgrove-wee",
    "advise module.mgpr module.wasm --allocators memgrove-wee --json",
    "advise module.mgpr @.wasm --allocators %",
    "advise module.mgpr --allocators memgrove-wee --host %",
    "advise module.mgpr --allocators memgrove-wee --host @.toml",
    "advise @.missing",
    "advise @.wasm",
    "advise module.mgpr @.missing",
    "advise module.mgpr fixable.wasm",
    "survey --build --samples @.missing",
    "bench --from @.json --report bench.html --markdown bench.md --plots",
    "bench --from @.json --json",
    "bench --from @.missing",
    "bench --from @.wasm",
    "bench --from @.json --report @.json",
    "bench --rounds 0 --allocators %",
    "bench --rounds 0 --workloads %",
    "bench --rounds 0 --engine %",
    "bench --rounds 0 --guest @.wasm",
    "bench --rounds 0 --trace @.wasm",
];

/// What a command printed and wrote, apart from modules.
fn ask(names: &Names, folder: &Path, asked: &str) -> Vec<(String, String)> {
    let args = asked.split(' ').map(|word| {
        let word = match word.split_once('@') {
            Some((before, after)) => {
                let (ending, rest) = after.split_once('/').map_or((after, None), |(e, rest)| (e, Some(rest)));
                let rest = rest.map(|rest| format!("/{rest}")).unwrap_or_default();
                format!("{before}{}{rest}", names.file(ending))
            }
            None => word.to_owned(),
        };
        OsString::from(word.replace('%', &names.name(0)))
    });
    let before = listing(folder);
    let done = memgrove(folder).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_else(|_| panic!("{asked}: no UTF-8"));
    let mut printed =
        vec![("stdout".to_owned(), text(done.stdout)), ("stderr".to_owned(), text(done.stderr))];
    for path in listing(folder).into_iter().filter(|path| !before.contains(path)) {
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        if ["csv", "html", "md", "svg", "txt"].contains(&ending) {
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            printed.push((name, text(fs::read(&path).unwrap())));
        }
    }
    assert!(done.status.code().is_some_and(|code| code < 100), "{asked}: {printed:?}");
    printed
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(listing(&path)) } else { found.push(path) }
    }
    found.sort_unstable();
    found
}

/// The first lines that begin differently, cut short.
fn first_difference<'a>(one: &'a str, two: &'a str) -> Option<(String, String)> {
    let head = |line: Option<&str>| line.map_or("(end)".to_owned(), |line| line.chars().take(200).collect());
    let (mut one, mut two) = (one.lines(), two.lines());
    loop {
        let pair = (one.next(), two.next());
        if pair == (None, None) {
            return None;
        }
        let pair = (head(pair.0), head(pair.1));
        if pair.0.get(..20) != pair.1.get(..20) {
            return Some(pair);
        }
    }
}

/// `text` without the styles that the command itself may use.
fn without_styles(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        let digits = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        match digits.strip_prefix('m') {
            Some(after) => rest = after,
            None => {
                out.push_str("\u{1b}[");
                rest = after;
            }
        }
    }
    out + rest
}

fn check(asked: &[&str]) {
    check_with(asked, true);
    check_with(asked, false);
}

fn check_with(asked: &[&str], all: bool) {
    let hostile = Names { hostile: true, all };
    let harmless = Names { hostile: false, all };
    let (hostile_folder, harmless_folder) = (folder(&hostile), folder(&harmless));
    let mut showed = 0;
    for asked in asked {
        let mut printed = ask(&hostile, hostile_folder.path(), asked);
        printed.reverse();
        let mut reference = ask(&harmless, harmless_folder.path(), asked);
        reference.reverse();
        assert_eq!(printed.len(), reference.len(), "{asked}");
        for ((place, text), (_, reference)) in printed.iter_mut().zip(&reference) {
            if asked.contains("--color always") {
                *text = without_styles(text);
            }
            let harmful = text.char_indices().find(|(_, c)| is_harmful(*c));
            assert!(
                harmful.is_none(),
                "`{asked}` shows {:?} in {place}: {:?}",
                harmful.unwrap().1,
                text.lines().find(|line| line.contains(is_harmful))
            );
            if !all {
                let differ = first_difference(text, reference);
                assert_eq!(text.lines().count(), reference.lines().count(), "`{asked}`, {place}: {differ:?}");
            }
            // Pages collapse blanks, and data are no columns.
            let is_data = ["json", "csv", "--format rows"].iter().any(|format| asked.contains(format));
            let for_people = place.starts_with("std") && !is_data;
            assert!(!for_people || !text.contains("  forged"), "`{asked}`, {place}");
            showed += usize::from(text.contains("\\u{1b}"));
        }
    }
    // The names were really there to be shown.
    assert!(showed > asked.len() / 2, "only {showed}");
}

#[test]
fn no_name_forges_a_line_or_a_character() {
    check(ASKED);
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn no_name_forges_a_line_or_a_character_where_modules_run() {
    check(ASKED_OF_ENGINES);
}

#[test]
fn a_name_as_long_as_a_file_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["x".repeat(90_000), "long name ".repeat(9_000), "\\u{202e}".repeat(30_000)] {
        let wat = format!(
            "(module $\"{name}\" (import \"{name}\" \"{name}\" (func $\"{name}\")) (memory (export \"{name}\") 1)
              (@producers (language \"{name}\" \"{name}\")) (@custom \"{name}\" \"\")
              (func $f (export \"f{name}\") (drop (memory.grow (i32.const 1)))))"
        );
        fs::write(folder.path().join("long.wasm"), wat::parse_str(wat).unwrap()).unwrap();
        let twice = format!("(module (func (export \"{name}\")) (func (export \"{name}\")))");
        fs::write(folder.path().join("twice.wat"), twice).unwrap();
        let mut asked = vec![
            "inspect -v long.wasm",
            "inspect -ftable long.wasm",
            "inspect long.wasm --require bare",
            "inspect twice.wat",
        ];
        if cfg!(feature = "engines") {
            asked.extend(["fix -n long.wasm", "fix -n twice.wat", "fix -n long.wasm --stub none"]);
        }
        for args in asked {
            let done = memgrove(folder.path()).args(args.split(' ')).output().unwrap();
            let bytes = done.stdout.len() + done.stderr.len();
            assert!(bytes < 24_000, "{args}: {bytes} bytes");
        }
    }
}

#[test]
fn json_holds_names_as_they_are() {
    let names = Names { hostile: true, all: true };
    let folder = folder(&names);
    let done = memgrove(folder.path()).args(["inspect", "--json", "fixable.wasm"]).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let exports = document["files"][0]["report"]["exports"].as_array().unwrap();
    assert!(exports.iter().any(|export| export["name"] == names.name(5)), "{exports:?}");
}

/// Two files whose names are no text do not become one.
#[cfg(target_os = "linux")]
#[test]
fn file_names_that_are_no_text_stay_different() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    for name in [b"\xfe\x80.wat".as_slice(), b"\xff.wat"] {
        fs::write(folder.path().join(OsStr::from_bytes(name)), "(module)").unwrap();
    }
    let done = memgrove(folder.path()).args(["inspect", "-ftable", "."]).output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(text.contains("./\\x{fe}\\x{80}.wat\n") && text.contains("./\\x{ff}.wat\n"), "{text}");
}
