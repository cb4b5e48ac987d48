"""What a WebAssembly module's memory is, where it runs, and one that runs anywhere."""

from __future__ import annotations

import json as _json
import re as _re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from . import _memgrove

if TYPE_CHECKING:
    import pyarrow

__all__ = ["DEFAULT_MAX_BYTES", "__version__", "fix", "inspect", "inspect_many"]
__version__: str = _memgrove.__version__

DEFAULT_MAX_BYTES: int = _memgrove.DEFAULT_MAX_BYTES
"""Bytes of the largest file or module that is looked at, unless ``max_bytes`` says otherwise."""

# What UTF-8 cannot hold; for the bytes of a path that are not UTF-8, Python has those from U+DC80 to U+DCFF.
_SURROGATE = _re.compile("[\ud800-\udfff]")


def inspect(wasm: bytes) -> dict[str, Any]:
    """Return the report on one module: a ``report`` of ``memgrove inspect --json``.

    ``wasm`` is a module or component, or a file with one inside (compressed, as text, inlined in JavaScript).
    Raises ValueError if there is none or it is not valid. Nothing is executed.
    """
    report: dict[str, Any] = _json.loads(_memgrove.inspect_json(wasm))
    return report


def inspect_many(
    files: Iterable[bytes | tuple[str, bytes]], *, max_bytes: int = DEFAULT_MAX_BYTES
) -> pyarrow.RecordBatch:
    """Return the rows of many files as a pyarrow.RecordBatch; its columns are those of docs/rows.md.

    ``files`` is an iterable of bytes, or of pairs of name and bytes; without a name, a file is called by its number, from 0.
    All are held in memory at once. Every file has at least one row: what cannot be inspected has a ``status`` that
    says why. Raises TypeError if something else than bytes is among the files.
    """
    import pyarrow

    named = [_named(number, file) for number, file in enumerate(files)]
    with pyarrow.ipc.open_stream(_memgrove.inspect_stream(named, max_bytes)) as reader:
        return reader.read_next_batch()


def _named(number: int, file: bytes | tuple[str, bytes]) -> tuple[str, bytes]:
    """Return a file's name and bytes."""
    name, data = file if isinstance(file, tuple) else (str(number), file)
    # bytes() would make of a number that many zeros, and of each byte of a file that is not in a list a file.
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"file {number} is not bytes but {type(data).__name__}")
    return _SURROGATE.sub(_shown, str(name)), bytes(data)


def _shown(surrogate: _re.Match[str]) -> str:
    """Return a byte as the command shows it in a name."""
    byte = ord(surrogate[0]) - 0xDC00
    return f"\\x{{{byte:02x}}}" if 0x80 <= byte <= 0xFF else "\N{REPLACEMENT CHARACTER}"


def fix(wasm: bytes, *, host: str = "bare", stub_wasi: bool = False, partial: bool = False) -> bytes:
    """Return a module that does the same and needs nothing that ``host`` has not.

    It is what ``memgrove fix --stub none`` writes, or ``--stub wasi`` with ``stub_wasi``.

    The result is validated and inspected, but not run: ``memgrove fix`` verifies it on two engines. Raises ValueError if
    imports would stay, unless ``partial`` is true.
    """
    return _memgrove.fix_module(wasm, host, stub_wasi, partial)
