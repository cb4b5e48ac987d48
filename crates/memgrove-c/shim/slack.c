/* Linked by -Wl,-u,memgrove_use_slack and under Emscripten: nothing but the heap uses the initial memory after
   __heap_base. For a memory with threads that cannot grow. */
const char memgrove_use_slack = 1;
