# Serves one module on the wasmtime of PyPI over standard input and output, as node.js and engine.js do on V8: one JSON
# message a line, strictly in turn. `OLDEST` stands before this; the argument is the stack that a call may take, in bytes.
import sys

# What lies in the folder that somebody runs this in is not what is imported here.
sys.path[:] = [path for path in sys.path if path]

import ctypes
import importlib.metadata
import json
import struct
import time

import wasmtime
from wasmtime import _ffi as ffi

VERSION = importlib.metadata.version("wasmtime")
if int(VERSION.split(".")[0]) < OLDEST:
    sys.exit(f"the package wasmtime is {VERSION}, older than {OLDEST}")

# A call of the host inside a call of the module, a hundred times, takes a dozen frames of Python each time.
sys.setrecursionlimit(20_000)


class HostTrap(Exception):
    """A function of the host refused."""


class NoExport(Exception):
    """There is no such export, or it is of another kind."""


class OutOfBounds(Exception):
    """Outside of the memory."""


class NotCompiled(Exception):
    """The bytes are no module."""


class NotLinked(Exception):
    """An import is missing or of another type, or there is no instance for another reason."""


REASONS = {
    "UNREACHABLE": "unreachable",
    "MEMORY_OUT_OF_BOUNDS": "memory-out-of-bounds",
    "TABLE_OUT_OF_BOUNDS": "table-out-of-bounds",
    "INDIRECT_CALL_TO_NULL": "indirect-call",
    "BAD_SIGNATURE": "indirect-call",
    "INTEGER_OVERFLOW": "arithmetic",
    "INTEGER_DIVISION_BY_ZERO": "arithmetic",
    "BAD_CONVERSION_TO_INTEGER": "arithmetic",
    "STACK_OVERFLOW": "stack-overflow",
    "ALLOCATION_TOO_LARGE": "out-of-memory",
    "HEAP_MISALIGNED": "unaligned",
}

# What the bindings do around a call takes 30 microseconds, so only the call of the C function within is timed.
call_function = ffi.wasmtime_func_call
clock = time.perf_counter_ns
nanoseconds = 0


def call_and_time(*arguments):
    global nanoseconds
    start = clock()
    error = call_function(*arguments)
    # A call inside a call is done first, so the outermost one's time stays.
    nanoseconds = clock() - start
    return error


ffi.wasmtime_func_call = call_and_time


# Values travel as decimal strings; floats as their bits.
def decode(value):
    kind, text = value
    if kind in ("i32", "i64"):
        return int(text)
    if kind == "f32":
        return struct.unpack("<f", struct.pack("<I", int(text)))[0]
    if kind == "f64":
        return struct.unpack("<d", struct.pack("<Q", int(text)))[0]
    return None


def encode(kind, value):
    if kind in ("i32", "i64"):
        return [kind, str(value)]
    if kind == "f32":
        return [kind, str(struct.unpack("<I", struct.pack("<f", value))[0])]
    if kind == "f64":
        return [kind, str(struct.unpack("<Q", struct.pack("<d", value))[0])]
    return ["ref", "null" if value is None else "some"]


def encode_all(kinds, value):
    values = [] if not kinds else [value] if len(kinds) == 1 else value
    return [encode(kind, one) for kind, one in zip(kinds, values)]


def engine():
    # As it is by default, which is what a user gets; the stack is a limit, and without leave there is no shared memory.
    config = wasmtime.Config()
    config.max_wasm_stack = int(sys.argv[1])
    config.shared_memory = True
    return wasmtime.Engine(config)


ENGINE = engine()
modules = {}
instances = {}


