;; Writes to the log for ever.
(module
  (import "justping:plugin/log@0.1.0" "write" (func $write (param i32 i32 i32)))
  (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call)
    (loop $more (call $write (i32.const 3) (i32.const 0) (i32.const 60000)) (br $more)) (unreachable)))
