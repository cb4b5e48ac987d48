;; Blocks apart from one another, with red zones between them, and freed ones kept in quarantine. A part of checker.wat.
;;
;; A block begins 16 bytes behind its header, at a multiple of 16:
;;   -16  bytes asked for
;;   -12  node of its allocation (16 bits); node of its free (16 bits), while live 1 if its alignment was told
;;    -8  log2 of the alignment (5 bits); distance from what the allocator gave (27 bits)
;;    -4  0, or which heap it is of, with a sign that the program has not written over it; freed: the next block of the quarantine, and which function frees (4 bits)

  ;; Bytes to ask the allocator for: header, what aligning may take, 16 bytes behind. Too many stay too many.
  (func $total (export "total") (param $size i32) (param $align i32) (result i32)
    (local $all i64)
    (local.set $all (i64.add
      (i64.extend_i32_u (local.get $size))
      (i64.add (i64.const 32) (i64.extend_i32_u
        (select (local.get $align) (i32.const 16) (i32.gt_u (local.get $align) (i32.const 16)))))))
    (if (result i32) (i32.or
          (i64.gt_u (local.get $all) (i64.const 0xffffffff))
          (i32.gt_u (local.get $align) (i32.const 0x4000000)))
      (then (i32.const -1))
      (else (i32.wrap_i64 (local.get $all)))))

  ;; Makes a block of what the allocator gave. `align` is 0 where none was asked for.
  (func $place (export "place") (param $base i32) (param $size i32) (param $align i32) (param $frame i32) (param $heap i32)
        (result i32)
    (local $user i32) (local $most i32) (local $end i32) (local $at i32)
    (call $sync)
    (if (i32.eqz (local.get $base))
      (then
        ;; The program may take the null for a block.
        (memory.fill $shadow (i32.const 0) (i32.const 0xf8) (i32.shr_u (global.get $null_end) (i32.const 3)))
        (return (i32.const 0))))
    (if (i32.lt_u
          (i32.sub (local.get $base) (i32.const 1))
          (i32.sub (i32.load $state offset=0x11c (global.get $state)) (i32.const 1)))
      (then (i32.store $state offset=0x11c (global.get $state) (local.get $base))))
    (local.set $most
      (select (local.get $align) (i32.const 16) (i32.gt_u (local.get $align) (i32.const 16))))
    (local.set $user (i32.and
      (i32.add (local.get $base) (i32.add (local.get $most) (i32.const 15)))
      (i32.sub (i32.const 0) (local.get $most))))
    (i32.store $program (i32.sub (local.get $user) (i32.const 16)) (local.get $size))
    (i32.store $program (i32.sub (local.get $user) (i32.const 12)) (i32.or
      (i32.and (call $node_of (local.get $frame)) (i32.const 0xffff))
      (i32.shl (i32.ne (local.get $align) (i32.const 0)) (i32.const 16))))
    (i32.store $program (i32.sub (local.get $user) (i32.const 8)) (i32.or
      (i32.and (i32.ctz (local.get $align)) (i32.const 31))
      (i32.shl (i32.sub (local.get $user) (local.get $base)) (i32.const 5))))
    (i32.store $program (i32.sub (local.get $user) (i32.const 4))
      (select (i32.or (local.get $heap) (i32.const 0x5ac3b7a0)) (i32.const 0) (local.get $heap)))
    (i32.store16 $shadow (i32.shr_u (i32.sub (local.get $user) (i32.const 16)) (i32.const 3)) (i32.const 0xfafa))
    (local.set $end (i32.add (local.get $user) (local.get $size)))
    ;; Two granules: the one that holds the end and one more, or two behind it.
    (local.set $at (i32.and (local.get $end) (i32.const 7)))
    (i32.store16 $shadow (i32.shr_u (local.get $end) (i32.const 3)) (i32.or
      (i32.const 0xfb00)
      (select (local.get $at) (i32.const 0xfb) (local.get $at))))
    (local.get $user))

  ;; 1, a block begins here; 2, one did, and it is freed; else 0.
  (func $state (export "state_of") (param $user i32) (result i32)
    (local $left i32)
    (if (i32.or
          (i32.or
            (i32.ne (i32.and (local.get $user) (i32.const 15)) (i32.const 0))
            (i32.lt_u (local.get $user) (i32.const 16)))
          (call $is_outside (local.get $user)))
      (then (return (i32.const 0))))
    (local.set $left
      (i32.load16_u $shadow (i32.sub (i32.shr_u (local.get $user) (i32.const 3)) (i32.const 2))))
    (if (i32.eq (local.get $left) (i32.const 0xfafa)) (then (return (i32.const 1))))
    (i32.shl (i32.eq (local.get $left) (i32.const 0xf9f9)) (i32.const 1)))

  (func $size (export "size_of") (param $user i32) (result i32)
    (i32.load $program (i32.sub (local.get $user) (i32.const 16))))

  ;; The header says how long the block is, and what lies behind the block does, too: where a program has written over the
  ;; header, nothing is done by it.
  (func $is_sound (export "is_sound") (param $user i32) (result i32)
    (local $end i64)
    (local.set $end (i64.add
      (i64.extend_i32_u (local.get $user)) (i64.extend_i32_u (call $size (local.get $user)))))
    (if (i64.gt_u
          (i64.add (local.get $end) (i64.const 8))
          (i64.shl (i64.extend_i32_u {pages}) (i64.const 16)))
      (then (return (i32.const 0))))
    (i32.eq
      (i32.load8_u $shadow offset=1 (i32.wrap_i64 (i64.shr_u (local.get $end) (i64.const 3))))
      (i32.const 0xfb)))

  ;; What the allocator knows of a block, to free it: where it begins, how long it is, who frees it.
  (func (export "base_of") (param $user i32) (result i32)
    (i32.sub (local.get $user)
      (i32.shr_u (i32.load $program (i32.sub (local.get $user) (i32.const 8))) (i32.const 5))))

  (func $total_of (export "total_of") (param $user i32) (result i32)
    (call $total (call $size (local.get $user))
      (i32.shl (i32.const 1) (i32.and
        (i32.load $program (i32.sub (local.get $user) (i32.const 8))) (i32.const 31)))))

  ;; What a block takes in the quarantine: as much as of an allocator that has 8 bytes before each and rounds to 16.
  (func $charge (param $user i32) (result i32)
    (i32.and (i32.add (call $total_of (local.get $user)) (i32.const 23)) (i32.const -16)))

  (func (export "which_of") (param $user i32) (result i32)
    (i32.and (i32.load $program (i32.sub (local.get $user) (i32.const 4))) (i32.const 15)))

  ;; How many bytes may be in quarantine: an eighth of the memory, and 16 MiB at most.
  (func (export "room") (result i32)
    (select
      (i32.shl (memory.size $program) (i32.const 13))
      (i32.const 0x1000000)
      (i32.lt_u (memory.size $program) (i32.const 0x800))))

  ;; Takes the oldest block out of the quarantine, if more than `most` bytes are in it: it may be handed out again. It is
  ;; cleared, so that nothing in it is taken for a pointer (leaks.wat); its header stays, but for the next block.
  (func $pop (export "pop") (param $most i32) (result i32)
    (local $user i32) (local $next i32) (local $at i32)
    (local.set $user (i32.load $state offset=0x104 (global.get $state)))
    (if (i32.or
          (i32.eqz (local.get $user))
          (i32.le_u (i32.load $state offset=0x10c (global.get $state)) (local.get $most)))
      (then (return (i32.const 0))))
    ;; Something that is not checked may have written over a header: its block is given up.
    (local.set $next
      (i32.and (i32.load $program (i32.sub (local.get $user) (i32.const 4))) (i32.const -16)))
    (if (i32.or
          (i32.or
            (i32.ne (call $state (local.get $user)) (i32.const 2))
            (i32.eqz (call $is_sound (local.get $user))))
          (i32.and
            (i32.ne (local.get $next) (i32.const 0))
            (i32.ne (call $state (local.get $next)) (i32.const 2))))
      (then
        (i32.store $state offset=0x104 (global.get $state) (i32.const 0))
        (i32.store $state offset=0x108 (global.get $state) (i32.const 0))
        (i32.store $state offset=0x10c (global.get $state) (i32.const 0))
        (return (i32.const 0))))
    (i32.store $state offset=0x104 (global.get $state) (local.get $next))
    (if (i32.eqz (local.get $next)) (then (i32.store $state offset=0x108 (global.get $state) (i32.const 0))))
    (i32.store $state offset=0x10c (global.get $state)
      (i32.sub (i32.load $state offset=0x10c (global.get $state)) (call $charge (local.get $user))))
    (i32.store $program (i32.sub (local.get $user) (i32.const 4))
      (i32.and (i32.load $program (i32.sub (local.get $user) (i32.const 4))) (i32.const 15)))
    (memory.fill $program (local.get $user) (i32.const 0) (call $size (local.get $user)))
    (local.set $at (i32.shr_u (i32.sub (local.get $user) (i32.const 16)) (i32.const 3)))
    (memory.fill $shadow (local.get $at) (i32.const 0)
      (i32.sub
        (i32.shr_u
          (i32.add (i32.add (local.get $user) (call $size (local.get $user))) (i32.const 16)) (i32.const 3))
        (local.get $at)))
    (local.get $user))

  ;; The block that begins behind the header below this address, or 0: that in which, or behind which, it lies.
  (func $below (param $address i32) (result i32)
    (local $at i32) (local $have i32) (local $fuel i32)
    (if (call $is_outside (local.get $address)) (then (return (i32.const 0))))
    (local.set $at (i32.shr_u (local.get $address) (i32.const 3)))
    (local.set $fuel (i32.const 0x200000))
    (loop $down
      (if (i32.or
            (i32.eqz (local.get $at))
            (i32.eqz (local.tee $fuel (i32.sub (local.get $fuel) (i32.const 1)))))
        (then (return (i32.const 0))))
      (local.set $have (i32.load8_u $shadow (local.get $at)))
      (if (i32.or
            (i32.eq (local.get $have) (i32.const 0xfa))
            (i32.eq (local.get $have) (i32.const 0xf9)))
        (then
          (return (i32.shl (i32.add (local.get $at) (i32.const 1)) (i32.const 3)))))
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (br $down))
    (i32.const 0))

  ;; The allocator's header, where code of the program looks for it that has a reallocation of dlmalloc's inside: that of a
  ;; block that was mapped, so that it is copied. It copies whole granules.
  (func (export "header") (param $address i32) (param $offset i32) (result i32)
    (local $user i32) (local $end i32)
    (local.set $user (i32.add (i32.add (local.get $address) (local.get $offset)) (i32.const 4)))
    (if (i32.eqz (call $state (local.get $user)))
      (then (return (i32.load $program (i32.sub (local.get $user) (i32.const 4))))))
    (local.set $end (i32.add (local.get $user) (call $size (local.get $user))))
    (if (i32.and
          (i32.ne (i32.and (local.get $end) (i32.const 7)) (i32.const 0))
          (i32.eq (call $state (local.get $user)) (i32.const 1)))
      (then (i32.store8 $shadow (i32.shr_u (local.get $end) (i32.const 3)) (i32.const 0))))
    (i32.add
      (i32.and (i32.add (call $size (local.get $user)) (i32.const 7)) (i32.const -8))
      (i32.const 8)))

  (func $nodes (export "nodes_of") (param $user i32) (result i32)
    (i32.load $program (i32.sub (local.get $user) (i32.const 12))))
  (func $told (param $user i32) (result i32)
    (i32.and
      (i32.load $program (i32.sub (local.get $user) (i32.const 12))) (i32.const 0x10000)))
  (func $heap_of (param $user i32) (result i32)
    (local $have i32)
    (local.set $have (i32.load $program (i32.sub (local.get $user) (i32.const 4))))
    (select (i32.and (local.get $have) (i32.const 15)) (i32.const 0)
      (i32.eq (i32.and (local.get $have) (i32.const -16)) (i32.const 0x5ac3b7a0))))
  (func $align_log2 (param $user i32) (result i32)
    (i32.and (i32.load $program (i32.sub (local.get $user) (i32.const 8))) (i32.const 31)))

  ;; It goes into the quarantine.
  (func $retire (param $user i32) (param $node i32) (param $which i32)
    (local $tail i32)
    (i32.store16 $program (i32.sub (local.get $user) (i32.const 10)) (local.get $node))
    (i32.store $program (i32.sub (local.get $user) (i32.const 4)) (local.get $which))
    (i32.store16 $shadow (i32.shr_u (i32.sub (local.get $user) (i32.const 16)) (i32.const 3)) (i32.const 0xf9f9))
    (memory.fill $shadow (i32.shr_u (local.get $user) (i32.const 3)) (i32.const 0xfd)
      (i32.shr_u (i32.add (call $size (local.get $user)) (i32.const 7)) (i32.const 3)))
    (if (local.tee $tail (i32.load $state offset=0x108 (global.get $state)))
      (then
        (i32.store $program (i32.sub (local.get $tail) (i32.const 4)) (i32.or
          (local.get $user)
          (i32.and (i32.load $program (i32.sub (local.get $tail) (i32.const 4))) (i32.const 15)))))
      (else (i32.store $state offset=0x104 (global.get $state) (local.get $user))))
    (i32.store $state offset=0x108 (global.get $state) (local.get $user))
    (i32.store $state offset=0x10c (global.get $state)
      (i32.add (i32.load $state offset=0x10c (global.get $state)) (call $charge (local.get $user))))
  )

  (func $above (param $bad i32) (result i32)
    (i32.and (i32.add (local.get $bad) (i32.const 16)) (i32.const -16)))
  (func $kind (param $bad i32) (result i32)
    (local $have i32)
    (local.set $have (i32.load8_u $shadow (i32.shr_u (local.get $bad) (i32.const 3))))
    (if (i32.eq (local.get $have) (i32.const 0xfd)) (then (return (i32.const 1))))
    (select (i32.const 3) (i32.const 2) (i32.or
      (i32.eq (local.get $have) (i32.const 0xfa))
      (i32.eq (local.get $have) (i32.const 0xf9)))))
  ;; What follows a write to the header is no misuse of its own.
  (func $spoiled (param $user i32)
    (i32.store $program (i32.sub (local.get $user) (i32.const 12))
      (i32.and (call $nodes (local.get $user)) (i32.const 0xffff))))

  ;; Headers begin at even granules.
  (func (export "next_live") (param $user i32) (result i32)
    (local $at i32) (local $end i32)
    (local.set $at (i32.shr_u (local.get $user) (i32.const 3)))
    (local.set $end (i32.shl (memory.size $program) (i32.const 13)))
    (loop $more
      (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i32.const 0))))
      (if (i32.eqz (i32.and (local.get $at) (i32.const 7)))
        (then
          (if (i64.eqz (i64.load $shadow (local.get $at)))
            (then
              (local.set $at (i32.add (local.get $at) (i32.const 8)))
              (br $more)))))
      (if (i32.eq (i32.load16_u $shadow (local.get $at)) (i32.const 0xfafa))
        (then (return (i32.shl (i32.add (local.get $at) (i32.const 2)) (i32.const 3)))))
      (local.set $at (i32.add (local.get $at) (i32.const 2)))
      (br $more))
    (unreachable))
  (func (export "behind") (param $at i32) (result i32)
    (if (i32.ne (i32.load8_u $shadow (local.get $at)) (i32.const 0xfa)) (then (return (local.get $at))))
    (local.set $at (i32.add (local.get $at) (i32.const 2)))
    (i32.add (local.get $at) (i32.shr_u
      (i32.add (call $size (i32.shl (local.get $at) (i32.const 3))) (i32.const 7)) (i32.const 3))))

  ;; Nothing more is kept.
  (func $fit (param $pages i32) (result i32) (i32.const 1))
