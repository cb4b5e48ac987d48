;; Mathematical functions of C in 64-bit floating point.
;;
;; The methods are the textbook ones: reduce the argument to a small interval with a constant
;; split in two (Cody and Waite), sum a series there. The series are Taylor's and those of the
;; area functions, long enough for the interval, so that every coefficient can be checked by
;; hand. The error is a few units in the last place for arguments of ordinary size; sin, cos
;; and tan lose accuracy where the argument is beyond 2^20, as the reduction does.

;; e^x: x = k ln 2 + r, |r| <= ln 2 / 2; e^r by its Taylor series to the 13th power (Horner);
;; 2^k by the exponent's bits, in two factors so that subnormal results come out right.
(func $scale (param $x f64) (param $k i32) (result f64)
  (local $half i32)
  (local.set $half (i32.shr_s (local.get $k) (i32.const 1)))
  (f64.mul
    (f64.mul (local.get $x) (call $two_to (local.get $half)))
    (call $two_to (i32.sub (local.get $k) (local.get $half)))))
(func $two_to (param $k i32) (result f64)
  (f64.reinterpret_i64
    (i64.shl (i64.extend_i32_s (i32.add (local.get $k) (i32.const 1023))) (i64.const 52))))

;; e^(x + low), where `low` is far below the last place of x.
(func $exp2_parts (param $x f64) (param $low f64) (result f64)
  (local $k f64) (local $r f64) (local $sum f64)
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (local.get $x))))
  (if (f64.gt (local.get $x) (f64.const 709.782712893384)) (then (return (f64.const inf))))
  (if (f64.lt (local.get $x) (f64.const -745.1332191019412)) (then (return (f64.const 0))))
  (local.set $k (f64.nearest (f64.mul (local.get $x) (f64.const 0x1.71547652b82fep+0))))
  (local.set $r
    (f64.add
      (f64.sub
        (f64.sub (local.get $x) (f64.mul (local.get $k) (f64.const 0x1.62e42feep-1)))
        (f64.mul (local.get $k) (f64.const 0x1.a39ef35793c76p-33)))
      (local.get $low)))
  (local.set $sum (f64.const 0x1.6124613a86d09p-33))            ;; 1/13!
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $r)) (f64.const 0x1.1eed8eff8d898p-29)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $r)) (f64.const 0x1.ae64567f544e4p-26)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $r)) (f64.const 0x1.27e4fb7789f5cp-22)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $r)) (f64.const 0x1.71de3a556c734p-19)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $r)) (f64.const 0x1.a01a01a01a01ap-16)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $r)) (f64.const 0x1.a01a01a01a01ap-13)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $r)) (f64.const 0x1.6c16c16c16c17p-10)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $r)) (f64.const 0x1.1111111111111p-7)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $r)) (f64.const 0x1.5555555555555p-5)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $r)) (f64.const 0x1.5555555555555p-3)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $r)) (f64.const 0.5)))
  (local.set $sum
    (f64.add (f64.const 1)
      (f64.add (local.get $r) (f64.mul (local.get $sum) (f64.mul (local.get $r) (local.get $r))))))
  (call $scale (local.get $sum) (i32.trunc_f64_s (local.get $k))))

(func $exp (export "exp") (param $x f64) (result f64)
  (call $exp2_parts (local.get $x) (f64.const 0)))

