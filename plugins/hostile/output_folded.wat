;; Lists 10,000 tools, each of whose names is the same 64 KiB: 640 MiB out of two pages.
(module (@prelude)
  (func (export "justping:plugin/tools@0.1.0#describe") (result i32) (local $list i32) (local $i i32) (local $p i32)
    (local.set $list (call $alloc (i32.const 240008)))
    (loop $more
      (local.set $p (i32.add (local.get $list) (i32.mul (local.get $i) (i32.const 24))))
      (i32.store offset=12 (local.get $p) (i32.const 65536))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (i32.const 10000))))
    (i32.store (i32.const 16) (local.get $list))
    (i32.store (i32.const 20) (i32.const 10000))
    (i32.const 16))
  (type $call (func (param i32 i32 i32 i32 i32 i32 i64 i32 i32 i32 i32 i32 i32) (result i32)))
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (unreachable)))
