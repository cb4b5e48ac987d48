;; The program break and anonymous mappings over memory.grow, as Linux answers them.
;;
;;   static data … | break region … | mapping | free | mapping | …  | end of memory
;;                 ^low      ^break ^break_end
;;
;; The break's region is what brk and sbrk hand out: from $break_low to $break_end, of
;; which the part below $break is in use. It grows only while nothing lies above it, so a
;; mapping (from memory.grow, or a region unmapped before) is never below the break and the
;; break never runs into a mapping. No mapping lies in the memory that the program started
;; with, nor in the last page of the address space: no end is 2^32.
;;
;; A program may have been built for pages of 4 KiB or of 64 KiB, and nothing says which. So
;; mappings begin at a multiple of 64 KiB, which both find aligned, and lengths are counted in
;; 4 KiB, which both divide by: unmapping a part of a mapping frees nothing beside it.
;;
;; Free regions are a list in address order; no two of them touch; each begins with its length
;; and the address of the next, and is zero otherwise, as mmap has to give it out.

(global $break (mut i32) (i32.const 0))
(global $break_low (mut i32) (i32.const 0))
(global $break_end (mut i32) (i32.const 0))
;; End of the memory that the program started with.
(global $map_low (mut i32) (i32.const 0))
(global $free_regions (mut i32) (i32.const 0))

(func $memory_end (result i32)
  (if (i32.gt_u (memory.size) (i32.const 0xffff))
    (then (return (i32.const 0xffff0000))))
  (i32.shl (memory.size) (i32.const 16)))

(func $break_start
  (if (global.get $break_end) (then (return)))
  ;; Address 0 means nothing, so an empty memory gets a page that nobody is given.
  (if (i32.eqz (memory.size)) (then (drop (memory.grow (i32.const 1)))))
  (global.set $break_end (call $memory_end))
  (global.set $map_low (global.get $break_end))
  (global.set $break_low
    (select (global.get $heap_base) (global.get $break_end) (global.get $heap_base)))
  (global.set $break (global.get $break_low)))

(func $round (param $len i32) (result i32)
  (i32.and (i32.add (local.get $len) (i32.const 0xfff)) (i32.const 0xfffff000)))

;; Makes [.., end) part of the break's region. 1 or 0.
(func $break_reach (param $end i32) (result i32)
  (if (i32.le_u (local.get $end) (global.get $break_end)) (then (return (i32.const 1))))
  (if (i32.gt_u (local.get $end) (i32.const 0xffff0000)) (then (return (i32.const 0))))
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
      (if (i32.or
            (i32.lt_u (local.get $new) (local.get $old))
            (i32.gt_u (local.get $new) (i32.const 0xffff0000)))
        (then (return (i32.const -1))))
      (if (i32.eqz (call $cover (local.get $new))) (then (return (i32.const -1))))
      (global.set $break_low (local.get $old))
      (global.set $break_end (call $memory_end))))
  (global.set $break (local.get $new))
  (local.get $old))

;; Puts [at, end) into the list of free regions and makes it zero; parts of it may be free
;; already. Linear in the number of free regions, as all that follows.
(func $give (param $at i32) (param $end i32)
  (local $before i32) (local $next i32) (local $start i32) (local $stop i32) (local $joined i32)
  (local.set $start (local.get $at))
  (local.set $stop (local.get $end))
  (local.set $next (global.get $free_regions))
  (block $found
    (loop $search
      (br_if $found (i32.eqz (local.get $next)))
      (br_if $found (i32.gt_u (local.get $next) (local.get $at)))
      (local.set $before (local.get $next))
      (local.set $next (i32.load offset=4 (local.get $next)))
      (br $search)))
  (if (local.get $before)
    (then
      (local.set $joined (i32.add (local.get $before) (i32.load (local.get $before))))
      ;; Free as a whole.
      (if (i32.ge_u (local.get $joined) (local.get $end)) (then (return)))
      (if (i32.ge_u (local.get $joined) (local.get $at))
        (then (local.set $start (local.get $before))))))
  (block $done
    (loop $join
      (br_if $done (i32.eqz (local.get $next)))
      (br_if $done (i32.gt_u (local.get $next) (local.get $end)))
      (local.set $joined (local.get $next))
      (local.set $stop (i32.add (local.get $joined) (i32.load (local.get $joined))))
      (local.set $next (i32.load offset=4 (local.get $joined)))
      (i64.store align=4 (local.get $joined) (i64.const 0))
      (br $join)))
  (if (i32.lt_u (local.get $stop) (local.get $end))
    (then (local.set $stop (local.get $end))))
  (call $zero (local.get $at) (i32.sub (local.get $end) (local.get $at)))
  (i32.store (local.get $start) (i32.sub (local.get $stop) (local.get $start)))
  (i32.store offset=4 (local.get $start) (local.get $next))
  (if (i32.ne (local.get $start) (local.get $before))
    (then
      (if (local.get $before)
        (then (i32.store offset=4 (local.get $before) (local.get $start)))
        (else (global.set $free_regions (local.get $start)))))))