;; ln x = k ln 2 + ln m, m in [sqrt(1/2), sqrt 2); ln m = 2 atanh s with s = (m - 1) / (m + 1),
;; |s| < 0.172: s^2 to the 11th power. The result is in two parts, the second in $log_low.
(global $log_low (mut f64) (f64.const 0))
(func $log_parts (param $x f64) (result f64)
  (local $k i32) (local $m f64) (local $s f64) (local $d f64) (local $s_low f64) (local $z f64) (local $sum f64)
  (local $hi f64) (local $lo f64) (local $kf f64) (local $t f64) (local $bits i64) (local $d_low f64) (local $sh f64) (local $dh f64)
  (if (f64.lt (local.get $x) (f64.const 0x1p-1022))
    (then
      (local.set $x (f64.mul (local.get $x) (f64.const 0x1p54)))
      (local.set $k (i32.const -54))))
  (local.set $bits (i64.reinterpret_f64 (local.get $x)))
  (local.set $k
    (i32.add (local.get $k)
      (i32.sub (i32.wrap_i64 (i64.shr_u (local.get $bits) (i64.const 52))) (i32.const 1023))))
  (local.set $m
    (f64.reinterpret_i64
      (i64.or
        (i64.and (local.get $bits) (i64.const 0x000fffffffffffff))
        (i64.const 0x3ff0000000000000))))
  (if (f64.gt (local.get $m) (f64.const 0x1.6a09e667f3bcdp+0))
    (then
      (local.set $m (f64.mul (local.get $m) (f64.const 0.5)))
      (local.set $k (i32.add (local.get $k) (i32.const 1)))))
  (local.set $kf (f64.convert_i32_s (local.get $k)))
  ;; d + d_low = m + 1 exactly; s + s_low = (m - 1) / (m + 1) by one step of correction, with
  ;; products split so that they are exact.
  (local.set $d (f64.add (local.get $m) (f64.const 1)))
  (local.set $d_low (f64.sub (local.get $m) (f64.sub (local.get $d) (f64.const 1))))
  (local.set $t (f64.sub (local.get $m) (f64.const 1)))
  (local.set $s (f64.div (local.get $t) (local.get $d)))
  (local.set $sh (call $upper (local.get $s)))
  (local.set $dh (call $upper (local.get $d)))
  (local.set $s_low
    (f64.div
      (f64.sub
        (f64.sub
          (f64.sub
            (f64.sub (local.get $t) (f64.mul (local.get $sh) (local.get $dh)))
            (f64.mul (local.get $sh) (f64.sub (local.get $d) (local.get $dh))))
          (f64.mul (f64.sub (local.get $s) (local.get $sh)) (local.get $d)))
        (f64.mul (local.get $s) (local.get $d_low)))
      (local.get $d)))
  (local.set $z (f64.mul (local.get $s) (local.get $s)))
  ;; 2/3 + 2/5 z + 2/7 z^2 + ... + 2/25 z^11
  (local.set $sum (f64.const 0.08))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.642c8590b2164p-4)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.8618618618618p-4)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.af286bca1af28p-4)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.e1e1e1e1e1e1ep-4)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.1111111111111p-3)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.3b13b13b13b14p-3)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.745d1745d1746p-3)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.c71c71c71c71cp-3)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.2492492492492p-2)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.999999999999ap-2)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.5555555555555p-1)))
  ;; hi + lo = k ln 2 + 2 s + the rest.
  (local.set $lo
    (f64.add
      (f64.mul (f64.mul (local.get $s) (local.get $z)) (local.get $sum))
      (f64.add
        (f64.mul (local.get $kf) (f64.const 0x1.a39ef35793c76p-33))
        (f64.mul (f64.const 2) (local.get $s_low)))))
  (local.set $hi (f64.mul (local.get $kf) (f64.const 0x1.62e42feep-1)))
  (local.set $t (f64.add (local.get $hi) (f64.mul (f64.const 2) (local.get $s))))
  (local.set $lo
    (f64.add (local.get $lo)
      (f64.add
        (f64.sub (local.get $hi) (f64.sub (local.get $t) (f64.sub (local.get $t) (local.get $hi))))
        (f64.sub (f64.mul (f64.const 2) (local.get $s)) (f64.sub (local.get $t) (local.get $hi))))))
  (local.set $hi (f64.add (local.get $t) (local.get $lo)))
  (global.set $log_low (f64.sub (local.get $lo) (f64.sub (local.get $hi) (local.get $t))))
  (local.get $hi))
;; The upper 26 bits of a number: products of two such are exact.
(func $upper (param $x f64) (result f64)
  (f64.reinterpret_i64 (i64.and (i64.reinterpret_f64 (local.get $x)) (i64.const 0xfffffffff8000000))))

(func $log (export "log") (param $x f64) (result f64)
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (local.get $x))))
  (if (f64.eq (local.get $x) (f64.const 0)) (then (return (f64.const -inf))))
  (if (f64.lt (local.get $x) (f64.const 0)) (then (return (f64.const nan))))
  (if (f64.eq (local.get $x) (f64.const inf)) (then (return (local.get $x))))
  (call $log_parts (local.get $x)))

