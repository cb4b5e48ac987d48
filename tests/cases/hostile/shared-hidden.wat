;; A shared memory that nobody outside can see.
(module
  (memory 1 65536 shared)
  (func (export "f") (drop (memory.grow (i32.const 65535)))))