class Instance:
    """An instance in a store of its own, which takes its memories with it."""

    def __init__(self, main_memory, main_table):
        self.store = wasmtime.Store(ENGINE)
        self.main_memory, self.main_table = main_memory, main_table
        self.callers = []  # calls of the host that are under way
        self.memory, self.table, self.exports = None, None, None
        self.memories, self.tables = {}, {}  # by what they are: the same one may be imported and exported

    def context(self):
        return self.callers[-1] if self.callers else self.store

    def export(self, name):
        if self.exports is not None:
            return self.exports.get(name)
        # While `start` runs, a function of the host sees what its caller exports.
        return self.callers[-1].get(name) if self.callers else None

    def function(self, name):
        found = self.export(name)
        if not isinstance(found, wasmtime.Func):
            raise NoExport("is not an exported function")
        return found

    def memory_of(self, name):
        """A memory, and what its methods take first: a shared one is in no store."""
        found = self.export(name) if name is not None else self.memory or self.export(self.main_memory)
        if not isinstance(found, (wasmtime.Memory, wasmtime.SharedMemory)):
            raise NoExport("is not a memory that the module shows")
        return found, self.place_of(found)

    def place_of(self, memory):
        return () if isinstance(memory, wasmtime.SharedMemory) else (self.context(),)

    def keep(self, item):
        if isinstance(item, wasmtime.Memory):
            self.memories[bytes(item._memory)] = item
        if isinstance(item, wasmtime.SharedMemory):
            self.memories[ctypes.addressof(item.data_ptr().contents)] = item
        if isinstance(item, wasmtime.Table):
            self.tables[bytes(item._table)] = item

    def held(self):
        context = self.context()
        memory_bytes = sum(memory.data_len(*self.place_of(memory)) for memory in self.memories.values())
        return memory_bytes, sum(table.size(context) for table in self.tables.values())


def view(instance, request, length):
    """So many bytes of a memory, where they are."""
    memory, place = instance.memory_of(request["memory"])
    if request["address"] + length > memory.data_len(*place):
        raise OutOfBounds("outside of the memory")
    if length == 0:
        return (ctypes.c_ubyte * 0)()
    start = ctypes.addressof(memory.data_ptr(*place).contents)
    return (ctypes.c_ubyte * length).from_address(start + request["address"])


def compile_module(request):
    try:
        modules[request["module"]] = wasmtime.Module(ENGINE, bytes.fromhex(request["bytes"]))
    except wasmtime.WasmtimeError as error:
        raise NotCompiled(str(error)) from None
    return {}


def discard(request):
    modules.pop(request["module"], None)
    return {}


def instantiate(request):
    instance = Instance(request["mainMemory"], request["mainTable"])
    instances[request["id"]] = instance
    try:
        fill(instance, request)
    except BaseException:
        drop(request)
        raise
    return {}


def fill(instance, request):
    """Makes what is imported, then the instance itself."""
    module = modules[request["module"]]
    given = list(request["imports"])
    items = []
    for index, wanted in enumerate(module.imports):
        key = (wanted.module, wanted.name)
        item = next((item for item in given if (item["module"], item["name"]) == key), None)
        if item is None:
            raise NotLinked(f"Import #{index}: nothing is given for {wanted.module}.{wanted.name}")
        given.remove(item)
        try:
            made = make(request["id"], instance, item, wanted.type)
        except wasmtime.WasmtimeError as error:
            raise NotLinked(f"Import #{index}: {error}") from None
        items.append(made)
        instance.keep(made)
        if item["kind"] == "memory":
            instance.memory = instance.memory or made
        if item["kind"] == "table":
            instance.table = instance.table or made
    try:
        made = wasmtime.Instance(instance.store, module, items)
    except wasmtime.WasmtimeError as error:
        raise NotLinked(str(error)) from None
    instance.exports = made.exports(instance.store)
    for item in instance.exports.values():
        instance.keep(item)


def make(number, instance, item, wanted):
    """What the host gives for an import, of the import's own type."""
    store = instance.store
    if item["kind"] == "function":
        call = lambda caller, *values: call_host(number, instance, item, caller, values)
        return wasmtime.Func(store, wanted, call, access_caller=True)
    if item["kind"] == "memory":
        limits = wasmtime.Limits(item["minimum"], item["maximum"])
        wanted = wasmtime.MemoryType(limits, is_64=item["large"], shared=item["shared"])
        return wasmtime.SharedMemory(ENGINE, wanted) if item["shared"] else wasmtime.Memory(store, wanted)
    if item["kind"] == "table":
        limits = wasmtime.Limits(item["minimum"], item["maximum"])
        return wasmtime.Table(store, wasmtime.TableType(wanted.element, limits), None)
    return wasmtime.Global(store, wanted, decode(item["value"]))


def drop(request):
    instance = instances.pop(request["id"], None)
    if instance is not None:
        # The bindings keep functions of the host for ever, and so their instance, unless its store is closed.
        instance.store.close()
    return {}


