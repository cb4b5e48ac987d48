//! Compiles the stand-ins in `runtime/*.wat` into one module that the crate embeds, and generates the
//! enums that name its functions and constants.
//!
//! The files hold bare module fields; put together in the order of their names
//! they are one module, in which a function may call one of another file.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::{env, fs, path::Path};

use wasmparser::{
    FuncType, FunctionBody, Operator, Parser, Payload, TypeRef, ValType, Validator, WasmFeatures,
};

fn main() {
    println!("cargo::rerun-if-changed=runtime");
    let mut files: Vec<_> = fs::read_dir("runtime")
        .expect("the crate has a folder `runtime`")
        .map(|entry| entry.expect("a readable folder entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "wat"))
        .collect();
    files.sort();

    let text: String =
        files.iter().map(|path| fs::read_to_string(path).expect("a readable file") + "\n").collect();
    let wasm = wat::parse_str(format!("(module\n{text})"))
        .unwrap_or_else(|error| panic!("the stand-ins in runtime/ do not compile: {error}"));
    // The module to be fixed may be meant for an engine that knows no later proposal.
    Validator::new_with_features(WasmFeatures::WASM1)
        .validate_all(&wasm)
        .unwrap_or_else(|error| panic!("the stand-ins in runtime/ are not WebAssembly 1.0: {error}"));
    let generated = Runtime::read(&wasm).expect("it is valid").generate();

    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let out = Path::new(&out);
    println!("cargo::rerun-if-changed=trace");
    println!("cargo::rerun-if-changed=lower");
    let lower = wat::parse_file("lower/lower.wat").unwrap_or_else(|error| panic!("{error}"));
    // They stand for what a host of that version lacks.
    Validator::new_with_features(WasmFeatures::WASM1)
        .validate_all(&lower)
        .unwrap_or_else(|error| panic!("lower/lower.wat is not WebAssembly 1.0: {error}"));
    fs::write(out.join("lower.wasm"), lower).expect("OUT_DIR is writable");
    for (name, has_threads) in [("recorder", false), ("recorder_threads", true)] {
        write_wat(out, name, &recorder(has_threads));
    }
    for (name, layout, has_threads) in [
        ("checker_apart", "apart", false),
        ("checker_same", "same", false),
        ("checker_threads", "apart", true),
    ] {
        write_wat(out, name, &checker(layout, has_threads));
    }
    let leaks = wat::parse_file("trace/leaks.wat").unwrap_or_else(|error| panic!("{error}"));
    fs::write(out.join("leaks.wasm"), leaks).expect("OUT_DIR is writable");
    println!("cargo::rerun-if-changed=swap");
    let mapped = wat::parse_file("swap/mapped.wat").unwrap_or_else(|error| panic!("{error}"));
    fs::write(out.join("mapped.wasm"), mapped).expect("OUT_DIR is writable");
    let bytes = wat::parse_file("swap/bytes.wat").unwrap_or_else(|error| panic!("{error}"));
    fs::write(out.join("bytes.wasm"), bytes).expect("OUT_DIR is writable");
    let counter = wat::parse_file("trace/counter.wat").unwrap_or_else(|error| panic!("{error}"));
    fs::write(out.join("counter.wasm"), counter).expect("OUT_DIR is writable");
    fs::write(out.join("runtime.wasm"), wasm).expect("OUT_DIR is writable");
    fs::write(out.join("runtime.rs"), generated).expect("OUT_DIR is writable");
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn write_wat(out: &Path, name: &str, text: &str) {
    let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("trace, for {name}: {error}"));
    fs::write(out.join(format!("{name}.wasm")), wasm).expect("OUT_DIR is writable");
}

fn replaced(text: String, places: &[(&str, &str)]) -> String {
    places.iter().fold(text, |text, (place, words)| {
        assert!(text.contains(place), "nothing is to be replaced by {words}");
        text.replace(place, words)
    })
}

/// What a checked module gets beside the recorder.
fn checker(layout: &str, has_threads: bool) -> String {
    let shadow = if has_threads { "trace/threads.wat" } else { "trace/own.wat" };
    let text = replaced(
        read("trace/checker.wat"),
        &[(";; {{layout}}", &read(&format!("trace/{layout}.wat"))), (";; {{shadow}}", &read(shadow))],
    );
    if !has_threads {
        return replaced(
            text,
            &[
                ("{state}", "i32"),
                ("{pages}", "(memory.size $program)"),
                ("{nodes}", "(i32.load $recording (i32.const 24))"),
                ("{unless_ready}", ""),
                ("{unless_ready 1}", ""),
            ],
        );
    }
    replaced(
        text,
        &[
            ("{state}", "(mut i32)"),
            ("{pages}", "(global.get $pages)"),
            (
                "{nodes}",
                "(i32.add (i32.atomic.load $program offset=0x1f4 (global.get $state)) (i32.const 1))",
            ),
            ("{unless_ready}", "(if (i32.eqz (global.get $state)) (then (return)))"),
            ("{unless_ready 1}", "(if (i32.eqz (global.get $state)) (then (return (i32.const 1))))"),
            // These are done by one thread at a time, and so exported by threads.wat.
            ("(func $free (export \"free\")", "(func $free"),
            ("(func $place (export \"place\")", "(func $place"),
            ("(func $pop (export \"pop\")", "(func $pop"),
        ],
    )
}

/// What records, with its sampler for both types of addresses. With threads, all of them together number the nodes.
fn recorder(has_threads: bool) -> String {
    let sampler = read("trace/sampler.wat");
    let of = |address: &str, ending: &str, low: &str, log: &str| {
        let named = [("{a}", address), ("{w}", ending), ("{low}", low), ("{log}", log)];
        named.into_iter().fold(sampler.clone(), |text, (place, word)| text.replace(place, word))
    };
    let narrow = of("i32", "", "block (result i32)", "2");
    let wide = of("i64", "_wide", "i32.wrap_i64", "3");
    let text = replaced(read("trace/recorder.wat"), &[(";; {{sampler}}", &(narrow + &wide))]);
    let [import, next, own] = match has_threads {
        true => [
            "(import \"memgrove\" \"next_node\" (func $next_node (result i32)))",
            "(call $next_node)",
            "(i32.store offset=12 (local.get $at) (i32.const 1))",
        ],
        false => ["", "(i32.load (i32.const 24))", ""],
    };
    replaced(text, &[(";; {{threads}}", import), ("{next_node}", next), ("{own_node}", own)])
}

/// The assembled module.
#[derive(Default)]
struct Runtime<'a> {
    types: Vec<FuncType>,
    /// Type of each function; none is imported.
    funcs: Vec<u32>,
    bodies: Vec<FunctionBody<'a>>,
    /// Names of the imported globals.
    constants: Vec<&'a str>,
    /// Name and index of each function that is exported.
    exports: Vec<(&'a str, u32)>,
}

/// What a function does, by itself or by those that it calls.
#[derive(Default)]
struct Effects {
    touches_memory: bool,
    grows_memory: bool,
    /// It counts pages without knowing their size.
    counts_fixed_pages: bool,
    uses_break_cell: bool,
}

impl<'a> Runtime<'a> {
    fn read(wasm: &'a [u8]) -> wasmparser::Result<Self> {
        let mut runtime = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => {
                    runtime.types = section.into_iter_err_on_gc_types().collect::<wasmparser::Result<_>>()?;
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        match import.ty {
                            TypeRef::Global(_) => runtime.constants.push(import.name),
                            TypeRef::Memory(_) => {}
                            other => panic!("nothing gives `{}` to the runtime: {other:?}", import.name),
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    runtime.funcs = section.into_iter().collect::<wasmparser::Result<_>>()?;
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        runtime.exports.push((export.name, export.index));
                    }
                }
                Payload::CodeSectionEntry(body) => runtime.bodies.push(body),
                _ => {}
            }
        }
        Ok(runtime)
    }

    /// What `root` and all that it calls do.
    fn effects(&self, root: u32) -> wasmparser::Result<Effects> {
        let constant = |wanted: &str| {
            let at = self.constants.iter().position(|name| *name == wanted);
            at.unwrap_or_else(|| panic!("the runtime imports no global `{wanted}`"))
        };
        let (page_shift, break_cell) = (constant("page_shift"), constant("break_cell"));
        let mut effects = Effects::default();
        let mut open = vec![root];
        let mut seen = BTreeSet::from([root]);
        while let Some(func) = open.pop() {
            let (mut counts_pages, mut knows_their_size) = (false, false);
            for operator in self.bodies[func as usize].get_operators_reader()? {
                let operator = operator?;
                effects.touches_memory |= has_memory_operand(&operator);
                match operator {
                    Operator::Call { function_index } => {
                        open.extend(seen.insert(function_index).then_some(function_index));
                    }
                    Operator::GlobalGet { global_index } => {
                        knows_their_size |= global_index as usize == page_shift;
                        effects.uses_break_cell |= global_index as usize == break_cell;
                    }
                    Operator::MemorySize { .. } => counts_pages = true,
                    Operator::MemoryGrow { .. } => (counts_pages, effects.grows_memory) = (true, true),
                    _ => {}
                }
            }
            effects.counts_fixed_pages |= counts_pages && !knows_their_size;
        }
        Ok(effects)
    }

    /// The text of the two enums.
    fn generate(&self) -> String {
        let mut variants = String::new();
        let mut names = String::new();
        let mut facts = String::new();
        for (name, index) in &self.exports {
            let variant = camel_case(name);
            let ty = &self.types[self.funcs[*index as usize] as usize];
            let effects = self.effects(*index).expect("it is valid");
            let _ = writeln!(variants, "    /// `{name}`\n    {variant},");
            let _ = writeln!(names, "        Self::{variant},");
            let _ = writeln!(
                facts,
                "    Facts {{ name: {name:?}, index: {index}, params: &[{}], results: &[{}], \
                 touches_memory: {}, grows_memory: {}, counts_fixed_pages: {}, uses_break_cell: {} }},",
                val_types(ty.params()),
                val_types(ty.results()),
                effects.touches_memory,
                effects.grows_memory,
                effects.counts_fixed_pages,
                effects.uses_break_cell,
            );
        }
        let count = self.exports.len();
        let constants: Vec<String> = self.constants.iter().map(|name| camel_case(name)).collect();
        let named: String = (self.constants.iter().zip(&constants))
            .map(|(name, variant)| format!("{name:?} => Some(Self::{variant}),"))
            .collect();
        format!(
            "/// A function of the runtime (`runtime/*.wat`), which stands for imports.\n\
             #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]\n\
             pub enum RuntimeFunction {{\n{variants}}}\n\
             impl RuntimeFunction {{\n    /// Every function, in the order of the runtime.\n    \
             pub const ALL: [Self; {count}] = [\n{names}    ];\n}}\n\
             static FACTS: [Facts; {count}] = [\n{facts}];\n\
             /// An imported global of the runtime: a constant of the module that it is linked into.\n\
             #[derive(Clone, Copy)]\n\
             enum Constant {{ {constants} }}\n\
             impl Constant {{\n    fn named(name: &str) -> Option<Self> {{\n        \
             match name {{ {named} _ => None }}\n    }}\n}}\n",
            constants = constants.join(", "),
        )
    }
}

