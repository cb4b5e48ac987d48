;; A heap over a break, which a program may move, too.
(module
  (memory (export "memory") 2 400)
  (data (i32.const 1024) "\00\10\01\00") ;; the break: 0x11000
  (func $sbrk (export "sbrk") (param $bytes i32) (result i32)
    (local $old i32) (local $new i32)
    (local.set $old (i32.load (i32.const 1024)))
    (local.set $new (i32.add (local.get $old) (local.get $bytes)))
    (if (i32.gt_u (local.get $new) (i32.shl (memory.size) (i32.const 16)))
      (then
        (if (i32.eq (i32.const -1)
              (memory.grow (i32.shr_u
                (i32.add (i32.sub (local.get $new) (i32.shl (memory.size) (i32.const 16))) (i32.const 65535))
                (i32.const 16))))
          (then (return (i32.const -1))))))
    (i32.store (i32.const 1024) (local.get $new))
    (local.get $old))
  (func $malloc (export "malloc") (param $bytes i32) (result i32)
    (local $at i32)
    (if (i32.load (i32.const 1032))
      (then
        (local.set $at (i32.load (i32.const 1032)))
        (if (i32.ge_u (i32.load (i32.sub (local.get $at) (i32.const 8))) (local.get $bytes))
          (then
            (i32.store (i32.const 1032) (i32.const 0))
            (return (local.get $at))))))
    (local.set $at (call $sbrk (i32.and (i32.add (local.get $bytes) (i32.const 23)) (i32.const -16))))
    (if (i32.eq (local.get $at) (i32.const -1))
      (then
        (i32.store (i32.const 1040) (i32.const 48))
        (return (i32.const 0))))
    (i32.store (local.get $at) (local.get $bytes))
    (i32.add (local.get $at) (i32.const 8)))
  (func $free (export "free") (param $at i32)
    (i32.store (i32.const 1032) (local.get $at)))
  (func (export "errno") (result i32) (i32.load (i32.const 1040)))
  (func (export "clear_errno") (i32.store (i32.const 1040) (i32.const 0))))
