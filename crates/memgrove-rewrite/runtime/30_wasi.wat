;; WASI preview 1 where there is no system: no arguments, no environment, no files; output
;; is accepted and dropped. Errors are WASI's: badf 8, inval 28, nosys 52, spipe 70.

;; Nanoseconds since the start. There is no clock inside a module, but a program that waits
;; for time to pass must not wait forever: each question takes a millisecond.
(global $nanos (mut i64) (i64.const 0))
(func $tick (result i64)
  (global.set $nanos (i64.add (global.get $nanos) (i64.const 1000000)))
  (global.get $nanos))

;; args_sizes_get, environ_sizes_get: none, of no bytes.
(func (export "sizes_get") (param $count i32) (param $bytes i32) (result i32)
  (i32.store (local.get $count) (i32.const 0))
  (i32.store (local.get $bytes) (i32.const 0))
  (i32.const 0))

(func (export "clock_res_get") (param $id i32) (param $out i32) (result i32)
  (i64.store align=1 (local.get $out) (i64.const 1000000))
  (i32.const 0))
(func (export "clock_time_get") (param $id i32) (param $precision i64) (param $out i32) (result i32)
  (i64.store align=1 (local.get $out) (call $tick))
  (i32.const 0))
(func (export "clock_time_get_legal") (param $id i32) (param $low i32) (param $high i32) (param $out i32) (result i32)
  (i64.store align=1 (local.get $out) (call $tick))
  (i32.const 0))

;; 0 for standard input, output and error; badf for the rest: nothing else was ever opened.
(func $standard (export "fd_standard") (param $fd i32) (result i32)
  (select (i32.const 8) (i32.const 0) (i32.gt_u (local.get $fd) (i32.const 2))))

;; Takes everything it is given: nwritten = what was asked.
(func (export "fd_write") (param $fd i32) (param $iovs i32) (param $count i32) (param $out i32) (result i32)
  (local $total i32)
  (if (call $standard (local.get $fd)) (then (return (i32.const 8))))
  (block $done
    (loop $next
      (br_if $done (i32.eqz (local.get $count)))
      (local.set $total (i32.add (local.get $total) (i32.load offset=4 (local.get $iovs))))
      (local.set $iovs (i32.add (local.get $iovs) (i32.const 8)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next)))
  (i32.store (local.get $out) (local.get $total))
  (i32.const 0))

;; End of file on standard input.
(func (export "fd_read") (param $fd i32) (param $iovs i32) (param $count i32) (param $out i32) (result i32)
  (if (call $standard (local.get $fd)) (then (return (i32.const 8))))
  (i32.store (local.get $out) (i32.const 0))
  (i32.const 0))

;; The standard streams cannot be positioned.
(func (export "fd_seek") (param $fd i32) (param $offset i64) (param $whence i32) (param $out i32) (result i32)
  (select (i32.const 8) (i32.const 70) (i32.gt_u (local.get $fd) (i32.const 2))))
(func (export "fd_seek_legal") (param $fd i32) (param $low i32) (param $high i32) (param $whence i32) (param $out i32) (result i32)
  (select (i32.const 8) (i32.const 70) (i32.gt_u (local.get $fd) (i32.const 2))))

;; fdstat: a character device (2) that may be read and written.
(func (export "fd_fdstat_get") (param $fd i32) (param $out i32) (result i32)
  (if (call $standard (local.get $fd)) (then (return (i32.const 8))))
  (call $zero (local.get $out) (i32.const 24))
  (i32.store8 (local.get $out) (i32.const 2))
  (i64.store offset=8 align=1 (local.get $out) (i64.const 0x42))
  (i32.const 0))
;; filestat: 64 bytes in preview 1, 56 in wasi_unstable; the type lies at 16 in both.
(func (export "fd_filestat_get") (param $fd i32) (param $out i32) (result i32)
  (if (call $standard (local.get $fd)) (then (return (i32.const 8))))
  (call $zero (local.get $out) (i32.const 64))
  (i32.store8 offset=16 (local.get $out) (i32.const 2))
  (i32.const 0))
(func (export "unstable_fd_filestat_get") (param $fd i32) (param $out i32) (result i32)
  (if (call $standard (local.get $fd)) (then (return (i32.const 8))))
  (call $zero (local.get $out) (i32.const 56))
  (i32.store8 offset=16 (local.get $out) (i32.const 2))
  (i32.const 0))

;; Every event has happened: 48-byte subscriptions in, 32-byte events out.
(func (export "poll_oneoff") (param $in i32) (param $out i32) (param $count i32) (param $happened i32) (result i32)
  (if (i32.eqz (local.get $count)) (then (return (i32.const 28))))
  (i32.store (local.get $happened) (local.get $count))
  (loop $next
    (call $zero (local.get $out) (i32.const 32))
    (i64.store align=1 (local.get $out) (i64.load align=1 (local.get $in)))
    (i32.store8 offset=10 (local.get $out) (i32.load8_u offset=8 (local.get $in)))
    (local.set $in (i32.add (local.get $in) (i32.const 48)))
    (local.set $out (i32.add (local.get $out) (i32.const 32)))
    (local.set $count (i32.sub (local.get $count) (i32.const 1)))
    (br_if $next (local.get $count)))
  (drop (call $tick))
  (i32.const 0))

;; splitmix64 (Steele, Lea, Flood 2014) from a fixed seed: the same bytes in every run.
(global $seed (mut i64) (i64.const 0))
(func $next_random (result i64)
  (local $z i64)
  (global.set $seed (i64.add (global.get $seed) (i64.const 0x9e3779b97f4a7c15)))
  (local.set $z (global.get $seed))
  (local.set $z (i64.mul (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 30))) (i64.const 0xbf58476d1ce4e5b9)))
  (local.set $z (i64.mul (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 27))) (i64.const 0x94d049bb133111eb)))
  (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 31))))
(func (export "random_get") (param $at i32) (param $len i32) (result i32)
  (block $done
    (loop $next
      (br_if $done (i32.eqz (local.get $len)))
      (i32.store8 (local.get $at) (i32.wrap_i64 (call $next_random)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (br $next)))
  (i32.const 0))
;; AssemblyScript's env.seed: what its Math.random starts from.
(func (export "seed") (result f64)
  (f64.convert_i64_u (i64.shr_u (call $next_random) (i64.const 11))))

;; Math.random: the same with a point before its 53 bits.
(func (export "math_random") (result f64)
  (f64.mul
    (f64.convert_i64_u (i64.shr_u (call $next_random) (i64.const 11)))
    (f64.const 0x1p-53)))
;; TinyGo's clock, in nanoseconds.
(func (export "ticks") (result i64)
  (call $tick))
