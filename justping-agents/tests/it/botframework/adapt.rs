//! Adaptive dialogs as documents.
//!
//! Dialogs that are begun are written out where they are begun, because they share `user` and `turn`.
//! A root dialog listens after its actions: what is said is dispatched to the trigger whose pattern
//! matches, or begins the dialog anew when it ended.
#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in place")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::expression::{assignment, condition, constant, template, variable};

/// How deep dialogs begin dialogs.
const DEPTH_MAX: usize = 8;
/// The variable of what a dialog ends with.
const RESULT: &str = "turn_result";
/// The node that listens.
const LISTEN: &str = "listen";

/// Why a dialog is not adapted.
pub(super) type Reason = String;

/// Dialogs by their names.
#[derive(Debug)]
pub(super) struct Library(HashMap<String, PathBuf>);

impl Library {
    pub(super) fn of(files: &[PathBuf]) -> Self {
        let name = |path: &PathBuf| {
            let name = path.file_name()?.to_str()?.strip_suffix(".dialog")?;
            Some((name.to_owned(), path.clone()))
        };
        Self(files.iter().filter_map(name).collect())
    }

    fn dialog(&self, name: &str) -> Result<Value, Reason> {
        let path = self.0.get(name).ok_or_else(|| format!("the dialog `{name}` is not there"))?;
        read(path)
    }
}

/// Reads a file, which may begin with a byte order mark.
pub(super) fn read(path: &Path) -> Result<Value, Reason> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| error.to_string())
}

/// A document on its way.
struct Adapter<'l> {
    library: &'l Library,
    nodes: Vec<Value>,
    edges: Vec<Value>,
    depth: usize,
    /// Where `EndDialog` leads.
    ends: Vec<Option<String>>,
    scope: usize,
    /// What is said that goes before answers, and the actions it leads to.
    handlers: Vec<(String, Vec<Value>)>,
    /// Properties that are set once, to a constant.
    constants: HashMap<String, Value>,
}

/// The document of a dialog.
pub(super) fn document(dialog: &Value, library: &Library) -> Result<Value, Reason> {
    let dialog = match dialog.as_str() {
        Some(name) => library.dialog(name)?,
        None => dialog.clone(),
    };
    let mut adapter = Adapter {
        library,
        nodes: Vec::new(),
        edges: Vec::new(),
        depth: 0,
        ends: vec![Some(LISTEN.to_owned())],
        scope: 0,
        handlers: Vec::new(),
        constants: HashMap::new(),
    };
    constants(&dialog, &mut adapter.constants);
    adapter.root(&dialog)?;
    let variables: Vec<Value> = adapter.variables();
    Ok(json!({
        "schema": "justping.flow/1", "variables": variables, "nodes": adapter.nodes,
        "edges": adapter.edges
    }))
}

/// Properties that are set to constants; the first counts.
fn constants(value: &Value, found: &mut HashMap<String, Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| constants(item, found)),
        Value::Object(map) => {
            if let (Some(property), Some(value)) =
                (value["property"].as_str(), value["value"].as_str())
            {
                let code = value.strip_prefix('=');
                let known = code.map_or_else(|| Some(json!(value)), constant);
                if let Some(known) = known {
                    found.entry(property.to_owned()).or_insert(known);
                }
            }
            map.values().for_each(|item| constants(item, found));
        }
        _ => {}
    }
}

