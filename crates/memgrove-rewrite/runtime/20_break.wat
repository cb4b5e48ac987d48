;; The program break and anonymous mappings over memory.grow, as Linux answers them.
;;
;; The break's region is what brk and sbrk hand out: from $break_low to $break_end, of
;; which the part below $break is in use. It grows only while nothing lies above it, so a
;; mapping (always fresh pages from memory.grow, or a region unmapped before) is never
;; below the break and the break never runs into a mapping.
;; Granularity is the wasm page: whatever page size the program was built with divides it.

(global $break (mut i32) (i32.const 0))
(global $break_low (mut i32) (i32.const 0))
(global $break_end (mut i32) (i32.const 0))
;; First unmapped region; each begins with its length and the address of the next.
(global $free_regions (mut i32) (i32.const 0))

(func $memory_end (result i32)
  (i32.shl (memory.size) (i32.const 16)))

(func $break_start
  (if (global.get $break_end) (then (return)))
  (global.set $break_end (call $memory_end))
  (global.set $break_low
    (select (global.get $heap_base) (global.get $break_end) (global.get $heap_base)))
  (global.set $break (global.get $break_low)))

;; Takes `len` (a multiple of a page) from memory.grow; the address, or -1.
(func $fresh (param $len i32) (result i32)
  (local $pages i32)
  (local.set $pages (memory.grow (i32.shr_u (local.get $len) (i32.const 16))))
  (if (i32.eq (local.get $pages) (i32.const -1)) (then (return (i32.const -1))))
  (i32.shl (local.get $pages) (i32.const 16)))

(func $round_page (param $len i32) (result i32)
  (i32.and (i32.add (local.get $len) (i32.const 0xffff)) (i32.const 0xffff0000)))

;; Makes [.., end) part of the break's region. 1 or 0.
(func $break_reach (param $end i32) (result i32)
  (if (i32.le_u (local.get $end) (global.get $break_end)) (then (return (i32.const 1))))
  (if (i32.ne (global.get $break_end) (call $memory_end)) (then (return (i32.const 0))))
  (if (i32.eqz (call $cover (local.get $end))) (then (return (i32.const 0))))
  (global.set $break_end (call $memory_end))
  (i32.const 1))

;; brk: the new break, or the old one when it cannot be moved.
(func $brk (param $to i32) (result i32)
  (call $break_start)
  (if (i32.lt_u (local.get $to) (global.get $break_low)) (then (return (global.get $break))))
  (if (i32.lt_u (local.get $to) (global.get $break))
    (then
      ;; What is given back reads as zero when it is taken again.
      (call $zero (local.get $to) (i32.sub (global.get $break) (local.get $to)))
      (global.set $break (local.get $to))
      (return (local.get $to))))
  (if (call $break_reach (local.get $to))
    (then (global.set $break (local.get $to))))
  (global.get $break))

;; sbrk: the old break, or -1. When others have grown memory in between, a new region
;; begins above them: allocators that use sbrk expect that it need not be contiguous.
(func (export "sbrk") (param $by i32) (result i32)
  (local $old i32) (local $new i32)
  (call $break_start)
  (local.set $old (global.get $break))
  (local.set $new (i32.add (local.get $old) (local.get $by)))
  (if (i32.le_s (local.get $by) (i32.const 0))
    (then
      (if (i32.or
            (i32.gt_u (local.get $new) (local.get $old))
            (i32.lt_u (local.get $new) (global.get $break_low)))
        (then (return (i32.const -1))))
      (call $zero (local.get $new) (i32.sub (local.get $old) (local.get $new)))
      (global.set $break (local.get $new))
      (return (local.get $old))))
  ;; Beyond the 4 GiB edge.
  (if (i32.lt_u (local.get $new) (local.get $old)) (then (return (i32.const -1))))
  (if (i32.eqz (call $break_reach (local.get $new)))
    (then
      (if (i32.eq (global.get $break_end) (call $memory_end)) (then (return (i32.const -1))))
      (local.set $old (call $memory_end))
      (local.set $new (i32.add (local.get $old) (local.get $by)))
      (if (i32.lt_u (local.get $new) (local.get $old)) (then (return (i32.const -1))))
      (if (i32.eqz (call $cover (local.get $new))) (then (return (i32.const -1))))
      (global.set $break_low (local.get $old))
      (global.set $break_end (call $memory_end))))
  (global.set $break (local.get $new))
  (local.get $old))

