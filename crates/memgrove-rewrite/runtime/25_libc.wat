;; The C library: strings, memory and characters, byte by byte, as the C standard has them.

;; The first byte equal to `c` among `len`, or null.
(func $memchr (export "memchr") (param $at i32) (param $c i32) (param $len i32) (result i32)
  (local.set $c (i32.and (local.get $c) (i32.const 255)))
  (block $none
    (loop $next
      (br_if $none (i32.eqz (local.get $len)))
      (if (i32.eq (i32.load8_u (local.get $at)) (local.get $c))
        (then (return (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (br $next)))
  (i32.const 0))

(func (export "memcmp") (param $a i32) (param $b i32) (param $len i32) (result i32)
  (local $difference i32)
  (block $equal
    (loop $next
      (br_if $equal (i32.eqz (local.get $len)))
      (local.set $difference
        (i32.sub (i32.load8_u (local.get $a)) (i32.load8_u (local.get $b))))
      (if (local.get $difference) (then (return (local.get $difference))))
      (local.set $a (i32.add (local.get $a) (i32.const 1)))
      (local.set $b (i32.add (local.get $b) (i32.const 1)))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (br $next)))
  (i32.const 0))

(func $memset (export "memset") (param $to i32) (param $c i32) (param $len i32) (result i32)
  (local $at i32)
  (local.set $at (local.get $to))
  (block $done
    (loop $next
      (br_if $done (i32.eqz (local.get $len)))
      (i32.store8 (local.get $at) (local.get $c))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (br $next)))
  (local.get $to))

(func $strlen (export "strlen") (param $at i32) (result i32)
  (local $end i32)
  (local.set $end (local.get $at))
  (block $done
    (loop $next
      (br_if $done (i32.eqz (i32.load8_u (local.get $end))))
      (local.set $end (i32.add (local.get $end) (i32.const 1)))
      (br $next)))
  (i32.sub (local.get $end) (local.get $at)))

(func $strncmp (export "strncmp") (param $a i32) (param $b i32) (param $len i32) (result i32)
  (local $byte i32)
  (local $difference i32)
  (block $equal
    (loop $next
      (br_if $equal (i32.eqz (local.get $len)))
      (local.set $byte (i32.load8_u (local.get $a)))
      (local.set $difference (i32.sub (local.get $byte) (i32.load8_u (local.get $b))))
      (if (local.get $difference) (then (return (local.get $difference))))
      (br_if $equal (i32.eqz (local.get $byte)))
      (local.set $a (i32.add (local.get $a) (i32.const 1)))
      (local.set $b (i32.add (local.get $b) (i32.const 1)))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (br $next)))
  (i32.const 0))

;; No string is as long as the address space.
(func (export "strcmp") (param $a i32) (param $b i32) (result i32)
  (call $strncmp (local.get $a) (local.get $b) (i32.const -1)))

(func $strcpy (export "strcpy") (param $to i32) (param $from i32) (result i32)
  (local $at i32)
  (local $byte i32)
  (local.set $at (local.get $to))
  (loop $next
    (local.set $byte (i32.load8_u (local.get $from)))
    (i32.store8 (local.get $at) (local.get $byte))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (local.set $from (i32.add (local.get $from) (i32.const 1)))
    (br_if $next (local.get $byte)))
  (local.get $to))

;; What is left of `len` is filled with zeros.
(func (export "strncpy") (param $to i32) (param $from i32) (param $len i32) (result i32)
  (local $at i32)
  (local $byte i32)
  (local.set $at (local.get $to))
  (block $done
    (loop $next
      (br_if $done (i32.eqz (local.get $len)))
      (local.set $byte (i32.load8_u (local.get $from)))
      (i32.store8 (local.get $at) (local.get $byte))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $from (i32.add (local.get $from) (i32.ne (local.get $byte) (i32.const 0))))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (br $next)))
  (local.get $to))

;; As many bytes as `strlen` counts, but no more than `len`.
(func $strnlen (export "strnlen") (param $at i32) (param $len i32) (result i32)
  (local $count i32)
  (block $done
    (loop $next
      (br_if $done (i32.eq (local.get $count) (local.get $len)))
      (br_if $done (i32.eqz (i32.load8_u (i32.add (local.get $at) (local.get $count)))))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br $next)))
  (local.get $count))

;; Returns where the copy ends.
(func (export "stpcpy") (param $to i32) (param $from i32) (result i32)
  (i32.add (call $strcpy (local.get $to) (local.get $from)) (call $strlen (local.get $to))))

;; At most `len` bytes, and always a 0 behind them.
(func (export "strncat") (param $to i32) (param $from i32) (param $len i32) (result i32)
  (local $at i32)
  (local $byte i32)
  (local.set $at (i32.add (local.get $to) (call $strlen (local.get $to))))
  (block $done
    (loop $next
      (br_if $done (i32.eqz (local.get $len)))
      (local.set $byte (i32.load8_u (local.get $from)))
      (br_if $done (i32.eqz (local.get $byte)))
      (i32.store8 (local.get $at) (local.get $byte))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (br $next)))
  (i32.store8 (local.get $at) (i32.const 0))
  (local.get $to))

;; Where a text begins first in another, or null; an empty one is everywhere.
(func (export "strstr") (param $at i32) (param $wanted i32) (result i32)
  (local $len i32)
  (local.set $len (call $strlen (local.get $wanted)))
  (block $none
    (loop $next
      (if (i32.eqz (call $strncmp (local.get $at) (local.get $wanted) (local.get $len)))
        (then (return (local.get $at))))
      (br_if $none (i32.eqz (i32.load8_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next)))
  (i32.const 0))

;; How many bytes from the beginning are among those of `set` (`wanted` is 1) or are not (0).
(func $span (param $at i32) (param $set i32) (param $wanted i32) (result i32)
  (local $count i32)
  (local $len i32)
  (local $byte i32)
  (local.set $len (call $strlen (local.get $set)))
  (block $done
    (loop $next
      (local.set $byte (i32.load8_u (i32.add (local.get $at) (local.get $count))))
      (br_if $done (i32.eqz (local.get $byte)))
      (br_if $done
        (i32.ne
          (i32.ne (call $memchr (local.get $set) (local.get $byte) (local.get $len)) (i32.const 0))
          (local.get $wanted)))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br $next)))
  (local.get $count))
(func (export "strspn") (param $at i32) (param $set i32) (result i32)
  (call $span (local.get $at) (local.get $set) (i32.const 1)))
(func $strcspn (export "strcspn") (param $at i32) (param $set i32) (result i32)
  (call $span (local.get $at) (local.get $set) (i32.const 0)))
(func (export "strpbrk") (param $at i32) (param $set i32) (result i32)
  (local.set $at (i32.add (local.get $at) (call $strcspn (local.get $at) (local.get $set))))
  (select (local.get $at) (i32.const 0) (i32.load8_u (local.get $at))))

;; Letters of ASCII are equal in both cases.
(func $strncasecmp (export "strncasecmp") (param $a i32) (param $b i32) (param $len i32) (result i32)
  (local $byte i32)
  (local $difference i32)
  (block $equal
    (loop $next
      (br_if $equal (i32.eqz (local.get $len)))
      (local.set $byte (call $tolower (i32.load8_u (local.get $a))))
      (local.set $difference
        (i32.sub (local.get $byte) (call $tolower (i32.load8_u (local.get $b)))))
      (if (local.get $difference) (then (return (local.get $difference))))
      (br_if $equal (i32.eqz (local.get $byte)))
      (local.set $a (i32.add (local.get $a) (i32.const 1)))
      (local.set $b (i32.add (local.get $b) (i32.const 1)))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (br $next)))
  (i32.const 0))
(func (export "strcasecmp") (param $a i32) (param $b i32) (result i32)
  (call $strncasecmp (local.get $a) (local.get $b) (i32.const -1)))

;; Blanks, a sign, digits; what does not fit is not defined by C, and wraps around here.
(func (export "atoi") (param $at i32) (result i32)
  (local $number i32)
  (local $sign i32)
  (loop $blanks
    (if (call $isspace (i32.load8_u (local.get $at)))
      (then
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $blanks))))
  (local.set $sign (i32.load8_u (local.get $at)))
  (if
    (i32.or
      (i32.eq (local.get $sign) (i32.const 43))
      (i32.eq (local.get $sign) (i32.const 45)))
    (then (local.set $at (i32.add (local.get $at) (i32.const 1)))))
  (block $done
    (loop $next
      (br_if $done (i32.eqz (call $isdigit (i32.load8_u (local.get $at)))))
      (local.set $number
        (i32.add
          (i32.mul (local.get $number) (i32.const 10))
          (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next)))
  (if (result i32) (i32.eq (local.get $sign) (i32.const 45))
    (then (i32.sub (i32.const 0) (local.get $number)))
    (else (local.get $number))))

;; `strtol`: the number, or the nearest one of 32 bits. Errno is nowhere that could be told.
(func (export "strtol") (param $at i32) (param $end i32) (param $base i32) (result i32)
  (local $number i64)
  (local.set $number (call $number (local.get $at) (local.get $end) (local.get $base)))
  (if (i64.lt_s (local.get $number) (i64.const -0x8000_0000))
    (then (return (i32.const 0x8000_0000))))
  (if (i64.gt_s (local.get $number) (i64.const 0x7fff_ffff))
    (then (return (i32.const 0x7fff_ffff))))
  (i32.wrap_i64 (local.get $number)))

;; `strtoul`: the same without a sign; one that is written is applied to what fits.
(func (export "strtoul") (param $at i32) (param $end i32) (param $base i32) (result i32)
  (local $number i64)
  (local.set $number (call $number (local.get $at) (local.get $end) (local.get $base)))
  (if (i32.or
      (i64.lt_s (local.get $number) (i64.const -0xffff_ffff))
      (i64.gt_s (local.get $number) (i64.const 0xffff_ffff)))
    (then (return (i32.const -1))))
  (i32.wrap_i64 (local.get $number)))

;; The number with its sign; beyond 33 bits, some number of as many. `end` is told where it ends: at the beginning where
;; there is none.
(func $number (param $at i32) (param $end i32) (param $base i32) (result i64)
  (local $start i32)
  (local $sign i32)
  (local $digit i32)
  (local $number i64)
  (local.set $start (local.get $at))
  (block $none
    ;; Of no base: 1, or beyond the letters.
    (br_if $none (i32.or (i32.eq (local.get $base) (i32.const 1)) (i32.gt_u (local.get $base) (i32.const 36))))
    (loop $blanks
      (if (call $isspace (i32.load8_u (local.get $at)))
        (then
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $blanks))))
    (local.set $sign (i32.load8_u (local.get $at)))
    (if (i32.or (i32.eq (local.get $sign) (i32.const 43)) (i32.eq (local.get $sign) (i32.const 45)))
      (then (local.set $at (i32.add (local.get $at) (i32.const 1)))))
    ;; `0x` counts if a digit follows; else the 0 is the number.
    (if
      (i32.and
        (i32.or (i32.eqz (local.get $base)) (i32.eq (local.get $base) (i32.const 16)))
        (i32.eq (i32.load8_u (local.get $at)) (i32.const 48)))
      (then
        (if (i32.eq (call $tolower (i32.load8_u offset=1 (local.get $at))) (i32.const 120))
          (then
            (if (i32.lt_u (call $digit (i32.load8_u offset=2 (local.get $at))) (i32.const 16))
              (then
                (local.set $at (i32.add (local.get $at) (i32.const 2)))
                (local.set $base (i32.const 16))))))
        (if (i32.eqz (local.get $base))
          (then (local.set $base (i32.const 8))))))
    (if (i32.eqz (local.get $base))
      (then (local.set $base (i32.const 10))))
    (local.set $digit (call $digit (i32.load8_u (local.get $at))))
    (br_if $none (i32.ge_u (local.get $digit) (local.get $base)))
    (loop $digits
      ;; Kept below 2^33, times 36, it fits.
      (if (i64.lt_u (local.get $number) (i64.const 0x2_0000_0000))
        (then
          (local.set $number
            (i64.add
              (i64.mul (local.get $number) (i64.extend_i32_u (local.get $base)))
              (i64.extend_i32_u (local.get $digit))))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $digit (call $digit (i32.load8_u (local.get $at))))
      (br_if $digits (i32.lt_u (local.get $digit) (local.get $base))))
    (local.set $start (local.get $at)))
  (if (local.get $end)
    (then (i32.store (local.get $end) (local.get $start))))
  (if (result i64) (i32.eq (local.get $sign) (i32.const 45))
    (then (i64.sub (i64.const 0) (local.get $number)))
    (else (local.get $number))))

;; What a character is as a digit; a large number if it is none.
(func $digit (param $c i32) (result i32)
  (if (call $isdigit (local.get $c))
    (then (return (i32.sub (local.get $c) (i32.const 48)))))
  (local.set $c (i32.sub (call $tolower (local.get $c)) (i32.const 97)))
  (if (result i32) (i32.lt_u (local.get $c) (i32.const 26))
    (then (i32.add (local.get $c) (i32.const 10)))
    (else (i32.const 99))))

;; What `memset` does with 0.
(func (export "bzero") (param $to i32) (param $len i32)
  (drop (call $memset (local.get $to) (i32.const 0) (local.get $len))))

(func (export "strcat") (param $to i32) (param $from i32) (result i32)
  (drop (call $strcpy (i32.add (local.get $to) (call $strlen (local.get $to))) (local.get $from)))
  (local.get $to))

;; The end of the string counts as a part of it.
(func (export "strchr") (param $at i32) (param $c i32) (result i32)
  (call $memchr (local.get $at) (local.get $c)
    (i32.add (call $strlen (local.get $at)) (i32.const 1))))

(func (export "strrchr") (param $at i32) (param $c i32) (result i32)
  (local $found i32)
  (local $byte i32)
  (local.set $c (i32.and (local.get $c) (i32.const 255)))
  (loop $next
    (local.set $byte (i32.load8_u (local.get $at)))
    (if (i32.eq (local.get $byte) (local.get $c)) (then (local.set $found (local.get $at))))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br_if $next (local.get $byte)))
  (local.get $found))

;; Characters of ASCII, which are those of the C locale. 1 or 0.
(func $isdigit (export "isdigit") (param $c i32) (result i32)
  (i32.lt_u (i32.sub (local.get $c) (i32.const 48)) (i32.const 10)))
(func $isalpha (export "isalpha") (param $c i32) (result i32)
  (i32.lt_u (i32.sub (i32.or (local.get $c) (i32.const 32)) (i32.const 97)) (i32.const 26)))
(func $isalnum (export "isalnum") (param $c i32) (result i32)
  (i32.or (call $isalpha (local.get $c)) (call $isdigit (local.get $c))))
(func $isupper (export "isupper") (param $c i32) (result i32)
  (i32.lt_u (i32.sub (local.get $c) (i32.const 65)) (i32.const 26)))
(func $islower (export "islower") (param $c i32) (result i32)
  (i32.lt_u (i32.sub (local.get $c) (i32.const 97)) (i32.const 26)))
(func (export "isxdigit") (param $c i32) (result i32)
  (i32.or
    (call $isdigit (local.get $c))
    (i32.lt_u (i32.sub (i32.or (local.get $c) (i32.const 32)) (i32.const 97)) (i32.const 6))))
(func $isspace (export "isspace") (param $c i32) (result i32)
  (i32.or
    (i32.eq (local.get $c) (i32.const 32))
    (i32.lt_u (i32.sub (local.get $c) (i32.const 9)) (i32.const 5))))
(func (export "isprint") (param $c i32) (result i32)
  (i32.lt_u (i32.sub (local.get $c) (i32.const 32)) (i32.const 95)))
(func (export "isgraph") (param $c i32) (result i32)
  (i32.lt_u (i32.sub (local.get $c) (i32.const 33)) (i32.const 94)))
(func (export "isblank") (param $c i32) (result i32)
  (i32.or (i32.eq (local.get $c) (i32.const 32)) (i32.eq (local.get $c) (i32.const 9))))
(func (export "iscntrl") (param $c i32) (result i32)
  (i32.or (i32.lt_u (local.get $c) (i32.const 32)) (i32.eq (local.get $c) (i32.const 127))))
(func (export "ispunct") (param $c i32) (result i32)
  (i32.and
    (i32.lt_u (i32.sub (local.get $c) (i32.const 33)) (i32.const 94))
    (i32.eqz (call $isalnum (local.get $c)))))
(func (export "toupper") (param $c i32) (result i32)
  (i32.sub (local.get $c) (i32.shl (call $islower (local.get $c)) (i32.const 5))))
(func $tolower (export "tolower") (param $c i32) (result i32)
  (i32.add (local.get $c) (i32.shl (call $isupper (local.get $c)) (i32.const 5))))

;; `abs`, which wraps around at the least number as every compiler has it.
(func (export "abs") (param $n i32) (result i32)
  (select
    (i32.sub (i32.const 0) (local.get $n))
    (local.get $n)
    (i32.lt_s (local.get $n) (i32.const 0))))

;; A character that is written nowhere is returned, as `putchar` does.
(func (export "putchar") (param $c i32) (result i32)
  (i32.and (local.get $c) (i32.const 255)))
