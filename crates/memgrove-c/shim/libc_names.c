/* The names by which musl, in wasi-libc and Emscripten, calls its own malloc. Weak: a library's own come first. */

#include <stddef.h>

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);
void free(void *block);

#define WEAK __attribute__((weak))

WEAK void *__libc_malloc(size_t size) { return malloc(size); }
WEAK void *__libc_calloc(size_t count, size_t size) { return calloc(count, size); }
WEAK void *__libc_realloc(void *block, size_t size) { return realloc(block, size); }
WEAK void __libc_free(void *block) { free(block); }
