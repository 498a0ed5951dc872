//! Whatever is sent, the answer is the caller's fault or a success, never a failure of ours.

use serde_json::{Map, Value, json};

use crate::access::operations;
use crate::platform::Platform;
use crate::tenants::Belongings;

/// Bodies and queries tried on each operation.
const TRIES: usize = 60;

/// A small source of reproducible chance.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn text(&mut self) -> String {
        const TEXTS: [&str; 14] = [
            "",
            " ",
            "x",
            "' OR 1=1 --",
            "{{ 7*7 }}",
            "\u{0}",
            "\u{202e}💥",
            "../../etc/passwd",
            "con_00000000000000000000000001",
            "Europe/Berlin",
            "owner",
            "text",
            "memory",
            "bot",
        ];
        match self.roll(TEXTS.len() + 1) {
            at if at < TEXTS.len() => TEXTS[at].to_owned(),
            _ => "y".repeat(self.roll(20_000)),
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.roll(if depth == 0 { 7 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.roll(2) == 0),
            2 => json!(self.0),
            3 => json!(-1),
            4 => json!(1.5e300),
            5 | 6 => json!(self.text()),
            7 => (0..self.roll(4)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let pairs = (0..self.roll(4)).map(|_| (self.text(), self.value(depth - 1)));
                Value::Object(pairs.collect())
            }
        }
    }

    /// A value that mostly follows a schema, so that it gets past the first look.
    fn by(&mut self, schema: &Value, document: &Value, depth: usize) -> Value {
        if depth == 0 || self.roll(12) == 0 {
            return self.value(2);
        }
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap();
            return self.by(&document["components"]["schemas"][name], document, depth - 1);
        }
        for several in ["oneOf", "anyOf", "allOf", "enum"] {
            if let Some(list) = schema[several].as_array().filter(|list| !list.is_empty()) {
                let one = &list[self.roll(list.len())];
                return match several {
                    "enum" => one.clone(),
                    _ => self.by(one, document, depth - 1),
                };
            }
        }
        let kind = schema["type"].as_str().or(schema["type"][0].as_str()).unwrap_or("string");
        match kind {
            "object" => self.object(schema, document, depth),
            "array" => {
                let items = 0..self.roll(3);
                items.map(|_| self.by(&schema["items"], document, depth - 1)).collect()
            }
            "integer" => json!(self.roll(4)),
            "number" => json!(0.5),
            "boolean" => json!(self.roll(2) == 0),
            _ => json!(self.text()),
        }
    }

    fn object(&mut self, schema: &Value, document: &Value, depth: usize) -> Value {
        let mut object = Map::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if self.roll(5) > 0 {
                object.insert(name.clone(), self.by(property, document, depth - 1));
            }
        }
        if self.roll(8) == 0 {
            object.insert(self.text(), self.value(1));
        }
        Value::Object(object)
    }
}

fn escaped(text: &str) -> String {
    text.bytes().take(600).map(|byte| format!("%{byte:02X}")).collect()
}

async fn noise_never_breaks_it(platform: Platform) {
    let document = serde_json::to_value(justping_server::http::openapi()).unwrap();
    let platform = platform.plugged();
    let belongings = Belongings::of(&platform).await;
    let mut dice = Dice(0x005e_ed0f_ca11);
    let (mut asked, mut taken) = (0, 0);
    // What is destroyed is destroyed last, the caller's own key at the very end.
    let mut operations = operations();
    operations.sort_by_key(|(method, path, _)| (method == "DELETE", path.contains("api-keys")));
    for (method, path, _) in operations {
        let operation = &document["paths"][&path][method.to_lowercase()];
        let schema = operation.pointer("/requestBody/content/application~1json/schema");
        for _ in 0..TRIES {
            let id =
                if path.contains("{id}") { belongings.id(&path).to_owned() } else { String::new() };
            let mut target = path.replace("{id}", &id);
            if method == "GET" {
                let name = ["after", "limit", "order", "status", "owner", "x"][dice.roll(6)];
                target = format!("{target}?{name}={}", escaped(&dice.text()));
            }
            let body = schema.map_or(json!({}), |schema| dice.by(schema, &document, 8));
            let answer = platform.owner.ask(&method, &target).json(&body).send().await;
            assert!(!answer.status.is_server_error(), "{method} {target} {body}: {}", answer.text);
            asked += 1;
            taken += usize::from(answer.status.is_success());
        }
    }
    // Noise that is always turned away at the door would prove nothing.
    assert!(asked > 2_000 && taken > 200, "{taken} of {asked} were taken");
    platform.settle().await;
}

on_every_store!(noise_never_breaks_it);
