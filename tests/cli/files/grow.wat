;; A library with a bump allocator of its own, laid out as LLVM does it: data, stack, heap.
(module $grow
  (memory (export "memory") 2)
  (global $__stack_pointer (mut i32) (i32.const 66576))
  (global $heap (mut i32) (i32.const 66576))
  (global (export "__heap_base") i32 (i32.const 66576))
  (global (export "__data_end") i32 (i32.const 1040))
  (data (i32.const 1024) "static data")
  (func $malloc (export "malloc") (param $size i32) (result i32)
    (local $block i32)
    (local.set $block (global.get $heap))
    (global.set $heap (i32.add (local.get $block) (local.get $size)))
    (if (i32.gt_u (global.get $heap) (i32.shl (memory.size) (i32.const 16)))
      (then
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1))
          (then (return (i32.const 0))))))
    (local.get $block))
  (func (export "free") (param i32)))
