;; A library with an allocator that only bumps a pointer; `work n` allocates n blocks of 24 bytes and frees them, three times.
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1024))
  (func $malloc (export "malloc") (param $size i32) (result i32)
    (local $block i32)
    (local.set $block (global.get $next))
    (global.set $next
      (i32.and (i32.add (i32.add (local.get $block) (local.get $size)) (i32.const 15)) (i32.const -16)))
    (block $room
      (br_if $room (i32.le_u (global.get $next) (i32.shl (memory.size) (i32.const 16))))
      (br_if $room (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))
      (return (i32.const 0)))
    (local.get $block))
  (func $free (export "free") (param $block i32))
  (func $round (param $count i32)
    (local $list i32) (local $block i32)
    (block $allocated
      (loop $more
        (br_if $allocated (i32.eqz (local.get $count)))
        (local.set $block (call $malloc (i32.const 24)))
        (br_if $allocated (i32.eqz (local.get $block)))
        (i32.store (local.get $block) (local.get $list))
        (local.set $list (local.get $block))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $more)))
    (block $freed
      (loop $more
        (br_if $freed (i32.eqz (local.get $list)))
        (local.set $block (local.get $list))
        (local.set $list (i32.load (local.get $block)))
        (call $free (local.get $block))
        (br $more))))
  (func (export "work") (param $count i32)
    (call $round (local.get $count))
    (call $round (local.get $count))
    (call $round (local.get $count))))
