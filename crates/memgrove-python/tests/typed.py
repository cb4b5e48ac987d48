"""What a type checker says of programs that use the package; `mypy --strict` must find nothing but what is ignored here."""

import memgrove

report = memgrove.inspect(b"")
report["allocator"]
batch = memgrove.inspect_many([b"", ("name", b"")], max_bytes=1000)
fixed: bytes = memgrove.fix(b"", host="bare", stub_wasi=True, partial=False)
version: str = memgrove.__version__

# Each would be an error when it runs; --strict also fails where nothing is to be ignored.
memgrove.inspect("app.wasm")  # type: ignore[arg-type]
memgrove.inspect_many(["app.wasm"])  # type: ignore[list-item]
memgrove.inspect_many(b"")  # type: ignore[arg-type]
memgrove.fix(b"", "bare")  # type: ignore[call-arg]
report.memory  # type: ignore[attr-defined]
number: int = memgrove.fix(b"")  # type: ignore[assignment]
