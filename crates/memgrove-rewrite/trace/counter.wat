;; Numbers for the events of several instances that have one memory: each draws them from one counter there, which the
;; instance that allocates first puts into a block of its allocator. The others find it by the mark before it.
(module
  (import "memgrove" "program" (memory $program 0))
  (import "memgrove" "recording" (memory $recording 0))
  ;; Where the counter stands; 0 before that is known, 1 while a block for it is asked for, and for ever if that was refused.
  (import "memgrove" "counter" (global $counter (mut i32)))
  ;; Where the stack begins for what the host calls next; bit 0: a function of the allocator is in progress.
  (import "memgrove" "state" (global $state (mut i32)))
  ;; Where the next function that is entered puts its frame, and the number of the call that is about to be made.
  (import "memgrove" "sp" (global $sp (mut i32)))
  (import "memgrove" "site" (global $site (mut i32)))
  ;; The 16 bytes before the counter.
  (import "memgrove" "mark" (global $mark i64))
  (import "memgrove" "mark_rest" (global $mark_rest i64))
  (import "memgrove" "take" (func $take (param i32) (result i32)))
  (import "memgrove" "note" (func $note (param i32 i32 i32 i32)))
  (import "memgrove" "log" (func $log (param i32 i32 i32 i32)))
  (import "memgrove" "node_of" (func $node_of (param i32) (result i32)))

  ;; Where the counter stands behind the first mark in memory; 0 if there is none.
  (func $search (result i32)
    (local $at i32) (local $end i32)
    (if (i32.eqz (memory.size $program)) (then (return (i32.const 0))))
    (local.set $end (i32.sub (i32.shl (memory.size $program) (i32.const 16)) (i32.const 32)))
    (loop $next
      (if (i64.eq (i64.load $program (local.get $at)) (global.get $mark))
        (then
          (if (i64.eq (i64.load $program offset=8 (local.get $at)) (global.get $mark_rest))
            (then (return (i32.add (local.get $at) (i32.const 16)))))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $next (i32.le_u (local.get $at) (local.get $end))))
    (i32.const 0))

  ;; Whether the counter need not be looked for, or cannot be now.
  (func $is_settled (result i32)
    (i32.or (i32.ne (global.get $counter) (i32.const 0)) (i32.and (global.get $state) (i32.const 1))))

  ;; A block with the counter and all but the first word of the mark; 0 if it is refused.
  (func $make (result i32)
    (local $at i32) (local $sp i32) (local $state i32) (local $site i32)
    (local.set $sp (global.get $sp))
    (local.set $state (global.get $state))
    (local.set $site (global.get $site))
    (global.set $counter (i32.const 1))
    (local.set $at (call $take (i32.const 48)))
    (global.set $sp (local.get $sp))
    (global.set $state (local.get $state))
    (global.set $site (local.get $site))
    (if (i32.eqz (local.get $at)) (then (return (i32.const 0))))
    (local.set $at (i32.and (i32.add (local.get $at) (i32.const 15)) (i32.const -16)))
    (i64.store $program offset=16 (local.get $at) (i64.const 0))
    (i64.store $program offset=8 (local.get $at) (global.get $mark_rest))
    (local.get $at))

  ;; Events are numbered from now on.
  (func $settle (param $counter i32)
    (global.set $counter (local.get $counter))
    (i32.store $recording (i32.const 8) (i32.or (i32.load $recording (i32.const 8)) (i32.const 32)))
    ;; The number that follows the last one that was noted; none has been.
    (i64.store $recording (i32.const 0x128) (i64.const -1)))

  ;; Before the allocator is called: finds the counter, or makes it. Returns 0.
  (func (export "find") (result i32)
    (local $at i32)
    (if (call $is_settled) (then (return (i32.const 0))))
    (if (i32.eqz (local.tee $at (call $search)))
      (then
        (if (i32.eqz (local.tee $at (call $make))) (then (return (i32.const 0))))
        (i64.store $program (local.get $at) (global.get $mark))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))))
    (call $settle (local.get $at))
    (i32.const 0))

  ;; The same where other threads do it, too. Two that make a counter at the same time may miss each other; then their
  ;; recordings name different counters, and are not read together.
  (func (export "find_shared") (result i32)
    (local $at i32)
    (if (call $is_settled) (then (return (i32.const 0))))
    (local.set $at (call $search))
    (atomic.fence)
    (if (i32.eqz (local.get $at))
      (then
        (if (i32.eqz (local.tee $at (call $make))) (then (return (i32.const 0))))
        (atomic.fence)
        (i64.store $program (local.get $at) (global.get $mark))
        (atomic.fence)
        (local.set $at (call $search))))
    (call $settle (local.get $at))
    (i32.const 0))

  ;; Notes a number unless it follows the last one.
  (func $number (param $number i64)
    (if (i64.ne (local.get $number) (i64.load $recording (i32.const 0x128)))
      (then
        (call $log (i32.const 13) (global.get $counter)
          (i32.wrap_i64 (local.get $number))
          (i32.wrap_i64 (i64.shr_u (local.get $number) (i64.const 32))))))
    (i64.store $recording (i32.const 0x128) (i64.add (local.get $number) (i64.const 1))))

  ;; Instances of one thread.
  (func $draw
    (local $number i64)
    (local.set $number (i64.load $program (global.get $counter)))
    (i64.store $program (global.get $counter) (i64.add (local.get $number) (i64.const 1)))
    (call $number (local.get $number)))

  ;; Instances of several.
  (func $draw_shared
    (call $number (i64.atomic.rmw.add $program (global.get $counter) (i64.const 1))))

  (func (export "record") (param $what i32) (param $block i32) (param $size i32) (param $frame i32)
    (local $node i32)
    (if (i32.le_u (global.get $counter) (i32.const 1)) (then (return)))
    (local.set $node (call $node_of (local.get $frame)))
    (call $draw)
    (call $note (local.get $what) (local.get $node) (local.get $block) (local.get $size)))

  (func (export "record_flat") (param $what i32) (param $block i32) (param $size i32)
    (if (i32.le_u (global.get $counter) (i32.const 1)) (then (return)))
    (call $draw)
    (call $note (local.get $what) (i32.const 0) (local.get $block) (local.get $size)))

  (func (export "record_shared") (param $what i32) (param $block i32) (param $size i32) (param $frame i32)
    (local $node i32)
    (if (i32.le_u (global.get $counter) (i32.const 1)) (then (return)))
    (local.set $node (call $node_of (local.get $frame)))
    (call $draw_shared)
    (call $note (local.get $what) (local.get $node) (local.get $block) (local.get $size)))

  (func (export "record_flat_shared") (param $what i32) (param $block i32) (param $size i32)
    (if (i32.le_u (global.get $counter) (i32.const 1)) (then (return)))
    (call $draw_shared)
    (call $note (local.get $what) (i32.const 0) (local.get $block) (local.get $size))))
