;; Instructions of later proposals as functions of WebAssembly 1.0, called in their place (see `src/lower/mod.rs`).

(module
  (import "lower" "memory" (memory 0))

  ;; Traps as the instruction does, with "out of bounds", before anything is written: a load behind any memory.
  (func $check (param $at i32) (param $count i32)
    (if
      (i64.gt_u
        (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $count)))
        (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)))
      (then (drop (i32.load8_u offset=0xffffffff (i32.const 0xffffffff))))))

  ;; From the front where the target lies before the source, else from the back, so that nothing is overwritten that is
  ;; still to be read: eight bytes at a time, then the rest.
  (func (export "memory.copy") (param $to i32) (param $from i32) (param $count i32)
    (call $check (local.get $from) (local.get $count))
    (call $check (local.get $to) (local.get $count))
    (if (i32.le_u (local.get $to) (local.get $from))
      (then
        (block $few
          (loop $words
            (br_if $few (i32.lt_u (local.get $count) (i32.const 8)))
            (i64.store align=1 (local.get $to) (i64.load align=1 (local.get $from)))
            (local.set $to (i32.add (local.get $to) (i32.const 8)))
            (local.set $from (i32.add (local.get $from) (i32.const 8)))
            (local.set $count (i32.sub (local.get $count) (i32.const 8)))
            (br $words)))
        (loop $bytes
          (if (local.get $count)
            (then
              (i32.store8 (local.get $to) (i32.load8_u (local.get $from)))
              (local.set $to (i32.add (local.get $to) (i32.const 1)))
              (local.set $from (i32.add (local.get $from) (i32.const 1)))
              (local.set $count (i32.sub (local.get $count) (i32.const 1)))
              (br $bytes)))))
      (else
        (block $few
          (loop $words
            (br_if $few (i32.lt_u (local.get $count) (i32.const 8)))
            (local.set $count (i32.sub (local.get $count) (i32.const 8)))
            (i64.store align=1
              (i32.add (local.get $to) (local.get $count))
              (i64.load align=1 (i32.add (local.get $from) (local.get $count))))
            (br $words)))
        (loop $bytes
          (if (local.get $count)
            (then
              (local.set $count (i32.sub (local.get $count) (i32.const 1)))
              (i32.store8
                (i32.add (local.get $to) (local.get $count))
                (i32.load8_u (i32.add (local.get $from) (local.get $count))))
              (br $bytes)))))))

  ;; Whole pages read as zeros from then on; other ranges trap.
  (func (export "memory.discard") (param $at i32) (param $count i32)
    (if (i32.and (i32.or (local.get $at) (local.get $count)) (i32.const 0xffff)) (then unreachable))
    (call $fill (local.get $at) (i32.const 0) (local.get $count)))

  (func $fill (export "memory.fill") (param $to i32) (param $byte i32) (param $count i32)
    (local $word i64)
    (call $check (local.get $to) (local.get $count))
    (local.set $word
      (i64.mul
        (i64.extend_i32_u (i32.and (local.get $byte) (i32.const 0xff)))
        (i64.const 0x0101010101010101)))
    (block $few
      (loop $words
        (br_if $few (i32.lt_u (local.get $count) (i32.const 8)))
        (i64.store align=1 (local.get $to) (local.get $word))
        (local.set $to (i32.add (local.get $to) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 8)))
        (br $words)))
    (loop $bytes
      (if (local.get $count)
        (then
          (i32.store8 (local.get $to) (local.get $byte))
          (local.set $to (i32.add (local.get $to) (i32.const 1)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $bytes)))))

  ;; Saturating conversions: what the trapping one can do, is its; below it is the smallest number, above it the largest,
  ;; and of what is no number 0. A bound that the floating-point type cannot express is left out of its comparison.
  (func (export "i32.trunc_sat_f32_s") (param $x f32) (result i32)
    (if (f32.lt (f32.abs (local.get $x)) (f32.const 0x1p31))
      (then (return (i32.trunc_f32_s (local.get $x)))))
    (if (f32.ne (local.get $x) (local.get $x)) (then (return (i32.const 0))))
    (select (i32.const 0x80000000) (i32.const 0x7fffffff) (f32.lt (local.get $x) (f32.const 0))))

  (func (export "i32.trunc_sat_f32_u") (param $x f32) (result i32)
    (if (i32.and (f32.gt (local.get $x) (f32.const -1)) (f32.lt (local.get $x) (f32.const 0x1p32)))
      (then (return (i32.trunc_f32_u (local.get $x)))))
    (select (i32.const -1) (i32.const 0) (f32.gt (local.get $x) (f32.const 0))))

  (func (export "i32.trunc_sat_f64_s") (param $x f64) (result i32)
    (if
      (i32.and
        (f64.gt (local.get $x) (f64.const -2147483649))
        (f64.lt (local.get $x) (f64.const 2147483648)))
      (then (return (i32.trunc_f64_s (local.get $x)))))
    (if (f64.ne (local.get $x) (local.get $x)) (then (return (i32.const 0))))
    (select (i32.const 0x80000000) (i32.const 0x7fffffff) (f64.lt (local.get $x) (f64.const 0))))

  (func (export "i32.trunc_sat_f64_u") (param $x f64) (result i32)
    (if (i32.and (f64.gt (local.get $x) (f64.const -1)) (f64.lt (local.get $x) (f64.const 0x1p32)))
      (then (return (i32.trunc_f64_u (local.get $x)))))
    (select (i32.const -1) (i32.const 0) (f64.gt (local.get $x) (f64.const 0))))

  (func (export "i64.trunc_sat_f32_s") (param $x f32) (result i64)
    (if (f32.lt (f32.abs (local.get $x)) (f32.const 0x1p63))
      (then (return (i64.trunc_f32_s (local.get $x)))))
    (if (f32.ne (local.get $x) (local.get $x)) (then (return (i64.const 0))))
    (select
      (i64.const 0x8000000000000000)
      (i64.const 0x7fffffffffffffff)
      (f32.lt (local.get $x) (f32.const 0))))

  (func (export "i64.trunc_sat_f32_u") (param $x f32) (result i64)
    (if (i32.and (f32.gt (local.get $x) (f32.const -1)) (f32.lt (local.get $x) (f32.const 0x1p64)))
      (then (return (i64.trunc_f32_u (local.get $x)))))
    (select (i64.const -1) (i64.const 0) (f32.gt (local.get $x) (f32.const 0))))

  (func (export "i64.trunc_sat_f64_s") (param $x f64) (result i64)
    (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p63))
      (then (return (i64.trunc_f64_s (local.get $x)))))
    (if (f64.ne (local.get $x) (local.get $x)) (then (return (i64.const 0))))
    (select
      (i64.const 0x8000000000000000)
      (i64.const 0x7fffffffffffffff)
      (f64.lt (local.get $x) (f64.const 0))))

  (func (export "i64.trunc_sat_f64_u") (param $x f64) (result i64)
    (if (i32.and (f64.gt (local.get $x) (f64.const -1)) (f64.lt (local.get $x) (f64.const 0x1p64)))
      (then (return (i64.trunc_f64_u (local.get $x)))))
    (select (i64.const -1) (i64.const 0) (f64.gt (local.get $x) (f64.const 0)))))