;; Anonymous mmap: address of `len` zero bytes, or -ENOMEM.
(func $map (param $len i32) (result i32)
  (local $at i32) (local $before i32) (local $size i32) (local $next i32)
  (call $break_start)
  (if (i32.eqz (local.get $len)) (then (return (i32.const -22))))
  (if (i32.gt_u (local.get $len) (i32.const 0xffff0000)) (then (return (i32.const -12))))
  (local.set $len (call $round_page (local.get $len)))
  ;; First fit among the unmapped regions.
  (local.set $at (global.get $free_regions))
  (block $none
    (loop $search
      (br_if $none (i32.eqz (local.get $at)))
      (local.set $size (i32.load (local.get $at)))
      (local.set $next (i32.load offset=4 (local.get $at)))
      (if (i32.ge_u (local.get $size) (local.get $len))
        (then
          (if (i32.gt_u (local.get $size) (local.get $len))
            (then
              ;; The rest stays a free region, in its place.
              (local.set $size (i32.sub (local.get $size) (local.get $len)))
              (i32.store (i32.add (local.get $at) (local.get $len)) (local.get $size))
              (i32.store offset=4 (i32.add (local.get $at) (local.get $len)) (local.get $next))
              (local.set $next (i32.add (local.get $at) (local.get $len)))))
          (if (local.get $before)
            (then (i32.store offset=4 (local.get $before) (local.get $next)))
            (else (global.set $free_regions (local.get $next))))
          (call $zero (local.get $at) (local.get $len))
          (return (local.get $at))))
      (local.set $before (local.get $at))
      (local.set $at (local.get $next))
      (br $search)))
  (local.set $at (call $fresh (local.get $len)))
  (select (i32.const -12) (local.get $at) (i32.eq (local.get $at) (i32.const -1))))

;; munmap: the region goes to the free list, in address order, joined to its neighbours.
(func $unmap (param $at i32) (param $len i32) (result i32)
  (local $before i32) (local $next i32)
  (if (i32.or
        (i32.ne (i32.and (local.get $at) (i32.const 0xffff)) (i32.const 0))
        (i32.eqz (local.get $len)))
    (then (return (i32.const -22))))
  (local.set $len (call $round_page (local.get $len)))
  (local.set $next (global.get $free_regions))
  (block $found
    (loop $search
      (br_if $found (i32.eqz (local.get $next)))
      (br_if $found (i32.gt_u (local.get $next) (local.get $at)))
      (local.set $before (local.get $next))
      (local.set $next (i32.load offset=4 (local.get $next)))
      (br $search)))
  (if (i32.and
        (i32.ne (local.get $next) (i32.const 0))
        (i32.eq (i32.add (local.get $at) (local.get $len)) (local.get $next)))
    (then
      (local.set $len (i32.add (local.get $len) (i32.load (local.get $next))))
      (local.set $next (i32.load offset=4 (local.get $next)))))
  (if (local.get $before)
    (then
      (if (i32.eq (i32.add (local.get $before) (i32.load (local.get $before))) (local.get $at))
        (then
          (local.set $len (i32.add (local.get $len) (i32.load (local.get $before))))
          (local.set $at (local.get $before)))
        (else (i32.store offset=4 (local.get $before) (local.get $at)))))
    (else (global.set $free_regions (local.get $at))))
  (i32.store (local.get $at) (local.get $len))
  (i32.store offset=4 (local.get $at) (local.get $next))
  (i32.const 0))

;; mremap: shrinks in place, grows in place at the end of memory, else moves (MREMAP_MAYMOVE = 1).
(func $remap (param $at i32) (param $old i32) (param $new i32) (param $flags i32) (result i32)
  (local $to i32)
  (if (i32.or (i32.eqz (local.get $new)) (i32.gt_u (local.get $new) (i32.const 0xffff0000)))
    (then (return (i32.const -22))))
  (local.set $old (call $round_page (local.get $old)))
  (local.set $new (call $round_page (local.get $new)))
  (if (i32.le_u (local.get $new) (local.get $old))
    (then
      (if (i32.lt_u (local.get $new) (local.get $old))
        (then
          (drop (call $unmap
            (i32.add (local.get $at) (local.get $new))
            (i32.sub (local.get $old) (local.get $new))))))
      (return (local.get $at))))
  (if (i32.eq (i32.add (local.get $at) (local.get $old)) (call $memory_end))
    (then
      (if (i32.ne (call $fresh (i32.sub (local.get $new) (local.get $old))) (i32.const -1))
        (then (return (local.get $at))))))
  (if (i32.eqz (i32.and (local.get $flags) (i32.const 1)))
    (then (return (i32.const -12))))
  (local.set $to (call $map (local.get $new)))
  (if (i32.gt_u (local.get $to) (i32.const -4096)) (then (return (local.get $to))))
  (call $move (local.get $to) (local.get $at) (local.get $old))
  (drop (call $unmap (local.get $at) (local.get $old)))
  (local.get $to))

