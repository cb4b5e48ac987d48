;; All of a 32-bit memory, from the start.
(module (memory (export "memory") 65536) (func (export "f")))
