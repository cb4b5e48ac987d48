;; An imported memory of all that 32 bits can address.
(module (import "env" "memory" (memory 65536)) (func (export "f")))
