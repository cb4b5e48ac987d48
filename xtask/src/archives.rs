//! Makes `libmemgrove_<allocator>.a` for C and C++, one archive for each allocator, `libmemgrove_<allocator>-threads.a`, the
//! same for shared memory, and `libmemgrove_<allocator>-hardened.a`, which catches misuse.

mod emscripten;
mod mix;
mod package;

pub use package::check as check_package;
use package::pack;

use std::path::PathBuf;

use anyhow::{Context, Result};
use rayon::prelude::*;
use xshell::{Shell, cmd};

use crate::wasm_rust::WasmRust;
use crate::workspace::Workspace;

/// The allocators that have an archive: the features of `crates/memgrove-c`.
pub const ALLOCATORS: &[&str] = &["wee", "dlmalloc", "jemalloc", "hoard"];

/// What an archive is made for.
struct Kind {
    /// Of the archive's name.
    suffix: &'static str,
    flags: &'static [&'static str],
    /// Of `crates/memgrove-c`, beside the allocator's.
    features: &'static [&'static str],
}

impl Kind {
    /// The file's name.
    fn archive(&self, allocator: &str) -> String {
        format!("libmemgrove_{allocator}{}.a", self.suffix)
    }
}

/// `memory.copy` and `memory.fill` are in every engine; without them realloc copies byte by byte.
const PLAIN: Kind = Kind { suffix: "", flags: &["-Ctarget-feature=+bulk-memory"], features: &[] };

const HARDENED: Kind = Kind { suffix: "-hardened", features: &["hardened"], ..PLAIN };

/// The linker refuses to mix objects with and without atomics. Building the library for them needs a nightly compiler
/// anyway, so threads are told apart by the compiler's thread-local statics: a shim in C would be a call each time.
const THREADS: Kind = Kind {
    suffix: "-threads",
    flags: &["-Ctarget-feature=+atomics,+bulk-memory,+mutable-globals", "--cfg=memgrove_thread_local"],
    features: &[],
};

#[derive(clap::Args, Default)]
pub struct ArchivesArgs {
    /// Only this allocator's.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(ALLOCATORS))]
    only: Option<String>,
    /// Then ask each archive, linked without a library, into wasi-libc and into Emscripten, what C promises, and link it with
    /// a Rust program.
    #[arg(long)]
    check: bool,
    /// Make nothing but the package of archives that are there, and use it by CMake, pkg-config and Zig.
    #[arg(long, conflicts_with_all = ["only", "check"])]
    package: bool,
    /// Of what the archives share, check one of each: one allocator with Rust programs of one profile, one level of Emscripten's
    /// optimiser.
    #[arg(skip)]
    short: bool,
}

impl ArchivesArgs {
    /// All archives, made and checked; of what they share, one of each.
    pub fn checked() -> Self {
        Self { short: true, ..Self::checked_whole() }
    }

    /// All archives, made, and checked in every way.
    pub fn checked_whole() -> Self {
        Self { check: true, ..Self::default() }
    }
}

pub fn run(workspace: &Workspace, args: &ArchivesArgs) -> Result<()> {
    if args.package {
        return check_package(workspace, &pack(workspace)?);
    }
    let sh = workspace.shell()?;
    let folder = workspace.out().join("archives");
    sh.create_dir(&folder)?;
    sh.copy_file("crates/memgrove-c/include/memgrove.h", folder.join("memgrove.h"))?;
    let wanted = |allocator: &&&str| args.only.as_ref().is_none_or(|only| only == **allocator);
    for kind in [PLAIN, THREADS, HARDENED] {
        for allocator in ALLOCATORS.iter().filter(wanted) {
            build(workspace, allocator, &kind)
                .with_context(|| format!("the archive of {allocator}{}", kind.suffix))?;
        }
    }
    if args.check {
        // Each in a folder of its own, side by side: what they wait for is programs of one thread.
        ALLOCATORS.par_iter().filter(wanted).try_for_each(|allocator| {
            check(workspace, allocator, if args.short { &["-O1"] } else { &["-O1", "-O2"] })?;
            check_threads(workspace, allocator)?;
            check_hardened(workspace, allocator)
        })?;
        for allocator in ALLOCATORS.iter().filter(wanted) {
            let profiles = match (*allocator, args.short) {
                ("dlmalloc", false) => &["release", "dev", "lto"][..],
                ("dlmalloc", true) | (_, false) => &["release"],
                (_, true) => continue,
            };
            mix::check(workspace, allocator, profiles, &folder.join(PLAIN.archive(allocator)))?;
        }
    }
    if args.only.is_none() {
        let packed = pack(workspace)?;
        if args.check {
            check_package(workspace, &packed)?;
        }
    }
    Ok(())
}