/// What a dialog's intents lead to: patterns with actions.
fn handlers(dialog: &Value) -> Vec<(String, Vec<Value>)> {
    let triggers = list(dialog, "triggers");
    let intents = list(&dialog["recognizer"], "intents").iter();
    let handler = |intent: &Value| {
        let trigger = triggers
            .iter()
            .find(|trigger| kind(trigger) == "OnIntent" && trigger["intent"] == intent["intent"])?;
        let pattern = intent["pattern"].as_str()?.to_owned();
        Some((pattern, list(trigger, "actions").to_vec()))
    };
    intents.filter_map(handler).collect()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn kind(value: &Value) -> &str {
    let kind = value["$kind"].as_str().unwrap_or_default();
    kind.strip_prefix("Microsoft.").unwrap_or(kind)
}

impl Adapter<'_> {
    fn node(&mut self, id: &str, kind: &str, data: Value) -> String {
        self.nodes.push(json!({"id": id, "type": kind, "data": data}));
        id.to_owned()
    }

    fn fresh(&mut self, kind: &str, data: Value) -> String {
        let id = format!("n{}", self.nodes.len());
        self.node(&id, kind, data)
    }

    fn edge(&mut self, source: &str, exit: &str, target: Option<&str>) {
        if let Some(target) = target {
            let id = format!("e{}", self.edges.len());
            self.edges
                .push(json!({"id": id, "source": source, "sourceHandle": exit, "target": target}));
        }
    }

    /// Every variable that is read or set anywhere.
    fn variables(&self) -> Vec<Value> {
        let words = regex::Regex::new(r"\b(user|dialog|d\d+|turn|conversation|this)_\w+").unwrap();
        let text = Value::from(self.nodes.clone()).to_string();
        let mut names: Vec<&str> = words.find_iter(&text).map(|found| found.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|name| json!({"name": name})).collect()
    }

    fn root(&mut self, dialog: &Value) -> Result<(), Reason> {
        let triggers = list(dialog, "triggers");
        let of = |wanted: &str| triggers.iter().find(|trigger| kind(trigger) == wanted);
        let known = ["OnBeginDialog", "OnIntent", "OnUnknownIntent"];
        if let Some(other) = triggers.iter().find(|trigger| !known.contains(&kind(trigger))) {
            return Err(format!("the trigger {}", kind(other)));
        }
        self.handlers = handlers(dialog);
        let start = self.node("start", "trigger", json!({}));
        let listen = self.node(LISTEN, "input", json!({"prompt": " ", "variable": "turn_text"}));
        let heard = self.dispatch(dialog, triggers, Some(LISTEN))?;
        let begin = match of("OnBeginDialog") {
            Some(trigger) => self.actions(list(trigger, "actions"), Some(LISTEN))?,
            None => None,
        };
        let first = begin.as_deref().or(heard.as_deref());
        let first = first.ok_or("a dialog without actions")?.to_owned();
        let note = json!({"assignments": [
            {"variable": "turn_text", "text": "{{ message.text }}"}
        ]});
        let noted = self.fresh("set", note);
        self.edge(&start, "next", Some(&noted));
        self.edge(&noted, "next", Some(&first));
        let ends = dialog["autoEndDialog"].as_bool().unwrap_or(true);
        let again = if ends { Some(first) } else { heard.or(Some(LISTEN.to_owned())) };
        self.edge(&listen, "reply", again.as_deref());
        Ok(())
    }

    /// The node that decides by patterns what was meant.
    fn dispatch(
        &mut self,
        dialog: &Value,
        triggers: &[Value],
        next: Option<&str>,
    ) -> Result<Option<String>, Reason> {
        let recognizer = &dialog["recognizer"];
        let unknown = triggers.iter().find(|trigger| kind(trigger) == "OnUnknownIntent");
        let unknown = match unknown {
            Some(trigger) => self.actions(list(trigger, "actions"), next)?,
            None => None,
        };
        if recognizer.is_null() {
            return Ok(unknown);
        }
        if kind(recognizer) != "RegexRecognizer" {
            return Err(format!("the recognizer {}", kind(recognizer)));
        }
        let (mut cases, mut exits) = (Vec::new(), Vec::new());
        for (at, intent) in list(recognizer, "intents").iter().enumerate() {
            let name = intent["intent"].as_str().unwrap_or_default();
            let pattern = intent["pattern"].as_str().unwrap_or_default();
            if pattern.contains("(?<") {
                return Err("entities out of a pattern".to_owned());
            }
            let handler = triggers.iter().find(|trigger| {
                let wanted = trigger["intent"].as_str().unwrap_or_default();
                kind(trigger) == "OnIntent" && wanted.trim_start_matches('#') == name
            });
            let Some(handler) = handler else { continue };
            if !handler["condition"].is_null() {
                return Err("an intent with a condition".to_owned());
            }
            let entry = self.actions(list(handler, "actions"), next)?;
            let id = format!("i{at}");
            cases.push(json!({"id": id, "condition":
                {"field": "turn_text", "op": "matches", "value": pattern}}));
            exits.push((format!("option:{id}"), entry));
        }
        if cases.is_empty() {
            return Ok(unknown);
        }
        let switch = self.fresh("switch", json!({"cases": cases}));
        for (exit, entry) in exits {
            self.edge(&switch, &exit, entry.as_deref().or(next));
        }
        self.edge(&switch, "default", unknown.as_deref().or(next));
        Ok(Some(switch))
    }

    /// Actions in order; gives the first node.
    fn actions(&mut self, actions: &[Value], next: Option<&str>) -> Result<Option<String>, Reason> {
        let mut next = next.map(str::to_owned);
        for action in actions.iter().rev() {
            if action["disabled"] == true {
                continue;
            }
            let entry = self.action(action, next.as_deref())?;
            next = match action["id"].as_str() {
                // What others go to has a node of its own name.
                Some(id) => {
                    let id = format!("a{}-{id}", self.scope);
                    self.node(&id, "note", json!({"text": ""}));
                    self.edge(&id, "next", entry.as_deref());
                    Some(id)
                }
                None => entry,
            };
        }
        Ok(next)
    }

    fn action(&mut self, action: &Value, next: Option<&str>) -> Result<Option<String>, Reason> {
        let text = |name: &str| action[name].as_str().ok_or(format!("no `{name}`"));
        Ok(match kind(action) {
            "SendActivity" => {
                let node = self.fresh("text", json!({"text": template(text("activity")?)?}));
                self.edge(&node, "next", next);
                Some(node)
            }
            "SetProperty" => {
                let variable = variable(text("property")?)?;
                self.set(assignment(&variable, &action["value"])?, next)
            }
            "SetProperties" => {
                let mut all = Vec::new();
                for one in list(action, "assignments") {
                    let property = one["property"].as_str().ok_or("no `property`")?;
                    all.extend(assignment(&variable(property)?, &one["value"])?);
                }
                self.set(all, next)
            }
            "IfCondition" => {
                let condition = condition(text("condition")?)?;
                let yes = self.actions(list(action, "actions"), next)?;
                let no = self.actions(list(action, "elseActions"), next)?;
                let node = self.fresh("condition", json!({"condition": condition}));
                self.edge(&node, "true", yes.as_deref());
                self.edge(&node, "false", no.as_deref());
                Some(node)
            }
            "SwitchCondition" => Some(self.switch(action, next)?),
            "Foreach" => Some(self.foreach(action, next)?),
            "GotoAction" => {
                let target = format!("a{}-{}", self.scope, text("actionId")?);
                Some(self.fresh("jump", json!({"node": target})))
            }
            "EndTurn" => {
                let data = json!({"prompt": " ", "variable": "turn_text"});
                let node = self.fresh("input", data);
                let heard = self.interruptible(None, next)?;
                self.edge(&node, "reply", heard.as_deref());
                Some(node)
            }
            "EndDialog" => {
                let end = self.ends.last().cloned().flatten();
                let end = end.ok_or("EndDialog where nothing follows")?;
                let jump = self.fresh("jump", json!({"node": end}));
                match &action["value"] {
                    Value::Null => Some(jump),
                    value => self.set(assignment(RESULT, value)?, Some(&jump)),
                }
            }
            "EditArray" => self.edit(action, next)?,
            "BeginDialog" => self.begin(action, next)?,
            "TextInput" | "NumberInput" => Some(self.input(action, next)?),
            "ChoiceInput" | "ConfirmInput" => Some(self.choice(action, next)?),
            other => return Err(format!("the action {other}")),
        })
    }

    fn edit(&mut self, action: &Value, next: Option<&str>) -> Result<Option<String>, Reason> {
        let list = variable(action["itemsProperty"].as_str().unwrap_or_default())?;
        let item = || match action["value"].as_str().unwrap_or_default() {
            code if code.starts_with('=') => Ok(format!("{{{{ {} }}}}", variable(code)?)),
            text => template(text),
        };
        let change = match action["changeType"].as_str().unwrap_or("push") {
            "remove" => json!({"variable": list, "remove": item()?}),
            "pop" => json!({"variable": list, "drop": "last"}),
            "take" => json!({"variable": list, "drop": "first"}),
            "clear" => json!({"variable": list, "json": []}),
            _ => json!({"variable": list, "append": item()?}),
        };
        Ok(self.set(vec![change], next))
    }

    fn set(&mut self, assignments: Vec<Value>, next: Option<&str>) -> Option<String> {
        let node = self.fresh("set", json!({"assignments": assignments}));
        self.edge(&node, "next", next);
        Some(node)
    }

    fn switch(&mut self, action: &Value, next: Option<&str>) -> Result<String, Reason> {
        let field = variable(action["condition"].as_str().unwrap_or_default())?;
        let (mut cases, mut exits) = (Vec::new(), Vec::new());
        for (at, case) in list(action, "cases").iter().enumerate() {
            let id = format!("c{at}");
            let value = &case["value"];
            let value = value.as_str().map_or_else(
                || value.clone(),
                |text| constant(text.trim_start_matches('=')).unwrap_or_else(|| json!(text)),
            );
            cases
                .push(json!({"id": id, "condition": {"field": field, "op": "eq", "value": value}}));
            exits.push((format!("option:{id}"), self.actions(list(case, "actions"), next)?));
        }
        let default = self.actions(list(action, "default"), next)?;
        let node = self.fresh("switch", json!({"cases": cases}));
        for (exit, entry) in exits {
            self.edge(&node, &exit, entry.as_deref());
        }
        self.edge(&node, "default", default.as_deref());
        Ok(node)
    }

    fn foreach(&mut self, action: &Value, next: Option<&str>) -> Result<String, Reason> {
        let items = variable(action["itemsProperty"].as_str().unwrap_or_default())?;
        let data = json!({
            "list": items, "item": "dialog_foreach_value", "index": "dialog_foreach_index"
        });
        let body = self.actions(list(action, "actions"), None)?;
        let node = self.fresh("foreach", data);
        self.edge(&node, "each", body.as_deref());
        self.edge(&node, "next", next);
        self.edge(&node, "error", next);
        Ok(node)
    }

    /// Writes another dialog out.
    fn begin(&mut self, action: &Value, next: Option<&str>) -> Result<Option<String>, Reason> {
        if self.depth == DEPTH_MAX {
            return Err("dialogs begun too deep".to_owned());
        }
        let dialog = match &action["dialog"] {
            Value::String(name) if name.starts_with("=concat(") => {
                let parts = name.trim_start_matches("=concat(").trim_end_matches(')').split(',');
                let part = |part: &str| {
                    let known = self.constants.get(part.trim()).cloned();
                    Some(known.or_else(|| constant(part))?.as_str()?.to_owned())
                };
                let name: Option<String> = parts.map(part).collect();
                self.library.dialog(&name.ok_or("a dialog named by an expression")?)?
            }
            Value::String(name) => self.library.dialog(name)?,
            inline => inline.clone(),
        };
        let after = match action["resultProperty"].as_str() {
            Some(property) => {
                let result = format!("{{{{ {RESULT} }}}}");
                self.set(vec![json!({"variable": variable(property)?, "text": result})], next)
            }
            None => next.map(str::to_owned),
        };
        let (first, outer) = (self.nodes.len(), self.scope);
        self.scope = first + 1;
        self.depth += 1;
        self.ends.push(after.clone());
        let outside = std::mem::replace(&mut self.handlers, handlers(&dialog));
        let entry = self.begun(&dialog, after.as_deref());
        self.handlers = outside;
        self.ends.pop();
        self.depth -= 1;
        let own = format!("d{}_", self.scope);
        self.scope = outer;
        let entry = entry?.or(after);
        // What belongs to a dialog is its own.
        for node in self.nodes.iter_mut().skip(first) {
            let text = node["data"].to_string().replace("dialog_", &own);
            node["data"] = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        }
        let mut given = Vec::new();
        for (name, value) in action["options"].as_object().into_iter().flatten() {
            given.extend(assignment(&format!("{own}{name}"), value)?);
        }
        Ok(if given.is_empty() { entry } else { self.set(given, entry.as_deref()) })
    }

    /// The actions of a dialog that is begun: its own, or those that what was said leads to.
    fn begun(&mut self, dialog: &Value, next: Option<&str>) -> Result<Option<String>, Reason> {
        if kind(dialog) != "AdaptiveDialog" {
            return self.actions(std::slice::from_ref(dialog), next);
        }
        let triggers = list(dialog, "triggers");
        match triggers.iter().find(|trigger| kind(trigger) == "OnBeginDialog") {
            Some(trigger) => self.actions(list(trigger, "actions"), next),
            None => self.dispatch(dialog, triggers, next),
        }
    }

    /// What a question says when the answer does not fit.
    fn retry(action: &Value) -> Result<Option<String>, Reason> {
        let names = ["invalidPrompt", "unrecognizedPrompt"];
        let text =
            names.iter().find_map(|name| action[*name].as_str()).map(template).transpose()?;
        // What is refused is in no variable, but it is the newest text.
        Ok(text.map(|text| text.replace("turn_text", "message.text")))
    }

    fn input(&mut self, action: &Value, next: Option<&str>) -> Result<String, Reason> {
        let property = variable(action["property"].as_str().ok_or("no `property`")?)?;
        let is_number = kind(action) == "NumberInput";
        let prompt = action["prompt"].as_str().filter(|text| !text.is_empty()).unwrap_or(" ");
        let mut data = json!({
            "prompt": template(prompt)?, "variable": property,
            "kind": if is_number { "number" } else { "text" }, "max_retries": 20
        });
        if let Some(retry) = Self::retry(action)? {
            data["retry"] = json!(retry);
        }
        for rule in list(action, "validations") {
            let rule = rule.as_str().unwrap_or_default().trim_start_matches('=');
            let (what, op, limit) = limit(rule).ok_or_else(|| format!("the rule `{rule}`"))?;
            if (what == "length(this.value)") == is_number {
                return Err(format!("the rule `{rule}`"));
            }
            match op {
                ">" => data["min"] = json!(limit + 1),
                ">=" => data["min"] = json!(limit),
                "<" => data["max"] = json!(limit - 1),
                _ => data["max"] = json!(limit),
            }
        }
        if let Some(turns) = action["maxTurnCount"].as_u64() {
            data["max_retries"] = json!(turns.saturating_sub(1));
        }
        let formatted = match action["outputFormat"].as_str() {
            Some(format) if !is_number => {
                let format = template(format)?.replace("turn_text", &property);
                self.set(vec![json!({"variable": property, "text": format})], next)
            }
            Some(format) => return Err(format!("the output format `{format}`")),
            None => next.map(str::to_owned),
        };
        let listens = !is_number && action["allowInterruptions"] != false;
        let node = self.fresh("input", data);
        let heard = match listens {
            true => self.interruptible(Some((&node, &property)), formatted.as_deref())?,
            false => formatted,
        };
        self.edge(&node, "reply", heard.as_deref());
        let given_up = self.given_up(action, &property, next)?;
        self.edge(&node, "invalid", given_up.as_deref());
        Ok(self.unless_known(action, &property, node, next))
    }

    /// What was said goes to an intent first, after which the question is asked again; else on.
    fn interruptible(
        &mut self,
        question: Option<(&str, &str)>,
        next: Option<&str>,
    ) -> Result<Option<String>, Reason> {
        let handlers = std::mem::take(&mut self.handlers);
        if handlers.is_empty() {
            return Ok(next.map(str::to_owned));
        }
        let field = question.map_or("turn_text", |(_, property)| property);
        let (mut cases, mut exits) = (Vec::new(), Vec::new());
        for (at, (pattern, actions)) in handlers.iter().enumerate() {
            let again = match question {
                // What was said is no answer.
                Some((node, property)) => {
                    let unset = json!({"variable": property, "json": null});
                    self.set(vec![unset], Some(node))
                }
                None => next.map(str::to_owned),
            };
            let outer = std::mem::replace(&mut self.scope, self.nodes.len() + 1);
            let entry = self.actions(actions, again.as_deref());
            self.scope = outer;
            let id = format!("i{at}");
            cases.push(json!({"id": id, "condition":
                {"field": field, "op": "matches", "value": pattern}}));
            exits.push((format!("option:{id}"), entry?.or(again)));
        }
        self.handlers = handlers;
        let switch = self.fresh("switch", json!({"cases": cases}));
        for (exit, entry) in exits {
            self.edge(&switch, &exit, entry.as_deref());
        }
        self.edge(&switch, "default", next);
        Ok(Some(switch))
    }

    /// What happens after the last retry.
    fn given_up(
        &mut self,
        action: &Value,
        property: &str,
        next: Option<&str>,
    ) -> Result<Option<String>, Reason> {
        let mut entry = next.map(str::to_owned);
        if !action["defaultValue"].is_null() {
            entry = self.set(assignment(property, &action["defaultValue"])?, entry.as_deref());
            if let Some(text) = action["defaultValueResponse"].as_str() {
                let node = self.fresh("text", json!({"text": template(text)?}));
                self.edge(&node, "next", entry.as_deref());
                entry = Some(node);
            }
        }
        Ok(entry)
    }

    /// A question is not asked when its answer is known, unless it always is.
    fn unless_known(
        &mut self,
        action: &Value,
        property: &str,
        node: String,
        next: Option<&str>,
    ) -> String {
        if action["alwaysPrompt"] == true {
            return node;
        }
        let condition = json!({"field": property, "op": "is_set"});
        let known = self.fresh("condition", json!({"condition": condition}));
        self.edge(&known, "true", next);
        self.edge(&known, "false", Some(&node));
        known
    }

    /// The choices of a question, written out or out of a property that is constant.
    fn choices(&self, action: &Value) -> Vec<Value> {
        let property = action["choices"].as_str().map(|code| code.trim_start_matches('='));
        let known = property.and_then(|property| self.constants.get(property));
        let known = known.and_then(Value::as_array).map(Vec::as_slice);
        known.unwrap_or_else(|| list(action, "choices")).to_vec()
    }

    fn choice(&mut self, action: &Value, next: Option<&str>) -> Result<String, Reason> {
        let property = variable(action["property"].as_str().ok_or("no `property`")?)?;
        let confirms = kind(action) == "ConfirmInput";
        if !action["choiceOptions"].is_null() || !action["outputFormat"].is_null() && confirms {
            return Err("choices in a form of their own".to_owned());
        }
        let titles: Vec<String> = match confirms {
            true => vec!["Yes".to_owned(), "No".to_owned()],
            false => self
                .choices(action)
                .iter()
                .filter_map(|choice| Some(choice["value"].as_str()?.to_owned()))
                .collect(),
        };
        if titles.is_empty() {
            return Err("choices out of memory".to_owned());
        }
        let options: Vec<Value> = titles
            .iter()
            .enumerate()
            .map(|(at, title)| json!({"id": at.to_string(), "title": title}))
            .collect();
        let prompt = action["prompt"].as_str().ok_or("no `prompt`")?;
        let mut data = json!({
            "text": template(prompt)?, "options": options, "variable": property, "max_retries": 20
        });
        if action["outputFormat"] == "index" {
            data["save"] = json!("id");
        }
        if let Some(retry) = Self::retry(action)? {
            data["retry"] = json!(retry);
        }
        if let Some(turns) = action["maxTurnCount"].as_u64() {
            data["max_retries"] = json!(turns.saturating_sub(1));
        }
        let node = self.fresh("buttons", data);
        for at in 0..titles.len() {
            let after = match confirms {
                true => self.set(vec![json!({"variable": property, "json": at == 0})], next),
                false => next.map(str::to_owned),
            };
            self.edge(&node, &format!("option:{at}"), after.as_deref());
        }
        let given_up = self.given_up(action, &property, next)?;
        self.edge(&node, "invalid", given_up.as_deref());
        Ok(self.unless_known(action, &property, node, next))
    }
}

/// Reads `length(this.value) > 3` and `int(this.value) <= 150`.
fn limit(rule: &str) -> Option<(&str, &str, i64)> {
    let op = [">=", "<=", ">", "<"].into_iter().find(|op| rule.contains(op))?;
    let (what, number) = rule.split_once(op)?;
    let what = what.trim();
    let what = if what == "this.value.Length" { "length(this.value)" } else { what };
    let known = ["length(this.value)", "int(this.value)", "this.value"];
    Some((known.into_iter().find(|one| *one == what)?, op, number.trim().parse().ok()?))
}
