// An arena over pages: allocate much, free all at once.
const std = @import("std");
var arena = std.heap.ArenaAllocator.init(std.heap.page_allocator);

export fn fp_alloc(len: usize) ?[*]u8 {
    const slice = arena.allocator().alloc(u8, len) catch return null;
    return slice.ptr;
}

export fn fp_free(ptr: [*]u8, len: usize) void {
    arena.allocator().free(ptr[0..len]);
}

export fn fp_realloc(ptr: [*]u8, len: usize, new_len: usize) ?[*]u8 {
    const slice = arena.allocator().realloc(ptr[0..len], new_len) catch return null;
    return slice.ptr;
}

export fn fp_reset() void {
    arena.deinit();
}
