;; Looks for another business's value by all the names it can think of.
(module
  (import "justping:plugin/kv@0.1.0" "get" (func $get (param i32 i32 i32)))
  (@prelude) (@tool)
  (data (i32.const 1000) "secret") (data (i32.const 1010) "../2/secret") (data (i32.const 1030) "biz_2/secret")
  (func $look (param $p i32) (param $n i32) (result i32)
    (call $get (local.get $p) (local.get $n) (i32.const 64))
    (i32.or (call $byte (i32.const 64)) (call $byte (i32.const 68))))
  (func (export "justping:plugin/tools@0.1.0#call") (type $call)
    (call $report
      (i32.or (call $look (i32.const 1000) (i32.const 6)) (i32.or
        (call $look (i32.const 1010) (i32.const 11)) (call $look (i32.const 1030) (i32.const 12))))
      (i32.const 0) (i32.const 0) (i32.const 0))))
