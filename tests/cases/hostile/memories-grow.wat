;; Four memories that grow in turn, every page of which is written to.
(module
  (import "env" "emscripten_notify_memory_growth" (func (param i32)))
  (memory $a (export "memory") 1) (memory $b 1) (memory $c 1) (memory $d 1)
  (func (export "f")
    (local $at i32)
    (loop $l
      (local.set $at (i32.shl (memory.grow $a (i32.const 16)) (i32.const 16)))
      (memory.fill $a (local.get $at) (i32.const 1) (i32.const 1048576))
      (drop (memory.grow $b (i32.const 16)))
      (memory.fill $b (local.get $at) (i32.const 1) (i32.const 1048576))
      (drop (memory.grow $c (i32.const 16)))
      (memory.fill $c (local.get $at) (i32.const 1) (i32.const 1048576))
      (drop (memory.grow $d (i32.const 16)))
      (memory.fill $d (local.get $at) (i32.const 1) (i32.const 1048576))
      (br $l))))
