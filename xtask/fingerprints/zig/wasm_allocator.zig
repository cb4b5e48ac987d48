// Zig's own allocator for wasm, behind the four calls a program makes.
const std = @import("std");
const allocator = std.heap.wasm_allocator;

export fn fp_alloc(len: usize) ?[*]u8 {
    const slice = allocator.alloc(u8, len) catch return null;
    return slice.ptr;
}

export fn fp_free(ptr: [*]u8, len: usize) void {
    allocator.free(ptr[0..len]);
}

export fn fp_realloc(ptr: [*]u8, len: usize, new_len: usize) ?[*]u8 {
    const slice = allocator.realloc(ptr[0..len], new_len) catch return null;
    return slice.ptr;
}

export fn fp_resize(ptr: [*]u8, len: usize, new_len: usize) bool {
    return allocator.resize(ptr[0..len], new_len);
}
