;; Recursion without end.
(module
  (import "env" "emscripten_notify_memory_growth" (func (param i32)))
  (func $deep (export "f") (param i64 i64 i64 i64) (result i64)
    (i64.add (call $deep (local.get 0) (local.get 1) (local.get 2) (local.get 3)) (local.get 0))))
