;; Blocks as code of dlmalloc's expects them that was inlined into a program, over a heap of another design.
;;
;;   | had of the heap ... | distance | length | block ...
;;                          -8         -4
;;
;; distance   from where the heap's own block begins
;; length     of the block and 8 bytes, a multiple of 8; its lower bits, dlmalloc's flags, say that it was mapped by itself
(module
  (import "env" "memory" (memory 0))
  (import "heap" "malloc" (func $heap_malloc (param i32) (result i32)))
  (import "heap" "calloc" (func $heap_calloc (param i32 i32) (result i32)))
  (import "heap" "realloc" (func $heap_realloc (param i32 i32) (result i32)))
  (import "heap" "free" (func $heap_free (param i32)))
  (import "heap" "memalign" (func $heap_memalign (param i32 i32) (result i32)))
  (import "heap" "posix_memalign" (func $heap_posix_memalign (param i32 i32 i32) (result i32)))
  (import "heap" "memcpy" (func $heap_memcpy (param i32 i32 i32) (result i32)))

  ;; What is asked of the heap for a block; the largest number where there can be none so long.
  (func $whole (param $size i32) (param $distance i32) (result i32)
    (if (i32.gt_u (local.get $size) (i32.sub (i32.const 0xffffff00) (local.get $distance)))
      (then (return (i32.const -1))))
    (i32.add (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8)) (local.get $distance)))

  ;; The block within what was had of the heap, which may be null.
  (func $block (param $had i32) (param $distance i32) (param $size i32) (result i32)
    (if (i32.eqz (local.get $had)) (then (return (i32.const 0))))
    (local.set $had (i32.add (local.get $had) (local.get $distance)))
    (i32.store (i32.sub (local.get $had) (i32.const 8)) (local.get $distance))
    (i32.store (i32.sub (local.get $had) (i32.const 4))
      (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -8)))
    (local.get $had))

  (func $distance (param $block i32) (result i32)
    (i32.load (i32.sub (local.get $block) (i32.const 8))))

  (func $malloc (export "malloc") (param $size i32) (result i32)
    (call $block
      (call $heap_malloc (call $whole (local.get $size) (i32.const 16)))
      (i32.const 16) (local.get $size)))

  (func (export "calloc") (param $count i32) (param $size i32) (result i32)
    (local $all i64)
    (local.set $all
      (i64.mul (i64.extend_i32_u (local.get $count)) (i64.extend_i32_u (local.get $size))))
    (local.set $size
      (select (i32.const -1) (i32.wrap_i64 (local.get $all))
        (i64.ne (i64.shr_u (local.get $all) (i64.const 32)) (i64.const 0))))
    (call $block
      (call $heap_calloc (i32.const 1) (call $whole (local.get $size) (i32.const 16)))
      (i32.const 16) (local.get $size)))

  (func (export "realloc") (param $block i32) (param $size i32) (result i32)
    (local $new i32) (local $kept i32)
    (if (i32.eqz (local.get $block)) (then (return (call $malloc (local.get $size)))))
    (if (i32.eq (call $distance (local.get $block)) (i32.const 16))
      (then
        (return
          (call $block
            (call $heap_realloc
              (i32.sub (local.get $block) (i32.const 16))
              (call $whole (local.get $size) (i32.const 16)))
            (i32.const 16) (local.get $size)))))
    ;; An aligned block: the new one has the alignment of all.
    (local.set $new (call $malloc (local.get $size)))
    (if (i32.eqz (local.get $new)) (then (return (i32.const 0))))
    (local.set $kept (call $usable (local.get $block)))
    (drop
      (call $heap_memcpy (local.get $new) (local.get $block)
        (select (local.get $kept) (local.get $size) (i32.lt_u (local.get $kept) (local.get $size)))))
    (call $free (local.get $block))
    (local.get $new))

  (func $free (export "free") (param $block i32)
    (call $heap_free (i32.sub (local.get $block) (call $distance (local.get $block)))))

  (func (export "memalign") (param $align i32) (param $size i32) (result i32)
    (if (i32.le_u (local.get $align) (i32.const 16)) (then (return (call $malloc (local.get $size)))))
    (call $block
      (call $heap_memalign (local.get $align) (call $whole (local.get $size) (local.get $align)))
      (local.get $align) (local.get $size)))

  (func (export "posix_memalign") (param $out i32) (param $align i32) (param $size i32) (result i32)
    (local $distance i32) (local $error i32)
    (local.set $distance
      (select (local.get $align) (i32.const 16) (i32.gt_u (local.get $align) (i32.const 16))))
    (local.set $error
      (call $heap_posix_memalign (local.get $out) (local.get $align)
        (call $whole (local.get $size) (local.get $distance))))
    (if (i32.eqz (local.get $error))
      (then
        (i32.store (local.get $out)
          (call $block (i32.load (local.get $out)) (local.get $distance) (local.get $size)))))
    (local.get $error))

  (func $usable (export "malloc_usable_size") (param $block i32) (result i32)
    (i32.sub
      (i32.and (i32.load (i32.sub (local.get $block) (i32.const 4))) (i32.const -8))
      (i32.const 8))))
