;; The shadow of a program whose threads share its memory: each of them is an instance, and all have one shadow. A part of
;; checker.wat.
;;
;; It stands in a block of the program's allocator, long enough for all that the memory may become. A word of the program's
;; memory that nothing else uses says where: 0, nowhere; 1, a thread is making it; 2, there was no memory for it, and
;; nothing is checked; else there. A thread that does not know it yet checks nothing.
;;
;; The block begins with what all threads have in common (0x200 bytes): what checker.wat says, and 0x1f0 how many threads
;; know it, 0x1f4 how many nodes their recordings have, 0x1f8 1 while a thread works on the quarantine. The shadow follows.
;;
;; The shadow of a block is written by whoever allocates and frees it, and the program itself takes care that another thread
;; that has it learns of it afterwards: a program that does not is wrong without a check, too.

  ;; This thread knows the shadow from now on.
  (func $settle (param $at i32)
    (global.set $state (local.get $at))
    (global.set $shadow_at (i32.add (local.get $at) (i32.const 0x200)))
    (i32.store $recording (i32.const 0x138)
      (i32.add
        (i32.atomic.rmw.add $program offset=0x1f0 (local.get $at) (i32.const 1))
        (i32.const 1)))
    (call $log (i32.const 13) (local.get $at) (i32.const 0) (i32.const 0)))

  ;; The host calls, or the program has called it: another thread may have made the shadow.
  (func $sync (export "sync")
    (local $at i32)
    (if (global.get $state) (then (return)))
    (local.set $at (i32.atomic.load $program (global.get $word)))
    (if (i32.gt_u (local.get $at) (i32.const 2)) (then (call $settle (local.get $at)))))

  ;; A function of the allocator is called. Returns whether this thread is to make the shadow.
  (func (export "claim") (result i32)
    (local $at i32)
    (if (global.get $state) (then (return (i32.const 0))))
    (loop $again
      (local.set $at
        (i32.atomic.rmw.cmpxchg $program (global.get $word) (i32.const 0) (i32.const 1)))
      (br_if $again (i32.eq (local.get $at) (i32.const 1))))
    (if (i32.gt_u (local.get $at) (i32.const 2)) (then (call $settle (local.get $at))))
    (i32.eqz (local.get $at)))

  ;; The allocator has given this block, or 0, for it.
  (func (export "made") (param $block i32)
    (local $at i32) (local $end i32)
    (if (i32.eqz (local.get $block))
      (then
        (i32.atomic.store $program (global.get $word) (i32.const 2))
        (return)))
    (local.set $block (i32.and (i32.add (local.get $block) (i32.const 15)) (i32.const -16)))
    (local.set $at (local.get $block))
    (local.set $end (i32.sub (i32.add (local.get $block) (global.get $block_bytes)) (i32.const 16)))
    ;; Most is memory that was never written, and takes none as long as it is not.
    (loop $next
      (if (i64.ne (i64.load $program (local.get $at)) (i64.const 0))
        (then (i64.store $program (local.get $at) (i64.const 0))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.ne (local.get $at) (local.get $end))))
    (i32.atomic.store $program (global.get $word) (local.get $block))
    (call $settle (local.get $block)))

  ;; Whether this thread knows the shadow.
  (func (export "is_ready") (result i32)
    (i32.ne (global.get $state) (i32.const 0)))

  ;; Whether this is the thread that knew it first.
  (func (export "is_first") (result i32)
    (i32.eq (i32.load $recording (i32.const 0x138)) (i32.const 1)))

  ;; Whether there is no shadow, as there was no memory for it.
  (func (export "is_without") (result i32)
    (i32.eq (i32.atomic.load $program (global.get $word)) (i32.const 2)))

  ;; How many threads know the shadow.
  (func (export "thread_count") (result i32)
    (i32.atomic.load $program offset=0x1f0 (global.get $state)))

  (func (export "node_count") (result i32)
    (select (i32.const 0x10000) {nodes} (i32.gt_u {nodes} (i32.const 0x10000))))

  (func (export "grow") (param $delta i32) (result i32)
    (memory.grow $program (local.get $delta)))

  ;; It is waited for by looking again: `memory.atomic.wait` traps on the main thread of a browser.
  (func $lock
    (loop $again
      (br_if $again
        (i32.atomic.rmw.cmpxchg $program offset=0x1f8 (global.get $state) (i32.const 0) (i32.const 1)))))
  (func $unlock
    (i32.atomic.store $program offset=0x1f8 (global.get $state) (i32.const 0)))

  ;; What one thread does at a time.
  (func (export "free") (param i32 i32 i32 i32 i32 i32) (result i32)
    (call $lock)
    (call $free (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5))
    (call $unlock))
  (func (export "place") (param i32 i32 i32 i32 i32) (result i32)
    (call $lock)
    (call $place (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4))
    (call $unlock))
  (func (export "pop") (param i32) (result i32)
    (call $lock)
    (call $pop (local.get 0))
    (call $unlock))
