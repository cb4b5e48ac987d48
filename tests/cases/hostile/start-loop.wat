;; A start function without end.
(module
  (import "env" "emscripten_notify_memory_growth" (func (param i32)))
  (func $start (loop $l (br $l)))
  (start $start)
  (func (export "f")))
