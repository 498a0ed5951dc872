;; Draws random bytes without the grant.
(module
  (import "justping:plugin/random@0.1.0" "bytes" (func $bytes (param i32 i32)))
  (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call)
    (call $bytes (i32.const -1) (i32.const 64)) (unreachable)))
