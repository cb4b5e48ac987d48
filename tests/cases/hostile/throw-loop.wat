;; Exceptions that are thrown, caught and kept.
(module
  (import "env" "emscripten_notify_memory_growth" (func (param i32)))
  (type $node (struct (field (ref null $node)) (field (ref null exn))))
  (tag $t (param i64 i64 i64 i64))
  (global $list (mut (ref null $node)) (ref.null $node))
  (func (export "f")
    (loop $l
      (global.set $list
        (struct.new $node
          (global.get $list)
          (block $caught (result (ref exn))
            (try_table (catch_all_ref $caught)
              (throw $t (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))
            (unreachable))))
      (br $l))))
