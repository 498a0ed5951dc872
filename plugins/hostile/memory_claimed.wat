;; Claims more memory than there is from the start.
(module (memory (export "memory") 1024)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
  (@tool_bare)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (unreachable)))
