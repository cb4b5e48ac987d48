;; Several tables, each of which stays below any limit for one.
(module
  (import "env" "emscripten_notify_memory_growth" (func (param i32)))
  (table $a 1 funcref) (table $b 1 externref) (table $c 1 funcref) (table $d 1 externref)
  (func (export "f")
    (loop $l
      (drop (table.grow $a (ref.null func) (i32.const 1000)))
      (drop (table.grow $b (ref.null extern) (i32.const 1000)))
      (drop (table.grow $c (ref.null func) (i32.const 1000)))
      (drop (table.grow $d (ref.null extern) (i32.const 1000)))
      (br $l))))
