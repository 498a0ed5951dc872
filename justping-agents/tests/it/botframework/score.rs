//! Plays the scripts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use justping_core::model::{Content, SessionStatus};
use justping_core::port::{ContactView, Effect, FlowRuntime, StepEvent};
use serde_json::Value;

use super::adapt::{Library, document, read};
use crate::generate::input;
use crate::import::supplied::{files_of, folder};

/// Actions, triggers and recognizers a script may use to be in scope.
const SCOPE: [&str; 20] = [
    "SendActivity",
    "TextInput",
    "NumberInput",
    "ChoiceInput",
    "ConfirmInput",
    "SetProperty",
    "SetProperties",
    "EditArray",
    "IfCondition",
    "SwitchCondition",
    "Foreach",
    "BeginDialog",
    "EndDialog",
    "EndTurn",
    "GotoAction",
    "OnBeginDialog",
    "OnIntent",
    "OnUnknownIntent",
    "RegexRecognizer",
    "TemplateEngineLanguageGenerator",
];
/// Lines of scripts that are understood.
const LINES: [&str; 6] = [
    "Test.Script",
    "Test.UserSays",
    "Test.UserConversationUpdate",
    "Test.AssertReply",
    "Test.AssertReplyOneOf",
    "AdaptiveDialog",
];
/// Scripts in scope that are played to their end, at least.
const PASSED_MIN: usize = 38;

fn kinds(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| kinds(item, found)),
        Value::Object(map) => {
            if let Some(kind) = map.get("$kind").and_then(Value::as_str) {
                found.push(kind.trim_start_matches("Microsoft.").to_owned());
            }
            map.values().for_each(|item| kinds(item, found));
        }
        _ => {}
    }
}

/// What is sent, as the scripts write it.
fn said(content: &Content) -> String {
    let Content::Buttons { text, options, .. } = content else { return content.plain().to_owned() };
    let titles: Vec<String> =
        options.iter().zip(1..).map(|(o, number)| format!("({number}) {}", o.title)).collect();
    let inline = match titles.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [one, other] => format!("{one} or {other}"),
        [first @ .., last] => format!("{}, or {last}", first.join(", ")),
    };
    format!("{text} {inline}")
}

/// A conversation that a script leads.
struct Scene<'d> {
    document: &'d Value,
    state: Option<String>,
    replies: VecDeque<String>,
    steps: i64,
}

impl Scene<'_> {
    fn say(&mut self, user: &str, text: &str) -> Result<(), String> {
        let program = super::super::import::count::flows()
            .compile(self.document)
            .map_err(|error| format!("does not compile: {}", error.findings[0].message))?;
        self.steps += 1;
        let event = StepEvent::Message { content: Content::text(text) };
        let mut input = input(self.steps, event);
        let contact = ContactView { name: Some(user.to_owned()), ..(*input.contact).clone() };
        input.contact = Arc::new(contact);
        let outcome = program.step(self.state.as_deref(), &input);
        if let Some(failure) = outcome.failure {
            return Err(format!("fails: {failure}"));
        }
        for effect in outcome.effects {
            if let Effect::Send { content } = effect {
                self.replies.push_back(said(&content));
            }
        }
        let waits = outcome.status == SessionStatus::Waiting;
        self.state = waits.then_some(outcome.state);
        Ok(())
    }

    fn follow(&mut self, line: &Value) -> Result<(), String> {
        let text = line["text"].as_str().unwrap_or_default();
        match line["$kind"].as_str().unwrap_or_default() {
            "Microsoft.Test.UserSays" => self.say(line["user"].as_str().unwrap_or("User1"), text),
            "Microsoft.Test.UserConversationUpdate" => self.say("User1", "."),
            "Microsoft.Test.AssertReply" if !line["assertions"].is_null() => {
                Err("assertions of expressions".to_owned())
            }
            "Microsoft.Test.AssertReply" => self.hear(&[text], line["exact"] != false),
            "Microsoft.Test.AssertReplyOneOf" => {
                let texts = line["text"].as_array().into_iter().flatten();
                let texts: Vec<&str> = texts.filter_map(Value::as_str).collect();
                self.hear(&texts, line["exact"] != false)
            }
            other => Err(format!("the line {other}")),
        }
    }

    fn hear(&mut self, wanted: &[&str], is_exact: bool) -> Result<(), String> {
        let reply = self.replies.pop_front().ok_or("says less than the script")?;
        let fits = |wanted: &&str| match is_exact {
            true => reply.trim() == wanted.trim(),
            false => reply.to_lowercase().contains(&wanted.to_lowercase()),
        };
        match wanted.iter().any(fits) {
            true => Ok(()),
            false => Err("says something else than the script".to_owned()),
        }
    }
}

fn play(script: &Value, library: &Library) -> Result<(), String> {
    let document = document(&script["dialog"], library)?;
    let mut scene = Scene { document: &document, state: None, replies: VecDeque::new(), steps: 0 };
    for line in script["script"].as_array().into_iter().flatten() {
        scene.follow(line)?;
    }
    // A script may end before the dialog does.
    Ok(())
}

#[test]
fn scripts_of_others_are_played() {
    let Some(folder) = folder("botframework-adaptive") else { return };
    let all = files_of(&folder, "dialog");
    let library = Library::of(&all);
    let (mut scripts, mut foreign, mut in_scope, mut passed) = (0, 0, 0, 0);
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in &all {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".test.dialog") {
            continue;
        }
        scripts += 1;
        let script = read(path).unwrap();
        let mut used = Vec::new();
        kinds(&script, &mut used);
        if !used.iter().all(|k| SCOPE.contains(&k.as_str()) || LINES.contains(&k.as_str())) {
            continue;
        }
        // Templates of a language of their own, and assertions in it, are not what is measured.
        let text = script.to_string();
        if text.contains("()}") || text.contains("\"assertions\"") {
            foreign += 1;
            continue;
        }
        in_scope += 1;
        match play(&script, &library) {
            Ok(()) => passed += 1,
            Err(reason) => reasons.entry(reason).or_default().push(name),
        }
    }
    println!(
        "{passed} of {in_scope} scripts in scope pass ({scripts} in all, {foreign} of them in scope \
         but for a language of templates)"
    );
    for (reason, names) in reasons {
        println!("  {} × {reason}: {}", names.len(), names.join(", "));
    }
    assert!(passed >= PASSED_MIN, "{passed} of {in_scope}");
}