fn build(workspace: &Workspace, allocator: &str, kind: &Kind) -> Result<()> {
    let sh = workspace.shell()?;
    let rust = WasmRust::find(&sh)?;
    rust.enter(&sh, kind.flags)?;
    sh.set_var("CC_wasm32_unknown_unknown", clang(&sh, "clang")?);
    sh.set_var("CXX_wasm32_unknown_unknown", clang(&sh, "clang++")?);
    // Only collects the objects; rustc writes the archive and its index.
    sh.set_var("AR_wasm32_unknown_unknown", "ar");
    let target = workspace.out().join("target/archives");
    let arguments = rust.arguments("core,compiler_builtins");
    cmd!(sh, "cargo build --quiet --locked --release --manifest-path crates/memgrove-c/Cargo.toml")
        .args(["--target-dir".as_ref(), target.as_os_str()])
        .args(["--features", &[&[allocator], kind.features].concat().join(",")])
        .args(arguments)
        .run()?;
    let name = kind.archive(allocator);
    let archive = workspace.out().join("archives").join(&name);
    sh.copy_file(target.join("wasm32-unknown-unknown/release/libmemgrove_c.a"), archive)?;
    println!("archives: out/archives/{name}");
    Ok(())
}

/// Instantiates a module with no imports at all and calls its `run`, which answers 0.
const RUN_BARE: &str = "
    const module = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));
    const imports = WebAssembly.Module.imports(module).map(({module, name}) => `${module}.${name}`);
    if (imports.length) throw new Error(`imports ${imports}`);
    const {exports} = new WebAssembly.Instance(module, {});
    exports.__wasm_call_ctors?.();
    const line = exports.run();
    if (line) throw new Error(`failed at line ${line}`);";

/// Instantiates a module on shared memory, its only import, in this thread and in four workers, which call `work` at once.
const RUN_THREADS: &str = "
    const {Worker} = require('worker_threads');
    const module = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));
    const imports = WebAssembly.Module.imports(module).map(({module, name}) => `${module}.${name}`);
    if (`${imports}` !== 'env.memory') throw new Error(`imports ${imports}`);
    const memory = new WebAssembly.Memory({initial: 32, maximum: 4096, shared: true});
    const {exports} = new WebAssembly.Instance(module, {env: {memory}});
    const work = `
        const {workerData: {module, memory, thread}, parentPort} = require('worker_threads');
        const {exports} = new WebAssembly.Instance(module, {env: {memory}});
        // Thread-local storage from below, the stack from above.
        exports.__stack_pointer.value = exports.area(thread) + exports.area_bytes();
        exports.__wasm_init_tls(exports.area(thread));
        parentPort.postMessage(exports.work(thread));`;
    const answers = [0, 1, 2, 3].map(thread => new Promise((resolve, reject) => {
        const worker = new Worker(work, {eval: true, workerData: {module, memory, thread}});
        worker.on('message', resolve).on('error', reject);
    }));
    // A thread whose storage is a block that serves something else by now; then one that has none, as wasm-bindgen leaves it.
    const late = new WebAssembly.Instance(module, {env: {memory}}).exports;
    const storage = late.malloc(64);
    late.__wasm_init_tls(storage);
    let line = late.storage_reused(storage, 64);
    late.__tls_base.value = -0x80000000;
    line ||= late.some_blocks();
    if (line) throw new Error(`failed at line ${line}`);
    Promise.all(answers).then(lines => {
        const line = lines.find(line => line) || exports.finish();
        if (line) throw new Error(`failed at line ${line}`);
        const pages = memory.buffer.byteLength / 65536;
        if (pages > 256) throw new Error(`grown to ${pages} pages`);
    });";

