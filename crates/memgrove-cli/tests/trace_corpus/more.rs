//! Packages whose modules are not in the corpus, at work: with where the module is.

use super::own_js::OwnJs;

pub const MORE: &[(&str, OwnJs)] = &[
    (
        "fvad.wasm",
        OwnJs {
            id: "fvad",
            package: "@echogarden/fvad-wasm@0.2.0",
            javascript: "import('./fvad.js').then(m => m.default()).then(M => {
                const out = [];
                for (let round = 0; round < 20; round++) {
                    const vad = M._fvad_new(), frame = M._malloc(480 * 2);
                    M._fvad_set_sample_rate(vad, 16000); M._fvad_set_mode(vad, round & 3);
                    for (let n = 0; n < 30; n++) {
                        for (let i = 0; i < 480; i++)
                            M.HEAP16[(frame >> 1) + i] = n % 5 ? 9000 * Math.sin(i * (n + round) / 7) : 0;
                        out.push(M._fvad_process(vad, frame, 480));
                    }
                    M._free(frame); M._fvad_free(vad);
                }
                console.log(out.join(''));
            })",
        },
    ),
    (
        "dist/simd/pffft.wasm",
        OwnJs {
            id: "pffft",
            package: "@echogarden/pffft-wasm@0.4.2",
            javascript: "import('./dist/simd/pffft.js').then(m => m.default()).then(M => {
                let sum = 0;
                for (const size of [32, 96, 256, 1024, 4096]) {
                    const setup = M._pffft_new_setup(size, 0);
                    const [a, b, work] = [0, 0, 0].map(() => M._pffft_aligned_malloc(size * 4));
                    for (let i = 0; i < size; i++) M.HEAPF32[(a >> 2) + i] = Math.sin(i * i);
                    M._pffft_transform_ordered(setup, a, b, work, 0);
                    M._pffft_transform(setup, b, a, work, 1);
                    for (let i = 0; i < size; i++) sum += Math.abs(M.HEAPF32[(b >> 2) + i]);
                    [a, b, work].forEach(at => M._pffft_aligned_free(at)); M._pffft_destroy_setup(setup);
                }
                console.log(sum.toFixed(1));
            })",
        },
    ),
    (
        "dist/wasm-zstd.wasm",
        OwnJs {
            id: "wasm-zstd",
            package: "@lichtblick/wasm-zstd@1.0.0",
            javascript: "const z = require('./dist/index.js');
                z.isLoaded.then(() => {
                    for (const level of [1, 3, 9]) {
                        const packed = z.compress(input, level);
                        console.log(hash(packed), hash(z.decompress(packed, input.length)) === hash(input));
                    }
                })",
        },
    ),
    (
        "dist/wasm-lz4.wasm",
        OwnJs {
            id: "wasm-lz4",
            package: "@lichtblick/wasm-lz4@1.0.0",
            // A frame of one block that is stored, and one that repeats four bytes.
            javascript: "const lz4 = require('./dist/index.js');
                lz4.isLoaded.then(() => {
                    const head = Buffer.from('04224d18604082', 'hex'), end = Buffer.alloc(4), text = input.subarray(0, 5000);
                    const size = n => { const b = Buffer.alloc(4); b.writeUInt32LE(n >>> 0); return b };
                    console.log(hash(lz4(Buffer.concat([head, size(5000 | 0x80000000), text, end]), 5000)));
                    const run = Buffer.from('4f616263640400c8506162636461', 'hex');
                    console.log(lz4(Buffer.concat([head, size(run.length), run, end]), 300).toString());
                })",
        },
    ),
    (
        "build/wasm/re2.wasm",
        OwnJs {
            id: "re2",
            package: "re2-wasm@1.0.2",
            javascript: "const { RE2 } = require('./build/src/re2.js'); const out = [];
                for (let i = 0; i < 60; i++) {
                    const re = new RE2('(a+)(b|c)[x-z]{1,' + (i % 7 + 1) + '}(?P<rest>.*)', 'u');
                    out.push(re.exec('__' + 'a'.repeat(i % 9) + 'cxyzzy' + i), re.test('b'.repeat(i)));
                }
                out.push('a1b22c333'.replace(/./g, c => c), new RE2('[0-9]+', 'gu').replace('a1b22c333', '#'));
                console.log(JSON.stringify(out))",
        },
    ),
];
