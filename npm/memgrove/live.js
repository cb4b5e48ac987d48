// What the heaps of a page's modules hold, followed while the page runs, in a corner of it.
import { severalMemories } from './core.js';
import { hook } from './hook.js';
import { readProfile } from './profile.js';

/** What is live in the heap of one instance, by its log. */
export class LiveHeap {
  #memory;
  #place;
  /** Where in the recording the next event stands. */
  #next = 0;
  #sizes = new Map();
  #moving = null;
  #high = [0, 0];
  liveBytes = 0;
  peakBytes = 0;
  allocations = 0;
  /** The log ended at its limit: what came later is not known. */
  isCut = false;

  /** @param {{memory: WebAssembly.Memory, place?: Function}} started see `hook` */
  constructor({ memory, place }) {
    this.#memory = memory;
    this.#place = place;
  }

  /** Reads what was logged since it was asked last; returns itself. */
  update() {
    const STATE = 8, START = 12, END = 16, EVENT_BYTES = 16, CUT = 1;
    const view = new DataView(this.#memory.buffer, (this.#place?.() ?? 0) >>> 0);
    const end = view.getUint32(END, true);
    this.#next ||= view.getUint32(START, true);
    this.isCut = (view.getUint32(STATE, true) & CUT) !== 0;
    for (; this.#next < end; this.#next += EVENT_BYTES) {
      this.#event(view.getUint32(this.#next, true), view.getUint32(this.#next + 8, true), view.getUint32(this.#next + 12, true));
    }
    return this;
  }

  #event(what, low, lowSize) {
    const ALLOCATED = 1, FREED = 2, MOVING = 3, MOVED = 4, REFUSED = 5, HIGH = 12, NESTED = 16;
    const kind = what & 15;
    if (kind === HIGH) {
      this.#high = [low, lowSize];
      return;
    }
    const [high, highSize] = this.#high;
    this.#high = [0, 0];
    // What the allocator's functions ask of each other is a part of what the program asked.
    if (what & NESTED) return;
    const [block, size] = [low + high * 2 ** 32, lowSize + highSize * 2 ** 32];
    if (kind === ALLOCATED) this.#add(block, size);
    else if (kind === FREED) this.#remove(block);
    else if (kind === MOVING) this.#moving = block;
    else if (kind === MOVED) {
      this.#remove(this.#moving);
      this.#add(block, size);
    } else if (kind === REFUSED) this.#moving = null;
  }

  #add(block, size) {
    if (block === 0) return;
    this.#remove(block);
    this.#sizes.set(block, size);
    this.allocations += 1;
    this.liveBytes += size;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
  }

  #remove(block) {
    this.liveBytes -= this.#sizes.get(block) ?? 0;
    this.#sizes.delete(block);
  }
}

const PERIOD_MS = 250;
/** Points of the timeline: two minutes. */
const MOST_POINTS = 480;

const STYLE = `
:host { all: initial; position: fixed; right: 12px; bottom: 12px; z-index: 2147483647; font: 12px/1.4 system-ui, sans-serif; color-scheme: light dark; }
section { width: 268px; padding: 8px 10px; border-radius: 8px; background: light-dark(#fff, #1c1f24); color: light-dark(#1a1a1a, #e8e8e8);
  border: 1px solid light-dark(#c8ccd2, #4a4f57); box-shadow: 0 2px 10px #0004; }
div { display: flex; gap: 6px; align-items: baseline; justify-content: space-between; }
p { margin: 2px 0; font-variant-numeric: tabular-nums; } b { font-size: 15px; }
canvas { width: 100%; height: 56px; display: block; }
button, select { font: inherit; } select { max-width: 150px; }
.note { color: light-dark(#8a4b00, #ffb454); }`;

/**
 * Traces every module that is compiled from now on. Those that are compiled before memgrove is loaded wait for it, but for
 * `new WebAssembly.Module`, which cannot.
 *
 * @param {Promise<import('./core.js').Core>} loading
 * @param {object} [options] of `trace`
 */
export function follow(loading, options = {}) {
  let core = null;
  const untouched = [];
  const leave = (error) => {
    untouched.push(error);
    return null;
  };
  const made = (bytes) => {
    try {
      return core.trace(bytes, { oneMemory: !severalMemories(), ...options }).wasm;
    } catch (error) {
      return leave(error);
    }
  };
  const ready = loading.then((loaded) => { core = loaded; });
  const instances = [];
  const stop = hook(
    (bytes) => (core ? made(bytes) : ready.then(() => made(bytes), leave)),
    (seen) => { if (seen.bytes) instances.push(seen); },
  );
  const recordings = () => instances.map(({ bytes, memory, place }) => ({ module: bytes, recording: readProfile(memory, place?.()) }));
  return { instances, recordings, untouched, stop };
}

