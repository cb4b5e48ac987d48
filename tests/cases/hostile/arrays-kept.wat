;; Arrays that are all kept, so that no collection helps.
(module
  (import "env" "emscripten_notify_memory_growth" (func (param i32)))
  (type $bytes (array (mut i8)))
  (type $node (struct (field (ref null $node)) (field (ref $bytes))))
  (global $list (mut (ref null $node)) (ref.null $node))
  (func (export "f")
    (loop $l
      (global.set $list (struct.new $node (global.get $list) (array.new_default $bytes (i32.const 100000))))
      (br $l))))
