;; Takes memory until there is no more, and gives up.
(module (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call)
    (loop $more
      (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (unreachable)))
