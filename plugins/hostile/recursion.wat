;; Calls itself for ever.
(module (@prelude) (@tool)
  (func $deeper (param $n i64) (result i64)
    (i64.add (call $deeper (i64.add (local.get $n) (i64.const 1))) (i64.const 1)))
  (func (export "justping:plugin/tools@0.1.0#call") (type $call)
    (drop (call $deeper (i64.const 0))) (unreachable)))
