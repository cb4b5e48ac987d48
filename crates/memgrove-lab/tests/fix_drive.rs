//! Drives fixed modules through their real interfaces, on two engines, and compares with what
//! the package's own JavaScript gets from the original module in Node.
//!
//! Each row knows one package: it is a test's knowledge, none of it is in the program. The
//! packages are fetched with npm when the test runs; without npm or network, the known answers
//! and the agreement of the two engines remain.

mod fix_support;
mod own_js;

use std::collections::BTreeMap;

use memgrove_lab::engine::{self, EngineId, Host, HostTrap, Instance, Memory, Settings, Value};
use memgrove_rewrite::{Behaviour, Options, fix};

use own_js::{QUERY, SOURCE};

/// A fixed module at work.
struct Api {
    instance: Box<dyn Instance>,
}

impl Api {
    fn call(&mut self, name: &str, arguments: &[u32]) -> u32 {
        let arguments: Vec<Value> = arguments.iter().copied().map(Value::u32).collect();
        let outcome = self.instance.call(name, &arguments).unwrap_or_else(|error| panic!("{name}: {error}"));
        outcome.values.first().and_then(|value| value.as_u32()).unwrap_or(0)
    }

    fn put(&mut self, malloc: &str, bytes: &[u8]) -> u32 {
        let at = self.call(malloc, &[u32::try_from(bytes.len().max(1)).expect("small")]);
        assert_ne!(at, 0, "{malloc} answered null");
        self.write(at, bytes);
        at
    }

    fn write(&mut self, at: u32, bytes: &[u8]) {
        self.instance.write(Memory::Main, u64::from(at), bytes).expect("inside of memory");
    }

    fn read(&mut self, at: u32, length: u32) -> Vec<u8> {
        self.instance.read(Memory::Main, u64::from(at), u64::from(length)).expect("inside of memory")
    }

    fn word(&mut self, at: u32) -> u32 {
        u32::from_le_bytes(self.read(at, 4).try_into().expect("four bytes"))
    }

    fn global(&mut self, name: &str) -> u32 {
        self.instance.global(name).expect("a global").as_u32().expect("an i32")
    }
}

/// One package.
struct Drive {
    /// Id in the corpus.
    id: &'static str,
    /// Gets the answer from the fixed module.
    drive: fn(&mut Api) -> String,
    /// The answer, where it is known from elsewhere; may be its beginning.
    known: &'static str,
}

