;; A start function without end.
(module
  (import "env" "notify" (func (param i32)))
  (func $start (loop $l (br $l)))
  (start $start)
  (func (export "f")))
