//! What a call of a plugin costs with extism, for the job of the bench `calls`: a record of five texts in, and
//! one of them out. Extism passes bytes, so the record goes both ways as JSON; its guest does nothing but
//! hand them back, which is less than ours does.
//!
//! `cargo run --release` prints one JSON line a figure: microseconds on a processor, the median of nine batches.

use std::hint::black_box;

use cpu_time::ProcessTime;
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use serde::{Deserialize, Serialize};
use serde_json::json;

const GUEST: &str = r#"(module
  (import "extism:host/env" "input_offset" (func $offset (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "output_set" (func $set (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "after_receive") (result i32)
    (call $set (call $offset) (call $length))
    (i32.const 0)))"#;

const TEXT: &str =
    "Hello, I would like to know when my order 4711 will arrive, thank you very much!";

#[derive(Serialize, Deserialize)]
struct Message {
    id: String,
    conversation_id: String,
    channel: String,
    text: String,
    content: String,
}

fn message() -> Message {
    Message {
        id: "msg_01h455vb4pex5vsknk084sn02q".to_owned(),
        conversation_id: "conv_01h455vb4pex5vsknk084sn02q".to_owned(),
        channel: "whatsapp".to_owned(),
        text: TEXT.to_owned(),
        content: format!(r#"{{"type":"text","text":"{TEXT}"}}"#),
    }
}

fn micros(count: u32, mut work: impl FnMut()) -> f64 {
    let mut batches = Vec::new();
    for _ in 0..10 {
        let begun = ProcessTime::now();
        for _ in 0..count {
            work();
        }
        batches.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    }
    batches.remove(0);
    batches.sort_by(f64::total_cmp);
    batches[4]
}

fn figure(name: &str, value: f64) {
    println!("{}", json!({"figure": name, "value": (value * 100.0).round() / 100.0, "unit": "us"}));
}

fn ask(plugin: &mut Plugin) {
    let told = serde_json::to_vec(&message()).unwrap();
    let said: &[u8] = plugin.call("after_receive", told.as_slice()).unwrap();
    let said: Message = serde_json::from_slice(said).unwrap();
    assert!(black_box(said).content.contains("4711"));
}

fn main() {
    let manifest = Manifest::new([Wasm::data(wat::parse_str(GUEST).unwrap())]);
    let compiled = CompiledPlugin::new(PluginBuilder::new(manifest)).unwrap();
    let mut again = Plugin::new_from_compiled(&compiled).unwrap();
    figure("extism, the same instance again", micros(5_000, || ask(&mut again)));
    let fresh = micros(1_000, || ask(&mut Plugin::new_from_compiled(&compiled).unwrap()));
    figure("extism, a fresh instance", fresh);
}