/// Bytes that compress, the same as `INPUT` in JavaScript.
fn input() -> Vec<u8> {
    (0..300_000_u32).map(|i| u8::try_from((i.wrapping_mul(i) >> 7) & 63).unwrap_or(0)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("small")
}

/// The reference implementation's own test: Argon2i, t = 2, 256 KiB, "password", "somesalt".
fn argon2(api: &mut Api, malloc: &str, hash: &str) -> String {
    let password = api.put(malloc, b"password");
    let salt = api.put(malloc, b"somesalt");
    let out = api.put(malloc, &[0; 32]);
    let encoded = api.put(malloc, &[0; 256]);
    let result = api.call(hash, &[2, 256, 1, password, 8, salt, 8, out, 32, encoded, 256, 1, 0x13]);
    assert_eq!(result, 0, "argon2 failed");
    hex(&api.read(out, 32))
}

/// wasm-bindgen's way to pass bytes in and out, with the result's address at 8.
fn bindgen_bytes(api: &mut Api, function: &str, bytes: &[u8]) -> Vec<u8> {
    let at = api.put("__wbindgen_malloc", bytes);
    api.call(function, &[8, at, length(bytes)]);
    let (start, count) = (api.word(8), api.word(12));
    api.read(start, count)
}

/// Positions of imports as the lexer's exports give them one by one.
fn lexer(api: &mut Api, parse: &[u32]) -> String {
    let source: Vec<u16> = SOURCE.encode_utf16().collect();
    let at = api.call("sa", &[u32::try_from(source.len()).expect("small")]);
    let bytes: Vec<u8> = source.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    api.write(at, &bytes);
    assert_eq!(api.call("parse", parse), 1, "it parses");
    let mut found = Vec::new();
    while api.call("ri", &[]) != 0 {
        found.push(format!("{}-{}", api.call("is", &[]), api.call("ie", &[])));
    }
    found.join(" ")
}

const DRIVES: [Drive; 14] = [
    Drive {
        id: "0734155c83e49398",
        // The minifier's letters, as the package's JavaScript maps them: malloc Da, open Ca,
        // prepare_v2 R, step S, column_text X, column_bytes pa, finalize V.
        drive: |api| {
            let cell = api.put("Da", &[0; 8]);
            let name = api.put("Da", b":memory:\0");
            assert_eq!(api.call("Ca", &[name, cell]), 0, "it opens");
            let database = api.word(cell);
            let query = api.put("Da", format!("{QUERY}\0").as_bytes());
            assert_eq!(api.call("R", &[database, query, u32::MAX, cell, 0]), 0, "it prepares");
            let statement = api.word(cell);
            assert_eq!(api.call("S", &[statement]), 100, "SQLITE_ROW");
            let columns: Vec<_> = (0..5)
                .map(|column| {
                    let (at, length) =
                        (api.call("X", &[statement, column]), api.call("pa", &[statement, column]));
                    String::from_utf8(api.read(at, length)).expect("text")
                })
                .collect();
            assert_eq!(api.call("S", &[statement]), 101, "SQLITE_DONE");
            assert_eq!(api.call("V", &[statement]), 0);
            columns.join(" ")
        },
        known: "20000 2666866670000 2000-02-29 23:59:59 0.667 ",
    },
    Drive {
        id: "1ae6d8be503e5b8c",
        drive: |api| {
            let state = api.call("_keccak_new", &[256]);
            let out = api.put("_malloc", &[0; 64]);
            let text = api.put("_malloc", b"abc");
            api.call("_keccak_update", &[state, text, 3]);
            api.call("_keccak_final", &[state, out, 1, 1]);
            String::from_utf8(api.read(out, 64)).expect("hexadecimal digits")
        },
        known: "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
    },
    Drive {
        id: "9f8026eb7514ac35",
        drive: |api| argon2(api, "_malloc", "_argon2_hash"),
        known: "89e9029f4637b295beb027056a7336c414fadd43f6b208645281cb214a56452f",
    },
    Drive {
        id: "0c2149886c13e4ea",
        drive: |api| argon2(api, "f", "e"),
        known: "89e9029f4637b295beb027056a7336c414fadd43f6b208645281cb214a56452f",
    },
    Drive {
        id: "80260eee5795ee80",
        // The minifier's letters, as the package's JavaScript maps them.
        drive: |api| {
            let bytes = input();
            let bound = api.call("i", &[length(&bytes)]);
            let source = api.put("s", &bytes);
            let packed = api.call("s", &[bound]);
            let size = api.call("m", &[packed, bound, source, length(&bytes), 3]);
            let unpacked = api.call("s", &[length(&bytes)]);
            assert_eq!(api.call("r", &[unpacked, length(&bytes), packed, size]), length(&bytes));
            assert_eq!(api.read(unpacked, length(&bytes)), bytes, "decompresses to the input");
            hex(&api.read(packed, size))
        },
        known: "28b52ffd",
    },
    Drive {
        id: "67d12d34f82ef700",
        drive: |api| {
            // "hello " fifty times, as a zstd frame.
            let frame = [
                0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x2c, 0x00, 0x6d, 0x00, 0x00, 0x30, 0x68, 0x65, 0x6c, 0x6c,
                0x6f, 0x20, 0x01, 0x00, 0x23, 0x51, 0x4b, 0x11,
            ];
            let source = api.put("malloc", &frame);
            let out = api.call("malloc", &[300]);
            let size = api.call("ZSTD_decompress", &[out, 300, source, length(&frame)]);
            hex(&api.read(out, size))
        },
        known: "68656c6c6f2068656c6c6f20",
    },
    Drive {
        id: "9a299960f8019ab8",
        drive: |api| {
            let (source, out) = (api.global("input"), api.global("output"));
            api.call("init", &[]);
            api.write(source, b"abc");
            api.call("update", &[source, 3]);
            api.call("final", &[out]);
            hex(&api.read(out, 32))
        },
        known: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    },
    Drive {
        id: "64307e954d4f197a",
        drive: |api| {
            let (source, out) = (api.global("input"), api.global("output"));
            api.write(source, b"abc");
            api.call("digest", &[3]);
            hex(&api.read(out, 32))
        },
        known: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    },
    Drive {
        id: "0f0209cc4ee5ffd8",
        drive: |api| {
            let packed = bindgen_bytes(api, "compress", &input());
            assert_eq!(bindgen_bytes(api, "decompress", &packed), input(), "decompresses to the input");
            hex(&packed)
        },
        known: "",
    },
    Drive {
        id: "99e25601f2eed784",
        drive: |api| {
            // 46: how the package was compiled, checked by mclBn_init itself.
            assert_eq!(api.call("mclBn_init", &[0, 46]), 0, "initialises");
            let a = api.put("malloc", &[0; 256]);
            let out = api.put("malloc", &[0; 512]);
            let text = api.put("malloc", b"abc");
            api.call("mclBnFr_setInt32", &[a, 12345]);
            api.call("mclBnFr_mul", &[a, a, a]);
            api.call("mclBnFr_mul", &[a, a, a]);
            let size = api.call("mclBnFr_getStr", &[out, 512, a, 16]);
            let number = String::from_utf8(api.read(out, size)).expect("digits");
            api.call("mclBnG1_hashAndMapTo", &[a, text, 3]);
            let size = api.call("mclBnG1_getStr", &[out, 512, a, 16]);
            format!("{number} {}", String::from_utf8(api.read(out, size)).expect("digits"))
        },
        known: "52836f752fd261 ",
    },
    Drive { id: "eae07aac5f4b8256", drive: |api| lexer(api, &[0]), known: "15-16 26-29" },
    Drive { id: "f15d9bae4c79037e", drive: |api| lexer(api, &[]), known: "15-16 26-29" },
    Drive {
        id: "99fbb1e2895986dc",
        drive: |api| {
            let mut elf = [0; 64];
            elf[..7].copy_from_slice(&[0x7f, 69, 76, 70, 2, 1, 1]);
            for (at, byte) in [(16, 2), (18, 62), (20, 1), (52, 64), (54, 56), (58, 64)] {
                elf[at] = byte;
            }
            let back = api.call("__wbindgen_add_to_stack_pointer", &[16_u32.wrapping_neg()]);
            let at = api.put("__wbindgen_malloc", &elf);
            api.call("detect", &[back, at, 64]);
            assert_eq!(api.word(back + 8), 0, "no error");
            let info = api.word(back);
            let platform = api.call("__wbg_get_binaryinfo_platform", &[info]);
            format!("{platform} {}", api.call("__wbg_get_binaryinfo_arch", &[info]))
        },
        known: "2 1",
    },
    Drive {
        id: "1414aecbc4f0b3fc",
        // 200 texts of 2000 characters take far more than the three pages it starts with.
        drive: |api| {
            let mut buffers = Vec::new();
            for n in 0..200_u32 {
                let buffer = api.call("hb_buffer_create", &[]);
                let text = vec![97 + u8::try_from(n % 26).unwrap_or(0); 2000];
                let at = api.put("malloc", &text);
                api.call("hb_buffer_add_utf8", &[buffer, at, 2000, 0, u32::MAX]);
                buffers.push(buffer);
            }
            let mut shown = Vec::new();
            for buffer in buffers {
                let at = api.call("hb_buffer_get_glyph_infos", &[buffer, 0]);
                shown.push(format!("{}:{}", api.call("hb_buffer_get_length", &[buffer]), api.word(at)));
            }
            shown.join(" ")
        },
        known: "2000:97 2000:98",
    },
];

#[test]
fn fixed_modules_answer_as_the_originals_do_under_their_own_javascript() {
    let Some(modules) = fix_support::corpus() else { return };
    let modules: BTreeMap<String, Vec<u8>> = modules.into_iter().collect();
    let mut problems = Vec::new();
    let mut compared = 0;
    for drive in &DRIVES {
        let Some(wasm) = modules.get(drive.id) else {
            problems.push(format!("{}: not in the corpus", drive.id));
            continue;
        };
        let fixed = fix(wasm, &Options::default()).expect("the corpus is valid");
        // What stays because its use proves nothing traps here: this work does not need it.
        let host = || {
            fixed.plan.remaining().fold(Host::new(), |host, item| {
                assert_eq!(item.behaviour, Behaviour::StaysFunction, "{}: {item:#?}", drive.id);
                let words = format!("{}.{} stays", item.module, item.name);
                host.function(&item.module, &item.name, move |_, _| Err(HostTrap(words.clone())))
            })
        };
        let answers = [EngineId::Wasmtime, EngineId::Wasmi].map(|id| {
            let engine = engine::open(id, &Settings::default()).expect("a linked engine");
            let module = engine.compile(&fixed.wasm).expect("it compiles");
            let instance = module.instantiate(&host()).expect("it instantiates with what stays");
            (drive.drive)(&mut Api { instance })
        });
        if answers[0] != answers[1] {
            problems.push(format!("{}: the engines differ: {} {}", drive.id, answers[0], answers[1]));
        }
        if !answers[0].starts_with(drive.known) {
            problems.push(format!("{}: not the known answer: {}", drive.id, answers[0]));
        }
        match own_js::of(drive.id)
            .map_or(Ok(None), |js| own_js::run(js, &own_js::Node::any(), &[], &[]).map(Some))
        {
            Ok(Some(original)) => {
                compared += 1;
                if original != answers[0] {
                    problems.push(format!(
                        "{}: Node got {original:.200}, the fixed module {:.200}",
                        drive.id, answers[0]
                    ));
                }
            }
            Ok(None) => {}
            Err(why) => fix_support::say(&format!("{}: not compared with Node: {why}", drive.id)),
        }
    }
    fix_support::say(&format!("{} driven, {compared} compared with Node", DRIVES.len()));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
