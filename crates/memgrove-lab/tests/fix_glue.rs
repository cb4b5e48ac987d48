//! Modules whose names a minifier took, fixed with their own JavaScript (`--glue`) and driven by it: what comes out is what
//! the original makes, and a module that does nothing is noticed.
//!
//! Each row knows one package: it is a test's knowledge, none of it is in the program. The packages are fetched with npm
//! when the test runs; without npm or network nothing is driven, and the test says so.

mod fix_support;

use std::path::{Path, PathBuf};
use std::process::Command;

use memgrove_inspect::facts;
use memgrove_rewrite::{DecidedBy, Decision, Glue, Options, fix};

/// One package.
struct Drive {
    package: &'static str,
    module: &'static str,
    glue: &'static str,
    /// An expression that is a string, of `load`, the glue's factory with the module's bytes, and `input`.
    javascript: &'static str,
}

const DRIVES: [Drive; 5] = [
    Drive {
        package: "@lichtblick/wasm-zstd@1.0.0",
        module: "dist/wasm-zstd.wasm",
        glue: "dist/wasm-zstd.js",
        javascript: "const M = await load(), s = M._malloc(input.length), n = M._compressBound(input.length), d = M._malloc(n);
            M.HEAPU8.set(input, s);
            return hex(M.HEAPU8.slice(d, d + M._compress(d, n, s, input.length, 3)));",
    },
    Drive {
        package: "@lichtblick/wasm-lz4@1.0.0",
        module: "dist/wasm-lz4.wasm",
        glue: "dist/wasm-lz4.js",
        javascript: "const M = await load();
            const frame = Buffer.from('04224d186040820b00008068656c6c6f20776f726c6400000000', 'hex');
            const s = M._malloc(frame.length), d = M._malloc(100);
            M.HEAPU8.set(frame, s);
            const n = M._decompressFrame(M._createDecompressionContext(), d, 100, s, frame.length);
            return n + ' ' + Buffer.from(M.HEAPU8.slice(d, d + n));",
    },
    Drive {
        package: "@echogarden/fvad-wasm@0.2.0",
        module: "fvad.wasm",
        glue: "fvad.js",
        javascript: "const M = await load(), v = M._fvad_new(), p = M._malloc(640), out = [];
            M._fvad_set_mode(v, 1);
            M._fvad_set_sample_rate(v, 16000);
            for (let k = 0; k < 40; k++) {
                for (let i = 0; i < 320; i++) M.HEAP16[(p >> 1) + i] = (k > 10 ? 8000 : 10) * Math.sin(i * (0.05 + k / 100));
                out.push(M._fvad_process(v, p, 320));
            }
            return out.join();",
    },
    Drive {
        package: "@echogarden/pffft-wasm@0.4.2",
        module: "dist/non-simd/pffft.wasm",
        glue: "dist/non-simd/pffft.js",
        javascript: "const M = await load(), n = 64, s = M._pffft_new_setup(n, 0);
            const a = M._pffft_aligned_malloc(n * 4), b = M._pffft_aligned_malloc(n * 4);
            for (let i = 0; i < n; i++) M.HEAPF32[(a >> 2) + i] = Math.sin(i) + i % 5;
            M._pffft_transform_ordered(s, a, b, 0, 0);
            return hex(M.HEAPU8.slice(b, b + n * 4));",
    },
    Drive {
        package: "blake3-wasm@3.0.0",
        module: "dist/wasm/blake3.wasm",
        glue: "dist/wasm/blake3.js",
        javascript: "const M = await load(), h = M._malloc(4096), p = M._malloc(input.length), o = M._malloc(32);
            M.HEAPU8.set(input, p);
            M._hasher_init(h);
            M._hasher_update(h, p, input.length);
            M._hasher_read(h, 0, 0, o, 32);
            return hex(M.HEAPU8.slice(o, o + 32));",
    },
];

const PRELUDE: &str = "
    const hex = bytes => Buffer.from(bytes).toString('hex');
    const input = Buffer.from(Array.from({length: 30000}, (_, i) => (Math.imul(i, i) >>> 7) & 63));
    const load = async () => {
        const {default: made} = await import(process.env.GLUE);
        const wasmBinary = require('fs').readFileSync(process.env.WASM);
        return made({wasmBinary, locateFile: () => process.env.WASM});
    };";

#[test]
fn modules_fixed_with_their_glue_do_the_same_under_it() {
    let mut driven = 0;
    let mut problems = Vec::new();
    for drive in &DRIVES {
        let folder = match fix_support::fetch(drive.package) {
            Ok(folder) => folder,
            Err(why) => {
                fix_support::say(&format!("{}: not driven: {why}", drive.package));
                continue;
            }
        };
        let wasm = std::fs::read(folder.join(drive.module)).expect("the package has its module");
        let glue = std::fs::read_to_string(folder.join(drive.glue)).expect("the package has its glue");
        let glue = Glue::read(&glue, &facts(&wasm).expect("a valid module")).expect("it is understood");
        let fixed = fix(&wasm, &Options { glue: Some(glue), ..Options::default() }).expect("it can be fixed");
        assert!(fixed.plan.is_complete(), "{}: {:#?}", drive.package, fixed.plan.imports);
        let by_glue = |item: &memgrove_rewrite::Item| {
            matches!(item.decision, Decision::Inside { decided_by: DecidedBy::Glue, .. })
        };
        assert!(fixed.plan.imports.iter().any(by_glue), "{}: {:#?}", drive.package, fixed.plan.imports);

        let answers = [&wasm, &fixed.wasm].map(|wasm| run(drive, &folder, wasm));
        match answers {
            [Ok(original), Ok(fixed)] if original == fixed && !original.is_empty() => driven += 1,
            [Err(why), _] => fix_support::say(&format!("{}: not driven: {why}", drive.package)),
            answers => problems.push(format!("{}: {answers:?}", drive.package)),
        }
        // The bytes that are handed over are the ones that run.
        assert!(run(drive, &folder, b"\0asm\x01\0\0\0").is_err(), "{}", drive.package);
    }
    fix_support::say(&format!("{driven} of {} driven by their own JavaScript", DRIVES.len()));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// What the package's JavaScript makes with this module.
fn run(drive: &Drive, folder: &Path, wasm: &[u8]) -> Result<String, String> {
    let file: PathBuf = folder.join("memgrove-test.wasm");
    std::fs::write(&file, wasm).map_err(|error| error.to_string())?;
    let script = format!(
        "{PRELUDE}\n(async () => {{ {} }})().then(console.log, error => {{ console.error(error); process.exit(1); }});",
        drive.javascript
    );
    let output = Command::new("node")
        .args(["-e", &script])
        .env("WASM", &file)
        .env("GLUE", folder.join(drive.glue))
        .output();
    let _ = std::fs::remove_file(&file);
    let output = output.map_err(|error| format!("node: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(format!("node failed: {:.300}", String::from_utf8_lossy(&output.stderr)))
    }
}
