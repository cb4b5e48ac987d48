//! A program in Zig that takes its memory from memgrove's archive:
//!
//!   zig build-exe app.zig ../../lib/libmemgrove_dlmalloc.a -target wasm32-freestanding -fno-entry --export=sum -O ReleaseSmall

extern fn malloc(size: usize) ?*anyopaque;
extern fn free(block: ?*anyopaque) void;

/// Sums the numbers below `count`, by way of the heap.
export fn sum(count: usize) u32 {
    const block = malloc(count * @sizeOf(u32)) orelse return 0;
    defer free(block);
    const numbers: [*]u32 = @ptrCast(@alignCast(block));
    for (0..count) |index| numbers[index] = @intCast(index);
    var total: u32 = 0;
    for (0..count) |index| total += numbers[index];
    return total;
}
