;; Blocks where the allocator puts them, as in the program that is not checked. A part of checker.wat.
;;
;; What is kept of a block lies in a memory of its own, 8 bytes for a granule of the program's memory, of the granule in
;; which the block begins:
;;    0  bytes asked for (30 bits); 0, no block begins here; 1, a live one; 2, a freed one; 3, a freed one in the upper half
;;    4  node of its allocation (16 bits); freed: node of its free (16 bits); live: log2 of the alignment (5 bits), 1 if it
;;       was told, 1 if it begins in the granule's upper half, which heap it is of (4 bits); live or none, bit 31: a block of which nothing is kept has
;;       begun in the granule, too
;; What is kept of a freed block stays until another block lies where it began. Nothing is kept of a block at no multiple of 4,
;; of one that begins in the same granule as a live one, and of one of 1 GiB or more.
;;
;; What must not be accessed is what is known to be no block's:
;; - a freed block, until another is handed out there;
;; - the rest of the granule in which a block ends: others begin no nearer than at the next, or this is seen;
;; - where the allocator is known to have words of its own before each block (`header_bytes`): the last four bytes before it,
;;   and the granule behind the one in which a block ends, as long as no block begins there. Not at a multiple of 64 KiB, nor
;;   once the program takes memory for itself beside the allocator: that may lie there; nor once a block begins where another
;;   ends, which shows that those words are somewhere else; nor where blocks were live from the beginning.

  ;; Only what lies in the memory can be a block.
  (func $may_be_block (param $user i32) (result i32)
    (i32.eqz (i32.or
      (i32.and (local.get $user) (i32.const 3))
      (call $is_outside (local.get $user)))))

  ;; Where what is kept of a block lies.
  (func $place (param $user i32) (result i32)
    (i32.and (local.get $user) (i32.const -8)))
  ;; The block that begins in a granule, live or freed; 0: none.
  (func $in_granule (param $at i32) (result i32)
    (local $have i32)
    (local.set $at (i32.shl (local.get $at) (i32.const 3)))
    (local.set $have (i32.and (i32.load $notes (local.get $at)) (i32.const 3)))
    (if (i32.eqz (local.get $have)) (then (return (i32.const 0))))
    (i32.add (local.get $at) (select
      (i32.and (i32.shr_u (i32.load $notes offset=4 (local.get $at)) (i32.const 20)) (i32.const 4))
      (i32.shl (i32.and (local.get $have) (i32.const 1)) (i32.const 2))
      (i32.eq (local.get $have) (i32.const 1)))))
  ;; A live block begins in this granule, at an address that is no less than this one.
  (func $is_live_from (param $at i32) (param $least i32) (result i32)
    (i32.and
      (i32.eq
        (i32.and (i32.load $notes (i32.shl (local.get $at) (i32.const 3))) (i32.const 3))
        (i32.const 1))
      (i32.ge_u (call $in_granule (local.get $at)) (local.get $least))))

  ;; In this granule a block has begun of which nothing is kept.
  (func $is_odd (param $at i32) (result i32)
    (local.set $at (i32.shl (local.get $at) (i32.const 3)))
    (i32.and
      (i32.lt_u (i32.and (i32.load $notes (local.get $at)) (i32.const 3)) (i32.const 2))
      (i32.lt_s (i32.load $notes offset=4 (local.get $at)) (i32.const 0))))
  (func $set_odd (param $at i32)
    (local.set $at (i32.shl (local.get $at) (i32.const 3)))
    (if (i32.ge_u (i32.and (i32.load $notes (local.get $at)) (i32.const 3)) (i32.const 2))
      (then (i64.store $notes (local.get $at) (i64.const 0))))
    (i32.store $notes offset=4 (local.get $at)
      (i32.or (i32.load $notes offset=4 (local.get $at)) (i32.const 0x80000000))))
  ;; From this address on, which lies in this granule, a block may begin there.
  (func $may_begin (param $at i32) (param $least i32) (result i32)
    (i32.or
      (call $is_odd (local.get $at))
      (call $is_live_from (local.get $at) (local.get $least))))

  (func $state (export "state_of") (param $user i32) (result i32)
    (local $have i32)
    (if (i32.eqz (call $may_be_block (local.get $user))) (then (return (i32.const 0))))
    (if (i32.ne (call $in_granule (i32.shr_u (local.get $user) (i32.const 3))) (local.get $user))
      (then (return (i32.const 0))))
    (local.set $have (i32.and (i32.load $notes (call $place (local.get $user))) (i32.const 3)))
    (select (i32.const 2) (local.get $have) (i32.eq (local.get $have) (i32.const 3))))
  (func $size (export "size_of") (param $user i32) (result i32)
    (i32.shr_u (i32.load $notes (call $place (local.get $user))) (i32.const 2)))
  (func $nodes (export "nodes_of") (param $user i32) (result i32)
    (local $have i32)
    (local.set $have (i32.load $notes offset=4 (call $place (local.get $user))))
    (select
      (i32.and (local.get $have) (i32.const 0xffff))
      (local.get $have)
      (i32.eq (call $state (local.get $user)) (i32.const 1))))
  (func $told (param $user i32) (result i32)
    (i32.and (i32.load $notes offset=4 (call $place (local.get $user))) (i32.const 0x200000)))
  (func $heap_of (param $user i32) (result i32)
    (i32.and (i32.shr_u (i32.load $notes offset=4 (call $place (local.get $user))) (i32.const 23)) (i32.const 15)))
  (func $align_log2 (param $user i32) (result i32)
    (select
      (i32.and (i32.shr_u (i32.load $notes offset=4 (call $place (local.get $user))) (i32.const 16)) (i32.const 31))
      (i32.const 0)
      (i32.eq (call $state (local.get $user)) (i32.const 1))))
  ;; The program cannot write where it is kept.
  (func $is_sound (export "is_sound") (param $user i32) (result i32) (i32.const 1))
  (func $spoiled (param $user i32))

  ;; What lies here is a block's now, or nobody's: nothing that was known of it holds.
  (func $clear (param $user i32) (param $end i32)
    (local $at i32) (local $last i32)
    (local.set $at (i32.shr_u (local.get $user) (i32.const 3)))
    (local.set $last (i32.shr_u (local.get $end) (i32.const 3)))
    (memory.fill $shadow (local.get $at) (i32.const 0) (i32.sub (local.get $last) (local.get $at)))
    (memory.fill $notes (i32.shl (local.get $at) (i32.const 3)) (i32.const 0)
      (i32.shl (i32.sub (local.get $last) (local.get $at)) (i32.const 3)))
    (if (i32.eqz (i32.and (local.get $end) (i32.const 7))) (then (return)))
    (i32.store8 $shadow (local.get $last) (i32.const 0))
    (if (i32.lt_u (call $in_granule (local.get $last)) (local.get $end))
      (then
        (i64.store $notes (i32.shl (local.get $last) (i32.const 3))
          (i64.shl (i64.extend_i32_u (call $is_odd (local.get $last))) (i64.const 63))))))

  ;; Beside a block: behind its end, and before its beginning.
  (func $edge (param $user i32) (param $end i32)
    (local $at i32) (local $left i32)
    (local.set $at (i32.shr_u (local.get $end) (i32.const 3)))
    (if (local.tee $left (i32.and (local.get $end) (i32.const 7)))
      (then
        (if (i32.eqz (call $may_begin (local.get $at) (local.get $end)))
          (then (i32.store8 $shadow (local.get $at) (local.get $left))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))))
    (if (i32.or
          (i32.or
            (i32.lt_u (global.get $header_bytes) (i32.const 4))
            (i32.eqz (global.get $is_fresh)))
          (i32.load $recording (i32.const 0x134)))
      (then (return)))
    (if (i32.and (local.get $at) (i32.const 0x1fff))
      (then
        ;; A block of no bytes begins where it ends.
        (if (i32.and
              (call $may_begin (local.get $at) (local.get $end))
              (i32.ne (call $in_granule (local.get $at)) (local.get $user)))
          (then
            (if (i32.lt_u
                  (i32.sub (call $in_granule (local.get $at)) (local.get $end)) (global.get $header_bytes))
              (then (return (call $touching)))))
          (else (i32.store8 $shadow (local.get $at) (i32.const 0xfb))))))
    (if (i32.or
          (i32.eqz (i32.and (local.get $user) (i32.const 0xffff)))
          (i32.and (local.get $user) (i32.const 7)))
      (then (return)))
    (local.set $at (i32.sub (i32.shr_u (local.get $user) (i32.const 3)) (i32.const 1)))
    (if (i32.eqz (i32.load8_u $shadow (local.get $at)))
      (then (i32.store8 $shadow (local.get $at) (i32.const 4)))))

  ;; Blocks touch each other, or one is not known: nothing more is said of what is beside them.
  (func $touching
    (i32.store $recording (i32.const 0x134) (i32.const 1)))

  ;; The allocator gave a block. `align` is 0 where none was asked for.
  (func $keep (export "keep") (param $user i32) (param $size i32) (param $align i32) (param $frame i32) (param $heap i32)
    (local $end i64)
    (call $sync)
    (if (i32.eqz (local.get $user))
      (then
        ;; The program may take the null for a block.
        (memory.fill $shadow (i32.const 0) (i32.const 0xf8) (i32.shr_u (global.get $null_end) (i32.const 3)))
        (return)))
    (if (i32.or (call $is_outside (local.get $user)) (i32.lt_u (local.get $user) (i32.const 16)))
      (then (return)))
    (local.set $end (i64.add (i64.extend_i32_u (local.get $user)) (i64.extend_i32_u (local.get $size))))
    ;; One that goes on behind the end of the memory is no block.
    (if (i64.gt_u (local.get $end) (i64.shl (i64.extend_i32_u (memory.size $program)) (i64.const 16)))
      (then (return)))
    (if (i32.lt_u
          (i32.sub (local.get $user) (i32.const 1))
          (i32.sub (i32.load $state offset=0x11c (global.get $state)) (i32.const 1)))
      (then (i32.store $state offset=0x11c (global.get $state) (local.get $user))))
    (if (call $can_be_kept (local.get $user) (local.get $size) (i32.wrap_i64 (local.get $end)))
      (then
        ;; A block ends where this one begins: nothing of the allocator's is between.
        (if (i32.and
              (i32.eq (i32.load8_u $shadow (i32.shr_u (local.get $user) (i32.const 3))) (i32.const 0xfb))
              (i32.eqz (i32.load8_u $shadow
                (i32.sub (i32.shr_u (local.get $user) (i32.const 3)) (i32.const 1)))))
          (then (call $touching)))
        (call $clear (local.get $user) (i32.wrap_i64 (local.get $end)))
        (i32.store $notes (call $place (local.get $user))
          (i32.or (i32.shl (local.get $size) (i32.const 2)) (i32.const 1)))
        (i32.store $notes offset=4 (call $place (local.get $user))
          (i32.or
            (i32.or
              (i32.and (i32.load $notes offset=4 (call $place (local.get $user))) (i32.const 0x80000000))
              (i32.or
                (i32.shl (local.get $heap) (i32.const 23))
                (i32.shl (i32.ne (local.get $align) (i32.const 0)) (i32.const 21))))
            (i32.or
              (i32.or
                (i32.and (call $node_of (local.get $frame)) (i32.const 0xffff))
                (i32.shl (i32.and (i32.ctz (local.get $align)) (i32.const 31)) (i32.const 16)))
              (i32.shl (i32.and (local.get $user) (i32.const 4)) (i32.const 20)))))
        (call $edge (local.get $user) (i32.wrap_i64 (local.get $end)))
        (return)))
    (call $touching)
    ;; What is kept of another in the granule stays.
    (i32.store8 $shadow (i32.shr_u (local.get $user) (i32.const 3)) (i32.const 0))
    (call $set_odd (i32.shr_u (local.get $user) (i32.const 3)))
    (local.set $user (i32.add (i32.or (local.get $user) (i32.const 7)) (i32.const 1)))
    (if (i64.lt_u (i64.extend_i32_u (local.get $user)) (local.get $end))
      (then (call $clear (local.get $user) (i32.wrap_i64 (local.get $end))))))

  (func $can_be_kept (param $user i32) (param $size i32) (param $end i32) (result i32)
    (local $other i32)
    (if (i32.or
          (i32.ge_u (local.get $size) (i32.const 0x40000000))
          (i32.and (local.get $user) (i32.const 3)))
      (then (return (i32.const 0))))
    (if (i32.eqz (call $is_live_from (i32.shr_u (local.get $user) (i32.const 3)) (i32.const 0)))
      (then (return (i32.const 1))))
    ;; One that lies where this one does is none any more.
    (local.set $other (call $in_granule (i32.shr_u (local.get $user) (i32.const 3))))
    (i32.and
      (i32.ge_u (local.get $other) (local.get $user))
      (i32.lt_u (local.get $other) (local.get $end))))

  ;; The program may use as much of a block as it asked the allocator for.
  (func (export "extend") (param $user i32) (param $size i32)
    (local $more i32) (local $end i64)
    (if (i32.ne (call $state (local.get $user)) (i32.const 1)) (then (return)))
    (local.set $end (i64.add (i64.extend_i32_u (local.get $user)) (i64.extend_i32_u (local.get $size))))
    (if (i32.or
          (i32.le_u (local.get $size) (call $size (local.get $user)))
          (i32.or
            (i32.ge_u (local.get $size) (i32.const 0x40000000))
            (i64.gt_u (local.get $end) (i64.shl (i64.extend_i32_u (memory.size $program)) (i64.const 16)))))
      (then (return)))
    (local.set $more (i32.load $notes offset=4 (call $place (local.get $user))))
    (call $clear (local.get $user) (i32.wrap_i64 (local.get $end)))
    (i32.store $notes (call $place (local.get $user))
      (i32.or (i32.shl (local.get $size) (i32.const 2)) (i32.const 1)))
    (i32.store $notes offset=4 (call $place (local.get $user)) (local.get $more))
    (call $edge (local.get $user) (i32.wrap_i64 (local.get $end))))

  ;; A block is shorter than it was: so long. What is left of it is no block's.
  (func (export "shortened") (param $user i32) (param $was i32)
    (local $at i32) (local $last i32)
    (if (i32.ne (call $state (local.get $user)) (i32.const 1)) (then (return)))
    (local.set $at (i32.shr_u
      (i32.add (i32.add (local.get $user) (call $size (local.get $user))) (i32.const 7)) (i32.const 3)))
    (local.set $last (i32.shr_u (i32.add (local.get $user) (local.get $was)) (i32.const 3)))
    (if (i32.lt_u (local.get $at) (local.get $last))
      (then (memory.fill $shadow (local.get $at) (i32.const 0xfb) (i32.sub (local.get $last) (local.get $at))))))

  ;; Whether a block is live any more is not known.
  (func (export "forget") (param $user i32)
    (if (i32.eq (call $state (local.get $user)) (i32.const 1))
      (then
        (call $clear (local.get $user) (i32.add (local.get $user) (call $size (local.get $user))))
        (i32.store $notes (call $place (local.get $user)) (i32.const 0)))))

  (func $retire (param $user i32) (param $node i32) (param $which i32)
    (local $at i32) (local $end i32)
    (local.set $end (i32.add (local.get $user) (call $size (local.get $user))))
    ;; The rest of its granule may be another's, which must not be forgotten.
    (if (i32.and
          (i32.lt_u (i32.sub (local.get $end) (call $place (local.get $user))) (i32.const 8))
          (call $is_odd (i32.shr_u (local.get $user) (i32.const 3))))
      (then
        (i64.store $notes (call $place (local.get $user)) (i64.const 0x8000000000000000))
        (return)))
    (i32.store $notes offset=4 (call $place (local.get $user))
      (i32.or (call $nodes (local.get $user)) (i32.shl (local.get $node) (i32.const 16))))
    (i32.store $notes (call $place (local.get $user))
      (i32.or
        (i32.shl (call $size (local.get $user)) (i32.const 2))
        (select (i32.const 3) (i32.const 2) (i32.and (local.get $user) (i32.const 4)))))
    (local.set $at (i32.shr_u (i32.add (local.get $user) (i32.const 7)) (i32.const 3)))
    ;; The granule in which it ends may be another's, too.
    (if (i32.and (local.get $end) (i32.const 7))
      (then
        (if (i32.eqz (call $may_begin (i32.shr_u (local.get $end) (i32.const 3)) (local.get $end)))
          (then (local.set $end (i32.add (local.get $end) (i32.const 7)))))))
    (local.set $end (i32.shr_u (local.get $end) (i32.const 3)))
    (if (i32.lt_u (local.get $at) (local.get $end))
      (then (memory.fill $shadow (local.get $at) (i32.const 0xfd) (i32.sub (local.get $end) (local.get $at))))))

  (func $below (param $address i32) (result i32)
    (local $at i32) (local $user i32) (local $fuel i32)
    (if (call $is_outside (local.get $address)) (then (return (i32.const 0))))
    (local.set $at (i32.shr_u (local.get $address) (i32.const 3)))
    (local.set $fuel (i32.const 0x200000))
    (loop $down
      (local.set $user (call $in_granule (local.get $at)))
      (if (i32.and
            (i32.ne (local.get $user) (i32.const 0))
            (i32.le_u (local.get $user) (local.get $address)))
        (then (return (local.get $user))))
      (if (i32.or
            (i32.eqz (local.get $at))
            (i32.eqz (local.tee $fuel (i32.sub (local.get $fuel) (i32.const 1)))))
        (then (return (i32.const 0))))
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (br $down))
    (i32.const 0))

  (func $above (param $bad i32) (result i32)
    (i32.add (i32.or (local.get $bad) (i32.const 7)) (i32.const 1)))
  ;; Between two blocks it is about the nearer one.
  (func $kind (param $bad i32) (result i32)
    (local $below i32) (local $above i32)
    (if (i32.eq (i32.load8_u $shadow (i32.shr_u (local.get $bad) (i32.const 3))) (i32.const 0xfd))
      (then
        ;; Another block may lie where the freed one began.
        (local.set $below (call $below (local.get $bad)))
        (return (select (i32.const 2) (i32.const 1) (i32.eq (call $state (local.get $below)) (i32.const 1))))))
    ;; Behind a block one was freed.
    (local.set $above (call $below (local.get $bad)))
    (if (i32.and
          (i32.eq (call $state (local.get $above)) (i32.const 2))
          (i32.lt_u (i32.sub (local.get $bad) (local.get $above)) (call $size (local.get $above))))
      (then (return (i32.const 1))))
    (local.set $above (call $above (local.get $bad)))
    (if (i32.eqz (call $state (local.get $above))) (then (return (i32.const 2))))
    (if (i32.eqz (local.tee $below (call $below (local.get $bad)))) (then (return (i32.const 3))))
    (select (i32.const 2) (i32.const 3) (i32.le_u
      (i32.sub (local.get $bad) (i32.add (local.get $below) (call $size (local.get $below))))
      (i32.sub (i32.sub (local.get $above) (i32.const 1)) (local.get $bad)))))

  ;; The program has taken memory beside the allocator, which begins here.
  (func (export "taken") (param $from i32)
    (if (i32.or
          (i32.eqz (i32.load $state offset=0x11c (global.get $state)))
          (call $is_outside (local.get $from)))
      (then (return)))
    (call $touching)
    (i32.store16 $shadow (i32.shr_u (local.get $from) (i32.const 3)) (i32.const 0)))

  (func (export "next_live") (param $user i32) (result i32)
    (local $at i32) (local $end i32)
    (local.set $at (i32.shr_u (local.get $user) (i32.const 3)))
    (local.set $end (i32.shl (memory.size $program) (i32.const 13)))
    (loop $more
      (if (i32.ge_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (local.get $end))
        (then (return (i32.const 0))))
      (br_if $more (i32.eqz (call $is_live_from (local.get $at) (i32.const 0)))))
    (call $in_granule (local.get $at)))
  (func (export "behind") (param $at i32) (result i32)
    (local $user i32)
    (if (i32.eqz (call $is_live_from (local.get $at) (i32.const 0))) (then (return (local.get $at))))
    (local.set $user (call $in_granule (local.get $at)))
    (local.set $user (i32.shr_u
      (i32.add (i32.add (local.get $user) (call $size (local.get $user))) (i32.const 7)) (i32.const 3)))
    (select (local.get $user) (local.get $at) (i32.gt_u (local.get $user) (local.get $at))))

  ;; As long as the first 4 GiB of the program's memory.
  (func $fit (param $pages i32) (result i32)
    (local.set $pages (i32.sub
      (select (local.get $pages) (i32.const 0x10000) (i32.lt_u (local.get $pages) (i32.const 0x10000)))
      (memory.size $notes)))
    (if (result i32) (i32.gt_s (local.get $pages) (i32.const 0))
      (then (i32.ne (memory.grow $notes (local.get $pages)) (i32.const -1)))
      (else (i32.const 1))))
