;; C's memcpy and memset for a heap that is put into a module, as the module's own proposals allow: in loops, or by bulk
;; memory's instructions. Words need not be aligned in WebAssembly.
(module
  (import "env" "memory" (memory 0))

  (func (export "copy") (param $to i32) (param $from i32) (param $bytes i32) (result i32)
    (local $at i32)
    (local.set $at (local.get $to))
    (if (i32.ge_u (local.get $bytes) (i32.const 8))
      (then
        (if (i32.ge_u (local.get $bytes) (i32.const 64))
          (then
            (loop $again
              (i64.store (local.get $at) (i64.load (local.get $from)))
              (i64.store offset=8 (local.get $at) (i64.load offset=8 (local.get $from)))
              (i64.store offset=16 (local.get $at) (i64.load offset=16 (local.get $from)))
              (i64.store offset=24 (local.get $at) (i64.load offset=24 (local.get $from)))
              (i64.store offset=32 (local.get $at) (i64.load offset=32 (local.get $from)))
              (i64.store offset=40 (local.get $at) (i64.load offset=40 (local.get $from)))
              (i64.store offset=48 (local.get $at) (i64.load offset=48 (local.get $from)))
              (i64.store offset=56 (local.get $at) (i64.load offset=56 (local.get $from)))
              (local.set $at (i32.add (local.get $at) (i32.const 64)))
              (local.set $from (i32.add (local.get $from) (i32.const 64)))
              (br_if $again
                (i32.ge_u
                  (local.tee $bytes (i32.sub (local.get $bytes) (i32.const 64)))
                  (i32.const 64))))))
        (block $few
          (loop $again
            (br_if $few (i32.lt_u (local.get $bytes) (i32.const 8)))
            (i64.store (local.get $at) (i64.load (local.get $from)))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (local.set $from (i32.add (local.get $from) (i32.const 8)))
            (local.set $bytes (i32.sub (local.get $bytes) (i32.const 8)))
            (br $again)))
        ;; What is left is the end of a word that is partly copied.
        (local.set $at (i32.add (i32.sub (local.get $at) (i32.const 8)) (local.get $bytes)))
        (local.set $from (i32.add (i32.sub (local.get $from) (i32.const 8)) (local.get $bytes)))
        (i64.store (local.get $at) (i64.load (local.get $from)))
        (return (local.get $to))))
    (block $done
      (loop $again
        (br_if $done (i32.eqz (local.get $bytes)))
        (i32.store8 (local.get $at) (i32.load8_u (local.get $from)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))
        (br $again)))
    (local.get $to))

  (func (export "fill") (param $to i32) (param $byte i32) (param $bytes i32) (result i32)
    (local $at i32) (local $word i64)
    (local.set $at (local.get $to))
    (if (i32.ge_u (local.get $bytes) (i32.const 8))
      (then
        (local.set $word
          (i64.mul
            (i64.extend_i32_u (i32.and (local.get $byte) (i32.const 255)))
            (i64.const 0x0101010101010101)))
        (if (i32.ge_u (local.get $bytes) (i32.const 64))
          (then
            (loop $again
              (i64.store (local.get $at) (local.get $word))
              (i64.store offset=8 (local.get $at) (local.get $word))
              (i64.store offset=16 (local.get $at) (local.get $word))
              (i64.store offset=24 (local.get $at) (local.get $word))
              (i64.store offset=32 (local.get $at) (local.get $word))
              (i64.store offset=40 (local.get $at) (local.get $word))
              (i64.store offset=48 (local.get $at) (local.get $word))
              (i64.store offset=56 (local.get $at) (local.get $word))
              (local.set $at (i32.add (local.get $at) (i32.const 64)))
              (br_if $again
                (i32.ge_u
                  (local.tee $bytes (i32.sub (local.get $bytes) (i32.const 64)))
                  (i32.const 64))))))
        (block $few
          (loop $again
            (br_if $few (i32.lt_u (local.get $bytes) (i32.const 8)))
            (i64.store (local.get $at) (local.get $word))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (local.set $bytes (i32.sub (local.get $bytes) (i32.const 8)))
            (br $again)))
        (i64.store
          (i32.add (i32.sub (local.get $at) (i32.const 8)) (local.get $bytes))
          (local.get $word))
        (return (local.get $to))))
    (block $done
      (loop $again
        (br_if $done (i32.eqz (local.get $bytes)))
        (i32.store8 (local.get $at) (local.get $byte))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))
        (br $again)))
    (local.get $to))

  (func (export "bulk_copy") (param $to i32) (param $from i32) (param $bytes i32) (result i32)
    (memory.copy (local.get $to) (local.get $from) (local.get $bytes))
    (local.get $to))

  (func (export "bulk_fill") (param $to i32) (param $byte i32) (param $bytes i32) (result i32)
    (memory.fill (local.get $to) (local.get $byte) (local.get $bytes))
    (local.get $to)))
