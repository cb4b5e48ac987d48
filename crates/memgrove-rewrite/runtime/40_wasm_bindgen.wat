;; wasm-bindgen's error path. A handle is an index into a table that JavaScript keeps;
;; 0 to 131 are reserved there, so that Rust does not drop them.

(global $last_handle (mut i32) (i32.const 131))
(func (export "new_handle") (result i32)
  (global.set $last_handle (i32.add (global.get $last_handle) (i32.const 1)))
  (global.get $last_handle))

;; A string result is written as pointer and length; the empty one owns nothing.
(func (export "empty_string") (param $out i32) (param $object i32)
  (i32.store (local.get $out) (i32.const 1))
  (i32.store offset=4 (local.get $out) (i32.const 0)))

;; From pointer and length of a text: the text is not kept.
(func (export "two_to_handle") (param i32 i32) (result i32)
  (global.set $last_handle (i32.add (global.get $last_handle) (i32.const 1)))
  (global.get $last_handle))
(func (export "same_handle") (param $handle i32) (result i32)
  (local.get $handle))
