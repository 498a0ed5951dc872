;; Asks for a value for ever.
(module
  (import "justping:plugin/kv@0.1.0" "get" (func $get (param i32 i32 i32)))
  (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call)
    (loop $more (call $get (i32.const 0) (i32.const 1) (i32.const 64)) (br $more)) (unreachable)))
