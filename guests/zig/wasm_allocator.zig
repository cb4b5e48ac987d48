//! Zig's allocator for WebAssembly, as the guest calls it.
const std = @import("std");

const heap = std.heap.wasm_allocator;

export fn zig_alloc(len: usize, align_log2: usize) ?[*]u8 {
    return heap.rawAlloc(len, @enumFromInt(align_log2), 0);
}

export fn zig_resize(block: [*]u8, len: usize, align_log2: usize, new_len: usize) bool {
    return heap.rawResize(block[0..len], @enumFromInt(align_log2), new_len, 0);
}

export fn zig_free(block: [*]u8, len: usize, align_log2: usize) void {
    heap.rawFree(block[0..len], @enumFromInt(align_log2), 0);
}
