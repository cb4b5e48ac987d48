// Instruments every module that is compiled from now on, without the program seeing a difference.

const SECTION = 'memgrove';
const RECORDING = 'memgrove_profile';
const OURS = new Set([RECORDING, 'memgrove_profile_place', 'memgrove_finish']);

/**
 * Replaces the functions of `WebAssembly` that compile and instantiate.
 *
 * @param {(bytes: Uint8Array) => Uint8Array | null | Promise<Uint8Array | null>} instrument returns the module to be compiled
 *   in place of one, or null to leave it as it is; it must not throw. What it promises comes too late for `new
 *   WebAssembly.Module`, which leaves the module as it is.
 * @param {(seen: {instance: WebAssembly.Instance, memory: WebAssembly.Memory, place: Function | undefined,
 *   finish: Function | undefined, bytes: Uint8Array | null}) => void} started hears of each instance with a recording:
 *   its memory, the function that says where in it the recording is if that is not at its start, and the function to
 *   be called at the end of a check; `bytes` is the original, or null where the module came from another thread.
 * @param {(error: Error) => void} [died] hears of each instrumented module whose start function ended with an error: then
 *   there is no instance, and what it recorded is out of reach.
 * @returns {() => void} takes the replacement back; modules that are instrumented stay so
 */
export function hook(instrument, started, died = () => {}) {
  const { WebAssembly } = globalThis;
  const { Module, Instance, compile, instantiate, compileStreaming, instantiateStreaming } = WebAssembly;
  const { exports: exportsOf, customSections } = Module;
  const exported = Object.getOwnPropertyDescriptor(Instance.prototype, 'exports');
  /** Modules of ours, with the bytes of the original. */
  const originals = new WeakMap();
  /** What the program sees of an instance. */
  const shown = new WeakMap();

  const isOurs = (module) => originals.has(module) || customSections.call(Module, module, SECTION).length > 0;

  /** A copy of the bytes, as they may change meanwhile, and what is compiled for them; null where they are no bytes. */
  const prepared = (source) => {
    const bytes = copyOf(source);
    if (!bytes) return null;
    const made = (wasm) => ({ bytes, wasm: wasm ?? bytes, isInstrumented: Boolean(wasm) });
    const wasm = instrument(bytes);
    return wasm instanceof Promise ? wasm.then(made) : made(wasm);
  };

  const remember = (module, made) => {
    if (made?.isInstrumented) originals.set(module, made.bytes);
    return module;
  };

  /** Passes on why there is no instance. */
  const noted = (error, isInstrumented) => {
    const { CompileError, LinkError } = WebAssembly;
    const hasRun = !(error instanceof CompileError || error instanceof LinkError || error instanceof TypeError);
    if (isInstrumented && hasRun) died(error);
    return error;
  };

  const show = (instance, module) => {
    const all = exported.get.call(instance);
    if (!Object.hasOwn(all, RECORDING) || !isOurs(module)) return instance;
    const rest = Object.create(null);
    for (const name of Object.keys(all)) if (!OURS.has(name)) rest[name] = all[name];
    shown.set(instance, Object.freeze(rest));
    const { memgrove_profile_place: place, memgrove_finish: finish } = all;
    started({ instance, memory: all[RECORDING], place, finish, bytes: originals.get(module) ?? null });
    return instance;
  };

  const hooked = {
    Module: new Proxy(Module, {
      construct(target, args, newTarget) {
        const made = prepared(args[0]);
        if (!made?.isInstrumented) return Reflect.construct(target, args, newTarget);
        return remember(Reflect.construct(target, [made.wasm, ...args.slice(1)], newTarget), made);
      },
    }),
    Instance: new Proxy(Instance, {
      construct(target, args, newTarget) {
        try {
          return show(Reflect.construct(target, args, newTarget), args[0]);
        } catch (error) {
          throw noted(error, args[0] instanceof Module && isOurs(args[0]));
        }
      },
    }),
    async compile(source, ...rest) {
      const made = await prepared(source);
      return remember(await compile(made?.wasm ?? source, ...rest), made);
    },
    async instantiate(source, ...rest) {
      if (source instanceof Module) {
        try {
          return show(await instantiate(source, ...rest), source);
        } catch (error) {
          throw noted(error, isOurs(source));
        }
      }
      const made = await prepared(source);
      try {
        const result = await instantiate(made?.wasm ?? source, ...rest);
        if (made) show(result.instance, remember(result.module, made));
        return result;
      } catch (error) {
        throw noted(error, made?.isInstrumented);
      }
    },
    async compileStreaming(source, ...rest) {
      const response = await source;
      return isModule(response) ? hooked.compile(await response.arrayBuffer(), ...rest) : compileStreaming(response, ...rest);
    },
    async instantiateStreaming(source, ...rest) {
      const response = await source;
      return isModule(response) ? hooked.instantiate(await response.arrayBuffer(), ...rest) : instantiateStreaming(response, ...rest);
    },
  };

  const replace = (object, name, value) => {
    if (object[name] === undefined) return () => {};
    const before = Object.getOwnPropertyDescriptor(object, name);
    if (!(value instanceof Function) || value.name !== before.value.name || value.length !== before.value.length) {
      Object.defineProperty(value, 'name', { value: before.value.name, configurable: true });
      Object.defineProperty(value, 'length', { value: before.value.length, configurable: true });
    }
    Object.defineProperty(object, name, { ...before, value });
    return () => Object.defineProperty(object, name, before);
  };
  const undo = [
    replace(Module.prototype, 'constructor', hooked.Module),
    replace(Instance.prototype, 'constructor', hooked.Instance),
    replace(Module, 'exports', (module) => {
      const all = exportsOf.call(Module, module);
      return isOurs(module) ? all.filter(({ name }) => !OURS.has(name)) : all;
    }),
    replace(Module, 'customSections', (module, name) => {
      if (name === undefined) return customSections.call(Module, module);
      const original = originals.get(module);
      if (original) return customSections.call(Module, new Module(original), name);
      return String(name) === SECTION && isOurs(module) ? [] : customSections.call(Module, module, name);
    }),
    ...Object.entries(hooked).map(([name, value]) => replace(WebAssembly, name, value)),
  ];
  Object.defineProperty(Instance.prototype, 'exports', {
    ...exported,
    get() {
      return shown.get(this) ?? exported.get.call(this);
    },
  });
  return () => {
    for (const back of undo.reverse()) back();
    Object.defineProperty(Instance.prototype, 'exports', exported);
  };
}

function copyOf(source) {
  if (source instanceof ArrayBuffer) return new Uint8Array(source.slice(0));
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength).slice();
  if (typeof SharedArrayBuffer === 'function' && source instanceof SharedArrayBuffer) return new Uint8Array(source).slice();
  return null;
}

/** What an engine would take, so that it refuses the others in its own words. */
function isModule(response) {
  if (typeof Response !== 'function' || !(response instanceof Response) || !response.ok || response.bodyUsed) return false;
  return /^application\/wasm$/i.test(response.headers.get('content-type')?.trim() ?? '');
}
