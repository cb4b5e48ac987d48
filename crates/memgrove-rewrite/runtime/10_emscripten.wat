;; Emscripten: what the JavaScript glue does for memory.

;; A boolean: 0 = could not grow. To say "grown" without growing would let malloc
;; hand out addresses outside of memory.
(func (export "emscripten_resize_heap") (param $bytes i32) (result i32)
  (call $cover (local.get $bytes)))

(func (export "emscripten_get_heap_size") (result i32)
  (i32.shl (memory.size) (global.get $page_shift)))

;; fastcomp: sbrk has already stored the new break when it asks.
(func (export "enlargeMemory") (result i32)
  (call $cover (i32.load (global.get $break_cell))))

;; A program that asks for the break's address finds it where the layout put it.
(func (export "emscripten_get_sbrk_ptr") (result i32)
  (global.get $break_cell))

;; Answers its first argument, as memcpy does.
(func (export "emscripten_memcpy_big") (param $to i32) (param $from i32) (param $len i32) (result i32)
  (call $move (local.get $to) (local.get $from) (local.get $len))
  (local.get $to))

;; The upper half of an i64 result, which JavaScript could not take in one piece.
(global $temp_ret0 (mut i32) (i32.const 0))
(func (export "setTempRet0") (param $value i32)
  (global.set $temp_ret0 (local.get $value)))
(func (export "getTempRet0") (result i32)
  (global.get $temp_ret0))

;; time_t in seconds from a clock that counts calls (see 30_wasi.wat).
(func (export "time") (param $out i32) (result i32)
  (local $now i32)
  (local.set $now (i32.wrap_i64 (i64.div_u (call $tick) (i64.const 1000000000))))
  (if (local.get $out)
    (then (i32.store (local.get $out) (local.get $now))))
  (local.get $now))

;; clock(): CLOCKS_PER_SEC is 1000000.
(func (export "clock") (result i32)
  (i32.wrap_i64 (i64.div_u (call $tick) (i64.const 1000))))

;; Milliseconds.
(func (export "emscripten_get_now") (result f64)
  (f64.div (f64.convert_i64_u (call $tick)) (f64.const 1000000)))

(func (export "gettimeofday") (param $tv i32) (param $tz i32) (result i32)
  (local $micros i64)
  (local.set $micros (i64.div_u (call $tick) (i64.const 1000)))
  (i32.store (local.get $tv)
    (i32.wrap_i64 (i64.div_u (local.get $micros) (i64.const 1000000))))
  (i32.store offset=4 (local.get $tv)
    (i32.wrap_i64 (i64.rem_u (local.get $micros) (i64.const 1000000))))
  (i32.const 0))

;; UTC: no offset, no daylight saving; both names empty.
(func (export "_tzset_js") (param $zone i32) (param $daylight i32) (param $std i32) (param $dst i32)
  (i32.store (local.get $zone) (i32.const 0))
  (i32.store (local.get $daylight) (i32.const 0))
  (i32.store8 (local.get $std) (i32.const 0))
  (i32.store8 (local.get $dst) (i32.const 0)))
