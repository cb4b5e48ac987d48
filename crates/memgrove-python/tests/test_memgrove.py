"""The package as it is installed."""

import threading
import time

import memgrove
import pyarrow
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