;; MADV_DONTNEED (4) promises zeros at the next read; everything else is only advice.
(func $advise (param $at i32) (param $len i32) (param $advice i32) (result i32)
  (if (i32.eq (local.get $advice) (i32.const 4))
    (then (call $zero (local.get $at) (local.get $len))))
  (i32.const 0))

;; mmap with all its arguments: anonymous (0x20) or with no file; not at a fixed place (0x10).
(func $mmap (param $at i32) (param $len i32) (param $prot i32) (param $flags i32) (param $fd i32) (param $off i32) (result i32)
  (if (i32.and
        (i32.eqz (i32.and (local.get $flags) (i32.const 0x20)))
        (i32.ne (local.get $fd) (i32.const -1)))
    (then (return (i32.const -19))))
  (if (i32.and (local.get $flags) (i32.const 0x10)) (then (return (i32.const -12))))
  (call $map (local.get $len)))

;; musl's raw system calls with i386 numbers; what is not memory is not implemented (-38).
(func $syscall (param $n i32) (param $a i32) (param $b i32) (param $c i32) (param $d i32) (param $e i32) (param $f i32) (result i32)
  (if (i32.eq (local.get $n) (i32.const 45)) (then (return (call $brk (local.get $a)))))
  (if (i32.eq (local.get $n) (i32.const 91))
    (then (return (call $unmap (local.get $a) (local.get $b)))))
  (if (i32.eq (local.get $n) (i32.const 163))
    (then (return (call $remap (local.get $a) (local.get $b) (local.get $c) (local.get $d)))))
  (if (i32.eq (local.get $n) (i32.const 192))
    (then (return (call $mmap (local.get $a) (local.get $b) (local.get $c) (local.get $d) (local.get $e) (local.get $f)))))
  (if (i32.eq (local.get $n) (i32.const 219))
    (then (return (call $advise (local.get $a) (local.get $b) (local.get $c)))))
  ;; exit and exit_group do not return.
  (if (i32.or (i32.eq (local.get $n) (i32.const 1)) (i32.eq (local.get $n) (i32.const 252)))
    (then (unreachable)))
  (i32.const -38))
(func (export "__syscall0") (param i32) (result i32)
  (call $syscall (local.get 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
(func (export "__syscall1") (param i32 i32) (result i32)
  (call $syscall (local.get 0) (local.get 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
(func (export "__syscall2") (param i32 i32 i32) (result i32)
  (call $syscall (local.get 0) (local.get 1) (local.get 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
(func (export "__syscall3") (param i32 i32 i32 i32) (result i32)
  (call $syscall (local.get 0) (local.get 1) (local.get 2) (local.get 3) (i32.const 0) (i32.const 0) (i32.const 0)))
(func (export "__syscall4") (param i32 i32 i32 i32 i32) (result i32)
  (call $syscall (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (i32.const 0) (i32.const 0)))
(func (export "__syscall5") (param i32 i32 i32 i32 i32 i32) (result i32)
  (call $syscall (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (i32.const 0)))
(func (export "__syscall6") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
  (call $syscall (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6)))

;; WALI names each call; 64-bit arguments and results are adapted when it is linked.
(func (export "SYS_brk") (param i32) (result i32) (call $brk (local.get 0)))
(func (export "SYS_mmap") (param i32 i32 i32 i32 i32 i32) (result i32)
  (call $mmap (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)))
(func (export "SYS_munmap") (param i32 i32) (result i32) (call $unmap (local.get 0) (local.get 1)))
(func (export "SYS_mremap") (param i32 i32 i32 i32) (result i32)
  (call $remap (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
(func (export "SYS_mremap5") (param i32 i32 i32 i32 i32) (result i32)
  (call $remap (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
(func (export "SYS_madvise") (param i32 i32 i32) (result i32)
  (call $advise (local.get 0) (local.get 1) (local.get 2)))
