;; Asks its host to grow memory, as Emscripten's modules do.
(module
  (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
  (memory (export "memory") 256 32768)
  (func $sbrk (param i32) (result i32)
    (if (i32.eqz (call $resize (i32.add (i32.shl (memory.size) (i32.const 16)) (local.get 0))))
      (then (return (i32.const -1))))
    (i32.const 0))
  (func (export "malloc") (param i32) (result i32)
    (call $sbrk (local.get 0)))
  (func (export "free") (param i32)))