;; Powers of two come out exact: the quotient of k ln 2 by ln 2 rounds to k.
(func (export "log2") (param $x f64) (result f64)
  (local $result f64)
  (local.set $result (f64.mul (call $log (local.get $x)) (f64.const 0x1.71547652b82fep+0)))
  (if (f64.lt
        (f64.abs (f64.sub (local.get $result) (f64.nearest (local.get $result))))
        (f64.const 0x1p-40))
    (then
      (if (f64.eq
            (call $exp2 (f64.nearest (local.get $result)))
            (local.get $x))
        (then (return (f64.nearest (local.get $result)))))))
  (local.get $result))
(func (export "log10") (param $x f64) (result f64)
  (local $result f64)
  (local.set $result (f64.div (call $log (local.get $x)) (f64.const 0x1.26bb1bbb55516p+1)))
  (if (f64.lt
        (f64.abs (f64.sub (local.get $result) (f64.nearest (local.get $result))))
        (f64.const 0x1p-40))
    (then
      (if (f64.eq (call $pow (f64.const 10) (f64.nearest (local.get $result))) (local.get $x))
        (then (return (f64.nearest (local.get $result)))))))
  (local.get $result))

;; 2^x: the whole part is exact.
(func $exp2 (export "exp2") (param $x f64) (result f64)
  (local $k f64)
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (local.get $x))))
  (if (f64.ge (local.get $x) (f64.const 1024)) (then (return (f64.const inf))))
  (if (f64.lt (local.get $x) (f64.const -1075)) (then (return (f64.const 0))))
  (local.set $k (f64.nearest (local.get $x)))
  (call $scale
    (call $exp (f64.mul (f64.sub (local.get $x) (local.get $k)) (f64.const 0x1.62e42fefa39efp-1)))
    (i32.trunc_f64_s (local.get $k))))

;; x^y = e^(y ln x) with ln x in two parts; small whole powers by squaring, which is exact as
;; long as the result is.
(func $pow (export "pow") (param $x f64) (param $y f64) (result f64)
  (local $negative i32) (local $hi f64) (local $lo f64) (local $p f64) (local $n i32) (local $result f64)
  (local $yh f64) (local $hh f64)
  (if (f64.eq (local.get $y) (f64.const 0)) (then (return (f64.const 1))))
  (if (f64.eq (local.get $x) (f64.const 1)) (then (return (f64.const 1))))
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (local.get $x))))
  (if (f64.ne (local.get $y) (local.get $y)) (then (return (local.get $y))))
  (if (f64.eq (f64.abs (local.get $y)) (f64.const inf))
    (then
      (if (f64.eq (f64.abs (local.get $x)) (f64.const 1)) (then (return (f64.const 1))))
      (return
        (select (f64.const inf) (f64.const 0)
          (i32.eq
            (f64.gt (f64.abs (local.get $x)) (f64.const 1))
            (f64.gt (local.get $y) (f64.const 0)))))))
  ;; An odd whole y keeps the sign of x.
  (if (i32.wrap_i64 (i64.shr_u (i64.reinterpret_f64 (local.get $x)) (i64.const 63)))
    (then
      (if (f64.eq (f64.trunc (local.get $y)) (local.get $y))
        (then
          (local.set $negative
            (f64.ne
              (f64.mul (f64.trunc (f64.mul (local.get $y) (f64.const 0.5))) (f64.const 2))
              (local.get $y))))
        (else
          (if (i32.and
                (f64.ne (local.get $x) (f64.const 0))
                (f64.ne (local.get $x) (f64.const -inf)))
            (then (return (f64.const nan))))))
      (local.set $x (f64.abs (local.get $x)))))
  (block $done
    (if (i32.or (f64.eq (local.get $x) (f64.const 0)) (f64.eq (local.get $x) (f64.const inf)))
      (then
        (local.set $result
          (select (f64.const 0) (f64.const inf)
            (i32.eq
              (f64.eq (local.get $x) (f64.const 0))
              (f64.gt (local.get $y) (f64.const 0)))))
        (br $done)))
    (if (i32.and
          (f64.eq (f64.trunc (local.get $y)) (local.get $y))
          (f64.le (f64.abs (local.get $y)) (f64.const 32)))
      (then
        (local.set $n (i32.trunc_f64_s (f64.abs (local.get $y))))
        (local.set $result (f64.const 1))
        (local.set $p (local.get $x))
        (loop $square
          (if (i32.and (local.get $n) (i32.const 1))
            (then (local.set $result (f64.mul (local.get $result) (local.get $p)))))
          (local.set $n (i32.shr_u (local.get $n) (i32.const 1)))
          (if (local.get $n)
            (then
              (local.set $p (f64.mul (local.get $p) (local.get $p)))
              (br $square))))
        (if (f64.lt (local.get $y) (f64.const 0))
          (then
            (if (i32.or (f64.eq (local.get $result) (f64.const inf)) (f64.eq (local.get $result) (f64.const 0)))
              (then)
              (else
                (local.set $result (f64.div (f64.const 1) (local.get $result)))
                (br $done))))
          (else (br $done)))))
    (local.set $hi (call $log_parts (local.get $x)))
    (local.set $lo (global.get $log_low))
    ;; y times hi + lo, the product split so that its error is known.
    (local.set $p (f64.mul (local.get $y) (local.get $hi)))
    (if (f64.gt (f64.abs (local.get $p)) (f64.const 800))
      (then
        (local.set $result (call $exp (local.get $p)))
        (br $done)))
    (local.set $yh (call $upper (local.get $y)))
    (local.set $hh (call $upper (local.get $hi)))
    (local.set $lo
      (f64.add
        (f64.mul (local.get $y) (local.get $lo))
        (f64.add
          (f64.add
            (f64.add
              (f64.sub (f64.mul (local.get $yh) (local.get $hh)) (local.get $p))
              (f64.mul (local.get $yh) (f64.sub (local.get $hi) (local.get $hh))))
            (f64.mul (f64.sub (local.get $y) (local.get $yh)) (local.get $hh)))
          (f64.mul (f64.sub (local.get $y) (local.get $yh)) (f64.sub (local.get $hi) (local.get $hh))))))
    (local.set $result (call $exp2_parts (local.get $p) (local.get $lo))))
  (select (f64.neg (local.get $result)) (local.get $result) (local.get $negative)))

