;; A start function with few instructions, each of which does much.
(module
  (import "env" "emscripten_notify_memory_growth" (func (param i32)))
  (table 90000 funcref)
  (func $start
    (loop $l (table.fill (i32.const 0) (ref.null func) (i32.const 90000)) (br $l)))
  (start $start)
  (func (export "f")))
