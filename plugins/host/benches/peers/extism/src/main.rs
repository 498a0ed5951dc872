//! A message goes into a plugin of extism as JSON and comes back as JSON, as its users pay it: the least that
//! such a plugin can do, as its guest hands back what it was given. Microseconds on a processor a call.

use std::error::Error;

use cpu_time::ProcessTime;
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use serde_json::{Value, json};

const GUEST: &str = r#"(module
  (import "extism:host/env" "input_offset" (func $offset (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "output_set" (func $give (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "look") (result i32)
    (call $give (call $offset) (call $length)) (i32.const 0)))"#;

const TEXT: &str =
    "Hello, I would like to know when my order 4711 will arrive, thank you very much!";

fn call(plugin: &mut Plugin, message: &Value) -> Result<(), Box<dyn Error>> {
    let told: String = plugin.call("look", message.to_string())?;
    let back: Value = serde_json::from_str(&told)?;
    if back["content"]["text"] == TEXT { Ok(()) } else { Err(told.into()) }
}

/// The median of nine batches; the first one warms up.
fn micros(
    count: u32,
    mut work: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let mut batches = Vec::new();
    for _ in 0..10 {
        let begun = ProcessTime::now();
        for _ in 0..count {
            work()?;
        }
        batches.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    }
    batches.remove(0);
    batches.sort_by(f64::total_cmp);
    Ok(batches[4])
}

fn main() -> Result<(), Box<dyn Error>> {
    let message = json!({
        "id": "msg_01h455vb4pex5vsknk084sn02q",
        "conversation_id": "conv_01h455vb4pex5vsknk084sn02q",
        "channel": "whatsapp",
        "text": TEXT,
        "content": {"type": "text", "text": TEXT},
    });
    let manifest = Manifest::new([Wasm::data(wat::parse_str(GUEST)?)]);
    let compiled = CompiledPlugin::new(PluginBuilder::new(manifest).with_wasi(false))?;
    let mut plugin = Plugin::new_from_compiled(&compiled)?;
    let again = micros(2_000, || call(&mut plugin, &message))?;
    let fresh = micros(300, || call(&mut Plugin::new_from_compiled(&compiled)?, &message))?;
    for (figure, value) in [("the same plugin again", again), ("a fresh plugin", fresh)] {
        println!("{}", json!({"figure": format!("extism, {figure}"), "value": value, "unit": "us"}));
    }
    Ok(())
}
