;; Answers with bytes that are no UTF-8.
(module (@prelude) (@tool)
  (data (i32.const 1000) "\ff\fe\80")
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (call $ok (i32.const 1000) (i32.const 3))))
