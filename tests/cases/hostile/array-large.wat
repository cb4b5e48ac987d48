;; An array of a thousand million elements.
(module
  (import "env" "emscripten_notify_memory_growth" (func (param i32)))
  (type $a (array (mut i64)))
  (func (export "f") (drop (array.new_default $a (i32.const 1073741823)))))
