"""What a WebAssembly module's memory is, where it runs, and one that runs anywhere."""

import json as _json

from . import _memgrove

__all__ = ["__version__", "fix", "inspect", "inspect_many"]
__version__ = _memgrove.__version__


def inspect(wasm):
    """Return the report on one module: the ``report`` of ``memgrove inspect --json``.

    ``wasm`` is a module or component, or a file with one inside (compressed, as text, inlined in JavaScript).
    Raises ValueError if there is none or it is not valid. Nothing is executed.
    """
    return _json.loads(_memgrove.inspect_json(wasm))


def inspect_many(files, *, max_bytes=_memgrove.DEFAULT_MAX_BYTES):
    """Return the rows of many files as a pyarrow.RecordBatch; its columns are those of docs/rows.md.

    ``files`` is an iterable of bytes, or of pairs of name and bytes. Every file has at least one row: what cannot be
    inspected has a ``status`` that says why.
    """
    import pyarrow

    named = []
    for number, file in enumerate(files):
        name, data = file if isinstance(file, tuple) else (str(number), file)
        named.append((str(name), bytes(data)))
    with pyarrow.ipc.open_stream(_memgrove.inspect_stream(named, max_bytes)) as reader:
        return reader.read_next_batch()


def fix(wasm, *, host="bare", stub_wasi=False, partial=False):
    """Return a module that does the same and needs nothing that ``host`` has not.

    It is what ``memgrove fix --stub none`` writes, or ``--stub wasi`` with ``stub_wasi``.

    The result is validated and inspected, but not run: ``memgrove fix`` verifies it on two engines. Raises ValueError if
    imports would stay, unless ``partial`` is true.
    """
    return _memgrove.fix_module(wasm, host, stub_wasi, partial)
