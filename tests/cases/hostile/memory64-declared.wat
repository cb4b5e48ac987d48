;; A 64-bit memory with all the pages that its type can declare.
(module (memory (export "memory") i64 281474976710656) (func (export "f")))
