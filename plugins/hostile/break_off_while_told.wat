;; Breaks off while the platform writes an answer of a host call into its memory.
(module
  (import "justping:plugin/config@0.1.0" "get" (func $get (param i32)))
  (memory (export "memory") 1)
  (global $calls (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.gt_u (global.get $calls) (i32.const 6)) (then (unreachable)))
    (i32.const 4096))
  (@tool_bare)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call)
    (loop $more (call $get (i32.const 64)) (br $more)) (unreachable)))
