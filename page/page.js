'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const status = byId('status');

  /** A worker with the module in it, which answers in turn. What takes too long is ended with it. */
  class Work {
    #worker = null;
    #waiting = new Map();
    #next = 0;
    #began = 0;

    constructor() {
      byId('busy').querySelector('button').onclick = () => this.#end('stopped');
      setInterval(() => this.#say(), 200);
      // The module is compiled by the time that a file is chosen, but not before the page is seen.
      setTimeout(() => { this.#worker ??= this.#start(); }, 0);
    }

    /** Says how long it has been working; what is answered at once is not worth a word. */
    #say() {
      const seconds = (performance.now() - this.#began) / 1000;
      const busy = byId('busy');
      busy.hidden = this.#waiting.size === 0 || seconds < 0.5;
      busy.querySelector('span').textContent = `${Math.floor(seconds)} s`;
    }

    ask(method, args, limitSeconds = 120) {
      this.#worker ??= this.#start();
      const id = this.#next++;
      if (this.#waiting.size === 0) this.#began = performance.now();
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => this.#end(`ended after ${limitSeconds} seconds`), 1000 * limitSeconds);
        this.#waiting.set(id, { resolve, reject, timer });
        this.#worker.postMessage({ id, method, args });
      });
    }

    #start() {
      const url = URL.createObjectURL(new Blob([byId('worker').textContent], { type: 'text/javascript' }));
      const worker = new Worker(url);
      URL.revokeObjectURL(url);
      worker.onmessage = ({ data: { id, result, error } }) => {
        const waiting = this.#waiting.get(id);
        if (!waiting) return;
        this.#waiting.delete(id);
        clearTimeout(waiting.timer);
        if (error) waiting.reject(error); else waiting.resolve(result);
      };
      worker.onerror = (event) => this.#end(event.message ?? 'the work ended');
      worker.postMessage({ id: -1, module: byId('module').textContent });
      return worker;
    }

    #end(message) {
      this.#worker?.terminate();
      this.#worker = null;
      for (const { reject, timer } of this.#waiting.values()) {
        clearTimeout(timer);
        reject({ message, hint: null });
      }
      this.#waiting.clear();
    }
  }
  const work = new Work();

  async function show(file) {
    status.textContent = `Reading ${visible(file.name)} …`;
    const bytes = new Uint8Array(await file.arrayBuffer());
    const input = { name: file.name, bytes };
    const began = performance.now();
    const { text: html, failures } = await work.ask('report', [input, { as: 'html' }]);
    // An archive may hold other files.
    const failed = failures.find((failure) => failure.file === file.name);
    if (failed) return complain(file.name, failed);
    const section = byId('result').content.firstElementChild.cloneNode(true);
    const one = (selector) => section.querySelector(selector);
    one('h2').textContent = visible(file.name);
    // Nothing in the report runs: the sandbox allows no scripts. This page may look at it, to make the frame as high.
    const frame = one('.report');
    const fit = () => {
      const root = frame.contentDocument?.documentElement;
      if (root) frame.style.height = `${root.scrollHeight + 2}px`;
    };
    frame.onload = () => {
      fit();
      new ResizeObserver(fit).observe(frame.contentDocument.body);
    };
    frame.srcdoc = html;
    frame.title = `Report on ${visible(file.name)}`;
    one('.close').onclick = () => section.remove();
    one('.save-report').onclick = () => save(`${file.name}.html`, html, 'text/html');
    one('.fix').onclick = (event) => make(event.target, section, input, 'fix', {}, '.anywhere.wasm');
    one('.swap').onclick = (event) => {
      const to = one('.heap').value;
      make(event.target, section, input, 'swap', { to }, `.${to}.wasm`);
    };
    trace(section, input);
    byId('results').prepend(section);
    status.textContent = `${visible(file.name)}: reported in ${Math.round(performance.now() - began)} ms`;
    section.focus();
  }

  /** Makes another module of one, verifies it and offers it. */
  async function make(button, section, input, method, options, end) {
    const one = (selector) => section.querySelector(selector);
    button.disabled = true;
    status.textContent = `Working on ${visible(input.name)}, and verifying the result …`;
    try {
      const result = await work.ask(method, [input, options]);
      const verdict = one('.verdict');
      const words = { verified: 'Verified', 'verified-in-part': 'Verified in part', 'not-verified': 'Not verified: nothing of it could be run', failed: 'It did not pass verification' };
      verdict.textContent = result.refusal ? `No module: ${result.refusal}` : words[result.verdict] ?? 'Done';
      const missing = result.wasm ? notRun(result.document) : [];
      if (missing.length > 0) verdict.textContent += `. What ran agrees with the original; not run: ${missing.join('; ')}.`;
      verdict.classList.toggle('bad', !result.wasm);
      one('pre').textContent = result.text;
      one('.download').hidden = !result.wasm;
      one('.download').onclick = () => save(input.name.replace(/(\.wasm)?$/, end), result.wasm, 'application/wasm');
      one('.fixed').hidden = false;
      status.textContent = verdict.textContent;
    } catch (error) {
      complain(input.name, error);
    } finally {
      button.disabled = false;
    }
  }

  /** What a verification did not run, and why. */
  function notRun({ verification }) {
    const skipped = (verification?.checks ?? []).filter(({ outcome }) => outcome === 'skipped');
    const named = skipped.map(({ question, detail }) => ({ question, words: detail.words }));
    const others = (verification?.not_run ?? []).filter(({ words }) => !named.some((one) => one.words === words));
    const all = [...named, ...others].map(({ question, words }) => (
      QUESTIONS[question] ? `${QUESTIONS[question]} (${visible(words)})` : visible(words)));
    return [...new Set(all)];
  }

  /** What a verification asks, by the names of its document. */
  const QUESTIONS = {
    roles: 'whether the old functions do what they are taken for',
    heap: "whether the new heap keeps the old one's promises",
    exports: "whether the exports do what the original's do",
    instantiates: 'whether it instantiates',
    grows: 'whether its memory grows',
    'stands-in': "whether stand-ins do what the host's functions do",
    agrees: "whether the exports do what the original's do",
  };

  let lists = 0;

  /** The part of a result that runs an export with a recorder, or reads a recording. */
  function trace(section, input) {
    const one = (selector) => section.querySelector(selector);
    const form = one('.run');
    const show = ({ html, said }) => {
      const frame = one('.heap-profile');
      frame.hidden = false;
      frame.srcdoc = html;
      status.textContent = said;
      frame.scrollIntoView({ block: 'nearest' });
    };
    const attempt = async (words, what) => {
      status.textContent = words;
      try {
        show(await what());
      } catch (error) {
        complain(input.name, error);
      }
    };
    one('.trace').ontoggle = async () => {
      const list = one('datalist');
      if (list.id || !one('.trace').open) return;
      list.id = `exports-${lists++}`;
      form.elements.call.setAttribute('list', list.id);
      try {
        for (const name of await work.ask('exports', [input])) list.append(new Option(name, name));
      } catch (error) {
        complain(input.name, error);
      }
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      const { call, arguments: given, times } = form.elements;
      const numbers = given.value.trim().split(/[\s,]+/).filter(Boolean);
      attempt(`Running ${visible(call.value)} …`, () => work.ask('run', [input, call.value, numbers, Number(times.value)]));
    };
    one('.save-traced').onclick = async () => {
      try {
        const { wasm } = await work.ask('trace', [input, {}]);
        save(input.name.replace(/(\.wasm)?$/, '.traced.wasm'), wasm, 'application/wasm');
      } catch (error) {
        complain(input.name, error);
      }
    };
    one('.recording').onchange = async ({ target }) => {
      const [file] = target.files;
      if (!file) return;
      const recording = new Uint8Array(await file.arrayBuffer());
      attempt(`Reading ${visible(file.name)} …`, () => work.ask('heapOf', [input, recording, file.name]));
      target.value = '';
    };
  }

  function save(name, contents, type) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([contents], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  function complain(name, error) {
    const line = document.createElement('p');
    line.className = 'failed';
    line.textContent = `${visible(name)}: ${error.message}${error.hint ? ` (${error.hint})` : ''}`;
    byId('results').prepend(line);
    status.textContent = line.textContent;
  }

  /** No name of a file changes what stands beside it. */
  function visible(text) {
    return String(text).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
  }

  async function take(files) {
    for (const file of files) await show(file).catch((error) => complain(file.name, error));
  }

  byId('files').onchange = (event) => {
    const files = [...event.target.files];
    event.target.value = '';
    take(files);
  };
  const drop = byId('drop');
  for (const type of ['dragover', 'dragleave', 'drop']) {
    addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.toggle('over', type === 'dragover');
      if (type === 'drop') take([...event.dataTransfer.files]);
    });
  }
})();