;; x = q * pi/2 + r: pi/2 in three parts of 33 bits each, so that q times the first two is
;; exact up to 2^20. The quadrant goes to $quadrant.
(global $quadrant (mut i32) (i32.const 0))
(func $reduce (param $x f64) (result f64)
  (local $q f64)
  ;; Beyond this, q would not be a whole number with a meaning: a period is taken off first.
  (if (f64.gt (f64.abs (local.get $x)) (f64.const 0x1p30))
    (then (local.set $x (call $fmod (local.get $x) (f64.const 0x1.921fb54442d18p+2)))))
  (local.set $q (f64.nearest (f64.mul (local.get $x) (f64.const 0x1.45f306dc9c883p-1))))
  (global.set $quadrant
    (i32.and (i32.trunc_f64_s (local.get $q)) (i32.const 3)))
  (f64.sub
    (f64.sub
      (f64.sub (local.get $x) (f64.mul (local.get $q) (f64.const 0x1.921fb544p+0)))
      (f64.mul (local.get $q) (f64.const 0x1.0b4611a6p-34)))
    (f64.mul (local.get $q) (f64.const 0x1.3198a2e037073p-69))))

;; sin r and cos r for |r| <= pi/4 by Taylor's series, to the 17th and 16th power.
(func $sin_series (param $r f64) (result f64)
  (local $z f64) (local $sum f64)
  (local.set $z (f64.mul (local.get $r) (local.get $r)))
  (local.set $sum (f64.const 0x1.952c77030ad4ap-49))            ;; 1/17!
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const -0x1.ae7f3e733b81fp-41)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.6124613a86d09p-33)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const -0x1.ae64567f544e4p-26)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.71de3a556c734p-19)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const -0x1.a01a01a01a01ap-13)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.1111111111111p-7)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const -0x1.5555555555555p-3)))
  (f64.add (local.get $r) (f64.mul (f64.mul (local.get $r) (local.get $z)) (local.get $sum))))
