;; A loop that spends its time with the host.
(module
  (import "env" "emscripten_notify_memory_growth" (func $notify (param i32)))
  (func (export "f") (loop $l (call $notify (i32.const 1)) (br $l))))
