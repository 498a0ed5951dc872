;; Logs bytes that are no UTF-8.
(module
  (import "justping:plugin/log@0.1.0" "write" (func $write (param i32 i32 i32)))
  (@prelude) (@tool)
  (data (i32.const 1000) "\ff\fe")
  (func (export "justping:plugin/tools@0.1.0#call") (type $call)
    (call $write (i32.const 3) (i32.const 1000) (i32.const 2)) (unreachable)))
