//! Small guests, written as WebAssembly text and made components in process: no toolchain is needed.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Memory, allocation, and the words of an answer: what every guest here begins with.
///
/// `$report` makes the answer `ok("<one><two>:<text>")` of two digits and a text; `$ok` one of a text
/// alone; `$hex` and `$dec` write bytes and numbers.
pub(crate) const PRELUDE: &str = r#"
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 8192))
  (func $alloc (param $n i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $p) (local.get $n)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $next) (i32.shl (memory.size) (i32.const 16))))
      (drop (memory.grow (i32.add (i32.shr_u (local.get $n) (i32.const 16)) (i32.const 1)))))
    (local.get $p))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (call $alloc (local.get 3)))
  (func $ok (param $p i32) (param $n i32) (result i32) (local $r i32)
    (local.set $r (call $alloc (i32.const 40)))
    (i32.store8 (local.get $r) (i32.const 0))
    (i32.store offset=8 (local.get $r) (local.get $p))
    (i32.store offset=12 (local.get $r) (local.get $n))
    (local.get $r))
  (func $report (param $one i32) (param $two i32) (param $p i32) (param $n i32) (result i32)
    (local $t i32)
    (local.set $t (call $alloc (i32.add (local.get $n) (i32.const 3))))
    (i32.store8 (local.get $t) (i32.add (i32.const 48) (local.get $one)))
    (i32.store8 offset=1 (local.get $t) (i32.add (i32.const 48) (local.get $two)))
    (i32.store8 offset=2 (local.get $t) (i32.const 58))
    (memory.copy (i32.add (local.get $t) (i32.const 3)) (local.get $p) (local.get $n))
    (call $ok (local.get $t) (i32.add (local.get $n) (i32.const 3))))
  (func $hex (param $p i32) (param $n i32) (result i32) (local $t i32) (local $i i32) (local $b i32)
    (local.set $t (call $alloc (i32.shl (local.get $n) (i32.const 1))))
    (block $done (loop $more
      (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
      (local.set $b (i32.load8_u (i32.add (local.get $p) (local.get $i))))
      (i32.store8 (i32.add (local.get $t) (i32.shl (local.get $i) (i32.const 1)))
        (call $digit (i32.shr_u (local.get $b) (i32.const 4))))
      (i32.store8 offset=1 (i32.add (local.get $t) (i32.shl (local.get $i) (i32.const 1)))
        (call $digit (i32.and (local.get $b) (i32.const 15))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $more)))
    (local.get $t))
  (func $digit (param $d i32) (result i32)
    (select (i32.add (i32.const 48) (local.get $d)) (i32.add (i32.const 87) (local.get $d))
      (i32.lt_u (local.get $d) (i32.const 10))))
  (func $dec (param $n i64) (result i32) (local $t i32) (local $i i32)
    (local.set $t (call $alloc (i32.const 24)))
    (local.set $i (i32.const 20))
    (loop $more
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (i64.store8 (i32.add (local.get $t) (local.get $i))
        (i64.add (i64.const 48) (i64.rem_u (local.get $n) (i64.const 10))))
      (local.set $n (i64.div_u (local.get $n) (i64.const 10)))
      (br_if $more (i64.ne (local.get $n) (i64.const 0))))
    (call $ok (i32.add (local.get $t) (local.get $i)) (i32.sub (i32.const 20) (local.get $i))))
  (func $byte (param $p i32) (result i32) (i32.load8_u (local.get $p)))
"#;

/// Makes a component of a core module that exports the functions of these interfaces.
pub(crate) fn component(exports: &[&str], module: &str) -> Vec<u8> {
    let exports: String =
        exports.iter().map(|name| format!("export justping:plugin/{name}@0.1.0;")).collect();
    component_of(&format!("include justping:plugin/capabilities@0.1.0; {exports}"), module)
}

/// Makes a component of a core module for a world.
pub(crate) fn component_of(world: &str, module: &str) -> Vec<u8> {
    encode(world, wat::parse_str(module).unwrap_or_else(|error| panic!("{error}\n{module}")))
}

fn encode(world: &str, mut module: Vec<u8>) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/0.1.0");
    let _ = resolve.push_dir(&wit).unwrap();
    let text = format!("package justping:guest; world guest {{ {world} }}");
    let package = resolve.push_str("guest.wit", &text).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let encoder = ComponentEncoder::default().validate(true).module(&module).unwrap();
    let mut encoder = encoder;
    encoder.encode().unwrap()
}

/// A guest with tools, of which `call` is this. Its parameters are `$bp $bl` (business), `$vp $vl`
/// (conversation), `$kp $kl` (call id), `$now`, `$cp $cl` (contact), `$tp $tl` (tool), `$ap $al`
/// (arguments).
pub(crate) fn tool(imports: &str, call: &str) -> Vec<u8> {
    component(&["tools"], &tool_module(imports, call))
}

/// The core module of [`tool`].
pub(crate) fn tool_module(imports: &str, call: &str) -> String {
    format!(
        r#"(module {imports} {PRELUDE}
          (func (export "justping:plugin/tools@0.1.0#call")
            (param $bp i32) (param $bl i32) (param $vp i32) (param $vl i32) (param $kp i32)
            (param $kl i32) (param $now i64) (param $cp i32) (param $cl i32) (param $tp i32)
            (param $tl i32) (param $ap i32) (param $al i32) (result i32) (local $r i32) (local $i i32)
            {call})
          (func (export "justping:plugin/tools@0.1.0#describe") (result i32)
            (call $alloc (i32.const 8))))"#
    )
}

