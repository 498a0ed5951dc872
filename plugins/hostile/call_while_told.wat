;; Calls the platform while the platform calls it for memory.
(module
  (import "justping:plugin/log@0.1.0" "write" (func $write (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (call $write (i32.const 1) (i32.const 0) (i32.const 1)) (i32.const 4096))
  (@tool_bare)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (unreachable)))
