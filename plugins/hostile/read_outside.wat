;; Reads outside of its memory.
(module (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (i32.load (i32.const -4))))