;; Takes [start, start + len) out of the free region `region`; `before` is the one before it.
(func $take (param $before i32) (param $region i32) (param $start i32) (param $len i32)
  (local $end i32) (local $rest i32) (local $next i32)
  (local.set $end (i32.add (local.get $region) (i32.load (local.get $region))))
  (local.set $next (i32.load offset=4 (local.get $region)))
  (local.set $rest (i32.add (local.get $start) (local.get $len)))
  (if (i32.ne (local.get $rest) (local.get $end))
    (then
      (i32.store (local.get $rest) (i32.sub (local.get $end) (local.get $rest)))
      (i32.store offset=4 (local.get $rest) (local.get $next))
      (local.set $next (local.get $rest))))
  (if (i32.ne (local.get $region) (local.get $start))
    (then
      (i32.store (local.get $region) (i32.sub (local.get $start) (local.get $region)))
      (i32.store offset=4 (local.get $region) (local.get $next))
      (return)))
  (i64.store align=4 (local.get $region) (i64.const 0))
  (if (local.get $before)
    (then (i32.store offset=4 (local.get $before) (local.get $next)))
    (else (global.set $free_regions (local.get $next)))))

;; Grows memory so that it reaches `end`; what is new becomes free. 1 or 0.
(func $reach (param $end i32) (result i32)
  (local $old i32)
  (local.set $old (call $memory_end))
  (if (i32.eqz (call $cover (local.get $end))) (then (return (i32.const 0))))
  (call $give_fresh (local.get $old) (call $memory_end))
  (i32.const 1))

;; $give for pages from memory.grow, which are zero and lie above all that is free: joined to
;; the last region if that ends here.
(func $give_fresh (param $at i32) (param $end i32)
  (local $last i32) (local $next i32)
  (local.set $next (global.get $free_regions))
  (block $done
    (loop $search
      (br_if $done (i32.eqz (local.get $next)))
      (local.set $last (local.get $next))
      (local.set $next (i32.load offset=4 (local.get $next)))
      (br $search)))
  (if (local.get $last)
    (then
      (if (i32.eq (i32.add (local.get $last) (i32.load (local.get $last))) (local.get $at))
        (then
          (i32.store (local.get $last) (i32.sub (local.get $end) (local.get $last)))
          (return)))
      (i32.store offset=4 (local.get $last) (local.get $at)))
    (else (global.set $free_regions (local.get $at))))
  (i32.store (local.get $at) (i32.sub (local.get $end) (local.get $at))))

;; Anonymous mmap: address of `len` zero bytes, or -ENOMEM.
(func $map (param $len i32) (result i32)
  (local $region i32) (local $before i32) (local $start i32) (local $pad i32) (local $last_end i32)
  (call $break_start)
  (if (i32.eqz (local.get $len)) (then (return (i32.const -22))))
  (if (i32.gt_u (local.get $len) (i32.const 0xffff0000)) (then (return (i32.const -12))))
  (local.set $len (call $round (local.get $len)))
  (loop $again
    ;; First fit.
    (local.set $before (i32.const 0))
    (local.set $last_end (i32.const 0))
    (local.set $region (global.get $free_regions))
    (block $none
      (loop $search
        (br_if $none (i32.eqz (local.get $region)))
        ;; Regions end at 0xffff0000 at most, so this does not wrap.
        (local.set $start
          (i32.and (i32.add (local.get $region) (i32.const 0xffff)) (i32.const 0xffff0000)))
        (local.set $pad (i32.sub (local.get $start) (local.get $region)))
        (local.set $last_end (i32.add (local.get $region) (i32.load (local.get $region))))
        (if (i32.le_u (local.get $pad) (i32.load (local.get $region)))
          (then
            (if (i32.ge_u
                  (i32.sub (i32.load (local.get $region)) (local.get $pad))
                  (local.get $len))
              (then
                (call $take (local.get $before) (local.get $region) (local.get $start) (local.get $len))
                (return (local.get $start))))))
        (local.set $before (local.get $region))
        (local.set $region (i32.load offset=4 (local.get $region)))
        (br $search)))
    ;; None is large enough. What is missing behind the last one, if that ends where memory does.
    (if (i32.ne (local.get $last_end) (call $memory_end))
      (then (local.set $start (call $memory_end))))
    (if (i32.gt_u (local.get $len) (i32.sub (i32.const 0xffff0000) (local.get $start)))
      (then (return (i32.const -12))))
    (br_if $again (call $reach (i32.add (local.get $start) (local.get $len)))))
  (i32.const -12))

