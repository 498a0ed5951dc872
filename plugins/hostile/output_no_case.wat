;; Answers with a case that its result does not have.
(module (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (i32.store8 (i32.const 64) (i32.const 9)) (i32.const 64)))
