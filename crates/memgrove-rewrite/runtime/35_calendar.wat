;; Broken-down time where the time zone is UTC: `struct tm` of musl and Emscripten, whose first
;; nine words are second, minute, hour, day of the month, month from 0, year from 1900, day of
;; the week, day of the year and daylight saving; offset 36 is the seconds east of UTC.
;;
;; Days are counted from 1 March of year 0, so that the leap day is a year's last (E. G.
;; Richards' and H. Hinnant's way); 146097 days make 400 years.

;; Division towards minus infinity.
(func $floor_div (param $a i64) (param $b i64) (result i64)
  (i64.sub
    (i64.div_s (local.get $a) (local.get $b))
    (i64.extend_i32_u
      (i32.and
        (i64.lt_s (local.get $a) (i64.const 0))
        (i64.ne (i64.rem_s (local.get $a) (local.get $b)) (i64.const 0))))))

;; Days from 1970-01-01 to a day; `month` from 1, and both may be out of their range.
(func $days_from_civil (param $year i64) (param $month i64) (param $day i64) (result i64)
  (local $era i64) (local $carry i64)
  ;; Months from March, carried into years.
  (local.set $month (i64.sub (local.get $month) (i64.const 3)))
  (local.set $carry (call $floor_div (local.get $month) (i64.const 12)))
  (local.set $year (i64.add (local.get $year) (local.get $carry)))
  (local.set $month (i64.sub (local.get $month) (i64.mul (local.get $carry) (i64.const 12))))
  (local.set $era (call $floor_div (local.get $year) (i64.const 400)))
  (local.set $year (i64.sub (local.get $year) (i64.mul (local.get $era) (i64.const 400))))
  (i64.add
    (i64.sub
      (i64.add
        (i64.mul (local.get $era) (i64.const 146097))
        (i64.add
          (i64.sub
            (i64.add
              (i64.mul (local.get $year) (i64.const 365))
              (i64.div_s (local.get $year) (i64.const 4)))
            (i64.div_s (local.get $year) (i64.const 100)))
          (i64.div_s
            (i64.add (i64.mul (local.get $month) (i64.const 153)) (i64.const 2))
            (i64.const 5))))
      (i64.const 719469))
    (local.get $day)))

;; localtime, gmtime: from seconds since 1970.
(func $broken_down (export "gmtime_js") (param $time i64) (param $tm i32)
  (local $days i64) (local $second i64) (local $era i64) (local $of_era i64) (local $year i64)
  (local $of_year i64) (local $month i64) (local $start i64)
  (local.set $days (call $floor_div (local.get $time) (i64.const 86400)))
  (local.set $second (i64.sub (local.get $time) (i64.mul (local.get $days) (i64.const 86400))))
  (i32.store (local.get $tm) (i32.wrap_i64 (i64.rem_s (local.get $second) (i64.const 60))))
  (i32.store offset=4 (local.get $tm)
    (i32.wrap_i64 (i64.rem_s (i64.div_s (local.get $second) (i64.const 60)) (i64.const 60))))
  (i32.store offset=8 (local.get $tm) (i32.wrap_i64 (i64.div_s (local.get $second) (i64.const 3600))))
  ;; 1970-01-01 was a Thursday.
  (local.set $start (i64.add (local.get $days) (i64.const 4)))
  (i32.store offset=24 (local.get $tm)
    (i32.wrap_i64
      (i64.sub (local.get $start)
        (i64.mul (call $floor_div (local.get $start) (i64.const 7)) (i64.const 7)))))
  (local.set $of_era (i64.add (local.get $days) (i64.const 719468)))
  (local.set $era (call $floor_div (local.get $of_era) (i64.const 146097)))
  (local.set $of_era (i64.sub (local.get $of_era) (i64.mul (local.get $era) (i64.const 146097))))
  (local.set $year
    (i64.div_s
      (i64.sub
        (i64.add
          (i64.sub (local.get $of_era) (i64.div_s (local.get $of_era) (i64.const 1460)))
          (i64.div_s (local.get $of_era) (i64.const 36524)))
        (i64.div_s (local.get $of_era) (i64.const 146096)))
      (i64.const 365)))
  (local.set $of_year
    (i64.sub (local.get $of_era)
      (i64.sub
        (i64.add
          (i64.mul (local.get $year) (i64.const 365))
          (i64.div_s (local.get $year) (i64.const 4)))
        (i64.div_s (local.get $year) (i64.const 100)))))
  (local.set $month
    (i64.div_s (i64.add (i64.mul (local.get $of_year) (i64.const 5)) (i64.const 2)) (i64.const 153)))
  (i32.store offset=12 (local.get $tm)
    (i32.wrap_i64
      (i64.add
        (i64.sub (local.get $of_year)
          (i64.div_s
            (i64.add (i64.mul (local.get $month) (i64.const 153)) (i64.const 2))
            (i64.const 5)))
        (i64.const 1))))
  ;; January and February belong to the next year.
  (local.set $year (i64.add (local.get $year) (i64.mul (local.get $era) (i64.const 400))))
  (local.set $month (i64.add (local.get $month) (i64.const 2)))
  (if (i64.ge_s (local.get $month) (i64.const 12))
    (then
      (local.set $month (i64.sub (local.get $month) (i64.const 12)))
      (local.set $year (i64.add (local.get $year) (i64.const 1)))))
  (i32.store offset=16 (local.get $tm) (i32.wrap_i64 (local.get $month)))
  (i32.store offset=20 (local.get $tm) (i32.wrap_i64 (i64.sub (local.get $year) (i64.const 1900))))
  (i32.store offset=28 (local.get $tm)
    (i32.wrap_i64
      (i64.sub (local.get $days)
        (call $days_from_civil (local.get $year) (i64.const 1) (i64.const 1)))))
  (i32.store offset=32 (local.get $tm) (i32.const 0))
  (i32.store offset=36 (local.get $tm) (i32.const 0)))

