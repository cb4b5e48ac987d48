;; A program with an allocator that it exports, and functions that leave blocks: one that is kept, one that only the host
;; has, and two to which nothing points any more.
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1024))
  (global $kept (mut i32) (i32.const 0))
  (func $malloc (export "malloc") (param $size i32) (result i32)
    (global.get $next)
    (global.set $next (i32.add (global.get $next)
      (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -16)))))
  (func $free (export "free") (param i32))
  (func (export "kept") (param $size i32) (global.set $kept (call $malloc (local.get $size))))
  (func (export "given") (param $size i32) (result i32) (call $malloc (local.get $size)))
  (func (export "dropped") (param $size i32)
    (local $block i32)
    (local.set $block (call $malloc (local.get $size)))
    (i32.store (local.get $block) (call $malloc (i32.const 40)))))
