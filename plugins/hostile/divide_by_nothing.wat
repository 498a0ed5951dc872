;; Divides by zero.
(module (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (i32.div_u (i32.const 1) (i32.const 0))))
