;; Few instructions, each of which does much: the clock has to end this.
(module
  (import "env" "emscripten_notify_memory_growth" (func (param i32)))
  (memory (export "memory") 256)
  (table 90000 funcref)
  (elem $e funcref (ref.null func))
  (data $d "passive")
  (func (export "f")
    (loop $l
      (table.fill (i32.const 0) (ref.null func) (i32.const 90000))
      (table.copy (i32.const 0) (i32.const 1) (i32.const 80000))
      (table.init $e (i32.const 0) (i32.const 0) (i32.const 1))
      (memory.init $d (i32.const 0) (i32.const 0) (i32.const 7))
      (br $l))))
