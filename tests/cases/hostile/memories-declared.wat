;; Four memories of 700 MB each: together they pass a limit that each keeps.
(module
  (memory 10681) (memory 10681) (memory 10681) (memory (export "memory") 10681)
  (func (export "f")))
