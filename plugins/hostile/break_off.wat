;; Breaks off.
(module (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (unreachable)))
