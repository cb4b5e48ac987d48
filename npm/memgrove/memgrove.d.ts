/** A module's bytes, or text: `.wat`, or JavaScript with modules inlined. Compressed ones are unpacked. */
export type Bytes = ArrayBuffer | ArrayBufferView | string;

/** A file by name; the name is shown in reports. */
export interface NamedBytes {
  name: string;
  bytes: Bytes;
}

export type Input = Bytes | NamedBytes;

export interface InspectOptions {
  /** What the module is called in the report. */
  name?: string;
  /** Host profiles of your own, as TOML. */
  hosts?: string[];
  /** Refuse files with more bytes than this, also after unpacking. */
  maxBytes?: number;
}

export interface RenderOptions extends InspectOptions {
  as?: 'text' | 'table' | 'json' | 'ndjson' | 'html';
  /** With the evidence for each conclusion; for `text`. */
  verbose?: boolean;
}

/** Why nothing can be said about a file. */
export interface Failure {
  message: string;
  /** Byte offset in the binary at which reading stopped, where it is known. */
  offset: number | null;
  /** What could be tried. */
  hint: string | null;
}

/** A file in the document: a report or an error. The report's fields are described in docs/inspect-json.md. */
export interface InspectedFile {
  file: string;
  wrapped_in?: string[];
  report?: Record<string, any>;
  error?: Failure;
}

export interface InspectDocument {
  schema_version: number;
  tool: string;
  files: InspectedFile[];
}

export interface FixOptions {
  name?: string;
  /** Only plan. */
  dryRun?: boolean;
  /** The file that you will write the result to, as the text names it. */
  output?: string;
  /** Id of the host that the result is for; `bare` needs nothing. */
  host?: string;
  /** The host's profile as TOML, where it is none of those that are known. */
  hostProfile?: string;
  /** Groups of imports that may be answered by something poorer than a host's function; `all` or `none`, too. */
  stub?: string[];
  /** Functions that trap when called instead of staying imports: names, groups, or `rest`. */
  trap?: string[];
  /** The heap for imported malloc and free. */
  allocator?: 'wee';
  /** Raise the memory's maximum to this many bytes. */
  maxMemory?: number;
  /** Proposals to do without, written in WebAssembly 1.0: their ids, `host` for what the host lacks, or `all`. */
  lower?: string[];
  /** What becomes of giving memory back. */
  discard?: 'lower' | 'raise';
  /** Emscripten's JavaScript beside the module. */
  glue?: string;
  /** The result is wanted even if imports stay. */
  partial?: boolean;
  maxBytes?: number;
}

export type Verdict = 'verified' | 'verified-in-part' | 'not-verified' | 'failed';

export interface Fixed {
  /** The exit status that the command line would have. */
  exit: 0 | 1 | 3 | 4;
  /** Why there is no result, where the plan already says so. */
  refusal: string | null;
  verdict: Verdict | null;
  /** What `memgrove fix --json` prints. */
  document: Record<string, any>;
  /** The same as text. */
  json: string;
  /** For reading. */
  text: string;
  /** The new module. */
  wasm: Uint8Array | null;
}

export interface SwapOptions {
  name?: string;
  /** The new heap. */
  to: 'wee' | 'dlmalloc' | 'jemalloc' | 'hoard' | 'hardened';
  /** The file that you will write the result to, as the text names it. */
  output?: string;
  /** Only plan. */
  dryRun?: boolean;
  maxBytes?: number;
}

interface InstrumentOptions {
  name?: string;
  /** Tell the calls of one function by another apart; true by default. */
  callSites?: boolean;
  /** The most memory that the recording may take, in bytes. */
  maxLog?: number;
  maxBytes?: number;
}

export interface TraceOptions extends InstrumentOptions {
  /** The allocator's functions as `FUNC=ROLE`; by default those that are found. */
  alloc?: string[];
  /** Record who called, and not only what was asked; true by default. */
  stacks?: boolean;
  /** Record one block in so many bytes asked for; each figure is then an estimate. */
  sample?: number;
  /** Which blocks these are. */
  seed?: number;
  /** Record into a block of the module's own allocator, for engines that know one memory only. */
  oneMemory?: boolean;
  /** Several instances have one memory that is not shared between threads; their recordings are read together. */
  instances?: boolean;
}

export interface CheckOptions extends InstrumentOptions {
  /** The allocator's functions as `FUNC=ROLE`; by default those that are found. */
  alloc?: string[];
  /** Test in line in loops, and call there only where a test fails: quicker and longer; true by default. */
  inLine?: boolean;
  /** Report accesses by offset; true by default. Without, by function, width and kind, in a shorter module. */
  sites?: boolean;
  /** Functions, by index or name, whose reads are tested to the byte, also in the word that holds the end of a block. */
  exact?: string[];
  /** Where blocks lie: `apart`, with red zones between them and freed ones in quarantine, or where they do without a check. */
  layout?: 'apart' | 'same';
}

