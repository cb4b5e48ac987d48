;; The study's program with the imports and exports that Emscripten's fastcomp gave it in 2018.
;;
;; Written by hand: that compiler is no longer to be had. The import list and the exports are those the
;; study printed (Emscripten 1.38.12), the functions below honour the same contract: the host owns the
;; memory, keeps the break at DYNAMICTOP_PTR, and grows memory when `enlargeMemory` is called. The
;; allocator is a bump over `_sbrk`, not dlmalloc.
(module
  (import "env" "memory" (memory 256 256))
  (import "env" "DYNAMICTOP_PTR" (global $DYNAMICTOP_PTR i32))
  (import "env" "STACKTOP" (global $initial_stacktop i32))
  (import "env" "enlargeMemory" (func $enlargeMemory (result i32)))
  (import "env" "getTotalMemory" (func $getTotalMemory (result i32)))
  (import "env" "abortOnCannotGrowMemory" (func $abortOnCannotGrowMemory (result i32)))
  (import "env" "___setErrNo" (func $___setErrNo (param i32)))

  (global $STACKTOP (mut i32) (global.get $initial_stacktop))
  (data (i32.const 1024) "myapp\00")

  (export "___errno_location" (func $___errno_location))
  (export "_main" (func $_main))
  (export "stackAlloc" (func $stackAlloc))

  (func $___errno_location (result i32) (i32.const 1032))

  ;; The stack grows up, in steps of 16 bytes.
  (func $stackAlloc (param $size i32) (result i32) (local $block i32)
    (local.set $block (global.get $STACKTOP))
    (global.set $STACKTOP
      (i32.and (i32.add (i32.add (global.get $STACKTOP) (local.get $size)) (i32.const 15)) (i32.const -16)))
    (local.get $block))

  ;; Moves the break up by `increment` bytes and returns where it was, or -1.
  (func $_sbrk (param $increment i32) (result i32) (local $old i32) (local $new i32)
    (local.set $old (i32.load (global.get $DYNAMICTOP_PTR)))
    (local.set $new (i32.add (local.get $old) (local.get $increment)))
    (if (i32.lt_u (local.get $new) (local.get $old))
      (then
        (drop (call $abortOnCannotGrowMemory))
        (call $___setErrNo (i32.const 12)) ;; ENOMEM
        (return (i32.const -1))))
    (i32.store (global.get $DYNAMICTOP_PTR) (local.get $new))
    (if (i32.gt_u (local.get $new) (call $getTotalMemory))
      (then
        (if (i32.eqz (call $enlargeMemory))
          (then
            (i32.store (global.get $DYNAMICTOP_PTR) (local.get $old))
            (call $___setErrNo (i32.const 12))
            (return (i32.const -1))))))
    (local.get $old))

  (func $_malloc (param $size i32) (result i32) (local $block i32)
    (local.set $block
      (call $_sbrk (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -16))))
    (if (i32.eq (local.get $block) (i32.const -1)) (then (return (i32.const 0))))
    (local.get $block))

  ;; Copies at most `size` bytes of the string `from`, then clears the rest.
  (func $_strncpy (param $to i32) (param $from i32) (param $size i32) (local $byte i32)
    (block $end
      (loop $next
        (br_if $end (i32.eqz (local.get $size)))
        (local.set $byte (i32.load8_u (local.get $from)))
        (i32.store8 (local.get $to) (local.get $byte))
        (local.set $from (i32.add (local.get $from) (i32.ne (local.get $byte) (i32.const 0))))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $size (i32.sub (local.get $size) (i32.const 1)))
        (br $next))))

  ;; Zero when the two strings are equal.
  (func $_strcmp (param $left i32) (param $right i32) (result i32) (local $a i32) (local $b i32)
    (loop $next
      (local.set $a (i32.load8_u (local.get $left)))
      (local.set $b (i32.load8_u (local.get $right)))
      (local.set $left (i32.add (local.get $left) (i32.const 1)))
      (local.set $right (i32.add (local.get $right) (i32.const 1)))
      (br_if $next
        (i32.and (i32.eq (local.get $a) (local.get $b)) (i32.ne (local.get $a) (i32.const 0)))))
    (i32.sub (local.get $a) (local.get $b)))

  (func $_main (param $argc i32) (param $argv i32) (result i32) (local $chunk i32)
    (local.set $chunk (call $_malloc (i32.const 65536)))
    (if (i32.eqz (local.get $chunk)) (then (return (i32.const 1))))
    (call $_strncpy (local.get $chunk) (i32.load (local.get $argv)) (i32.const 65535))
    (i32.ne (call $_strcmp (i32.const 1024) (local.get $chunk)) (i32.const 0)))
)
