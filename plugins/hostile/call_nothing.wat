;; Calls a function that is not there.
(module (@prelude) (@tool)
  (table 1 funcref)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (call_indirect (result i32) (i32.const 0))))
