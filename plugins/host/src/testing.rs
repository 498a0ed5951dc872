//! Guests and packages for tests, made in process: no toolchain for guests is needed.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::package::Archive;

/// Where what a guest describes lies in its memory.
const DATA: u32 = 1024;

/// A guest in the making. Its tools answer with their arguments, and trap when these begin with
/// [`TRAP`]; its nodes trap.
#[derive(Debug, Clone, Default)]
pub struct Guest {
    nodes: Vec<[String; 2]>,
    exits: Vec<Vec<String>>,
    tools: Vec<[String; 2]>,
    filters: Vec<String>,
    imports: String,
    calls: String,
}

/// How arguments begin that make a tool trap: the first byte is no space and no brace.
pub const TRAP: &str = "!";

impl Guest {
    /// A guest that does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node with the JSON Schema of its configuration and its exits.
    #[must_use]
    pub fn node(mut self, name: &str, schema: &str, exits: &[&str]) -> Self {
        self.nodes.push([name.to_owned(), schema.to_owned()]);
        self.exits.push(exits.iter().map(|exit| (*exit).to_owned()).collect());
        self
    }

    /// Adds a tool with the JSON Schema of its arguments.
    #[must_use]
    pub fn tool(mut self, name: &str, schema: &str) -> Self {
        self.tools.push([name.to_owned(), schema.to_owned()]);
        self
    }

    /// Adds a function for texts, which gives the value as it is.
    #[must_use]
    pub fn filter(mut self, name: &str) -> Self {
        self.filters.push(name.to_owned());
        self
    }

    /// Uses values that last: each call of a tool removes the key of no bytes.
    #[must_use]
    pub fn with_kv(self) -> Self {
        self.using(
            r#"(import "justping:plugin/kv@0.1.0" "delete" (func $kv (param i32 i32 i32)))"#,
            "(call $kv (i32.const 0) (i32.const 0) (call $alloc (i32.const 16)))",
        )
    }

    /// Uses the time: each call of a tool asks for it.
    #[must_use]
    pub fn with_clock(self) -> Self {
        self.using(
            r#"(import "justping:plugin/clock@0.1.0" "now" (func $now (result i64)))"#,
            "(drop (call $now))",
        )
    }

    fn using(mut self, import: &str, call: &str) -> Self {
        self.imports.push_str(import);
        self.calls.push_str(call);
        self
    }

    /// The component.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn build(&self) -> Bytes {
        let mut data = Data(Vec::new());
        let mut exports = Vec::new();
        let mut functions = String::new();
        if !self.nodes.is_empty() {
            exports.push("nodes");
            let list = self.list_nodes(&mut data);
            let describe = returns("nodes@0.1.0#describe", list);
            let unreachable = |name: &str| {
                format!(
                    r#"(func (export "justping:plugin/nodes@0.1.0#{name}") (param i32) (result i32) unreachable)"#
                )
            };
            write!(functions, "{describe} {} {}", unreachable("enter"), unreachable("resume"))
                .unwrap();
        }
        if !self.tools.is_empty() {
            exports.push("tools");
            let list = self.list_tools(&mut data);
            write!(functions, "{} {}", returns("tools@0.1.0#describe", list), self.tool_call())
                .unwrap();
        }
        if !self.filters.is_empty() {
            exports.push("filters");
            let words: Vec<u32> =
                self.filters.iter().flat_map(|name| data.texts(&[name, name])).collect();
            let list = data.list(&words, self.filters.len());
            let apply = r#"(func (export "justping:plugin/filters@0.1.0#apply")
                (param i32 i32 i32 i32 i32 i32) (result i32) (local $r i32)
                (local.set $r (call $alloc (i32.const 40)))
                (i32.store8 (local.get $r) (i32.const 0))
                (i32.store offset=8 (local.get $r) (local.get 2))
                (i32.store offset=12 (local.get $r) (local.get 3))
                (local.get $r))"#;
            write!(functions, "{} {apply}", returns("filters@0.1.0#describe", list)).unwrap();
        }
        let Data(bytes) = data;
        let text: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let module = format!(
            r#"(module {} (memory (export "memory") 4) (data (i32.const {DATA}) "{text}")
              (global $next (mut i32) (i32.const 131072))
              (func $alloc (param $n i32) (result i32)
                (global.get $next)
                (global.set $next (i32.and (i32.const -8)
                  (i32.add (global.get $next) (i32.add (local.get $n) (i32.const 7))))))
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (call $alloc (local.get 3)))
              {functions})"#,
            self.imports
        );
        component(&exports, &module)
    }

    fn list_nodes(&self, data: &mut Data) -> u32 {
        let mut words = Vec::new();
        for ([name, schema], exits) in self.nodes.iter().zip(&self.exits) {
            let exit_words: Vec<u32> =
                exits.iter().flat_map(|exit| data.texts(&[exit, exit])).collect();
            let exits_at = data.words(&exit_words);
            words.extend(data.texts(&[name, name, "A node.", schema]));
            // The exits, and that it does not wait.
            words.extend([exits_at, u32::try_from(exits.len()).unwrap(), 0]);
        }
        data.list(&words, self.nodes.len())
    }

    fn list_tools(&self, data: &mut Data) -> u32 {
        let texts = |[name, schema]: &[String; 2]| [name.clone(), "A tool.".into(), schema.clone()];
        let tools: Vec<[String; 3]> = self.tools.iter().map(texts).collect();
        let mut words = Vec::new();
        for [name, description, schema] in &tools {
            words.extend(data.texts(&[name, description, schema]));
        }
        data.list(&words, self.tools.len())
    }

    /// Answers with the arguments, or traps: parameters 11 and 12 are they.
    fn tool_call(&self) -> String {
        format!(
            r#"(func (export "justping:plugin/tools@0.1.0#call")
              (param i32 i32 i32 i32 i32 i32 i64 i32 i32 i32 i32 i32 i32) (result i32) (local $r i32)
              {}
              (if (i32.eq (i32.load8_u (local.get 11)) (i32.const 33)) (then unreachable))
              (local.set $r (call $alloc (i32.const 40)))
              (i32.store8 (local.get $r) (i32.const 0))
              (i32.store offset=8 (local.get $r) (local.get 11))
              (i32.store offset=12 (local.get $r) (local.get 12))
              (local.get $r))"#,
            self.calls
        )
    }
}

