;; Gives the platform a value of 16 MiB.
(module
  (import "justping:plugin/kv@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32 i64 i32)))
  (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call)
    (drop (memory.grow (i32.const 300)))
    (call $set (i32.const 0) (i32.const 1) (i32.const 65536) (i32.const 16777216)
      (i32.const 0) (i64.const 0) (i32.const 64))
    (unreachable)))
