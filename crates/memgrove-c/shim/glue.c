/* Taken when Emscripten makes JavaScript for the module. That keeps views of memory, which end when the module grows it, so
   it is told. A STANDALONE_WASM module, which runs without JavaScript, must not get this import. */

#include <stddef.h>

void emscripten_notify_memory_growth(size_t memory);

/* Never called: only its name is wanted, see no_reactor.c. */
__attribute__((weak)) void _start(void) { __builtin_trap(); }

size_t memgrove_glue_grow(size_t *pages) {
  size_t before = __builtin_wasm_memory_grow(0, *pages);
  if (before != (size_t)-1)
    emscripten_notify_memory_growth(0);
  return before;
}
