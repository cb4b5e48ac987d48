;; What a checked module knows of its memory, and how misuse is reported. Grafted into it, beside the recorder.
;;
;; The shadow has a byte for 8 bytes of the program's memory (a granule): 0, all may be accessed; 1 to 7, so many from
;; its start; else none: 0xfa and 0xf9 the header of a block that is live, or freed; 0xfb what lies behind a block; 0xfd
;; a block that was freed; 0xf8 below the lowest datum, once an allocation was refused. All that is not a block or beside
;; one is 0.
;;
;; The shadow is in a memory of its own (own.wat) or, where threads share the program's, in a block of that (threads.wat).
;; {pages} is how many pages the program's memory has, or with threads, of which one may not know yet what another one has
;; grown, may have at most; {nodes} more than the number of any node; {unless_ready} leaves a function while a thread does
;; not know the shadow.
;;
;; Where blocks lie and what is kept of them is said in apart.wat and same.wat, of which one is put in here. Both have:
;;   $state      1, a block begins here; 2, one did, and it is freed; else 0
;;   $size       how long it is
;;   $nodes      node of its allocation; of its free, if it was freed, in the upper half
;;   $align_log2 its alignment as a power of two, of 5 bits; $told 1 while it is live if that was told
;;   $heap_of    which of the program's heaps it is of, while it is live; 0: not known
;;   $is_sound   what is kept of it can be believed
;;   $retire     it is freed
;;   $below      the block that begins last below an address, as far as is known; else 0
;;   $above      the block before whose beginning an address lies that is misuse
;;   $kind       what an access of this address is, which the shadow does not allow: 1 use after free, 2 overflow, 3 underflow
;;   $spoiled    an underflow was reported of it
;;   $fit        what else is kept has room for so many pages of the program; 0: it has not
;;   next_live   the first live block that begins behind this one; behind: the granule behind a live one that begins in this
(module
  (import "memgrove" "program" (memory $program 0))
  (import "memgrove" "shadow" (memory $shadow 0))
  (import "memgrove" "recording" (memory $recording 0))
  ;; Of the recorder.
  (import "memgrove" "node_of" (func $node_of (param i32) (result i32)))
  (import "memgrove" "here" (func $here (result i32)))
  (import "memgrove" "ask" (func $ask (param i32) (result i32)))
  (import "memgrove" "log" (func $log (param i32 i32 i32 i32)))
  ;; The program's own data ends here: no block lies below. 0: not known.
  (import "memgrove" "data_end" (global $data_end i32))
  ;; 1: no block was live when the module was made.
  (import "memgrove" "is_fresh" (global $is_fresh i32))
  ;; 1 while a function of the allocator runs that a wrapper has called: what it calls itself is not wrapped.
  (import "memgrove" "inside" (global $inside (mut i32)))
  ;; Of the recorder: where the next frame goes; frames begin at `first_frame`.
  (import "memgrove" "frames" (global $frames (mut i32)))
  (import "memgrove" "first_frame" (global $first_frame i32))
  ;; The program's stack pointer; no frame lies below `stack_low`.
  (import "memgrove" "stack_pointer" (global $stack_pointer (mut i32)))
  (import "memgrove" "stack_low" (global $stack_low i32))
  ;; What the stack pointer was at first, if it is known (else 0).
  (import "memgrove" "stack_base" (global $stack_base i32))
  ;; The program has nothing below this address; but its stack, if that is below this one (0: it is not).
  (import "memgrove" "null_end" (global $null_end i32))
  (import "memgrove" "stack_first" (global $stack_first i32))
  ;; Of same.wat: the memory where it keeps blocks, and how many bytes before each block are the allocator's, as far as known.
  (import "memgrove" "notes" (memory $notes 0))
  (import "memgrove" "header_bytes" (global $header_bytes i32))
  ;; What all threads have in common: 0x104 head and 0x108 tail of the quarantine, 0x10c its bytes, 0x11c the lowest address
  ;; that the allocator gave (0: none yet). Without threads it is in the recording's memory, and `state` is 0.
  (import "memgrove" "state_memory" (memory $state 0))
  (import "memgrove" "state" (global $state {state}))
  ;; Of threads.wat: the word that says where the shadow is, the pages that the program's memory may have, the bytes of the
  ;; shadow's block, and where the shadow begins.
  (import "memgrove" "word" (global $word i32))
  (import "memgrove" "pages" (global $pages i32))
  (import "memgrove" "block_bytes" (global $block_bytes i32))
  (import "memgrove" "shadow_at" (global $shadow_at (mut i32)))
  ;; In the recording's memory, behind the header (layout.rs): 0x110 sites that were reported, 0x114 frees of blocks that
  ;; are not known, 0x118 reports left out, 0x120 bytes of the stack that frames have covered at most,
  ;; 0x130 1 once the program has asked for memory beyond 4 GiB, 0x134 1 once nothing more is known of what is beside blocks
  ;; (same.wat).

;; {{layout}}

  (func $is_outside (param $address i32) (result i32)
    {unless_ready 1}
    (i64.ge_u
      (i64.extend_i32_u (local.get $address))
      (i64.shl (i64.extend_i32_u {pages}) (i64.const 16))))

  ;; A block is freed. Returns 0 if nothing is known of it, 1 if it must not be, and 2 if the shadow says so now. `size` is -1
  ;; where it was not told, `align` 0.
  (func $free (export "free") (param $user i32) (param $frame i32) (param $which i32) (param $size i32) (param $align i32)
        (param $heap i32) (result i32)
    (local $state i32) (local $node i32)
    (if (i32.eqz (local.get $user)) (then (return (i32.const 0))))
    (local.set $state (call $state (local.get $user)))
    (if (i32.eqz (local.get $state))
      (then
        (if (call $is_no_block (local.get $user))
          (then
            (call $report (i32.const 5) (call $node_of (local.get $frame)) (i32.const 0) (local.get $user)
              (i32.const 0) (local.get $size) (local.get $align))
            (return (i32.const 1))))
        (i32.store $recording (i32.const 0x114)
          (i32.add (i32.load $recording (i32.const 0x114)) (i32.const 1)))
        (return (i32.const 0))))
    (local.set $node (i32.and (call $node_of (local.get $frame)) (i32.const 0xffff)))
    (if (i32.eq (local.get $state) (i32.const 2))
      (then
        (call $report (i32.const 4) (local.get $node) (i32.const 0) (local.get $user)
          (i32.const 0) (local.get $size) (local.get $align))
        (return (i32.const 1))))
    (if (call $is_foreign (local.get $user) (local.get $frame) (local.get $heap))
      (then (return (i32.const 1))))
    ;; It is given up: how long it is, and where the allocator has it, is not known any more.
    (if (i32.eqz (call $is_sound (local.get $user))) (then (return (i32.const 1))))
    ;; Whoever allocated it told its alignment, too.
    (if (call $told (local.get $user))
      (then
        (if (i32.and
              (i32.ne (local.get $size) (i32.const -1))
              (i32.ne (local.get $size) (call $size (local.get $user))))
          (then
            (call $report (i32.const 6) (local.get $node) (i32.const 0) (local.get $user)
              (i32.const 0) (local.get $size) (local.get $align)))
          (else
            (if (i32.and
                  (i32.ne (local.get $align) (i32.const 0))
                  (i32.ne
                    (i32.and (i32.ctz (local.get $align)) (i32.const 31))
                    (call $align_log2 (local.get $user))))
              (then
                (call $report (i32.const 7) (local.get $node) (i32.const 0) (local.get $user)
                  (i32.const 0) (local.get $size) (local.get $align))))))))
    (call $retire (local.get $user) (local.get $node) (local.get $which))
    (i32.const 2))

  ;; Whether a block is of another heap than the function that is handed it: it is reported.
  (func $is_foreign (export "is_foreign") (param $user i32) (param $frame i32) (param $heap i32) (result i32)
    (local $have i32)
    (if (i32.ne (call $state (local.get $user)) (i32.const 1)) (then (return (i32.const 0))))
    (local.set $have (call $heap_of (local.get $user)))
    (if (i32.or
          (i32.or (i32.eqz (local.get $have)) (i32.eqz (local.get $heap)))
          (i32.eq (local.get $have) (local.get $heap)))
      (then (return (i32.const 0))))
    (call $report (i32.const 11) (call $node_of (local.get $frame)) (i32.const 0) (local.get $user)
      (i32.const 0) (i32.const -1) (i32.const 0))
    (i32.const 1))

  ;; What is freed here cannot be a block: it lies in one, or below the first of all.
  (func $is_no_block (param $address i32) (result i32)
    (local $user i32)
    (if (i32.lt_u (local.get $address) (global.get $data_end)) (then (return (i32.const 1))))
    (if (i32.and
          (global.get $is_fresh)
          (i32.lt_u (local.get $address) (i32.load $state offset=0x11c (global.get $state))))
      (then (return (i32.const 1))))
    (if (call $is_outside (local.get $address))
      (then (return (i32.const 1))))
    (local.set $user (call $below (local.get $address)))
    (i32.and
      (i32.ne (local.get $user) (i32.const 0))
      (i32.lt_u
        (i32.sub (local.get $address) (local.get $user))
        (call $size (local.get $user)))))

  ;; The first byte of a range that must not be accessed, or -1: the last byte of all is no block's.
  (func $first_bad (param $from i32) (param $to i64) (result i32)
    (local $at i32) (local $have i32) (local $last i32)
    (local.set $at (i32.shr_u (local.get $from) (i32.const 3)))
    (local.set $last (i32.wrap_i64 (i64.shr_u (i64.sub (local.get $to) (i64.const 1)) (i64.const 3))))
    (loop $next
      (if (i32.and
            (i32.eqz (i32.and (local.get $at) (i32.const 7)))
            (i32.ge_u (i32.sub (local.get $last) (local.get $at)) (i32.const 8)))
        (then
          (if (i64.eqz (i64.load $shadow (local.get $at)))
            (then
              (local.set $at (i32.add (local.get $at) (i32.const 8)))
              (br $next)))))
      (if (local.tee $have (i32.load8_u $shadow (local.get $at)))
        (then
          ;; The first byte of the granule that is not accessible.
          (if (i32.ge_u (local.get $have) (i32.const 8)) (then (local.set $have (i32.const 0))))
          (local.set $have (i32.add (i32.shl (local.get $at) (i32.const 3)) (local.get $have)))
          (if (i32.lt_u (local.get $have) (local.get $from)) (then (local.set $have (local.get $from))))
          (if (i64.lt_u (i64.extend_i32_u (local.get $have)) (local.get $to))
            (then (return (local.get $have))))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.le_u (local.get $at) (local.get $last))))
    (i32.const -1))

  ;; An access of `width` bytes at `address` + `offset` has met a granule that is not whole.
  (func $test (param $address i32) (param $offset i32) (param $site i32) (param $width i32) (param $stores i32)
    (local $from i32) (local $to i64) (local $bad i32)
    {unless_ready}
    (local.set $to (i64.add
      (i64.add (i64.extend_i32_u (local.get $address)) (i64.extend_i32_u (local.get $offset)))
      (i64.extend_i32_u (local.get $width))))
    ;; What lies outside of the memory traps by itself.
    (if (i64.gt_u (local.get $to) (i64.shl (i64.extend_i32_u {pages}) (i64.const 16)))
      (then (return)))
    (local.set $from (i32.add (local.get $address) (local.get $offset)))
    (local.set $bad (call $first_bad (local.get $from) (local.get $to)))
    (if (i32.eq (local.get $bad) (i32.const -1)) (then (return)))
    (if (i32.lt_s (local.get $site) (i32.const 0))
      (then
        ;; A read that is tested as a write says so.
        (local.set $site (call $in_function
          (i32.ctz (local.get $width))
          (i32.and (local.get $stores) (i32.ne (local.get $site) (i32.const -3)))))))
    ;; A word is read whole where its first byte is the block's: that is how libraries look for the end of a string.
    (if (i32.and
          (i32.and
            (i32.eqz (local.get $stores))
            (i32.ne (local.get $bad) (local.get $from)))
          (i32.eqz (i32.and (local.get $from) (i32.sub (local.get $width) (i32.const 1)))))
      (then (return)))
    (call $misused (local.get $from) (local.get $bad) (local.get $site)))

  (func $misused (param $from i32) (param $bad i32) (param $site i32)
    (local $have i32)
    ;; Of a function that the allocator shares with the program, which works for the allocator now.
    (if (global.get $inside) (then (return)))
    (local.set $have (i32.load8_u $shadow (i32.shr_u (local.get $bad) (i32.const 3))))
    (if (i32.eq (local.get $have) (i32.const 0xf8))
      (then (if (call $may_be_stack (local.get $bad)) (then (return)))))
    (call $report
      (if (result i32) (i32.eq (local.get $have) (i32.const 0xf8))
        (then (i32.const 9))
        (else (call $kind (local.get $bad))))
      (call $here)
      (i32.and (call $ask (i32.const 0)) (i32.const 0xfff))
      (local.get $from) (local.get $site) (i32.sub (local.get $bad) (local.get $from)) (i32.const 0)))

  ;; Below the lowest datum there may be the stack: where it grows down to 0, what lies below the pointer is not in use, but
  ;; for the 128 bytes that compilers give to functions which call none. A pointer elsewhere is another stack's.
  (func $may_be_stack (param $address i32) (result i32)
    (if (i32.eqz (global.get $stack_first)) (then (return (i32.const 0))))
    (i32.or
      (i32.gt_u (global.get $stack_pointer) (global.get $stack_first))
      (i32.le_u (global.get $stack_pointer) (i32.add (local.get $address) (i32.const 144)))))

  ;; What stands for the site of an access in a module without sites: the innermost function in progress, the width of the
  ;; access as a power of two (6: none, 7: not known here), and whether it writes.
  (func $in_function (param $width i32) (param $stores i32) (result i32)
    (i32.or
      (i32.or (i32.const 0x80000000) (i32.shl (local.get $stores) (i32.const 23)))
      (i32.or
        (i32.shl (local.get $width) (i32.const 20))
        (if (result i32) (i32.gt_u (global.get $frames) (global.get $first_frame))
          (then (i32.shr_u
            (i32.load $recording (i32.sub (global.get $frames) (i32.const 8))) (i32.const 12)))
          (else (i32.const 0xfffff))))))

  ;; A function is about to take a frame. The stack that frames have covered without a gap is the program's: whatever sets
  ;; the pointer to something else may be another stack's.
  (func (export "frame") (param $value i32) (param $site i32) (result i32)
    (if (i32.gt_u
          (i32.sub (global.get $stack_base) (local.get $value))
          (i32.load $recording (i32.const 0x120)))
      (then
        (if (i32.le_u
              (i32.sub (global.get $stack_base) (global.get $stack_pointer))
              (i32.load $recording (i32.const 0x120)))
          (then
            (i32.store $recording (i32.const 0x120)
              (i32.sub (global.get $stack_base) (local.get $value)))))))
    (call $stack (local.get $value) (local.get $site)))

  ;; The stack pointer is about to be set. It is returned.
  (func $stack (export "stack") (param $value i32) (param $site i32) (result i32)
    (if (i32.or
          (i32.lt_u (local.get $value) (global.get $stack_low))
          (i64.gt_u
            (i64.extend_i32_u (local.get $value))
            (i64.shl (i64.extend_i32_u {pages}) (i64.const 16))))
      (then
        (call $report (i32.const 10) (call $here)
          (i32.and (call $ask (i32.const 0)) (i32.const 0xfff))
          (local.get $value)
          (if (result i32) (i32.lt_s (local.get $site) (i32.const 0))
            (then (call $in_function (i32.const 6) (i32.const 1)))
            (else (local.get $site)))
          (i32.const 0) (i32.const 0))))
    (local.get $value))

  ;; Accesses by their width: read and written. The site is -1 in a module without sites; -3 for a read that is tested as
  ;; a write is.
  (func (export "read_1") (param i32 i32 i32)
    (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 1) (i32.const 0)))
  (func (export "read_2") (param i32 i32 i32)
    (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 2) (i32.const 0)))
  (func (export "read_4") (param i32 i32 i32)
    (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 4) (i32.const 0)))
  (func (export "read_8") (param i32 i32 i32)
    (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 8) (i32.const 0)))
  (func (export "read_16") (param i32 i32 i32)
    (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 16) (i32.const 0)))
  (func (export "write_1") (param i32 i32 i32)
    (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 1) (i32.const 1)))
  (func (export "write_2") (param i32 i32 i32)
    (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 2) (i32.const 1)))
  (func (export "write_4") (param i32 i32 i32)
    (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 4) (i32.const 1)))
  (func (export "write_8") (param i32 i32 i32)
    (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 8) (i32.const 1)))
  (func (export "write_16") (param i32 i32 i32)
    (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 16) (i32.const 1)))

  ;; The same without a test before: the address is handed on.
  (func (export "pass_read_1") (param i32 i32 i32) (result i32)
    (if (call $is_not_whole (i32.add (local.get 0) (local.get 1)) (i32.const 0))
      (then (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 1) (i32.const 0))))
    (local.get 0))
  (func (export "pass_read_2") (param i32 i32 i32) (result i32)
    (if (call $is_not_whole (i32.add (local.get 0) (local.get 1)) (i32.const 1))
      (then (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 2) (i32.const 0))))
    (local.get 0))
  (func (export "pass_read_4") (param i32 i32 i32) (result i32)
    (if (call $is_not_whole (i32.add (local.get 0) (local.get 1)) (i32.const 3))
      (then (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 4) (i32.const 0))))
    (local.get 0))
  (func (export "pass_read_8") (param i32 i32 i32) (result i32)
    (if (call $is_not_whole (i32.add (local.get 0) (local.get 1)) (i32.const 7))
      (then (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 8) (i32.const 0))))
    (local.get 0))
  (func (export "pass_read_16") (param i32 i32 i32) (result i32)
    (if (call $is_not_whole (i32.add (local.get 0) (local.get 1)) (i32.const 15))
      (then (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 16) (i32.const 0))))
    (local.get 0))
  (func (export "pass_write_1") (param i32 i32 i32) (result i32)
    (if (call $is_not_whole (i32.add (local.get 0) (local.get 1)) (i32.const 0))
      (then (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 1) (i32.const 1))))
    (local.get 0))
  (func (export "pass_write_2") (param i32 i32 i32) (result i32)
    (if (call $is_not_whole (i32.add (local.get 0) (local.get 1)) (i32.const 1))
      (then (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 2) (i32.const 1))))
    (local.get 0))
  (func (export "pass_write_4") (param i32 i32 i32) (result i32)
    (if (call $is_not_whole (i32.add (local.get 0) (local.get 1)) (i32.const 3))
      (then (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 4) (i32.const 1))))
    (local.get 0))
  (func (export "pass_write_8") (param i32 i32 i32) (result i32)
    (if (call $is_not_whole (i32.add (local.get 0) (local.get 1)) (i32.const 7))
      (then (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 8) (i32.const 1))))
    (local.get 0))
  (func (export "pass_write_16") (param i32 i32 i32) (result i32)
    (if (call $is_not_whole (i32.add (local.get 0) (local.get 1)) (i32.const 15))
      (then (call $test (local.get 0) (local.get 1) (local.get 2) (i32.const 16) (i32.const 1))))
    (local.get 0))

  ;; Whether one of the granules is not whole that hold the bytes from here to there.
  (func $is_not_whole (param $from i32) (param $more i32) (result i32)
    (local $at i32)
    (local.set $at (i32.shr_u (local.get $from) (i32.const 3)))
    (i32.or
      (i32.load8_u $shadow (i32.shr_u (i32.add (local.get $from) (local.get $more)) (i32.const 3)))
      (if (result i32) (i32.eq (local.get $more) (i32.const 15))
        (then (i32.load16_u $shadow (local.get $at)))
        (else (i32.load8_u $shadow (local.get $at))))))

  ;; All bytes of a range are read or written: without sites -1 or -2.
  (func (export "range") (param $from i32) (param $length i32) (param $site i32)
    (local $to i64) (local $bad i32)
    {unless_ready}
    (local.set $to (i64.add (i64.extend_i32_u (local.get $from)) (i64.extend_i32_u (local.get $length))))
    (if (i32.or
          (i32.eqz (local.get $length))
          (i64.gt_u (local.get $to) (i64.shl (i64.extend_i32_u {pages}) (i64.const 16))))
      (then (return)))
    (local.set $bad (call $first_bad (local.get $from) (local.get $to)))
    (if (i32.eq (local.get $bad) (i32.const -1)) (then (return)))
    (if (i32.lt_s (local.get $site) (i32.const 0))
      (then
        (local.set $site (call $in_function (i32.const 7) (i32.eq (local.get $site) (i32.const -2))))))
    (call $misused (local.get $from) (local.get $bad) (local.get $site)))

  ;; A block is reallocated that has been freed.
  (func (export "stale") (param $user i32) (param $frame i32)
    (call $report (i32.const 8) (call $node_of (local.get $frame)) (i32.const 0) (local.get $user)
      (i32.const 0) (i32.const -1) (i32.const 0)))

  ;; Whether this is the first report of its site. The table is not filled beyond the half, so that it is quick.
  (func $is_first (param $key i32) (result i32)
    (local $at i32) (local $have i32)
    (local.set $at (i32.shr_u (i32.mul (local.get $key) (i32.const 0x9e3779b1)) (i32.const 14)))
    (loop $next
      (local.set $have (i32.load $recording
        (i32.add (i32.const 0x350000) (i32.shl (local.get $at) (i32.const 2)))))
      (if (i32.eq (local.get $have) (local.get $key)) (then (return (i32.const 0))))
      (if (local.get $have)
        (then
          (local.set $at (i32.and (i32.add (local.get $at) (i32.const 1)) (i32.const 0x3ffff)))
          (br $next))))
    (if (i32.ge_u (i32.load $recording (i32.const 0x110)) (i32.const 0x20000))
      (then
        (i32.store $recording (i32.const 0x118)
          (i32.add (i32.load $recording (i32.const 0x118)) (i32.const 1)))
        (return (i32.const 0))))
    (i32.store $recording (i32.const 0x110)
      (i32.add (i32.load $recording (i32.const 0x110)) (i32.const 1)))
    (i32.store $recording
      (i32.add (i32.const 0x350000) (i32.shl (local.get $at) (i32.const 2))) (local.get $key))
    (i32.const 1))

  ;; `told`: of an access, the distance of the first bad byte; of a free, size and alignment that were told.
  (func $report (param $kind i32) (param $node i32) (param $number i32) (param $address i32) (param $site i32)
        (param $told i32) (param $align i32)
    (local $user i32) (local $bad i32) (local $have i32)
    (local.set $node (i32.and (local.get $node) (i32.const 0xffff)))
    ;; A call of the allocator has no site of its own: its node stands for it. Without sites what is known of the access
    ;; stands for it, and the kind.
    (if (i32.eqz (call $is_first
          (if (result i32) (i32.gt_s (local.get $site) (i32.const 0))
            (then (local.get $site))
            (else (if (result i32) (local.get $site)
              (then (i32.or
                (i32.or (local.get $site) (i32.const 0x40000000))
                (i32.shl (local.get $kind) (i32.const 24))))
              (else (i32.or
                (i32.or (i32.const 0x80000000) (i32.shl (local.get $kind) (i32.const 16)))
                (local.get $node))))))))
      (then (return)))
    (call $log
      (i32.or (i32.const 8) (i32.or
        (i32.shl (local.get $kind) (i32.const 8)) (i32.shl (local.get $number) (i32.const 16))))
      (local.get $node) (local.get $address) (local.get $site))
    ;; About no block.
    (if (i32.or (i32.eq (local.get $kind) (i32.const 9)) (i32.eq (local.get $kind) (i32.const 10))) (then (return)))
    (local.set $bad (local.get $address))
    (if (local.get $site) (then (local.set $bad (i32.add (local.get $address) (local.get $told)))))
    ;; In a header it is about the block behind; else about the one below.
    (if (i32.eq (local.get $kind) (i32.const 3))
      (then (local.set $user (call $above (local.get $bad))))
      (else
        (if (i32.eqz (call $state (local.get $bad)))
          (then (local.set $user (call $below (local.get $bad))))
          (else (local.set $user (local.get $bad))))))
    (if (i32.eqz (call $state (local.get $user))) (then (return)))
    ;; What was freed outside of all blocks is about none.
    (if (i32.and
          (i32.eq (local.get $kind) (i32.const 5))
          (i32.ge_u (i32.sub (local.get $bad) (local.get $user)) (call $size (local.get $user))))
      (then (return)))
    (local.set $have (call $nodes (local.get $user)))
    (if (i32.and
          (i32.eq (local.get $kind) (i32.const 3))
          (i32.eq (call $state (local.get $user)) (i32.const 1)))
      (then (call $spoiled (local.get $user))))
    (call $log
      (i32.or (i32.const 9) (i32.shl
        (call $align_log2 (local.get $user)) (i32.const 8)))
      (call $known (i32.and (local.get $have) (i32.const 0xffff)))
      (local.get $user) (call $size (local.get $user)))
    (call $log
      (i32.or (i32.const 10) (i32.shl (i32.eq (call $state (local.get $user)) (i32.const 2)) (i32.const 8)))
      (select
        (call $known (i32.shr_u (local.get $have) (i32.const 16)))
        (i32.const 0)
        (i32.eq (call $state (local.get $user)) (i32.const 2)))
      (local.get $align) (local.get $told)))

  ;; Something that is not checked may have written over a header: a node that there is.
  (func $known (param $node i32) (result i32)
    (select (local.get $node) (i32.const 0)
      (i32.lt_u (local.get $node) {nodes})))

  ;; The program asks for memory that cannot be checked: it gets none, which is noted where it could have had it.
  (func $beyond (export "beyond") (result i32)
    (i32.store $recording (i32.const 0x130) (i32.const 1))
    (i32.const -1))

  ;; The host calls: a trap may have left the allocator.
  (func (export "enter")
    (global.set $inside (i32.const 0))
    (call $sync))

;; {{shadow}}
)