(func $cos_series (param $r f64) (result f64)
  (local $z f64) (local $sum f64) (local $half f64) (local $w f64)
  (local.set $z (f64.mul (local.get $r) (local.get $r)))
  (local.set $sum (f64.const 0x1.ae7f3e733b81fp-45))            ;; 1/16!
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const -0x1.93974a8c07c9dp-37)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.1eed8eff8d898p-29)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const -0x1.27e4fb7789f5cp-22)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.a01a01a01a01ap-16)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const -0x1.6c16c16c16c17p-10)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.5555555555555p-5)))
  ;; 1 - z/2 with the rounding error of the difference added back.
  (local.set $half (f64.mul (local.get $z) (f64.const 0.5)))
  (local.set $w (f64.sub (f64.const 1) (local.get $half)))
  (f64.add (local.get $w)
    (f64.add
      (f64.sub (f64.sub (f64.const 1) (local.get $w)) (local.get $half))
      (f64.mul (f64.mul (local.get $z) (local.get $z)) (local.get $sum)))))

(func $by_quadrant (param $r f64) (param $quadrant i32) (result f64)
  (local $value f64)
  (local.set $value
    (if (result f64) (i32.and (local.get $quadrant) (i32.const 1))
      (then (call $cos_series (local.get $r)))
      (else (call $sin_series (local.get $r)))))
  (select (f64.neg (local.get $value)) (local.get $value) (i32.and (local.get $quadrant) (i32.const 2))))

(func $sin (export "sin") (param $x f64) (result f64)
  (local $r f64)
  (if (i32.eqz (f64.lt (f64.abs (local.get $x)) (f64.const inf))) (then (return (f64.const nan))))
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p-27)) (then (return (local.get $x))))
  (local.set $r (call $reduce (local.get $x)))
  (call $by_quadrant (local.get $r) (global.get $quadrant)))
(func $cos (export "cos") (param $x f64) (result f64)
  (local $r f64)
  (if (i32.eqz (f64.lt (f64.abs (local.get $x)) (f64.const inf))) (then (return (f64.const nan))))
  (local.set $r (call $reduce (local.get $x)))
  (call $by_quadrant (local.get $r) (i32.add (global.get $quadrant) (i32.const 1))))
(func (export "tan") (param $x f64) (result f64)
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p-27)) (then (return (local.get $x))))
  (f64.div (call $sin (local.get $x)) (call $cos (local.get $x))))

;; atan x: x > 1 through pi/2 - atan(1/x); then twice the half-angle formula
;; x / (1 + sqrt(1 + x^2)), which brings |x| below 0.2; the series to the 25th power.
(func $atan (export "atan") (param $x f64) (result f64)
  (local $a f64) (local $z f64) (local $sum f64) (local $inverse i32)
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (local.get $x))))
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p-27)) (then (return (local.get $x))))
  (local.set $a (f64.abs (local.get $x)))
  (if (f64.gt (local.get $a) (f64.const 1))
    (then
      (local.set $inverse (i32.const 1))
      (local.set $a (f64.div (f64.const 1) (local.get $a)))))
  (local.set $a (call $half_angle (call $half_angle (local.get $a))))
  (local.set $z (f64.neg (f64.mul (local.get $a) (local.get $a))))
  (local.set $sum (f64.const 0.04))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.642c8590b2164p-5)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.8618618618618p-5)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.af286bca1af28p-5)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.e1e1e1e1e1e1ep-5)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.1111111111111p-4)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.3b13b13b13b14p-4)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.745d1745d1746p-4)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.c71c71c71c71cp-4)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.2492492492492p-3)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.999999999999ap-3)))
  (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $z)) (f64.const 0x1.5555555555555p-2)))
  (local.set $sum (f64.add (local.get $a) (f64.mul (f64.mul (local.get $a) (local.get $z)) (local.get $sum))))
  (local.set $sum (f64.mul (local.get $sum) (f64.const 4)))
  (if (local.get $inverse)
    (then (local.set $sum (f64.sub (f64.const 0x1.921fb54442d18p+0) (f64.sub (local.get $sum) (f64.const 0x1.1a62633145c07p-54))))))
  (f64.copysign (local.get $sum) (local.get $x)))
(func $half_angle (param $x f64) (result f64)
  (f64.div (local.get $x)
    (f64.add (f64.const 1)
      (f64.sqrt (f64.add (f64.const 1) (f64.mul (local.get $x) (local.get $x)))))))

