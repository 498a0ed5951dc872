;; Claims an answer of 1 GiB.
(module (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (call $ok (i32.const 0) (i32.const 1073741824))))
