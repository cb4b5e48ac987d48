/* What a linker or a host may or may not offer, asked weakly. */

#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES ((size_t)1 << 16)

/* The end of the initial memory; wasm-ld defines it since LLVM 16. */
extern unsigned char __heap_end __attribute__((weak));

/* In the archive, but taken only on demand: see emscripten.c. */
size_t memgrove_emscripten_grow(size_t *pages) __attribute__((weak));

/* Where an older linker does not say, memory ends where it ends now: nobody grows it before the first allocation but
   those who call memory.grow themselves. */
uintptr_t memgrove_heap_end(void) {
  return &__heap_end ? (uintptr_t)&__heap_end : __builtin_wasm_memory_size(0) * PAGE_BYTES;
}

/* Grows by *pages or more, and says by how many. The previous size in pages, or SIZE_MAX. */
size_t memgrove_grow(size_t *pages) {
  if (memgrove_emscripten_grow)
    return memgrove_emscripten_grow(pages);
  return __builtin_wasm_memory_grow(0, *pages);
}
