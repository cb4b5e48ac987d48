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

export class MemgroveError extends Error {
  hint: string | null;
  offset: number | null;
}

/** Loads `memgrove.wasm` from another place than beside the JavaScript. */
export function load(source?: BufferSource | Response | WebAssembly.Module | URL | string): Promise<unknown>;
export function inspect(input: Input | NamedBytes[], options?: InspectOptions): Promise<InspectDocument>;
export function render(input: Input | NamedBytes[], options?: RenderOptions): Promise<string>;
export function fix(input: Input, options?: FixOptions): Promise<Fixed>;
export function about(): Promise<{ version: string; hosts: { id: string; title: string }[] }>;
