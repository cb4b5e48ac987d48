/* What a C allocator asks of its C library, over memory.grow alone. */
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 65536u

extern unsigned char __heap_base;
extern unsigned char __heap_end;

static uintptr_t brk_address;

/* The break only rises. If somebody else grew memory, it goes on behind that. */
void *sbrk(intptr_t increment) {
    uintptr_t end = __builtin_wasm_memory_size(0) * PAGE_BYTES;
    static uintptr_t end_seen;
    if (brk_address == 0) {
        brk_address = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
        /* What somebody grew before the first call is not ours either. */
        end_seen = (uintptr_t)&__heap_end;
    }
    if (end != end_seen && increment > 0) {
        brk_address = end;
        end_seen = end;
    }
    if (increment < 0) {
        return (void *)-1;
    }
    uintptr_t next = brk_address + (uintptr_t)increment;
    if (next < brk_address) {
        return (void *)-1;
    }
    if (next > end) {
        uintptr_t pages = (next - end + PAGE_BYTES - 1) / PAGE_BYTES;
        if (__builtin_wasm_memory_grow(0, pages) == (uintptr_t)-1) {
            return (void *)-1;
        }
        end_seen = end + pages * PAGE_BYTES;
    }
    uintptr_t before = brk_address;
    brk_address = next;
    return (void *)before;
}

size_t emscripten_get_heap_size(void) {
    return __builtin_wasm_memory_size(0) * PAGE_BYTES;
}

int errno;

int *__errno_location(void) {
    return &errno;
}

_Noreturn void abort(void) {
    __builtin_trap();
}
