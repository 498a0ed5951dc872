;; Takes memory and writes all of it, until there is no more.
(module (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (local $at i32)
    (loop $more
      (local.set $at (memory.grow (i32.const 16)))
      (if (i32.eq (local.get $at) (i32.const -1)) (then (unreachable)))
      (memory.fill (i32.shl (local.get $at) (i32.const 16)) (i32.const 255) (i32.const 1048576))
      (br $more))
    (unreachable)))