/// Starts a WASI command, which exits with 0. A host of a few lines, because Node's own crashes when a module that has
/// grown its memory writes.
const RUN_WASI: &str = "
    let memory, status = 0;
    const calls = {
        proc_exit(code) { status = code; throw calls; },
        fd_write(_fd, vectors, count, written) {
            const view = new DataView(memory.buffer);
            let bytes = 0;
            for (let i = 0; i < count; i++) bytes += view.getUint32(vectors + 8 * i + 4, true);
            view.setUint32(written, bytes, true);
            return 0;
        },
    };
    const host = new Proxy(calls, {get: (calls, name) => calls[name] ?? (() => 0)});
    const module = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));
    const {exports} = new WebAssembly.Instance(module, {wasi_snapshot_preview1: host});
    memory = exports.memory;
    try { exports._start(); } catch (thrown) { if (thrown !== calls) throw thrown; }
    if (status) throw new Error(`failed at check ${status}`);";

/// Where the checks of one allocator put what they build.
fn scratch(workspace: &Workspace, allocator: &str) -> Result<PathBuf> {
    Ok(workspace.shell()?.create_dir(workspace.out().join("target/archives-check").join(allocator))?)
}

/// `levels` are of Emscripten's optimiser.
fn check(workspace: &Workspace, allocator: &str, levels: &[&str]) -> Result<()> {
    let sh = workspace.shell()?;
    let scratch = scratch(workspace, allocator)?;
    let folder = workspace.out().join("archives");
    let archive = folder.join(PLAIN.archive(allocator));
    let tests = workspace.root().join("crates/memgrove-c/tests");
    let module = scratch.join("module.wasm");
    let (clang, clangxx) = (clang(&sh, "clang")?, clang(&sh, "clang++")?);
    let common = ["-O2", "-Wall", "-Wextra", "-Werror", "-mbulk-memory", "-nostdlib", "-Wl,--no-entry"];

    let source = tests.join("family.c");
    cmd!(sh, "{clang} --target=wasm32 {common...} -fno-builtin -Wl,--max-memory=67108864 -I {folder}")
        .args([&source, &archive])
        .args(["-o".as_ref(), module.as_os_str()])
        .quiet()
        .run()?;
    cmd!(sh, "node -e {RUN_BARE} {module}").quiet().run().context("family.c")?;

    let source = tests.join("objects.cpp");
    cmd!(sh, "{clangxx} --target=wasm32 {common...} -fno-exceptions -Wl,--export=__wasm_call_ctors")
        .args([&source, &archive])
        .args(["-o".as_ref(), module.as_os_str()])
        .quiet()
        .run()?;
    cmd!(sh, "node -e {RUN_BARE} {module}").quiet().run().context("objects.cpp")?;

    let source = tests.join("hosted.c");
    // Debian keeps wasi-libc's headers beside the machine's own.
    cmd!(sh, "{clang} --target=wasm32-wasi --sysroot=/usr -isystem /usr/include/wasm32-wasi -Wno-deprecated")
        .args(["-O1", "-fno-builtin", "-o"])
        .args([&module, &source, &archive])
        .quiet()
        .run()?;
    cmd!(sh, "node --no-warnings -e {RUN_WASI} {module}")
        .quiet()
        .ignore_stdout()
        .run()
        .context("wasi-libc")?;

    emscripten::check(workspace, &scratch, levels, &archive, &folder.join(THREADS.archive(allocator)))?;
    println!("archives: {allocator} answers as C promises: bare, C++, wasi-libc, Emscripten");
    Ok(())
}

