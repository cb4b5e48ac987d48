/* Sets errno where the program has one. Both names are weak: a program without a C library has neither, and must not
   get an import for it. */

#define ENOMEM 48 /* of wasi-libc and of Emscripten */

int *__errno_location(void) __attribute__((weak)); /* Emscripten, musl */

/* wasi-libc's is thread-local, which without threads is a plain word. It must be declared as one: of a thread-local
   variable the compiler believes that it always exists, and would write to address 0 where it does not. */
#ifndef __wasm_atomics__
extern int errno __attribute__((weak));
#endif

void memgrove_out_of_memory(void) {
  if (__errno_location) {
    *__errno_location() = ENOMEM;
    return;
  }
#ifndef __wasm_atomics__
  if (&errno)
    errno = ENOMEM;
#endif
}
