/* Taken when Emscripten links what is not a STANDALONE_WASM library, which has an _initialize of its own. Is it a
   STANDALONE_WASM program, which has a _start? If not, glue.c is taken. */

void _start(void);

__attribute__((weak)) void _initialize(void) { _start(); }