/// A guest whose tool answers with its arguments.
pub(crate) fn echo() -> Vec<u8> {
    tool("", "(call $ok (local.get $ap) (local.get $al))")
}

/// The functions of the platform, and what each of them takes: `i32`, `i64`, and `out` for where it puts what it
/// returns.
const FUNCTIONS: [(&str, &str, &str); 17] = [
    ("log", "write", "i32 i32 i32"),
    ("config", "get", "out"),
    ("kv", "get", "i32 i32 out"),
    ("kv", "set", "i32 i32 i32 i32 i32 i64 out"),
    ("kv", "delete", "i32 i32 out"),
    ("kv", "increment", "i32 i32 i64 out"),
    ("kv", "keys", "i32 i32 i32 i32 i32 i32 out"),
    ("http", "send", "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 out"),
    ("secrets", "has", "i32 i32 out"),
    ("secrets", "hmac-sha256", "i32 i32 i32 i32 out"),
    ("secrets", "verify-hmac-sha256", "i32 i32 i32 i32 i32 i32 out"),
    ("contacts", "get", "i32 i32 out"),
    ("contacts", "find", "i32 i32 i32 i32 out"),
    ("contacts-write", "update", "i32 i32 i32 i32 out"),
    ("messaging", "send", "i32 i32 i32 i32 i32 i32 out"),
    ("clock", "now", ""),
    ("random", "bytes", "i32 out"),
];

/// A channel that does what the body of a webhook says: a byte for the function of the platform, then four
/// for each number that it takes, until the body ends.
///
/// The two highest bits of a number say what it is: a place in the body, a number of two bytes, one of one
/// byte, or any at all, which is how a pointer is forged.
pub(crate) fn scripted() -> Vec<u8> {
    let (imports, calls) = (script_imports(), script_calls());
    let count = FUNCTIONS.len();
    let module = format!(
        r#"(module {imports} {PRELUDE}
          (global $from (mut i32) (i32.const 0))
          (global $at (mut i32) (i32.const 0))
          (global $end (mut i32) (i32.const 0))
          (func $next (result i32) (local $p i32)
            (local.set $p (global.get $at))
            (global.set $at (i32.add (global.get $at) (i32.const 4)))
            (if (result i32) (i32.gt_u (global.get $at) (global.get $end))
              (then (i32.const 0)) (else (i32.load (local.get $p)))))
          (func $i32 (result i32) (local $v i32) (local $kind i32)
            (local.set $v (call $next))
            (local.set $kind (i32.shr_u (local.get $v) (i32.const 30)))
            (if (i32.eqz (local.get $kind)) (then (return (i32.add (global.get $from)
              (i32.rem_u (i32.and (local.get $v) (i32.const 0xffff))
                (i32.sub (global.get $end) (global.get $from)))))))
            (if (i32.eq (local.get $kind) (i32.const 1))
              (then (return (i32.and (local.get $v) (i32.const 0xffff)))))
            (if (i32.eq (local.get $kind) (i32.const 2))
              (then (return (i32.and (local.get $v) (i32.const 0xff)))))
            (local.get $v))
          (func $i64 (result i64)
            (i64.or (i64.shl (i64.extend_i32_u (call $next)) (i64.const 32))
              (i64.extend_i32_u (call $next))))
          (func $out (result i32) (local $v i32)
            (local.set $v (call $next))
            (select (local.get $v) (i32.const 4096)
              (i32.eq (i32.shr_u (local.get $v) (i32.const 30)) (i32.const 3))))
          (func (export "justping:plugin/channels@0.1.0#receive")
            (param i32 i32 i32 i32 i32 i32) (param $p i32) (param $n i32) (result i32) (local $op i32)
            (global.set $from (local.get $p))
            (global.set $at (local.get $p))
            (global.set $end (i32.add (local.get $p) (local.get $n)))
            (loop $more
              (if (i32.lt_u (global.get $at) (global.get $end)) (then
                (local.set $op
                  (i32.rem_u (i32.load8_u (global.get $at)) (i32.const {count})))
                (global.set $at (i32.add (global.get $at) (i32.const 1)))
                {calls}
                (br $more))))
            (i32.const 2048))
          (func (export "justping:plugin/channels@0.1.0#send")
            (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (unreachable))
          (func (export "justping:plugin/channels@0.1.0#describe") (result i32) (unreachable)))"#
    );
    component(&["channels"], &module)
}

fn script_imports() -> String {
    FUNCTIONS
        .iter()
        .enumerate()
        .map(|(at, (interface, function, takes))| {
            let params = takes.replace("out", "i32");
            let result = if *function == "now" { "(result i64)" } else { "" };
            format!(
                r#"(import "justping:plugin/{interface}@0.1.0" "{function}"
                  (func $f{at} (param {params}) {result}))"#
            )
        })
        .collect()
}

/// Calls the function whose number `$op` is.
fn script_calls() -> String {
    FUNCTIONS
        .iter()
        .enumerate()
        .map(|(at, (_, function, takes))| {
            let given: String =
                takes.split_whitespace().map(|one| format!("(call ${one})")).collect();
            let call = format!("(call $f{at} {given})");
            let call = if *function == "now" { format!("(drop {call})") } else { call };
            format!("(if (i32.eq (local.get $op) (i32.const {at})) (then {call}))")
        })
        .collect()
}
