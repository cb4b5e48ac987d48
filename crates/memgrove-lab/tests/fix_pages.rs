//! Fixed modules whose memory has pages of one byte, on engines with that proposal on.

#[path = "fix_support/trio.rs"]
mod trio;

use trio::Trio;

/// The functions around the heap's size, exported, over a memory of some type.
fn heap(memory: &str) -> Trio {
    Trio::new(&format!(
        r#"(module
            (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
            (import "env" "emscripten_get_heap_max" (func $max (result i32)))
            (import "env" "emscripten_get_heap_size" (func $bytes (result i32)))
            (import "env" "emscripten_memcpy_big" (func $copy (param i32 i32 i32) (result i32)))
            (memory (export "memory") {memory})
            (func (export "resize") (param i32) (result i32) (call $resize (local.get 0)))
            (func (export "max") (result i32) (call $max))
            (func (export "bytes") (result i32) (call $bytes))
            (func (export "copy") (param i32 i32 i32) (result i32)
                (call $copy (local.get 0) (local.get 1) (local.get 2)))
            (func (export "pages") (result i32) memory.size))"#
    ))
}

#[test]
fn pages_of_one_byte() {
    let mut heap = heap("300 1000 (pagesize 1)");
    assert_eq!([heap.call("max", &[]), heap.call("bytes", &[]), heap.call("pages", &[])], [1000, 300, 300]);
    for (asked, granted, bytes) in [
        (0, 1, 300),
        (300, 1, 300),
        (301, 1, 301),
        (700, 1, 700),
        (1001, 0, 700),
        (1000, 1, 1000),
        (65536, 0, 1000),
        (u32::MAX, 0, 1000),
    ] {
        assert_eq!(heap.call("resize", &[asked]), granted, "{asked}");
        assert_eq!(heap.call("bytes", &[]), bytes, "{asked}");
        assert_eq!(heap.memory_bytes(), bytes.cast_unsigned(), "{asked}");
    }
    heap.write(0, b"at the end");
    assert_eq!(heap.call("copy", &[990, 0, 10]), 990);
    assert_eq!(heap.read(990, 10), b"at the end");
}

#[test]
fn pages_of_64_kib_behave_as_ever() {
    let mut heap = heap("1 3");
    assert_eq!(
        [heap.call("max", &[]), heap.call("bytes", &[]), heap.call("pages", &[])],
        [196_608, 65536, 1]
    );
    for (asked, granted, bytes) in [
        (0, 1, 65536),
        (65536, 1, 65536),
        (65537, 1, 131_072),
        (196_609, 0, 131_072),
        (196_608, 1, 196_608),
        (u32::MAX, 0, 196_608),
    ] {
        assert_eq!(heap.call("resize", &[asked]), granted, "{asked}");
        assert_eq!(heap.memory_bytes(), bytes, "{asked}");
    }
}
