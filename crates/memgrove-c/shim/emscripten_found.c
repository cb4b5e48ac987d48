/* Tells that Emscripten links. Its JavaScript needs some of these functions in nearly every program, and nothing else does; so
   this part of the archive is taken there and only there. They are all that one file of Emscripten's own library defines,
   by older and by newer names: whichever is asked for first, it is looked for here first. They are weak, so that file may
   be linked as well, and they are what it has. */

#define FUNCTION(name, type, body)                                                                                     \
  __asm__(".globaltype __stack_pointer, i32\n"                                                                         \
          ".weak " #name "\n" #name ":\n"                                                                              \
          ".functype " #name " " type "\n" body "end_function\n")

#define GET "global.get __stack_pointer\n"
#define SET "local.get 0\n global.set __stack_pointer\n"
#define ALLOCATE                                                                                                       \
  ".local i32\n global.get __stack_pointer\n local.get 0\n i32.sub\n i32.const -16\n i32.and\n local.tee 1\n"            \
  "global.set __stack_pointer\n local.get 1\n"

FUNCTION(stackSave, "() -> (i32)", GET);
FUNCTION(stackRestore, "(i32) -> ()", SET);
FUNCTION(stackAlloc, "(i32) -> (i32)", ALLOCATE);
FUNCTION(emscripten_stack_get_current, "() -> (i32)", GET);
FUNCTION(_emscripten_stack_restore, "(i32) -> ()", SET);
FUNCTION(_emscripten_stack_alloc, "(i32) -> (i32)", ALLOCATE);

extern const char memgrove_use_slack;
void _initialize(void);

/* Never called, so the linker drops it, but not before it has looked for what it names: Emscripten's malloc takes the memory
   after __heap_base, and so may this one; and _initialize, which a STANDALONE_WASM library has: see no_reactor.c. */
char memgrove_emscripten_found(void) {
  _initialize();
  return memgrove_use_slack;
}
