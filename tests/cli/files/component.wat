;; A component with one core module inside.
(component
  (core module $inner
    (memory (export "memory") 1)
    (func (export "run")))
  (core instance (instantiate $inner)))