;; mktime, timegm: seconds since 1970; fields out of their range are carried over, and written
;; back in it.
(func (export "timegm_js") (param $tm i32) (result i64)
  (local $time i64)
  (local.set $time
    (i64.add
      (i64.mul
        (call $days_from_civil
          (i64.add (i64.load32_s offset=20 align=4 (local.get $tm)) (i64.const 1900))
          (i64.add (i64.load32_s offset=16 align=4 (local.get $tm)) (i64.const 1))
          (i64.load32_s offset=12 align=4 (local.get $tm)))
        (i64.const 86400))
      (i64.add
        (i64.add
          (i64.mul (i64.load32_s offset=8 align=4 (local.get $tm)) (i64.const 3600))
          (i64.mul (i64.load32_s offset=4 align=4 (local.get $tm)) (i64.const 60)))
        (i64.load32_s align=4 (local.get $tm)))))
  (call $broken_down (local.get $time) (local.get $tm))
  (local.get $time))

;; The same with the time in two halves.
(func (export "gmtime_js_legal") (param $low i32) (param $high i32) (param $tm i32)
  (call $broken_down
    (i64.or
      (i64.extend_i32_u (local.get $low))
      (i64.shl (i64.extend_i32_u (local.get $high)) (i64.const 32)))
    (local.get $tm)))

;; The same with the time's address. It has 32 bits in some releases and 64 in others: what would be
;; another time in the one than in the other ends the program.
(func (export "gmtime_js_at") (param $time i32) (param $tm i32)
  (if (i32.ne
        (i32.load offset=4 (local.get $time))
        (i32.shr_s (i32.load (local.get $time)) (i32.const 31)))
    (then (unreachable)))
  (call $broken_down (i64.load32_s (local.get $time)) (local.get $tm)))

;; fastcomp's `gmtime_r` and `localtime_r`: the time's address, of 32 bits, and the answer's, which is returned. The
;; zone's name is null: there is no place for one that lasts.
(func (export "gmtime_r") (param $time i32) (param $tm i32) (result i32)
  (call $broken_down (i64.load32_s (local.get $time)) (local.get $tm))
  (i32.store offset=40 (local.get $tm) (i32.const 0))
  (local.get $tm))

;; Once the third address was that of two pointers to names. Both point to the word that says that
;; there is no daylight saving: it stays 0, so the names are empty.
(func (export "tzset_js_pointers") (param $timezone i32) (param $daylight i32) (param $names i32)
  (i32.store (local.get $timezone) (i32.const 0))
  (i32.store (local.get $daylight) (i32.const 0))
  (i32.store (local.get $names) (local.get $daylight))
  (i32.store offset=4 (local.get $names) (local.get $daylight)))
