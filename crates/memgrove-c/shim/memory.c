/* What a linker or a host may or may not offer, asked weakly. */

#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES ((size_t)1 << 16)

/* Defined by wasm-ld: the first byte after static data and stack. */
extern unsigned char __heap_base;

/* The end of the initial memory; wasm-ld defines it since LLVM 16. */
extern unsigned char __heap_end __attribute__((weak));

/* In the archive, but taken only on demand: slack.c, emscripten.c and glue.c. */
extern const char memgrove_use_slack __attribute__((weak));
size_t memgrove_emscripten_grow(size_t *pages) __attribute__((weak));
size_t memgrove_glue_grow(size_t *pages) __attribute__((weak));

/* The end of the slack, the initial memory after __heap_base that is the heap's; __heap_base itself if there is none.

   With threads a tool may have put data there after linking (wasm-bindgen up to 0.2.126 does), and where an older linker
   does not say where the initial memory ends, what lies below its end now may be somebody's who has grown it. Emscripten's
   own malloc takes that memory, so there it is the heap's; elsewhere the program must say so. */
uintptr_t memgrove_slack_end(void) {
#ifndef __wasm_atomics__
  if (&__heap_end)
    return (uintptr_t)&__heap_end;
#endif
  if (!&memgrove_use_slack)
    return (uintptr_t)&__heap_base;
  return &__heap_end ? (uintptr_t)&__heap_end : __builtin_wasm_memory_size(0) * PAGE_BYTES;
}

/* Grows by *pages or more, and stores by how many. The previous size in pages, or SIZE_MAX. */
size_t memgrove_grow(size_t *pages) {
  if (memgrove_emscripten_grow)
    return memgrove_emscripten_grow(pages);
  if (memgrove_glue_grow)
    return memgrove_glue_grow(pages);
  return __builtin_wasm_memory_grow(0, *pages);
}