export interface Instrumented {
  wasm: Uint8Array;
  /** The functions of the allocator, by index in the original. */
  functions: { func: number; role: string }[];
  /** What was left out or could not be kept right. */
  notes: string[];
}

export interface ProfileOptions {
  name?: string;
  /** `sarif` is for the reports of a check, which are `text` and `json` otherwise. */
  as?: 'text' | 'json' | 'html' | 'collapsed' | 'dhat' | 'pprof' | 'firefox' | 'speedscope' | 'heaptrack' | 'mgtr' | 'sarif';
  /** The recordings are of instances that had one memory, and are read as one. */
  together?: boolean;
  /** Stacks in each list. */
  top?: number;
  /** Lines `KIND:FUNCTION` of reports of a check that are not wanted. */
  suppress?: string;
  maxBytes?: number;
}

export class MemgroveError extends Error {
  hint: string | null;
  offset: number | null;
}

/** Loads `memgrove.wasm.zst` from another place than beside the JavaScript. */
export function load(source?: BufferSource | Response | WebAssembly.Module | URL | string): Promise<unknown>;
export function inspect(input: Input | NamedBytes[], options?: InspectOptions): Promise<InspectDocument>;
export function render(input: Input | NamedBytes[], options?: RenderOptions): Promise<string>;
/** What modules do not keep of a policy, the text of a `memgrove.toml`. */
export function breaches(input: Input | NamedBytes[], options: InspectOptions & { policy: string }): Promise<{ file: string; message: string }[]>;
export function fix(input: Input, options?: FixOptions): Promise<Fixed>;
export function swap(input: Input, options: SwapOptions): Promise<Fixed>;
export function trace(input: Input, options?: TraceOptions): Promise<Instrumented>;
export function check(input: Input, options?: CheckOptions): Promise<Instrumented & { sites: number; proven: number }>;
/** The recording in the memory that an instrumented module exports as `memgrove_profile`. */
export function readProfile(memory: WebAssembly.Memory, place?: number): Uint8Array<ArrayBuffer>;
export function renderProfile(input: Input, recordings: Bytes | Bytes[], options?: ProfileOptions & { as?: 'text' | 'json' | 'html' | 'collapsed' | 'heaptrack' | 'sarif' }): Promise<string>;
export function renderProfile(input: Input, recordings: Bytes | Bytes[], options: ProfileOptions & { as: 'dhat' | 'pprof' | 'firefox' | 'speedscope' | 'mgtr' }): Promise<Uint8Array<ArrayBuffer>>;
/** Traces every module that is compiled here from now on. */
export function traceAll(options?: TraceOptions): Promise<{
  /** What instances have recorded so far, each with the module that it is of. */
  recordings(): { module: Uint8Array<ArrayBuffer>; recording: Uint8Array<ArrayBuffer> }[];
  /** Why modules were left as they are. */
  untouched: MemgroveError[];
  /** Leaves modules to come as they are. */
  stop(): void;
}>;
/** What is live in the heap of one instance. */
export interface LiveHeap {
  liveBytes: number;
  peakBytes: number;
  /** Allocations so far; a block that was reallocated is one more. */
  allocations: number;
  /** The log ended at its limit: what came later is not known. */
  isCut: boolean;
}
/** Traces every module that is compiled here from now on, and shows in a corner of the page what their heaps hold. */
export function watchAll(options?: TraceOptions): {
  /** What is live now, of each instance. */
  heaps(): LiveHeap[];
  /** What instances have recorded so far, each with the module that it is of. */
  recordings(): { module: Uint8Array<ArrayBuffer>; recording: Uint8Array<ArrayBuffer> }[];
  /** What the recording of one of them says. */
  render(index: number, as: 'text' | 'json' | 'html' | 'collapsed'): string;
  /** Why modules were left as they are. */
  untouched: Error[];
  /** Leaves modules to come as they are, and takes the corner away. */
  stop(): void;
};
/**
 * Replaces the functions of `WebAssembly` that compile and instantiate: each module is given to `instrument`, and what it
 * returns is compiled in its place. Returns what takes that back.
 */
export function hook(
  instrument: (bytes: Uint8Array) => Uint8Array | null | Promise<Uint8Array | null>,
  started: (seen: { instance: WebAssembly.Instance; memory: WebAssembly.Memory; place: (() => number) | undefined; finish: (() => void) | undefined; bytes: Uint8Array | null }) => void,
  died?: (error: Error) => void,
): () => void;
export function about(): Promise<{ version: string; hosts: { id: string; title: string }[] }>;