;; [at, at + len) can be a mapping: outside of the program's own memory and of the break's region.
(func $is_mappable (param $at i32) (param $len i32) (result i32)
  (local $end i32)
  (call $break_start)
  (local.set $end (i32.add (local.get $at) (local.get $len)))
  (i32.and
    (i32.and
      (i32.eqz (i32.and (local.get $at) (i32.const 0xfff)))
      (i32.and
        (i32.ge_u (local.get $at) (global.get $map_low))
        (i32.and
          (i32.gt_u (local.get $end) (local.get $at))
          (i32.le_u (local.get $end) (call $memory_end)))))
    (i32.or
      (i32.ge_u (local.get $at) (global.get $break_end))
      (i32.le_u (local.get $end) (global.get $break_low)))))

;; munmap: what is unmapped is free for the next mapping; unmapping what is free changes nothing.
(func $unmap (param $at i32) (param $len i32) (result i32)
  (local.set $len (call $round (local.get $len)))
  (if (i32.eqz (call $is_mappable (local.get $at) (local.get $len))) (then (return (i32.const -22))))
  (call $give (local.get $at) (i32.add (local.get $at) (local.get $len)))
  (i32.const 0))

;; Takes [at, at + len) if it is free, or can be by growing memory. 1 or 0.
(func $extend (param $at i32) (param $len i32) (result i32)
  (local $region i32) (local $before i32) (local $end i32)
  (if (i32.gt_u (local.get $len) (i32.sub (i32.const 0xffff0000) (local.get $at)))
    (then (return (i32.const 0))))
  (loop $again
    (local.set $before (i32.const 0))
    (local.set $region (global.get $free_regions))
    (local.set $end (local.get $at))
    (block $done
      (loop $search
        (br_if $done (i32.eqz (local.get $region)))
        (br_if $done (i32.ge_u (local.get $region) (local.get $at)))
        (local.set $before (local.get $region))
        (local.set $region (i32.load offset=4 (local.get $region)))
        (br $search)))
    (if (i32.eq (local.get $region) (local.get $at))
      (then
        (local.set $end (i32.add (local.get $at) (i32.load (local.get $at))))
        (if (i32.ge_u (i32.load (local.get $at)) (local.get $len))
          (then
            (call $take (local.get $before) (local.get $at) (local.get $at) (local.get $len))
            (return (i32.const 1))))))
    (if (i32.ne (local.get $end) (call $memory_end)) (then (return (i32.const 0))))
    (br_if $again (call $reach (i32.add (local.get $at) (local.get $len)))))
  (i32.const 0))

;; mremap: shrinks in place, grows in place where the neighbour is free, else moves
;; (MREMAP_MAYMOVE = 1); to a fixed place (2) it does not.
(func $remap (param $at i32) (param $old i32) (param $new i32) (param $flags i32) (result i32)
  (local $to i32)
  (local.set $old (call $round (local.get $old)))
  (if (i32.or
        (i32.or
          (i32.eqz (local.get $new))
          (i32.gt_u (local.get $flags) (i32.const 1)))
        (i32.eqz (call $is_mappable (local.get $at) (local.get $old))))
    (then (return (i32.const -22))))
  (if (i32.gt_u (local.get $new) (i32.const 0xffff0000)) (then (return (i32.const -12))))
  (local.set $new (call $round (local.get $new)))
  (if (i32.le_u (local.get $new) (local.get $old))
    (then
      (if (i32.lt_u (local.get $new) (local.get $old))
        (then
          (call $give
            (i32.add (local.get $at) (local.get $new))
            (i32.add (local.get $at) (local.get $old)))))
      (return (local.get $at))))
  (if (call $extend
        (i32.add (local.get $at) (local.get $old))
        (i32.sub (local.get $new) (local.get $old)))
    (then (return (local.get $at))))
  (if (i32.eqz (local.get $flags)) (then (return (i32.const -12))))
  (local.set $to (call $map (local.get $new)))
  (if (i32.gt_u (local.get $to) (i32.const -4096)) (then (return (local.get $to))))
  (call $move (local.get $to) (local.get $at) (local.get $old))
  (call $give (local.get $at) (i32.add (local.get $at) (local.get $old)))
  (local.get $to))

;; MADV_DONTNEED (4) promises zeros at the next read; everything else is only advice.
(func $advise (param $at i32) (param $len i32) (param $advice i32) (result i32)
  (if (i32.eq (local.get $advice) (i32.const 4))
    (then
      (if (i32.or
            (i32.gt_u (local.get $at) (call $memory_end))
            (i32.gt_u (local.get $len) (i32.sub (call $memory_end) (local.get $at))))
        (then (return (i32.const -12))))
      (call $zero (local.get $at) (local.get $len))))
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
