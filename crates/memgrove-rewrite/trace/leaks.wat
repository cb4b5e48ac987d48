;; What is live at the end of a program, and whether anything points to it. Grafted behind the checker, which has described
;; shadow, headers and the recording's memory.
;;
;; For the search there is room behind the shadow, which is grown for it and cleared again:
;;   blocks   4 bytes each, by address: where it begins (a multiple of 4); bit 0, it was reached from a root; bit 1, a block
;;            that was not reached points to it
;;   list     4 bytes each: places of blocks that were reached
;;   counts   16 bytes a node: blocks that were not reached and their bytes; those of them that others point to, and bytes
;;   globals  8 bytes each
;; Roots are the globals, and the memory but for blocks and what is beside them, and for the part of the stack that is not in
;; use. A pointer is a word at a multiple of 4 with an address in a block, or right behind it.
;;
;; In the recording's memory: 0x120 bytes of the stack that were in use at most (checker.wat), 0x124 where blocks begin,
;; 0x128 the last behind it, 0x12c where the list ends.
(module
  (import "memgrove" "program" (memory $program 0))
  (import "memgrove" "shadow" (memory $shadow 0))
  (import "memgrove" "recording" (memory $recording 0))
  (import "memgrove" "sync" (func $sync))
  ;; Of the checker: what is kept of blocks.
  (import "memgrove" "is_sound" (func $is_sound (param i32) (result i32)))
  (import "memgrove" "size_of" (func $size (param i32) (result i32)))
  (import "memgrove" "nodes_of" (func $nodes (param i32) (result i32)))
  (import "memgrove" "next_live" (func $next (param i32) (result i32)))
  (import "memgrove" "behind" (func $behind (param i32) (result i32)))
  (import "memgrove" "log" (func $log (param i32 i32 i32 i32)))
  ;; With threads: whether this one knows the shadow, knew it first, or there is none; more than the
  ;; number of any node, and how many threads know the shadow.
  (import "memgrove" "is_ready" (func $is_ready (result i32)))
  (import "memgrove" "is_first" (func $is_first (result i32)))
  (import "memgrove" "is_without" (func $is_without (result i32)))
  (import "memgrove" "node_count" (func $node_count (result i32)))
  (import "memgrove" "thread_count" (func $thread_count (result i32)))
  ;; Puts the program's globals here in the shadow's memory, so many bytes.
  (import "memgrove" "put_globals" (func $put_globals (param i32)))
  (import "memgrove" "globals_bytes" (global $globals_bytes i32))
  ;; With threads: where the shadow begins.
  (import "memgrove" "shadow_at" (global $shadow_at (mut i32)))
  (import "memgrove" "frames" (global $frames (mut i32)))
  (import "memgrove" "first_frame" (global $first_frame i32))
  (import "memgrove" "stack_pointer" (global $stack_pointer (mut i32)))
  ;; What it was at first, if it is known (else 0).
  (import "memgrove" "stack_base" (global $stack_base i32))

  ;; Where the node of a block's allocation is counted: something that is not checked may have written over what is kept of it.
  (func $node (param $user i32) (result i32)
    (local $node i32)
    (local.set $node (i32.and (call $nodes (local.get $user)) (i32.const 0xffff)))
    (select (local.get $node) (i32.const 0)
      (i32.lt_u (local.get $node) (i32.load $recording (i32.const 24)))))

  ;; Each block that is live is counted at the node of its allocation. Returns how many there are, or -1 if a header is not
  ;; sound.
  (func $count (result i32)
    (local $user i32) (local $node i32) (local $blocks i32) (local $is_broken i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.tee $user (call $next (local.get $user)))))
        (local.set $node (i32.add (i32.const 0x150000)
          (i32.shl (call $node (local.get $user)) (i32.const 5))))
        (i64.store $recording offset=16 (local.get $node)
          (i64.add (i64.load $recording offset=16 (local.get $node)) (i64.const 1)))
        (i64.store $recording offset=24 (local.get $node)
          (i64.add (i64.load $recording offset=24 (local.get $node))
            (i64.extend_i32_u (call $size (local.get $user)))))
        (local.set $blocks (i32.add (local.get $blocks) (i32.const 1)))
        (local.set $is_broken (i32.or
          (local.get $is_broken) (i32.eqz (call $is_sound (local.get $user)))))
        (br $more)))
    (select (i32.const -1) (local.get $blocks) (local.get $is_broken)))

  ;; Puts the addresses of the blocks where they begin.
  (func $list_blocks
    (local $user i32) (local $to i32)
    (local.set $to (i32.load $recording (i32.const 0x124)))
    (loop $more
      (if (local.tee $user (call $next (local.get $user)))
        (then
          (i32.store $shadow (local.get $to) (local.get $user))
          (local.set $to (i32.add (local.get $to) (i32.const 4)))
          (br $more)))))

  ;; The place of the block to which this is a pointer; 0: it is none.
  (func $find (param $pointer i32) (result i32)
    (local $low i32) (local $high i32) (local $middle i32) (local $user i32)
    (local.set $low (i32.load $recording (i32.const 0x124)))
    (local.set $high (i32.load $recording (i32.const 0x128)))
    ;; Most words are no address of a block: most that are not are greater.
    (if (i32.eq (local.get $low) (local.get $high)) (then (return (i32.const 0))))
    (local.set $middle (i32.sub (local.get $high) (i32.const 4)))
    (local.set $user (i32.and (i32.load $shadow (local.get $middle)) (i32.const -4)))
    (if (i32.ge_u (local.get $pointer) (local.get $user))
      (then (local.set $low (local.get $high))))
    (block $found
      (loop $halve
        (br_if $found (i32.eq (local.get $low) (local.get $high)))
        (local.set $middle (i32.add (local.get $low)
          (i32.and (i32.shr_u (i32.sub (local.get $high) (local.get $low)) (i32.const 1)) (i32.const -4))))
        (if (i32.le_u
              (i32.and (i32.load $shadow (local.get $middle)) (i32.const -4))
              (local.get $pointer))
          (then (local.set $low (i32.add (local.get $middle) (i32.const 4))))
          (else (local.set $high (local.get $middle))))
        (br $halve)))
    (if (i32.eq (local.get $low) (i32.load $recording (i32.const 0x124))) (then (return (i32.const 0))))
    (local.set $low (i32.sub (local.get $low) (i32.const 4)))
    (local.set $user (i32.and (i32.load $shadow (local.get $low)) (i32.const -4)))
    (select (local.get $low) (i32.const 0)
      (i32.le_u
        (i32.sub (local.get $pointer) (local.get $user))
        (call $size (local.get $user)))))

  ;; A word that may be a pointer. Without `from` it was found in what is reached; else in this block, which is not.
  (func $mark (param $pointer i32) (param $from i32)
    (local $place i32) (local $end i32)
    (if (i32.eqz (local.get $pointer)) (then (return)))
    (if (i32.eqz (local.tee $place (call $find (local.get $pointer)))) (then (return)))
    (if (i32.or
          (i32.and (i32.load $shadow (local.get $place)) (i32.const 1))
          (i32.eq (local.get $place) (local.get $from)))
      (then (return)))
    (i32.store $shadow (local.get $place) (i32.or
      (i32.load $shadow (local.get $place))
      (select (i32.const 2) (i32.const 1) (local.get $from))))
    (if (local.get $from) (then (return)))
    (local.set $end (i32.load $recording (i32.const 0x12c)))
    (i32.store $shadow (local.get $end) (local.get $place))
    (i32.store $recording (i32.const 0x12c) (i32.add (local.get $end) (i32.const 4))))

  ;; The words from here to there, both multiples of 4.
  (func $scan (param $at i32) (param $end i32) (param $from i32)
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (call $mark (i32.load $program (local.get $at)) (local.get $from))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br $more))))

  ;; The words of a block.
  (func $scan_block (param $place i32) (param $from i32)
    (local $user i32)
    (local.set $user (i32.and (i32.load $shadow (local.get $place)) (i32.const -4)))
    (call $scan (local.get $user)
      (i32.add (local.get $user) (i32.and (call $size (local.get $user)) (i32.const -4)))
      (local.get $from)))

  ;; The words of the memory that lie in no block.
  (func $scan_roots
    (local $at i32) (local $next i32) (local $end i32) (local $have i32) (local $unused i32) (local $unused_end i32)
    ;; The stack between the lowest frame that there was and the pointer, in whole granules.
    (local.set $unused (i32.sub (global.get $stack_base) (i32.load $recording (i32.const 0x120))))
    (if (i32.and
          (i32.and
            (i32.ne (global.get $stack_base) (i32.const 0))
            (i32.le_u (global.get $stack_pointer) (global.get $stack_base)))
          (i32.le_u (local.get $unused) (global.get $stack_pointer)))
      (then
        (local.set $unused (i32.shr_u (i32.add (local.get $unused) (i32.const 7)) (i32.const 3)))
        (local.set $unused_end (i32.shr_u (global.get $stack_pointer) (i32.const 3)))))
    (local.set $end (i32.shl (memory.size $program) (i32.const 13)))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $next (call $behind (local.get $at)))
        (if (i32.ne (local.get $next) (local.get $at))
          (then
            (local.set $at (local.get $next))
            (br $more)))
        (local.set $have (i32.load8_u $shadow (local.get $at)))
        ;; Freed blocks and what is beside blocks hold nothing; below the lowest datum there may be the stack.
        (if (i32.or
              (i32.le_u (local.get $have) (i32.const 7))
              (i32.eq (local.get $have) (i32.const 0xf8)))
          (then
            (if (i32.or
                  (i32.lt_u (local.get $at) (local.get $unused))
                  (i32.ge_u (local.get $at) (local.get $unused_end)))
              (then
                (if (i64.ne
                      (i64.load $program (i32.shl (local.get $at) (i32.const 3))) (i64.const 0))
                  (then
                    (call $scan (i32.shl (local.get $at) (i32.const 3))
                      (i32.add (i32.shl (local.get $at) (i32.const 3)) (i32.const 8))
                      (i32.const 0))))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $more))))

  ;; Finds out which blocks nothing points to, and notes them by the nodes of their allocations. There is room from here on.
  (func $search (param $from i32) (param $blocks i32)
    (local $list i32) (local $counts i32) (local $at i32) (local $place i32) (local $user i32) (local $end i32)
    (local.set $list (i32.add (local.get $from) (i32.shl (local.get $blocks) (i32.const 2))))
    (local.set $counts (i32.add (local.get $list) (i32.shl (local.get $blocks) (i32.const 2))))
    (local.set $end (i32.add (local.get $counts)
      (i32.shl (i32.load $recording (i32.const 24)) (i32.const 4))))
    (i32.store $recording (i32.const 0x124) (local.get $from))
    (i32.store $recording (i32.const 0x128) (local.get $list))
    (i32.store $recording (i32.const 0x12c) (local.get $list))
    (call $list_blocks)

    (call $put_globals (local.get $end))
    (local.set $at (local.get $end))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (i32.add (local.get $end) (global.get $globals_bytes))))
        (call $mark (i32.load $shadow (local.get $at)) (i32.const 0))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br $more)))
    (call $scan_roots)
    (local.set $at (local.get $list))
    (block $done
      (loop $more
        (br_if $done (i32.eq (local.get $at) (i32.load $recording (i32.const 0x12c))))
        (call $scan_block (i32.load $shadow (local.get $at)) (i32.const 0))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br $more)))

    (local.set $place (local.get $from))
    (block $done
      (loop $more
        (br_if $done (i32.eq (local.get $place) (local.get $list)))
        (if (i32.eqz (i32.and (i32.load $shadow (local.get $place)) (i32.const 1)))
          (then (call $scan_block (local.get $place) (local.get $place))))
        (local.set $place (i32.add (local.get $place) (i32.const 4)))
        (br $more)))
    (local.set $place (local.get $from))
    (block $done
      (loop $more
        (br_if $done (i32.eq (local.get $place) (local.get $list)))
        (if (i32.eqz (i32.and (i32.load $shadow (local.get $place)) (i32.const 1)))
          (then
            (local.set $user (i32.and (i32.load $shadow (local.get $place)) (i32.const -4)))
            (local.set $at (i32.add (local.get $counts) (i32.shl (call $node (local.get $user)) (i32.const 4))))
            (if (i32.and (i32.load $shadow (local.get $place)) (i32.const 2))
              (then (local.set $at (i32.add (local.get $at) (i32.const 8)))))
            (i32.store $shadow (local.get $at)
              (i32.add (i32.load $shadow (local.get $at)) (i32.const 1)))
            (i32.store $shadow offset=4 (local.get $at)
              (i32.add (i32.load $shadow offset=4 (local.get $at)) (call $size (local.get $user))))))
        (local.set $place (i32.add (local.get $place) (i32.const 4)))
        (br $more)))
    ;; Eight bytes of counts: bit 3 of their place tells which.
    (local.set $at (local.get $counts))
    (loop $more
      (if (i32.load $shadow (local.get $at))
        (then
          (call $log
            (i32.or (i32.const 14) (i32.shl
              (i32.and (i32.sub (local.get $at) (local.get $counts)) (i32.const 8)) (i32.const 5)))
            (i32.shr_u (i32.sub (local.get $at) (local.get $counts)) (i32.const 4))
            (i32.load $shadow (local.get $at)) (i32.load $shadow offset=4 (local.get $at)))))
      (br_if $more (i32.lt_u
        (local.tee $at (i32.add (local.get $at) (i32.const 8))) (local.get $end))))
    (memory.fill $shadow (local.get $from) (i32.const 0)
      (i32.sub (i32.add (local.get $end) (global.get $globals_bytes)) (local.get $from))))

  ;; The same where threads share the memory: their stacks and globals may hold pointers, so that nothing is searched. The
  ;; blocks are counted by the thread that came first.
  (func (export "finish_of_thread")
    (local $known i32) (local $threads i32)
    (local.set $known (i32.const 16))
    (if (call $is_without) (then (local.set $known (i32.const 80))))
    (if (call $is_ready)
      (then
        (local.set $threads (call $thread_count))
        (if (call $is_first)
          (then
            ;; This thread learns how long memory is.
            (drop (memory.grow $program (i32.const 0)))
            (i32.store $recording (i32.const 24) (call $node_count))
            (drop (call $count)))
          (else (local.set $known (i32.const 48))))))
    (call $log
      (i32.or (i32.const 11) (i32.shl (local.get $known) (i32.const 8)))
      (local.get $threads)
      (i32.load $recording (i32.const 0x114)) (i32.load $recording (i32.const 0x118))))

  ;; The program is over. Notes at last what was left out, and how far what was not reached is known (layout.rs).
  (func (export "finish")
    (local $blocks i32) (local $from i32) (local $bytes i64) (local $known i32)
    (call $sync)
    (local.set $blocks (call $count))
    (block $searched
      (if (i32.eq (local.get $blocks) (i32.const -1))
        (then
          (local.set $known (i32.const 4))
          (br $searched)))
      (local.set $from (i32.shl (memory.size $shadow) (i32.const 16)))
      (local.set $bytes (i64.add
        (i64.shl (i64.extend_i32_u (local.get $blocks)) (i64.const 3))
        (i64.extend_i32_u (i32.add
          (i32.shl (i32.load $recording (i32.const 24)) (i32.const 4)) (global.get $globals_bytes)))))
      (if (i32.eq
            (memory.grow $shadow
              (i32.wrap_i64 (i64.shr_u (i64.add (local.get $bytes) (i64.const 0xffff)) (i64.const 16))))
            (i32.const -1))
        (then
          (local.set $known (i32.const 8))
          (br $searched)))
      (call $search (local.get $from) (local.get $blocks))
      (local.set $known (i32.const 1)))
    (if (i32.ne (global.get $frames) (global.get $first_frame))
      (then (local.set $known (i32.or (local.get $known) (i32.const 2)))))
    (call $log
      (i32.or
        (i32.or (i32.const 11) (i32.shl (local.get $known) (i32.const 8)))
        (i32.shl (i32.load $recording (i32.const 0x130)) (i32.const 16)))
      (i32.const 0)
      (i32.load $recording (i32.const 0x114)) (i32.load $recording (i32.const 0x118)))))
