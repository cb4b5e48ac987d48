;; What a traced module records, and how. Grafted into it; its memory becomes a memory beside the module's own.
;; The layout is that of crates/memgrove-profile/src/lib.rs: numbers here are those of src/trace/layout.rs, and a
;; test holds them together.
(module
  ;; Where the frame of the next call writes its call site.
  (import "memgrove" "sp" (global $sp (mut i32)))
  ;; The most pages that the memory may have.
  (import "memgrove" "max_pages" (global $max_pages i32))
  (memory 53)

  ;; The node of a call site under a node: found, or made. At the limit the caller's node stands for it.
  (func $child (param $parent i32) (param $site i32) (result i32)
    (local $head i32) (local $node i32) (local $at i32)
    (local.set $head (i32.add (i32.const 0x110000) (i32.shl
      (i32.shr_u
        (i32.mul
          (i32.xor (i32.mul (local.get $parent) (i32.const 0x9e3779b1)) (local.get $site))
          (i32.const 0x85ebca6b))
        (i32.const 16))
      (i32.const 2))))
    (local.set $node (i32.load (local.get $head)))
    (block $new
      (loop $next
        (br_if $new (i32.eqz (local.get $node)))
        (local.set $at (i32.add (i32.const 0x150000) (i32.shl (local.get $node) (i32.const 5))))
        (if (i32.and
              (i32.eq (i32.load (local.get $at)) (local.get $parent))
              (i32.eq (i32.load offset=4 (local.get $at)) (local.get $site)))
          (then (return (local.get $node))))
        (local.set $node (i32.load offset=8 (local.get $at)))
        (br $next)))
    (local.set $node (i32.load (i32.const 24)))
    (if (i32.ge_u (local.get $node) (i32.const 0x10000))
      (then
        (i32.store (i32.const 8) (i32.or (i32.load (i32.const 8)) (i32.const 2)))
        (return (local.get $parent))))
    (i32.store (i32.const 24) (i32.add (local.get $node) (i32.const 1)))
    (local.set $at (i32.add (i32.const 0x150000) (i32.shl (local.get $node) (i32.const 5))))
    (i32.store (local.get $at) (local.get $parent))
    (i32.store offset=4 (local.get $at) (local.get $site))
    (i32.store offset=8 (local.get $at) (i32.load (local.get $head)))
    (i32.store (local.get $head) (local.get $node))
    (local.get $node))

  ;; The node of the calls that are in progress. A slot holds its site, and its node once one was asked for: a frame
  ;; that goes on clears the node with the next site it writes, so those below it are known already.
  (func $node (result i32)
    (local $at i32) (local $node i32)
    (local.set $at (global.get $sp))
    (block $known
      (loop $down
        (br_if $known (i32.le_u (local.get $at) (i32.const 0x10000)))
        (local.set $node (i32.load (i32.sub (local.get $at) (i32.const 4))))
        (br_if $known (local.get $node))
        (local.set $at (i32.sub (local.get $at) (i32.const 8)))
        (br $down)))
    (block $done
      (loop $up
        (br_if $done (i32.ge_u (local.get $at) (global.get $sp)))
        (local.set $node (call $child (local.get $node) (i32.load (local.get $at))))
        (i32.store offset=4 (local.get $at) (local.get $node))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $up)))
    (local.get $node))

  ;; Notes an event. `what`: kind, nesting and alignment as the format has them.
  (func (export "record") (param $what i32) (param $block i32) (param $size i32)
    (local $node i32) (local $at i32)
    (local.set $node (call $node))
    (i64.store (i32.const 32) (i64.add (i64.load (i32.const 32)) (i64.const 1)))
    ;; Outermost allocations (kinds 1 and 4) are also counted, as the log may end before the program does.
    (if (i32.or
          (i32.eq (i32.and (local.get $what) (i32.const 0xff)) (i32.const 1))
          (i32.eq (i32.and (local.get $what) (i32.const 0xff)) (i32.const 4)))
      (then
        (i64.store (i32.const 40)
          (i64.add (i64.load (i32.const 40)) (i64.extend_i32_u (local.get $size))))
        (local.set $at (i32.add (i32.const 0x150000) (i32.shl (local.get $node) (i32.const 5))))
        (i64.store offset=16 (local.get $at) (i64.add (i64.load offset=16 (local.get $at)) (i64.const 1)))
        (i64.store offset=24 (local.get $at)
          (i64.add (i64.load offset=24 (local.get $at)) (i64.extend_i32_u (local.get $size))))))
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
    (i32.store (i32.const 16) (i32.add (local.get $at) (i32.const 16)))))
