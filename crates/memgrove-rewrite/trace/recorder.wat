;; What a traced module records, and how. Grafted into it; its memory becomes a memory of the module.
;; The layout is that of crates/memgrove-profile/src/layout.rs, which has the numbers that are bound to its imports.
;;
;; A frame is one word: the function's index, shifted by 12, and the number of the call in its caller (0x800: the host
;; called it). A slot of the stack holds a frame, and its node once one was asked for; bit 31 of the node is set when it
;; was noted which frames had called the host that called this one.
(module
  ;; Where the next function that is entered puts its frame.
  (import "memgrove" "sp" (global $sp (mut i32)))
  ;; Where the stack begins for what the host calls next; bit 0: a function of the allocator is in progress.
  (import "memgrove" "state" (global $state (mut i32)))
  ;; The number of the call that is about to be made; 0 in between.
  (import "memgrove" "site" (global $site (mut i32)))
  ;; The most pages that the memory may have.
  (import "memgrove" "max_pages" (global $max_pages i32))
  ;; The stack: its first slot, the second, where its last quarter begins, and the last slot.
  (import "memgrove" "stack" (global $stack i32))
  (import "memgrove" "stack_second" (global $stack_second i32))
  (import "memgrove" "stack_quarter" (global $stack_quarter i32))
  (import "memgrove" "stack_last" (global $stack_last i32))
  ;; Heads of the hash chains, the nodes, and how many there may be. A hash's upper bits count.
  (import "memgrove" "heads" (global $heads i32))
  (import "memgrove" "heads_shift" (global $heads_shift i32))
  (import "memgrove" "nodes" (global $nodes i32))
  (import "memgrove" "most_nodes" (global $most_nodes i32))
  ;; The table of sampled blocks that are live: upper bits of a hash, its places and their bytes as masks, the most blocks.
  (import "memgrove" "table" (global $table i32))
  (import "memgrove" "table_shift" (global $table_shift i32))
  (import "memgrove" "table_mask" (global $table_mask i32))
  (import "memgrove" "table_bytes_mask" (global $table_bytes_mask i32))
  (import "memgrove" "table_most" (global $table_most i32))
  ;; Where the recording is a block of the program's memory (frames/in_block.rs): the block's address, 0 before there is
  ;; one, 1 while it is asked for, and for ever if it was refused. What asks for one of so many bytes; what puts the header
  ;; there.
  (import "memgrove" "base" (global $base (mut i32)))
  (import "memgrove" "block_bytes" (global $block_bytes i32))
  (import "memgrove" "cleared_bytes" (global $cleared_bytes i32))
  (import "memgrove" "take" (func $take_block (param i32) (result i32)))
  (import "memgrove" "put_header" (func $put_header (param i32)))
  ;; {{threads}}
  (memory 53)

  ;; Makes the recording ready, unless a function of the allocator is in progress. Returns whether it is.
  (func (export "begin") (result i32)
    (local $sp i32) (local $state i32) (local $site i32) (local $at i32)
    (if (i32.or (global.get $base) (i32.and (global.get $state) (i32.const 1)))
      (then (return (i32.gt_u (global.get $base) (i32.const 1)))))
    (local.set $sp (global.get $sp))
    (local.set $state (global.get $state))
    (local.set $site (global.get $site))
    (global.set $base (i32.const 1))
    (local.set $at (call $take_block (global.get $block_bytes)))
    (global.set $sp (local.get $sp))
    (global.set $state (local.get $state))
    (global.set $site (local.get $site))
    ;; What is no block of this length in memory was no allocator's.
    (if (i32.or
          (i32.le_u (local.get $at) (i32.const 1))
          (i32.or
            (i32.gt_u (local.get $at) (i32.sub (i32.const 0) (global.get $block_bytes)))
            (i32.ge_u
              (i32.shr_u
                (i32.add (local.get $at) (i32.sub (global.get $block_bytes) (i32.const 1)))
                (i32.const 16))
              (memory.size))))
      (then (return (i32.const 0))))
    (global.set $base (local.get $at))
    (local.set $at (global.get $cleared_bytes))
    (loop $clear
      (local.set $at (i32.sub (local.get $at) (i32.const 8)))
      (i64.store (local.get $at) (i64.const 0))
      (br_if $clear (local.get $at)))
    (call $put_header (global.get $base))
    (i32.const 1))

  ;; Where the recording stands; 0: there is none.
  (func (export "place") (result i32)
    (select (global.get $base) (i32.const 0) (i32.gt_u (global.get $base) (i32.const 1))))

  ;; The frame of a function that is entered now. The host enters where its stack begins, and tells no number.
  (func $frame (export "ask") (param $func i32) (result i32)
    (i32.or
      (i32.shl (local.get $func) (i32.const 12))
      (select
        (i32.and (global.get $site) (i32.const 0xfff))
        (i32.const 0x800)
        (i32.or
          (global.get $site)
          (i32.xor (global.get $sp) (i32.and (global.get $state) (i32.const -2)))))))

  ;; Puts a frame on the stack. Returns its slot, to which the pointer is set back when the function is left.
  (func (export "enter") (param $func i32) (result i32)
    (local $base i32)
    (i64.store (local.tee $base (global.get $sp))
      (i64.extend_i32_u (i32.or
        (i32.shl (local.get $func) (i32.const 12))
        (select
          (i32.and (global.get $site) (i32.const 0xfff))
          (i32.const 0x800)
          (i32.or
            (global.get $site)
            (i32.xor (local.get $base) (i32.and (global.get $state) (i32.const -2))))))))
    (global.set $site (i32.const 0))
    ;; As $next, without its call: this is run more often than all else.
    (if (i32.ge_u (local.get $base) (global.get $stack_last))
      (then (drop (call $next (local.get $base))))
      (else (global.set $sp (i32.add (local.get $base) (i32.const 8)))))
    (local.get $base))

  ;; The slot behind one. Deeper frames share the last.
  (func $next (param $base i32) (result i32)
    (if (i32.ge_u (local.get $base) (global.get $stack_last))
      (then
        (i32.store (i32.const 8) (i32.or (i32.load (i32.const 8)) (i32.const 4)))
        (return (local.get $base))))
    (i32.add (local.get $base) (i32.const 8)))

  ;; The host enters by an export: whatever a trap has left, its stack begins where that of the interrupted call ends.
  ;; Only calls that ended without returning can have left it so high that the last quarter is in use.
  (func (export "entry")
    (local $at i32)
    (local.set $at (i32.and (global.get $state) (i32.const -2)))
    (if (i32.ge_u (local.get $at) (global.get $stack_quarter))
      (then (return (call $set (global.get $stack) (global.get $stack)))))
    (global.set $sp (local.get $at))
    (global.set $state (local.get $at))
    (global.set $site (i32.const 0)))

  ;; The host is called, or may be: what it calls has a stack of its own, behind that of the call in progress.
  (func (export "out") (param $number i32)
    (global.set $site (local.get $number))
    (i32.store (i32.const 52) (i32.const 0))
    (global.set $state (global.get $sp)))

  ;; The frames below `sp` go on, and those above are over.
  (func $set (export "set") (param $sp i32) (param $state i32)
    (global.set $sp (local.get $sp))
    (global.set $state (local.get $state))
    (global.set $site (i32.const 0))
    ;; This proves who called the host from which calls have been noted.
    (if (i32.ge_u (i32.load (i32.const 48)) (local.get $sp))
      (then
        (i32.store (i32.const 48) (i32.sub (local.get $sp) (i32.const 1)))
        (call $log (i32.const 7) (i32.const 0) (local.get $sp) (i32.const 0)))))

  ;; A function goes on where an exception may have ended what it had called.
  (func (export "restore") (param $base i32) (param $state i32)
    (call $set (call $next (local.get $base)) (local.get $state)))

  ;; A function goes on behind a call of the host.
  (func (export "back") (param $base i32) (param $state i32)
    (local $next i32)
    (local.set $next (i32.add (local.get $base) (i32.const 8)))
    ;; The rule: nothing is to be noted. Without the calls, as this is run often.
    (if (i32.and
          (i32.and
            (i32.lt_u (local.get $base) (global.get $stack_last))
            (i32.ge_u (global.get $state) (local.get $next)))
          (i32.lt_u (i32.load (i32.const 48)) (local.get $next)))
      (then
        (global.set $sp (local.get $next))
        (global.set $state (local.get $state))
        (global.set $site (i32.const 0))
        (return)))
    (call $back_at (call $next (local.get $base)) (local.get $state)))

  (func $back_at (export "back_at") (param $sp i32) (param $state i32)
    ;; What the host called is over before the call of the host is, unless calls are suspended (JSPI).
    (if (i32.lt_u (i32.and (global.get $state) (i32.const -2)) (local.get $sp))
      (then (i32.store (i32.const 8) (i32.or (i32.load (i32.const 8)) (i32.const 8)))))
    (call $set (local.get $sp) (local.get $state)))

  ;; A call that leaves its caller: the callee takes the caller's place, and nothing tells by which call.
  (func (export "tail") (param $base i32)
    (global.set $site
      (select (i32.const 0) (i32.const 0x801) (call $is_entry (local.get $base)))))

  ;; The host called the function in this slot.
  (func $is_entry (param $at i32) (result i32)
    (i32.eq (i32.and (i32.load (local.get $at)) (i32.const 0xfff)) (i32.const 0x800)))

  ;; The node of a frame under a node: found, or made. At the limit the caller's node stands for it and for all that
  ;; it calls, which bit 30 tells.
  (func $child (param $parent i32) (param $frame i32) (result i32)
    (local $head i32) (local $node i32) (local $at i32)
    (if (i32.and (local.get $parent) (i32.const 0x40000000)) (then (return (local.get $parent))))
    (local.set $head (i32.add (global.get $heads) (i32.shl
      (i32.shr_u
        (i32.mul
          (i32.xor (i32.mul (local.get $parent) (i32.const 0x9e3779b1)) (local.get $frame))
          (i32.const 0x85ebca6b))
        (global.get $heads_shift))
      (i32.const 2))))
    (local.set $node (i32.load (local.get $head)))
    (block $new
      (loop $next
        (br_if $new (i32.eqz (local.get $node)))
        (local.set $at (i32.add (global.get $nodes) (i32.shl (local.get $node) (i32.const 5))))
        (if (i32.and
              (i32.eq (i32.load (local.get $at)) (local.get $parent))
              (i32.eq (i32.load offset=4 (local.get $at)) (local.get $frame)))
          (then (return (local.get $node))))
        (local.set $node (i32.load offset=8 (local.get $at)))
        (br $next)))
    (local.set $node {next_node})
    (if (i32.ge_u (local.get $node) (global.get $most_nodes))
      (then
        (i32.store (i32.const 8) (i32.or (i32.load (i32.const 8)) (i32.const 2)))
        (return (i32.or (local.get $parent) (i32.const 0x40000000)))))
    (i32.store (i32.const 24) (i32.add (local.get $node) (i32.const 1)))
    (local.set $at (i32.add (global.get $nodes) (i32.shl (local.get $node) (i32.const 5))))
    (i32.store (local.get $at) (local.get $parent))
    (i32.store offset=4 (local.get $at) (local.get $frame))
    (i32.store offset=8 (local.get $at) (i32.load (local.get $head)))
    {own_node}
    (i32.store (local.get $head) (local.get $node))
    (local.get $node))

  ;; The node of the frames below `top`: of those that the host called last. A slot does not change while its
  ;; function is in progress, nor do those below it, so a node that was found once stays right.
  (func $node (param $top i32) (result i32)
    (local $at i32) (local $node i32)
    (local.set $at (local.get $top))
    (block $known
      (loop $down
        (br_if $known (i32.le_u (local.get $at) (global.get $stack)))
        (local.set $node
          (i32.and (i32.load (i32.sub (local.get $at) (i32.const 4))) (i32.const 0x7fffffff)))
        (br_if $known (local.get $node))
        (local.set $at (i32.sub (local.get $at) (i32.const 8)))
        (br_if $down (i32.eqz (call $is_entry (local.get $at))))))
    (block $done
      (loop $up
        (br_if $done (i32.ge_u (local.get $at) (local.get $top)))
        (local.set $node (call $child (local.get $node) (i32.load (local.get $at))))
        (i32.store offset=4 (local.get $at)
          (i32.or
            (i32.and (i32.load offset=4 (local.get $at)) (i32.const 0x80000000))
            (local.get $node)))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $up)))
    (local.get $node))

  ;; Notes once which frames had called the host when it called the function in this slot.
  (func $link_slot (param $base i32) (param $outer i32)
    (if (i32.ge_s (i32.load offset=4 (local.get $base)) (i32.const 0))
      (then
        (i32.store offset=4 (local.get $base)
          (i32.or (i32.load offset=4 (local.get $base)) (i32.const 0x80000000)))
        (call $link (local.get $base) (local.get $outer)))))

  ;; The same for a stack that begins here; those of its callers come first, but only so many: they may all be over.
  (func $link (param $base i32) (param $outer i32)
    (local $at i32)
    (local.set $at (local.get $base))
    (block $outermost
      (br_if $outermost (i32.eqz (local.get $outer)))
      (loop $down
        (br_if $outermost (i32.le_u (local.get $at) (global.get $stack_second)))
        (local.set $at (i32.sub (local.get $at) (i32.const 8)))
        (br_if $down (i32.eqz (call $is_entry (local.get $at)))))
      (call $link_slot (local.get $at) (i32.sub (local.get $outer) (i32.const 1))))
    (i32.store (i32.const 48) (local.get $base))
    (call $log (i32.const 6)
      (i32.and (call $node (local.get $base)) (i32.const 0xffff)) (local.get $base) (i32.const 0)))

  ;; Notes an event of the function whose frame is given. `what`: kind, nesting and alignment as the format has them.
  (func (export "record") (param $what i32) (param $block i32) (param $size i32) (param $frame i32)
    (call $note (local.get $what) (call $node_of (local.get $frame)) (local.get $block) (local.get $size)))

  ;; The node of the frames in progress and one more.
  (func $node_of (export "node_of") (param $frame i32) (result i32)
    (local $node i32) (local $base i32) (local $is_entry i32)
    (local.set $base (i32.and (global.get $state) (i32.const -2)))
    (local.set $is_entry (i32.eq (i32.and (local.get $frame) (i32.const 0xfff)) (i32.const 0x800)))
    ;; The first event since the host called from within a call of it: which that is, is noted before.
    (if (i32.gt_u (local.get $base) (global.get $stack))
      (then
        (if (local.get $is_entry)
          (then
            (if (i32.ne (i32.load (i32.const 52)) (local.get $base))
              (then
                (i32.store (i32.const 52) (local.get $base))
                (call $link (local.get $base) (i32.const 16)))))
          (else
            (if (call $is_entry (local.get $base))
              (then (call $link_slot (local.get $base) (i32.const 16))))))))
    ;; Where the host called, the frames below are not those of the caller.
    (if (i32.eqz (local.get $is_entry))
      (then (local.set $node (call $node (global.get $sp)))))
    (call $child (local.get $node) (local.get $frame)))

  ;; The node of the frames in progress, where a function of the program has done something itself. If it has no frame,
  ;; it is not among them: `ask` tells by which call it was called.
  (func (export "here") (result i32)
    (local $base i32)
    (local.set $base (i32.and (global.get $state) (i32.const -2)))
    (if (i32.eq (global.get $sp) (local.get $base)) (then (return (i32.const 0))))
    (if (i32.gt_u (local.get $base) (global.get $stack))
      (then
        (if (call $is_entry (local.get $base))
          (then (call $link_slot (local.get $base) (i32.const 16))))))
    (call $node (global.get $sp)))

  ;; The same without stacks.
  (func $record_flat (export "record_flat") (param $what i32) (param $block i32) (param $size i32)
    (call $note (local.get $what) (i32.const 0) (local.get $block) (local.get $size)))

  ;; For sampling, at 0x100: the generator's state (8) and bytes to the next hit (8, a float); the rest is the sampler's.

  ;; Draws the distance to the next hit: -ln(u) times the mean, u in (0, 1].
  (func $draw (result f64)
    (local $x i64) (local $m f64) (local $s f64) (local $q f64)
    (local.set $x (i64.load (i32.const 0x100)))
    (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 12))))
    (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 25))))
    (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 27))))
    (i64.store (i32.const 0x100) (local.get $x))
    (local.set $x
      (i64.add
        (i64.shr_u (i64.mul (local.get $x) (i64.const 0x2545f4914f6cdd1d)) (i64.const 11))
        (i64.const 1)))
    ;; The number as m * 2^e, 1 <= m < 2; ln m = 2 * atanh s by its series.
    (local.set $x (i64.reinterpret_f64 (f64.convert_i64_u (local.get $x))))
    (local.set $m (f64.reinterpret_i64 (i64.or
      (i64.and (local.get $x) (i64.const 0x000fffffffffffff))
      (i64.const 0x3ff0000000000000))))
    (local.set $s (f64.div
      (f64.sub (local.get $m) (f64.const 1))
      (f64.add (local.get $m) (f64.const 1))))
    (local.set $q (f64.mul (local.get $s) (local.get $s)))
    (f64.mul
      (f64.convert_i32_u (i32.load (i32.const 56)))
      (f64.neg
        (f64.add
          (f64.mul
            (f64.convert_i64_s (i64.sub (i64.shr_u (local.get $x) (i64.const 52)) (i64.const 1076)))
            (f64.const 0.6931471805599453))
          (f64.mul
            (f64.mul (f64.const 2) (local.get $s))
            (f64.add (f64.const 1) (f64.mul (local.get $q)
            (f64.add (f64.const 0.3333333333333333) (f64.mul (local.get $q)
            (f64.add (f64.const 0.2) (f64.mul (local.get $q)
            (f64.add (f64.const 0.14285714285714285) (f64.mul (local.get $q)
            (f64.add (f64.const 0.1111111111111111) (f64.mul (local.get $q)
            (f64.add (f64.const 0.09090909090909091) (f64.mul (local.get $q)
            (f64.const 0.07692307692307693))))))))))))))))))

  (func $note (export "note") (param $what i32) (param $node i32) (param $block i32) (param $size i32)
    (local $at i32)
    (local.set $node (i32.and (local.get $node) (i32.const 0xffff)))
    ;; Outermost allocations (kinds 1 and 4) are also counted, as the log may end before the program does. What is shifted
    ;; by has bit 4 set if it is nested, and counts modulo 32.
    (if (i32.and (i32.shr_u (i32.const 0x12) (local.get $what)) (i32.const 1))
      (then
        (i64.store (i32.const 40)
          (i64.add (i64.load (i32.const 40)) (i64.extend_i32_u (local.get $size))))
        (local.set $at (i32.add (global.get $nodes) (i32.shl (local.get $node) (i32.const 5))))
        (i64.store offset=16 (local.get $at) (i64.add (i64.load offset=16 (local.get $at)) (i64.const 1)))
        (i64.store offset=24 (local.get $at)
          (i64.add (i64.load offset=24 (local.get $at)) (i64.extend_i32_u (local.get $size))))))
    (i64.store (i32.const 32) (i64.add (i64.load (i32.const 32)) (i64.const 1)))
    (call $log (local.get $what) (local.get $node) (local.get $block) (local.get $size)))

  ;; The same for a program with 64-bit addresses: upper halves that are not 0 stand in an event before.
  (func $note_wide (param $what i32) (param $node i32) (param $block i64) (param $size i64)
    (local $at i32) (local $high i64)
    (if (i64.ne (i64.shr_u (i64.or (local.get $block) (local.get $size)) (i64.const 32)) (i64.const 0))
      (then
        (local.set $high (i64.and (local.get $size) (i64.const -0x100000000)))
        ;; The lower half is counted with the event.
        (if (i32.and (i32.shr_u (i32.const 0x12) (local.get $what)) (i32.const 1))
          (then
            (i64.store (i32.const 40) (i64.add (i64.load (i32.const 40)) (local.get $high)))
            (local.set $at (i32.add (global.get $nodes)
              (i32.shl (i32.and (local.get $node) (i32.const 0xffff)) (i32.const 5))))
            (i64.store offset=24 (local.get $at)
              (i64.add (i64.load offset=24 (local.get $at)) (local.get $high)))))
        (call $log (i32.const 12) (i32.const 0)
          (i32.wrap_i64 (i64.shr_u (local.get $block) (i64.const 32)))
          (i32.wrap_i64 (i64.shr_u (local.get $size) (i64.const 32))))))
    (call $note (local.get $what) (local.get $node)
      (i32.wrap_i64 (local.get $block)) (i32.wrap_i64 (local.get $size))))

  ;; As `record`, with 64-bit addresses.
  (func (export "record_wide") (param $what i32) (param $block i64) (param $size i64) (param $frame i32)
    (call $note_wide (local.get $what) (call $node_of (local.get $frame)) (local.get $block) (local.get $size)))

  ;; As `record_flat`, with 64-bit addresses.
  (func (export "record_flat_wide") (param $what i32) (param $block i64) (param $size i64)
    (call $note_wide (local.get $what) (i32.const 0) (local.get $block) (local.get $size)))

  (func $log (export "log") (param $what i32) (param $node i32) (param $block i32) (param $size i32)
    (local $at i32)
    ;; An incomplete log ends at one point: nothing is noted behind a gap.
    (if (i32.and (i32.load (i32.const 8)) (i32.const 1)) (then (return)))
    (local.set $at (i32.load (i32.const 16)))
    (if (i32.gt_u (i32.add (local.get $at) (i32.const 16)) (i32.load (i32.const 20)))
      (then
        (if (i32.or
              (i32.gt_u (i32.add (memory.size) (i32.const 16)) (global.get $max_pages))
              (i32.eq (memory.grow (i32.const 16)) (i32.const -1)))
          (then
            (i32.store (i32.const 8) (i32.or (i32.load (i32.const 8)) (i32.const 1)))
            (return)))
        (i32.store (i32.const 20) (i32.shl (memory.size) (i32.const 16)))))
    (i32.store (local.get $at) (local.get $what))
    (i32.store offset=4 (local.get $at) (local.get $node))
    (i32.store offset=8 (local.get $at) (local.get $block))
    (i32.store offset=12 (local.get $at) (local.get $size))
    (i32.store (i32.const 16) (i32.add (local.get $at) (i32.const 16))))

  ;; {{sampler}}
)