/// A function that returns what lies in memory.
fn returns(name: &str, at: u32) -> String {
    format!(r#"(func (export "justping:plugin/{name}") (result i32) (i32.const {at}))"#)
}

/// What lies in a guest's memory from [`DATA`] on.
struct Data(Vec<u8>);

impl Data {
    fn end(&self) -> u32 {
        DATA + u32::try_from(self.0.len()).unwrap()
    }

    /// Places and lengths of texts.
    fn texts(&mut self, texts: &[&str]) -> Vec<u32> {
        let mut words = Vec::new();
        for text in texts {
            words.extend([self.end(), u32::try_from(text.len()).unwrap()]);
            self.0.extend_from_slice(text.as_bytes());
        }
        words
    }

    /// The place of words.
    fn words(&mut self, words: &[u32]) -> u32 {
        while !self.end().is_multiple_of(4) {
            self.0.push(0);
        }
        let at = self.end();
        self.0.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        at
    }

    /// The place of a list's place and length.
    fn list(&mut self, words: &[u32], length: usize) -> u32 {
        let at = self.words(words);
        self.words(&[at, u32::try_from(length).unwrap()])
    }
}

/// A component with the nodes that [`conformance::plugin`](justping_core::conformance::plugin) asks for:
/// `greet`, and `count`, which waits.
///
/// # Panics
/// When it cannot be made.
pub fn counting_nodes() -> Bytes {
    component(&["nodes"], include_str!("fixture/nodes.wat"))
}

/// A component with the node `write`, which changes the contact's name.
///
/// # Panics
/// When it cannot be made.
pub fn writer() -> Bytes {
    component(&["nodes"], include_str!("fixture/writer.wat"))
}

/// A component that is a channel: what it does stands in its text.
///
/// # Panics
/// When it cannot be made.
pub fn gateway() -> Bytes {
    component(&["channels"], include_str!("fixture/channel.wat"))
}

/// A component that looks at messages: what it does stands in its text.
///
/// # Panics
/// When it cannot be made.
pub fn censor() -> Bytes {
    component(&["hooks"], include_str!("fixture/hook.wat"))
}

/// A component that hears events: what it does stands in its text.
///
/// # Panics
/// When it cannot be made.
pub fn listener() -> Bytes {
    component(&["subscriber"], include_str!("fixture/subscriber.wat"))
}

/// A component that exports these interfaces, of a core module as WebAssembly text.
///
/// # Panics
/// When it cannot be made.
pub fn component(exports: &[&str], module: &str) -> Bytes {
    let mut module = wat::parse_str(module).unwrap_or_else(|error| panic!("{error}\n{module}"));
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/0.1.0");
    let _ = resolve.push_dir(&wit).unwrap();
    let exports: String =
        exports.iter().map(|name| format!("export justping:plugin/{name}@0.1.0;")).collect();
    let text = format!(
        "package justping:guest; world guest {{ include justping:plugin/capabilities@0.1.0; {exports} }}"
    );
    let package = resolve.push_str("guest.wit", &text).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default().validate(true).module(&module).unwrap();
    encoder.encode().unwrap().into()
}

/// A package of a manifest and a component.
///
/// # Panics
/// When one of them is too large.
pub fn package(manifest: &str, component: &Bytes) -> Bytes {
    archive(manifest, component).write().unwrap().into()
}

/// The files of a package, not signed.
pub fn archive(manifest: &str, component: &Bytes) -> Archive {
    Archive {
        manifest: Bytes::copy_from_slice(manifest.as_bytes()),
        component: component.clone(),
        signature: None,
    }
}

/// A manifest of a plugin with this name and version. `exports` are as in TOML, such as
/// `"nodes", "tools"`; `more` comes after all else.
pub fn manifest(name: &str, version: &str, exports: &str, more: &str) -> String {
    format!(
        "name = \"{name}\"\ntitle = \"A plugin\"\nversion = \"{version}\"\ncontract = \"0.1.0\"\n\
         summary = \"For tests.\"\nauthors = [\"Ada\"]\nlicense = \"MIT\"\nexports = [{exports}]\n{more}\n"
    )
}
