;; A 64-bit memory that wants one terabyte more.
(module
  (import "env" "emscripten_notify_memory_growth" (func (param i32)))
  (memory (export "memory") i64 1)
  (func (export "f") (drop (memory.grow (i64.const 16777216)))))
