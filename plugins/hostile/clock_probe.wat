;; Measures time without the grant: how much of it passes while it computes.
(module
  (import "justping:plugin/clock@0.1.0" "now" (func $now (result i64)))
  (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (local $from i64) (local $i i32)
    (local.set $from (call $now))
    (loop $more
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (i32.const 1000000))))
    (call $dec (i64.sub (call $now) (local.get $from)))))
