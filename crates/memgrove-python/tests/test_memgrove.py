"""The package as it is installed."""

import pathlib
import threading
import time

import memgrove
import pyarrow.parquet
import pytest

EMPTY = b"\0asm\x01\0\0\0"


def test_a_report_is_a_dict():
    report = memgrove.inspect(b'(module (import "a" "b" (func)) (memory 3))')
    assert report["memory"]["memories"][0]["min_pages"] == 3
    assert report["requirements"]["import_count"] == 1


@pytest.mark.parametrize("wasm", [b"", b"hello", EMPTY + b"\x05\x03"])
def test_what_is_no_module_is_an_error(wasm):
    with pytest.raises(ValueError):
        memgrove.inspect(wasm)


def test_many_have_a_row_each():
    batch = memgrove.inspect_many([("a", EMPTY), b"none", ("c", EMPTY + b"\x05\x03")])
    assert isinstance(batch, pyarrow.RecordBatch)
    assert batch["source"].to_pylist() == ["a", "1", "c"]
    assert batch["status"].to_pylist() == ["ok", "not-wasm", "broken"]
    assert batch["last"].to_pylist() == [True] * 3
    assert memgrove.inspect_many([]).num_rows == 0
    assert memgrove.inspect_many([]).schema == batch.schema
    assert memgrove.inspect_many([b"\0asm\x01\0\0\0" * 9], max_bytes=9)["status"].to_pylist() != ["ok"]


@pytest.mark.parametrize("files", [[3], ["a"], [None], [("a", "b")], [b"", 3], b"abc"])
def test_what_is_not_bytes_is_a_wrong_type(files):
    with pytest.raises(TypeError, match="is not bytes"):
        memgrove.inspect_many(files)


@pytest.mark.parametrize("function", [memgrove.inspect, memgrove.fix])
@pytest.mark.parametrize("wasm", ["app.wasm", None, [b""], 3])
def test_one_module_is_bytes(function, wasm):
    with pytest.raises(TypeError):
        function(wasm)


def test_bytes_may_lie_in_any_buffer():
    batch = memgrove.inspect_many(kind(EMPTY) for kind in [bytes, bytearray, memoryview])
    assert batch["status"].to_pylist() == ["ok"] * 3


def test_a_name_that_is_not_utf_8_costs_no_row():
    batch = memgrove.inspect_many([("caf\udce9.wasm", EMPTY), ("\ud83d", EMPTY)])
    assert batch["source"].to_pylist() == ["caf\\x{e9}.wasm", "\ufffd"]


@pytest.mark.parametrize("stack", [0, 256 << 10])
def test_what_is_nested_deep_costs_its_row_only(stack):
    deep = b"(component " * 200_000 + b")" * 200_000
    statuses = []

    def inspect():
        statuses.append(memgrove.inspect_many([deep, EMPTY])["status"].to_pylist())
        with pytest.raises(ValueError, match="too deep"):
            memgrove.inspect(deep)
        with pytest.raises(ValueError, match="too deep"):
            memgrove.fix(deep)
        statuses.append("done")

    before = threading.stack_size(stack)
    thread = threading.Thread(target=inspect)
    thread.start()
    thread.join()
    threading.stack_size(before)
    assert statuses == [["bad-text", "ok"], "done"]


def test_the_readme_is_true(tmp_path, monkeypatch, capsys):
    readme = pathlib.Path(__file__).parent.with_name("README.md").read_text()
    blocks = [part.split("```", 1)[0] for part in readme.split("```python\n")[1:]]
    assert len(blocks) == 2
    monkeypatch.chdir(tmp_path)
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    wasm = b'(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (memory (export "memory") 1))'
    for path in [tmp_path / "app.wasm", *(uploads / f"{number}.wasm" for number in range(100))]:
        path.write_bytes(wasm)
    first, second = {}, {}
    exec(blocks[0], first)
    assert memgrove.inspect(first["anywhere"])["requirements"]["import_count"] == 0
    assert first["batch"]["status"].to_pylist() == ["ok", "not-wasm"]
    assert capsys.readouterr().out
    exec(blocks[1], second)
    rows = pyarrow.parquet.read_table("rows.parquet")
    assert sorted(rows["source"].to_pylist()) == sorted(str(path.relative_to(tmp_path)) for path in uploads.iterdir())


def test_a_fixed_module_needs_no_host():
    wasm = b'(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))) (memory (export "memory") 1))'
    with pytest.raises(ValueError, match="import"):
        memgrove.fix(wasm)
    fixed = memgrove.fix(wasm, stub_wasi=True)
    assert memgrove.inspect(fixed)["requirements"]["import_count"] == 0
    with pytest.raises(ValueError, match="host"):
        memgrove.fix(wasm, host="nowhere")


def test_others_run_while_it_works():
    big = [EMPTY] * 20000
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.monotonic()
    memgrove.inspect_many(big)
    end = time.monotonic()
    done.set()
    thread.join()
    inside = [t for t in ticks if start < t < end]
    # With the lock held, there would be no tick but at its ends.
    middle = [t for t in inside if start + (end - start) * 0.4 < t < start + (end - start) * 0.9]
    assert len(middle) > 5, (len(inside), end - start)
