;; The shadow in a memory of its own, which grows with the program's. A part of checker.wat.

  ;; The shadow is as long as the memory, which the host may have grown.
  (func $sync (export "sync")
    (local $missing i32)
    (local.set $missing (i32.sub (call $pages (memory.size $program)) (memory.size $shadow)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.eq (memory.grow $shadow (local.get $missing)) (i32.const -1)) (then (unreachable)))))
    (if (i32.eqz (call $fit (memory.size $program))) (then (unreachable))))

  ;; Pages of the shadow for so many of the program; one more, as wide accesses look at two granules at once. A memory with
  ;; 64-bit addresses may be longer than 4 GiB, if the host grows it.
  (func $pages (param $program i32) (result i32)
    (local.set $program
      (select (local.get $program) (i32.const 0x10000) (i32.lt_u (local.get $program) (i32.const 0x10000))))
    (i32.add (i32.shr_u (i32.add (local.get $program) (i32.const 7)) (i32.const 3)) (i32.const 1)))

  ;; Grows the shadow first: without it the program gets no memory, and none beyond 4 GiB.
  (func (export "grow") (param $delta i32) (result i32)
    (local $all i32) (local $missing i32)
    (local.set $all (i32.add (memory.size $program) (local.get $delta)))
    (if (i32.or
          (i32.lt_u (local.get $all) (local.get $delta))
          (i32.gt_u (local.get $all) (i32.const 0x10000)))
      (then (return (call $beyond))))
    (if (i32.eqz (call $fit (local.get $all))) (then (return (i32.const -1))))
    (local.set $missing (i32.sub (call $pages (local.get $all)) (memory.size $shadow)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.eq (memory.grow $shadow (local.get $missing)) (i32.const -1))
          (then (return (i32.const -1))))))
    (memory.grow $program (local.get $delta)))
