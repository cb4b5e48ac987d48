;; A program whose objects are the engine's.
(module
  (type $pair (struct (field i32) (field i32)))
  (func (export "sum") (param i32) (result i32)
    (struct.get $pair 0 (struct.new $pair (local.get 0) (i32.const 1)))))
