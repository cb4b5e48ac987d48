/* Sets errno where the program has one. Both names are weak: a program without a C library has neither, and must not
   get an import for it. */

#define ENOMEM 48 /* of wasi-libc and of Emscripten */

extern _Thread_local int errno __attribute__((weak)); /* wasi-libc */
int *__errno_location(void) __attribute__((weak));    /* Emscripten, musl */

void memgrove_out_of_memory(void) {
  if (&errno) {
    errno = ENOMEM;
  } else if (__errno_location) {
    *__errno_location() = ENOMEM;
  }
}