/**
 * Does what `follow` does, and shows in a corner of the page what the modules' heaps hold.
 *
 * @param {Promise<import('./core.js').Core>} loading
 * @param {object} [options] of `trace`
 */
export function watch(loading, options) {
  let core = null;
  loading.then((loaded) => { core = loaded; }, () => {});
  const { instances, recordings, untouched, stop } = follow(loading, options);
  const heaps = new Map();
  const heapOf = (seen) => {
    if (!heaps.has(seen)) heaps.set(seen, { heap: new LiveHeap(seen), points: [] });
    return heaps.get(seen);
  };
  const followed = () => instances.map(heapOf);
  const render = (at, as) => {
    const { module, recording } = recordings()[at];
    return new TextDecoder().decode(core.renderProfile(module, recording, { as, name: `module ${at + 1}` }).bytes);
  };
  const panel = typeof document === 'object' ? showPanel(followed, untouched, (at) => render(at, 'html')) : null;
  return {
    recordings,
    heaps: () => followed().map(({ heap }) => heap.update()),
    render,
    untouched,
    stop() {
      stop();
      panel?.stop();
    },
  };
}

function showPanel(followed, untouched, page) {
  const host = document.createElement('memgrove-heap');
  const root = host.attachShadow({ mode: 'open' });
  const style = new CSSStyleSheet();
  style.replaceSync(STYLE);
  root.adoptedStyleSheets = [style];
  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const live = element('b');
  const rest = element('p');
  const note = element('p', { className: 'note' });
  const choice = element('select', { ariaLabel: 'Instance', hidden: true });
  const canvas = element('canvas', { width: 536, height: 112, role: 'img', ariaLabel: 'Bytes live in the heap, over the last two minutes' });
  const report = element('button', { type: 'button', textContent: 'Who holds it?', disabled: true });
  const close = element('button', { type: 'button', textContent: 'Close' });
  root.append(element('section', { role: 'region', ariaLabel: 'Heap' }, element('div', {}, element('span', {}, live, ' live'), choice), rest, canvas,
    element('div', {}, report, close), note));
  const at = () => Math.max(0, choice.selectedIndex);
  const url = (html) => URL.createObjectURL(new Blob([html], { type: 'text/html' }));
  report.onclick = () => open(url(page(at())));
  const update = () => {
    const instances = followed();
    for (const { heap, points } of instances) {
      points.push(heap.update().liveBytes);
      if (points.length > MOST_POINTS) points.shift();
    }
    while (choice.length < instances.length) choice.add(new Option(`module ${choice.length + 1}`));
    choice.hidden = instances.length < 2;
    report.disabled = instances.length === 0;
    const shown = instances[at()];
    live.textContent = shown ? bytesText(shown.heap.liveBytes) : 'no module';
    rest.textContent = shown ? `${bytesText(shown.heap.peakBytes)} at most, ${shown.heap.allocations.toLocaleString('en')} allocations` : '';
    note.textContent = [
      shown?.heap.isCut ? 'The log is full: what came later is not shown.' : '',
      untouched.length > 0 ? `Not traced: ${untouched.at(-1).message}` : '',
    ].filter(Boolean).join(' ');
    draw(canvas, shown?.points ?? [], getComputedStyle(live).color);
  };
  const timer = setInterval(update, PERIOD_MS);
  const stop = () => {
    clearInterval(timer);
    host.remove();
  };
  close.onclick = stop;
  const put = () => document.body.append(host);
  if (document.body) put();
  else addEventListener('DOMContentLoaded', put, { once: true });
  return { stop };
}

function draw(canvas, points, color) {
  const context = canvas.getContext('2d');
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  const most = Math.max(1, ...points);
  const place = (value, index) => [width * (1 - (points.length - 1 - index) / (MOST_POINTS - 1)), height - 2 - (height - 6) * (value / most)];
  context.beginPath();
  points.forEach((value, index) => context.lineTo(...place(value, index)));
  context.strokeStyle = color;
  context.lineWidth = 2;
  context.stroke();
  if (points.length === 0) return;
  context.lineTo(width, height);
  context.lineTo(place(0, 0)[0], height);
  context.globalAlpha = 0.15;
  context.fillStyle = color;
  context.fill();
  context.globalAlpha = 1;
}

function bytesText(bytes) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  for (; bytes >= 1024 && unit < 3; unit += 1) bytes /= 1024;
  return `${unit === 0 ? bytes : bytes.toFixed(1)} ${units[unit]}`;
}
