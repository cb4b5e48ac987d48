/* The names by which Emscripten's threads, mmap and environment call its own malloc. Weak: its own come first, where it has
   one. */

#include <stddef.h>

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);
void *memalign(size_t alignment, size_t size);
void free(void *block);
char memgrove_emscripten_found(void);

#define WEAK __attribute__((weak))

WEAK void *emscripten_builtin_malloc(size_t size) { return malloc(size); }
WEAK void *emscripten_builtin_calloc(size_t count, size_t size) { return calloc(count, size); }
WEAK void *emscripten_builtin_realloc(void *block, size_t size) { return realloc(block, size); }
WEAK void *emscripten_builtin_memalign(size_t alignment, size_t size) { return memalign(alignment, size); }
WEAK void emscripten_builtin_free(void *block) { free(block); }

/* Never called: this, too, tells that Emscripten links. */
char memgrove_emscripten_names(void) { return memgrove_emscripten_found(); }
