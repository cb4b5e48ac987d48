;; A shared memory, for whose growth engines ask nobody, grown and written to.
(module
  (import "env" "emscripten_notify_memory_growth" (func (param i32)))
  (memory (export "memory") 1 65536 shared)
  (func (export "f")
    (local $at i32)
    (loop $l
      (local.set $at (memory.grow (i32.const 16)))
      (br_if 1 (i32.eq (local.get $at) (i32.const -1)))
      (memory.fill (i32.shl (local.get $at) (i32.const 16)) (i32.const 1) (i32.const 1048576))
      (br $l))))
