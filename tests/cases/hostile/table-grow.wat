;; One table that grows by ten million elements in each round of a loop.
(module
  (import "env" "memory" (memory 1))
  (table 1 funcref)
  (func (export "f")
    (loop $l (drop (table.grow (ref.null func) (i32.const 10000000))) (br $l))))
