;; Lets go of a handle that it was never given.
(module
  (import "[export]mine" "[resource-drop]thing" (func $drop (param i32)))
  (@prelude) (@tool)
  (func (export "justping:plugin/tools@0.1.0#call") (type $call) (call $drop (i32.const 12345)) (unreachable)))
