;; The part of the recorder that notes some blocks only. The build puts it into recorder.wat twice: for programs with 32-bit
;; and with 64-bit addresses. {a} is the type of an address, {w} the ending of names, {low} makes an i32 of an address, and
;; {log} says how long an address is, as a power of two.
;;
;; A block is recorded with the probability that one of its bytes is hit, where hits have a mean distance of as many
;; bytes as the header says (56). At 0x110: recorded blocks that are live (4). At 0x130: a block of a nested call that waits
;; for the outer one: block (8), size (8); then the block that is being reallocated (8), and of the one that waits the
;; node (4) and what it is (4).

  ;; Whether a block of this size is hit.
  (func $is_hit{w} (param $size {a}) (result i32)
    (local $left f64)
    (local.set $left (f64.load (i32.const 0x108)))
    ;; Only before the first block.
    (if (f64.eq (local.get $left) (f64.const 0)) (then (local.set $left (call $draw))))
    (local.set $left (f64.sub (local.get $left) (f64.convert_{a}_u (local.get $size))))
    (if (f64.ge (local.get $left) (f64.const 0))
      (then
        (f64.store (i32.const 0x108) (local.get $left))
        (return (i32.const 0))))
    (f64.store (i32.const 0x108) (call $draw))
    (i32.const 1))

  ;; Where a block stands in the table of those that were recorded and are live, or the free place for it.
  (func $place{w} (param $block {a}) (result i32)
    (local $at i32) (local $have {a})
    (local.set $at (i32.shr_u
      (i32.mul ({low} (local.get $block)) (i32.const 0x9e3779b1))
      (global.get $table_shift)))
    (loop $next
      (local.set $have ({a}.load (i32.add (global.get $table) (i32.shl (local.get $at) (i32.const {log})))))
      (if (i32.and
            ({a}.ne (local.get $have) ({a}.const 0))
            ({a}.ne (local.get $have) (local.get $block)))
        (then
          (local.set $at (i32.and (i32.add (local.get $at) (i32.const 1)) (global.get $table_mask)))
          (br $next))))
    (i32.add (global.get $table) (i32.shl (local.get $at) (i32.const {log}))))

  ;; Puts a block into the table; not when it is too full to be searched quickly.
  (func $keep{w} (param $block {a}) (result i32)
    (local $at i32)
    (if (i32.ge_u (i32.load (i32.const 0x110)) (global.get $table_most))
      (then
        (i32.store (i32.const 8) (i32.or (i32.load (i32.const 8)) (i32.const 16)))
        (return (i32.const 0))))
    (local.set $at (call $place{w} (local.get $block)))
    (if ({a}.eqz ({a}.load (local.get $at)))
      (then
        ({a}.store (local.get $at) (local.get $block))
        (i32.store (i32.const 0x110) (i32.add (i32.load (i32.const 0x110)) (i32.const 1)))))
    (i32.const 1))

  ;; Takes a block out of the table, if it is in it. What stands behind it moves up.
  (func $take{w} (param $block {a}) (result i32)
    (local $at i32) (local $next i32) (local $have {a})
    (local.set $at (call $place{w} (local.get $block)))
    (if ({a}.eqz ({a}.load (local.get $at))) (then (return (i32.const 0))))
    (i32.store (i32.const 0x110) (i32.sub (i32.load (i32.const 0x110)) (i32.const 1)))
    ({a}.store (local.get $at) ({a}.const 0))
    (local.set $next (local.get $at))
    (loop $move
      (local.set $next (i32.add
        (global.get $table)
        (i32.and
          (i32.sub
            (i32.add (local.get $next) (i32.shl (i32.const 1) (i32.const {log})))
            (global.get $table))
          (global.get $table_bytes_mask))))
      (if ({a}.ne (local.tee $have ({a}.load (local.get $next))) ({a}.const 0))
        (then
          ({a}.store (local.get $next) ({a}.const 0))
          ({a}.store (call $place{w} (local.get $have)) (local.get $have))
          (br $move))))
    (i32.const 1))

  ;; A nested call's block that waits is one of its own.
  (func $settle{w}
    (local $block {a})
    (if ({a}.ne (local.tee $block ({a}.load (i32.const 0x130))) ({a}.const 0))
      (then
        ({a}.store (i32.const 0x130) ({a}.const 0))
        (if (call $keep{w} (local.get $block))
          (then
            (call $note{w} (i32.load (i32.const 0x14c)) (i32.load (i32.const 0x148))
              (local.get $block) ({a}.load (i32.const 0x138))))))))

  ;; Notes an event if its block is one of those that are recorded. The log then holds no nested events: what they
  ;; are about is decided here.
  (func $sampled{w} (param $what i32) (param $block {a}) (param $size {a}) (param $node i32)
    (local $kind i32) (local $nested i32) (local $plain i32)
    (local.set $kind (i32.and (local.get $what) (i32.const 0xf)))
    (local.set $nested (i32.and (local.get $what) (i32.const 0x10)))
    (local.set $plain (i32.xor (local.get $what) (local.get $nested)))
    (if (i32.eq (local.get $kind) (i32.const 3))
      (then
        (if (i32.eqz (local.get $nested)) (then ({a}.store (i32.const 0x140) (local.get $block))))
        (return)))
    (if (i32.eq (local.get $kind) (i32.const 5))
      (then (return (call $note{w} (local.get $plain) (local.get $node) (local.get $block) (local.get $size)))))
    (if (i32.eq (local.get $kind) (i32.const 2))
      (then
        (if ({a}.eq ({a}.load (i32.const 0x130)) (local.get $block))
          (then (return ({a}.store (i32.const 0x130) ({a}.const 0)))))
        (if (call $take{w} (local.get $block))
          (then
            (call $note{w} (local.get $plain) (local.get $node) (local.get $block) (local.get $size))))
        (return)))
    ;; A nested call may have given the very block, or a longer one around it.
    (if (i32.or
          (local.get $nested)
          ({a}.ge_u
            ({a}.sub (local.get $block) ({a}.load (i32.const 0x130)))
            (select
              ({a}.load (i32.const 0x138))
              ({a}.const 1)
              ({a}.ne ({a}.load (i32.const 0x138)) ({a}.const 0)))))
      (then (call $settle{w}))
      (else ({a}.store (i32.const 0x130) ({a}.const 0))))
    (if (i32.eq (local.get $kind) (i32.const 4))
      (then
        (if (i32.eqz (local.get $nested))
          (then
            (if (call $take{w} ({a}.load (i32.const 0x140)))
              (then
                (call $note{w} (i32.const 2) (local.get $node) ({a}.load (i32.const 0x140)) ({a}.const 0))))
            ({a}.store (i32.const 0x140) ({a}.const 0))))
        (local.set $plain (i32.xor (local.get $plain) (i32.const 5)))))
    (if ({a}.eqz (local.get $block)) (then (return)))
    (if (i32.eqz (call $is_hit{w} (local.get $size))) (then (return)))
    (if (local.get $nested)
      (then
        ({a}.store (i32.const 0x130) (local.get $block))
        ({a}.store (i32.const 0x138) (local.get $size))
        (i32.store (i32.const 0x148) (local.get $node))
        (return (i32.store (i32.const 0x14c) (local.get $plain)))))
    (if (call $keep{w} (local.get $block))
      (then (call $note{w} (local.get $plain) (local.get $node) (local.get $block) (local.get $size)))))

  ;; The rule, and quickly: nothing waits, and an allocation is not hit, or a freed block is not in the table. Whether it
  ;; is something else, `sampled` finds out.
  (func $is_dull{w} (param $what i32) (param $block {a}) (param $size {a}) (result i32)
    (local $left f64)
    (if ({a}.ne ({a}.load (i32.const 0x130)) ({a}.const 0)) (then (return (i32.const 0))))
    (if (i32.eq (i32.and (local.get $what) (i32.const 0xf)) (i32.const 2))
      (then
        (return ({a}.eqz ({a}.load (i32.add (global.get $table) (i32.shl
          (i32.shr_u (i32.mul ({low} (local.get $block)) (i32.const 0x9e3779b1)) (global.get $table_shift))
          (i32.const {log}))))))))
    (if (i32.ne (i32.and (local.get $what) (i32.const 0x1f)) (i32.const 1)) (then (return (i32.const 0))))
    (local.set $left (f64.sub (f64.load (i32.const 0x108)) (f64.convert_{a}_u (local.get $size))))
    (if (f64.gt (local.get $left) (f64.const 0))
      (then
        (f64.store (i32.const 0x108) (local.get $left))
        (return (i32.const 1))))
    (i32.const 0))

  ;; As `record`, of some blocks.
  (func (export "sample{w}") (param $what i32) (param $block {a}) (param $size {a}) (param $frame i32)
    (if (call $is_dull{w} (local.get $what) (local.get $block) (local.get $size)) (then (return)))
    (call $sampled{w} (local.get $what) (local.get $block) (local.get $size)
      (call $node_of (local.get $frame))))

  ;; As `record_flat`, of some blocks.
  (func (export "sample_flat{w}") (param $what i32) (param $block {a}) (param $size {a})
    (if (call $is_dull{w} (local.get $what) (local.get $block) (local.get $size)) (then (return)))
    (call $sampled{w} (local.get $what) (local.get $block) (local.get $size) (i32.const 0)))
