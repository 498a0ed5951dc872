;; Writes values of 60,000 bytes until the quota says no; answers with how it says it.
(module
  (import "justping:plugin/kv@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32 i64 i32)))
  (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (local $i i32)
    (loop $more
      (i32.store8 (i32.const 1000) (i32.add (i32.const 33) (local.get $i)))
      (call $set (i32.const 1000) (i32.const 1) (i32.const 2000) (i32.const 60000)
        (i32.const 0) (i64.const 0) (i32.const 64))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.and (i32.eqz (call $byte (i32.const 64))) (i32.lt_u (local.get $i) (i32.const 90)))))
    (call $report (call $byte (i32.const 64)) (call $byte (i32.const 68)) (i32.const 0) (i32.const 0))))
