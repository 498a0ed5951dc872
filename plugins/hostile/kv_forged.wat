;; Names a key that lies outside of its memory.
(module
  (import "justping:plugin/kv@0.1.0" "get" (func $get (param i32 i32 i32)))
  (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call)
    (call $get (i32.const -100) (i32.const 90) (i32.const 64)) (unreachable)))