def call(request):
    instance = instances[request["id"]]
    called = instance.function(request["name"])
    values = [decode(value) for value in request["arguments"]]
    result = called(instance.store, *values)
    return {"values": encode_all(request["results"], result), "nanoseconds": nanoseconds}


def called_inside(instance, called, request):
    context = instance.context()
    result = called(context, *[decode(value) for value in request["arguments"]])
    return {"values": encode_all([str(kind) for kind in called.type(context).results], result)}


def call_inside(request):
    instance = instances[request["id"]]
    return called_inside(instance, instance.function(request["name"]), request)


def call_table(request):
    instance = instances[request["id"]]
    table, index = instance.table or instance.export(instance.main_table), request["index"]
    called = table.get(instance.context(), index) if isinstance(table, wasmtime.Table) else None
    if not isinstance(called, wasmtime.Func):
        raise NoExport(f"holds no function at {index}")
    return called_inside(instance, called, request)


def size(request):
    memory, place = instances[request["id"]].memory_of(request["memory"])
    return {"bytes": memory.data_len(*place)}


def read(request):
    return {"bytes": bytes(view(instances[request["id"]], request, request["length"])).hex()}


def write(request):
    data = bytes.fromhex(request["bytes"])
    ctypes.memmove(view(instances[request["id"]], request, len(data)), data, len(data))
    return {}


def grow(request):
    memory, place = instances[request["id"]].memory_of(request["memory"])
    try:
        return {"before": memory.grow(*place, request["pages"])}
    except wasmtime.WasmtimeError:
        return {"before": None}


def global_of(request):
    instance = instances[request["id"]]
    found = instance.export(request["name"])
    if not isinstance(found, wasmtime.Global):
        raise NoExport("is not a global")
    return found, instance.context()


def get_global(request):
    found, context = global_of(request)
    value = found.value(context)
    # Null comes in a wrapping of the bindings.
    return {"value": encode(request["type"], None if isinstance(value, wasmtime.Val) else value)}


def set_global(request):
    found, context = global_of(request)
    try:
        found.set_value(context, decode(request["value"]))
    except (wasmtime.WasmtimeError, TypeError) as error:
        raise NoExport(str(error)) from None
    return {}


OPERATIONS = {
    "compile": compile_module, "discard": discard, "instantiate": instantiate, "drop": drop, "call": call,
    "callInside": call_inside, "callTable": call_table, "size": size, "read": read, "write": write, "grow": grow,
    "global": get_global, "setGlobal": set_global,
}


def call_host(number, instance, item, caller, values):
    arguments = [encode(kind, value) for kind, value in zip(item["parameters"], values)]
    instance.callers.append(caller)
    try:
        send({"hostCall": item["index"], "id": number, "arguments": arguments})
        while (message := receive())["operation"] not in ("return", "throw"):
            send(serve(message))
    finally:
        instance.callers.pop()
    if message["operation"] == "throw":
        raise HostTrap(message["words"])
    results = [decode(value) for value in message["values"]]
    return None if not results else results[0] if len(results) == 1 else results


def reason_of(trap):
    try:
        code = trap.trap_code
    except ValueError:  # one that the bindings do not know
        code = None
    return REASONS.get(code.name, "other") if code else "other"


def failure(error):
    """What went wrong, in the words of the protocol."""
    kinds = {HostTrap: "host", NoExport: "export", OutOfBounds: "bounds", NotCompiled: "compile", NotLinked: "link"}
    words = str(error)
    if isinstance(error, wasmtime.Trap):
        # The first lines are the stack.
        return {"error": "trap", "reason": reason_of(error), "words": words.strip().splitlines()[-1]}
    if isinstance(error, wasmtime.WasmtimeError):
        return {"error": "other", "words": words}
    kind = kinds.get(type(error), "engine")
    return {"error": kind, "words": words if kind != "engine" else f"{type(error).__name__}: {words}"}


def serve(message):
    try:
        answer = {"ok": OPERATIONS[message["operation"]](message)}
    except Exception as error:
        answer = failure(error)
    held = [instance.held() for instance in instances.values()]
    answer["held"] = [sum(part) for part in zip(*held)] or [0, 0]
    return answer


def receive():
    line = sys.stdin.buffer.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)


def send(message):
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.buffer.flush()


send({"ok": {"version": VERSION}})
while True:
    send(serve(receive()))
