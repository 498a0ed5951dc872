;; Asks for the time for ever.
(module
  (import "justping:plugin/clock@0.1.0" "now" (func $now (result i64)))
  (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call)
    (loop $more (drop (call $now)) (br $more)) (unreachable)))
