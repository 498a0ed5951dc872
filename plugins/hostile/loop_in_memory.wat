;; Computes for ever while the platform asks it for memory.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (loop $more (br $more)) (unreachable))
  (@tool_bare)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (unreachable)))
