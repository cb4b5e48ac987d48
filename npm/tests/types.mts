// The types of the package, as a program in TypeScript uses them: `tsc --noEmit` has nothing against it.
import { inspect, render, fix, swap, trace, check, renderProfile, readProfile, hook, traceAll, watchAll, about, load, MemgroveError } from 'memgrove';
import type { FixOptions, Fixed } from 'memgrove';
const bytes = new Uint8Array(8);
const { files: [file] } = await inspect(bytes, { name: 'a.wasm' });
console.log(file?.report?.allocator, file?.error?.hint);
const text: string = await render([{ name: 'a', bytes }], { as: 'html' });
const options: FixOptions = { dryRun: true, lower: ['all'] };
const fixed: Fixed = await fix('(module)', options);
const swapped = await swap(bytes, { to: 'wee' });
const { wasm, functions } = await trace(bytes, { sample: 1024 });
const checked = await check(bytes, { inLine: false });
const module = await WebAssembly.compile(wasm as Uint8Array<ArrayBuffer>);
const memory = (await WebAssembly.instantiate(module)).exports.memgrove_profile as WebAssembly.Memory;
const html: string = await renderProfile(bytes, readProfile(memory), { as: 'html' });
const pprof: Uint8Array = await renderProfile(bytes, [readProfile(memory)], { as: 'pprof' });
const undo: () => void = hook((b) => b, ({ memory }) => void memory);
// @ts-expect-error there is no such heap
await swap(bytes, { to: 'none' });
// @ts-expect-error a heap has to be named
await swap(bytes);
const traced = await traceAll({ stacks: false });
traced.recordings().map(({ module, recording }) => renderProfile(module, recording));
traced.stop();
const watched = watchAll({ oneMemory: true });
const liveBytes: number[] = watched.heaps().map((heap) => heap.liveBytes);
watched.stop();
console.log(liveBytes, text, fixed.wasm?.length, swapped.verdict, functions[0]?.role, checked.sites, html, pprof, undo, await about(), load, MemgroveError);
