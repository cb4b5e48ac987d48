;; A wait that nobody will end: no instruction is executed, so that neither fuel nor an interruption helps.
(module
  (import "env" "emscripten_notify_memory_growth" (func (param i32)))
  (memory (export "memory") 1 1 shared)
  (func (export "f") (result i32)
    (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
