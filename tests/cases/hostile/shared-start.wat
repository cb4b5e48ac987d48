;; A shared memory that grows before anybody can see it.
(module
  (memory (export "memory") 1 65536 shared)
  (func $start (drop (memory.grow (i32.const 65535))))
  (start $start)
  (func (export "f")))