macro_rules! memory_operands {
    ($(@$proposal:ident $op:ident $({ $($operand:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        /// Whether the specification gives an operator a memory as an operand: it reads it, writes it, asks
        /// for its size or grows it.
        fn has_memory_operand(operator: &Operator<'_>) -> bool {
            match operator {
                $(Operator::$op { .. } => {
                    let operands: &[&str] = &[$($(stringify!($operand)),*)?];
                    operands.iter().any(|operand| operand.contains("mem"))
                })*
                other => panic!("an operator that is not known here: {other:?}"),
            }
        }
    };
}
wasmparser::for_each_visit_operator!(memory_operands);

/// `EmscriptenResizeHeap` of `emscripten_resize_heap`, `SetTempRet0` of `setTempRet0`.
fn camel_case(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    words
        .map(|word| {
            let is_acronym = word.chars().all(|letter| letter.is_ascii_uppercase());
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + &if is_acronym { rest.to_ascii_lowercase() } else { rest.to_owned() }
        })
        .collect()
}

fn val_types(types: &[ValType]) -> String {
    let names = types.iter().map(|ty| match ty {
        ValType::I32 => "ValType::I32",
        ValType::I64 => "ValType::I64",
        ValType::F32 => "ValType::F32",
        ValType::F64 => "ValType::F64",
        other => panic!("no import that a stand-in is for has a {other}"),
    });
    names.collect::<Vec<_>>().join(", ")
}
