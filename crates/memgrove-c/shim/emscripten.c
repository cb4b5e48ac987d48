/* Emscripten's JavaScript keeps views of memory, which a growth by the module itself would leave behind. So there its
   own function must grow. Linked by -Wl,-u,memgrove_emscripten_grow only, because it is an import. */

#include <stddef.h>

#define PAGE_BYTES ((size_t)1 << 16)

int emscripten_resize_heap(size_t bytes);

/* It grows by a fifth more than it is asked for, all of which is ours. */
size_t memgrove_emscripten_grow(size_t *pages) {
  size_t before = __builtin_wasm_memory_size(0);
  if (*pages > ((size_t)1 << 16) - 1 - before || !emscripten_resize_heap((before + *pages) * PAGE_BYTES))
    return (size_t)-1;
  *pages = __builtin_wasm_memory_size(0) - before;
  return before;
}
