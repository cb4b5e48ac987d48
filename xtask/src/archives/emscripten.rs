//! The archives under Emscripten: whatever the program says of its memory, JavaScript sees what `malloc` gives, or the program
//! does not link.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::workspace::Workspace;

/// A program, how it is linked, and what it prints.
struct Case {
    source: &'static str,
    flags: &'static [&'static str],
    prints: &'static str,
}

const FIXED: &[&str] = &["-sINITIAL_MEMORY=134217728"];
/// Room for a block of 100 MiB also where blocks lie at a multiple of their length, as `Wee`'s do.
const FIXED_LARGE: &[&str] = &["-sINITIAL_MEMORY=268435456"];
const GROWS: &[&str] = &["-sALLOW_MEMORY_GROWTH"];
/// What was once needed, and still is where Emscripten cannot be told from other linkers.
const GROWS_NAMED: &[&str] = &["-sALLOW_MEMORY_GROWTH", "-Wl,-u,memgrove_emscripten_grow"];
const SMALL: &[&str] = &[];

const CASES: &[Case] = &[
    Case { source: "hosted.c", flags: FIXED, prints: "grown of 40" },
    Case { source: "hosted.c", flags: GROWS, prints: "grown of 40" },
    Case { source: "hosted.c", flags: GROWS_NAMED, prints: "grown of 40" },
    Case { source: "emscripten/growth.c", flags: FIXED_LARGE, prints: "JavaScript sees 1000 and 2000" },
    Case { source: "emscripten/growth.c", flags: GROWS, prints: "JavaScript sees 1000 and 2000" },
    Case { source: "emscripten/growth.c", flags: GROWS_NAMED, prints: "JavaScript sees 1000 and 2000" },
    Case { source: "emscripten/fixed.c", flags: SMALL, prints: "null at the end" },
];

/// For the archive with threads.
/// A thread's stack of 2 MiB and its header take 4 MiB of `Wee`, which the default memory does not hold five times.
const THREADS: &[&str] = &[
    "-pthread",
    "-sPROXY_TO_PTHREAD",
    "-sEXIT_RUNTIME",
    "-sPTHREAD_POOL_SIZE=4",
    "-sINITIAL_MEMORY=67108864",
];
const THREADS_GROW: &[&str] = &[
    "-pthread",
    "-sPROXY_TO_PTHREAD",
    "-sEXIT_RUNTIME",
    "-sPTHREAD_POOL_SIZE=4",
    "-sALLOW_MEMORY_GROWTH",
    "-Wno-pthreads-mem-growth",
];
const THREAD_CASES: &[Case] = &[
    Case { source: "emscripten/threads.c", flags: THREADS, prints: "80 threads" },
    Case { source: "emscripten/threads.c", flags: THREADS_GROW, prints: "80 threads" },
];

/// Without JavaScript, modules must not import what only its glue has, as a program and as a library.
const STANDALONE: &[&[&str]] = &[
    &["-sSTANDALONE_WASM"],
    &["-sSTANDALONE_WASM", "-sALLOW_MEMORY_GROWTH"],
    &["-sSTANDALONE_WASM", "--no-entry"],
    &["-sSTANDALONE_WASM", "--no-entry", "-sALLOW_MEMORY_GROWTH"],
];

/// Fails at an import that is neither the program's own nor WASI's.
const ONLY_WASI: &str = "
    const module = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));
    const other = WebAssembly.Module.imports(module).filter(({module}) => module !== 'wasi_snapshot_preview1');
    if (other.length) throw new Error(JSON.stringify(other));";

/// Glue of this age takes Node 18's `fetch` for a browser's.
const RUN: &str = "delete globalThis.fetch; require(process.argv[1])";

/// Checks an allocator's archives. `scratch` is a folder for what is built, `levels` are of the optimiser: not -O3, at which this
/// Emscripten wants the wasm-opt of its own age.
pub fn check(
    workspace: &Workspace,
    scratch: &Path,
    levels: &[&str],
    archive: &Path,
    threads: &Path,
) -> Result<()> {
    let sh = workspace.shell()?;
    // Where Debian keeps the modules that Emscripten's optimizer of JavaScript needs.
    sh.set_var("NODE_PATH", "/usr/share/nodejs");
    for &level in levels {
        for case in CASES {
            // Optimised, the compiler removes what hosted.c asks.
            if level == "-O1" || case.source != "hosted.c" {
                run(workspace, &sh, scratch, case, level, archive)?;
            }
        }
    }
    for case in THREAD_CASES {
        run(workspace, &sh, scratch, case, "-O1", threads)?;
    }
    let source = workspace.root().join("crates/memgrove-c/tests/emscripten/fixed.c");
    let module = scratch.join("standalone.wasm");
    for &flags in STANDALONE {
        cmd!(sh, "emcc -O1 -sMALLOC=none {flags...} {source} {archive} -o {module}").quiet().run()?;
        cmd!(sh, "node -e {ONLY_WASI} {module}")
            .quiet()
            .run()
            .with_context(|| format!("Emscripten with {}", flags.join(" ")))?;
    }
    Ok(())
}

fn run(
    workspace: &Workspace,
    sh: &Shell,
    scratch: &Path,
    case: &Case,
    level: &str,
    archive: &Path,
) -> Result<()> {
    let source = workspace.root().join("crates/memgrove-c/tests").join(case.source);
    let script = scratch.join("module.js");
    let flags = case.flags;
    let what = format!("{} by Emscripten with {level} {}", case.source, flags.join(" "));
    cmd!(
        sh,
        "emcc {level} -fno-builtin -sMALLOC=none -sENVIRONMENT=node,worker {flags...} {source} {archive} -o {script}"
    )
    .quiet()
    .run()
    .with_context(|| what.clone())?;
    // A view that is not renewed makes the library's output wait forever.
    let output =
        cmd!(sh, "timeout 120 node -e {RUN} {script}").quiet().read().with_context(|| what.clone())?;
    ensure!(output == case.prints, "{what} printed `{output}`");
    Ok(())
}
