;; What every stand-in may use. The memory is that of the module being fixed; the
;; imported globals become constants of the layout when a stand-in is linked in.

(import "fix" "memory" (memory 0))
;; Address of the i32 that holds the program break (Emscripten's DYNAMICTOP_PTR).
(import "fix" "break_cell" (global $break_cell i32))
;; Where the heap begins, or 0: at the end of memory as it is at the first request.
(import "fix" "heap_base" (global $heap_base i32))
;; The size of a page as a power of two: 16 unless the memory's type says otherwise. A stand-in
;; whose function asks for memory.size or memory.grow without it is for pages of 64 KiB only.
(import "fix" "page_shift" (global $page_shift i32))
;; The size of a page less one.
(import "fix" "page_mask" (global $page_mask i32))

;; Makes the memory reach at least to the address `end`. 1: it does; 0: growth was refused.
;; Never to the last page of the address space, behind which an end would be 2^32, that is 0.
(func $cover (param $end i32) (result i32)
  (local $pages i32)
  (local.set $pages
    (i32.add
      (i32.shr_u (local.get $end) (global.get $page_shift))
      (i32.ne
        (i32.and
          (local.get $end)
          (global.get $page_mask))
        (i32.const 0))))
  (if (i32.le_u (local.get $pages) (memory.size))
    (then (return (i32.const 1))))
  (if (i32.gt_u (local.get $end) (i32.const 0xffff0000))
    (then (return (i32.const 0))))
  (i32.ne (memory.grow (i32.sub (local.get $pages) (memory.size))) (i32.const -1)))

;; Byte loops rather than memory.fill and memory.copy: the module may be meant for an
;; engine that has no bulk memory operations.
(func $zero (param $at i32) (param $len i32)
  (local $end i32)
  (local.set $end (i32.add (local.get $at) (local.get $len)))
  (block $words_done
    (loop $words
      (br_if $words_done
        (i32.lt_u (i32.sub (local.get $end) (local.get $at)) (i32.const 8)))
      (i64.store align=1 (local.get $at) (i64.const 0))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br $words)))
  (block $done
    (loop $bytes
      (br_if $done (i32.eq (local.get $at) (local.get $end)))
      (i32.store8 (local.get $at) (i32.const 0))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $bytes))))

;; memmove: the regions may overlap.
(func $move (param $to i32) (param $from i32) (param $len i32)
  (if (i32.lt_u (i32.sub (local.get $to) (local.get $from)) (local.get $len))
    (then
      ;; `to` lies inside the source: from the end backwards.
      (block $backward_words_done
        (loop $backward_words
          (br_if $backward_words_done (i32.lt_u (local.get $len) (i32.const 8)))
          (local.set $len (i32.sub (local.get $len) (i32.const 8)))
          (i64.store align=1
            (i32.add (local.get $to) (local.get $len))
            (i64.load align=1 (i32.add (local.get $from) (local.get $len))))
          (br $backward_words)))
      (block $backward_done
        (loop $backward
          (br_if $backward_done (i32.eqz (local.get $len)))
          (local.set $len (i32.sub (local.get $len) (i32.const 1)))
          (i32.store8
            (i32.add (local.get $to) (local.get $len))
            (i32.load8_u (i32.add (local.get $from) (local.get $len))))
          (br $backward)))
      (return)))
  (block $words_done
    (loop $words
      (br_if $words_done (i32.lt_u (local.get $len) (i32.const 8)))
      (i64.store align=1 (local.get $to) (i64.load align=1 (local.get $from)))
      (local.set $to (i32.add (local.get $to) (i32.const 8)))
      (local.set $from (i32.add (local.get $from) (i32.const 8)))
      (local.set $len (i32.sub (local.get $len) (i32.const 8)))
      (br $words)))
  (block $done
    (loop $bytes
      (br_if $done (i32.eqz (local.get $len)))
      (i32.store8 (local.get $to) (i32.load8_u (local.get $from)))
      (local.set $to (i32.add (local.get $to) (i32.const 1)))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (br $bytes))))
