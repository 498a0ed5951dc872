;; Changes a contact with JSON that is 50,000 lists deep.
(module
  (import "justping:plugin/contacts-write@0.1.0" "update" (func $update (param i32 i32 i32 i32 i32)))
  (@prelude) (@tool)
  (data (i32.const 1000) "con_01h455vb4pex5vsknk084sn02q")
  (data (i32.const 1990) "{\22fields\22:")
  (func (export "justping:plugin/tools@0.1.0#call") (type $call)
    (memory.fill (i32.const 2000) (i32.const 91) (i32.const 50000))
    (call $update (i32.const 1000) (i32.const 30) (i32.const 1990) (i32.const 50010) (i32.const 64))
    (call $report (call $byte (i32.const 64)) (call $byte (i32.const 68)) (i32.const 0) (i32.const 0))))