/// The archive for threads, asked from four threads at once.
fn check_threads(workspace: &Workspace, allocator: &str) -> Result<()> {
    let sh = workspace.shell()?;
    let folder = workspace.out().join("archives");
    let archive = folder.join(THREADS.archive(allocator));
    let module = scratch(workspace, allocator)?.join("threads.wasm");
    let clang = clang(&sh, "clang")?;
    let source = workspace.root().join("crates/memgrove-c/tests/threads.c");
    cmd!(sh, "{clang} --target=wasm32 -O2 -Wall -Wextra -Werror -fno-builtin -nostdlib -I {folder}")
        .args(["-matomics", "-mbulk-memory", "-mmutable-globals", "-Wl,--no-entry"])
        .args(["-Wl,--shared-memory,--import-memory,--initial-memory=2097152,--max-memory=268435456"])
        .args(
            [
                "work",
                "finish",
                "storage_reused",
                "some_blocks",
                "malloc",
                "area",
                "area_bytes",
                "__stack_pointer",
                "__tls_base",
                "__wasm_init_tls",
            ]
            .map(|name| format!("-Wl,--export={name}")),
        )
        .args([&source, &archive])
        .args(["-o".as_ref(), module.as_os_str()])
        .quiet()
        .run()?;
    cmd!(sh, "node -e {RUN_THREADS} {module}").quiet().run().context("threads.c")?;
    println!("archives: {allocator} serves threads on shared memory");
    Ok(())
}

/// Calls each export of a module whose name begins with `misuse_` in an instance of its own. It must trap in a function named
/// after the reason, which is what the export is called; and what begins with `right_` must not trap.
const RUN_MISUSE: &str = "
    const module = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));
    const called = WebAssembly.Module.exports(module).filter(({name}) => /^(misuse|right)_/.test(name));
    for (const {name} of called) {
        let stack = '';
        try {
            new WebAssembly.Instance(module, {}).exports[name]();
        } catch (trap) {
            if (!(trap instanceof WebAssembly.RuntimeError)) throw trap;
            stack = trap.stack;
        }
        // The attacks' number follows the reason's name: misuse_double_free_1.
        const reason = name.replace(/^misuse_(.*?)(_[0-9]+)?$/, 'trap_$1');
        if (name.startsWith('right_') ? stack : !stack.includes(reason)) throw new Error(`${name}: ${stack || 'no trap'}`);
    }
    if (called.length < 8) throw new Error(`only ${called.length} cases`);";

/// The hardened archive: what C promises still holds, and misuse traps for the reason that it is.
fn check_hardened(workspace: &Workspace, allocator: &str) -> Result<()> {
    let sh = workspace.shell()?;
    let folder = workspace.out().join("archives");
    let archive = folder.join(HARDENED.archive(allocator));
    let module = scratch(workspace, allocator)?.join("hardened.wasm");
    let clang = clang(&sh, "clang")?;
    for (source, run) in [("family.c", RUN_BARE), ("misuse.c", RUN_MISUSE)] {
        let path = workspace.root().join("crates/memgrove-c/tests").join(source);
        // Not optimised, because clang has wasm-opt do it where that is at hand, which drops the functions' names.
        cmd!(
            sh,
            "{clang} --target=wasm32 -Wall -Wextra -Werror -mbulk-memory -nostdlib -fno-builtin -I {folder}"
        )
        .args(["-Wl,--no-entry", "-Wl,--max-memory=67108864"])
        .args([&path, &archive])
        .args(["-o".as_ref(), module.as_os_str()])
        .quiet()
        .run()?;
        cmd!(sh, "node -e {run} {module}").quiet().run().with_context(|| format!("hardened {source}"))?;
    }
    println!("archives: {allocator}, hardened, answers as C promises and traps on misuse");
    Ok(())
}

/// The newest clang that is here; Debian's oldest cannot build for wasm32 without its libraries, so 22 comes first.
pub fn clang(sh: &Shell, name: &str) -> Result<String> {
    [format!("{name}-22"), name.to_owned()]
        .into_iter()
        .find(|command| cmd!(sh, "{command} --version").quiet().ignore_stdout().ignore_stderr().run().is_ok())
        .with_context(|| format!("no {name} here\nhint: cargo xtask setup"))
}