(func $atan2 (export "atan2") (param $y f64) (param $x f64) (result f64)
  (local $angle f64)
  (if (i32.or (f64.ne (local.get $x) (local.get $x)) (f64.ne (local.get $y) (local.get $y)))
    (then (return (f64.const nan))))
  (if (i32.and (f64.eq (f64.abs (local.get $x)) (f64.const inf)) (f64.eq (f64.abs (local.get $y)) (f64.const inf)))
    (then
      (local.set $angle
        (select (f64.const 0x1.921fb54442d18p-1) (f64.const 0x1.2d97c7f3321d2p+1) (f64.gt (local.get $x) (f64.const 0))))
      (return (f64.copysign (local.get $angle) (local.get $y)))))
  (local.set $angle
    (if (result f64) (f64.eq (local.get $y) (f64.const 0))
      (then (f64.const 0))
      (else (call $atan (f64.abs (f64.div (local.get $y) (local.get $x)))))))
  (if (i32.wrap_i64 (i64.shr_u (i64.reinterpret_f64 (local.get $x)) (i64.const 63)))
    (then
      (local.set $angle
        (f64.sub (f64.const 0x1.921fb54442d18p+1) (f64.sub (local.get $angle) (f64.const 0x1.1a62633145c07p-53))))))
  (f64.copysign (local.get $angle) (local.get $y)))

;; From the right triangle with hypotenuse 1; (1 - x)(1 + x) keeps its digits near 1.
(func (export "asin") (param $x f64) (result f64)
  (call $atan2 (local.get $x)
    (f64.sqrt (f64.mul (f64.sub (f64.const 1) (local.get $x)) (f64.add (f64.const 1) (local.get $x))))))
(func (export "acos") (param $x f64) (result f64)
  (call $atan2
    (f64.sqrt (f64.mul (f64.sub (f64.const 1) (local.get $x)) (f64.add (f64.const 1) (local.get $x))))
    (local.get $x)))

;; The remainder of x / y with the sign of x, exactly: long division, one bit a step, by
;; subtracting y scaled by powers of two (each difference of numbers that close is exact).
(func $fmod (export "fmod") (param $x f64) (param $y f64) (result f64)
  (local $a f64) (local $b f64) (local $part f64)
  (local.set $a (f64.abs (local.get $x)))
  (local.set $b (f64.abs (local.get $y)))
  (if (i32.or
        (i32.or (f64.ne (local.get $x) (local.get $x)) (f64.ne (local.get $y) (local.get $y)))
        (i32.or (f64.eq (local.get $a) (f64.const inf)) (f64.eq (local.get $b) (f64.const 0))))
    (then (return (f64.const nan))))
  (if (f64.eq (local.get $b) (f64.const inf)) (then (return (local.get $x))))
  (block $done
    (loop $subtract
      (br_if $done (f64.lt (local.get $a) (local.get $b)))
      ;; The largest b * 2^n that is not above a.
      (local.set $part (local.get $b))
      ;; Close to it at once: b with the exponent of a.
      (if (f64.ge (local.get $b) (f64.const 0x1p-1022))
        (then
          (local.set $part
            (f64.reinterpret_i64
              (i64.or
                (i64.and (i64.reinterpret_f64 (local.get $b)) (i64.const 0x000fffffffffffff))
                (i64.and (i64.reinterpret_f64 (local.get $a)) (i64.const 0x7ff0000000000000)))))
          (if (f64.gt (local.get $part) (local.get $a))
            (then (local.set $part (f64.mul (local.get $part) (f64.const 0.5))))))
        (else
          (block $largest
            (loop $double
              (br_if $largest
                (f64.gt (local.get $part) (f64.mul (local.get $a) (f64.const 0.5))))
              (local.set $part (f64.mul (local.get $part) (f64.const 2)))
              (br $double)))))
      (local.set $a (f64.sub (local.get $a) (local.get $part)))
      (br $subtract)))
  (f64.copysign (local.get $a) (local.get $x)))

;; Half away from zero; what is between two whole numbers is exact.
(func (export "round") (param $x f64) (result f64)
  (local $whole f64)
  (local.set $whole (f64.trunc (local.get $x)))
  (if (f64.ge (f64.abs (f64.sub (local.get $x) (local.get $whole))) (f64.const 0.5))
    (then
      (local.set $whole
        (f64.add (local.get $whole) (f64.copysign (f64.const 1) (local.get $x))))))
  (local.get $whole))
