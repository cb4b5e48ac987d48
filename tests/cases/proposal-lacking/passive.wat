;; A segment that code puts into memory: only a part of this can be written without bulk-memory.
(module
  (memory (export "memory") 1)
  (data $text "abc")
  (func (export "put") (param i32) (memory.init $text (local.get 0) (i32.const 0) (i32.const 3)))
  (func (export "clear") (param i32) (memory.fill (local.get 0) (i32.const 0) (i32.const 3))))
