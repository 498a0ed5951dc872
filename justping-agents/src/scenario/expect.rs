//! What should come of a step, and whether it did.

use std::collections::BTreeMap;

use regex::Regex;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::report::Failure;

/// What should have come of a step. What is not named does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expectation {
    /// The texts that were said, all of them, in order.
    pub says: Option<Vec<TextMatch>>,
    /// The titles of the options of the last message that has any.
    pub options: Option<Vec<String>>,
    /// Variables of the newest session; `null` for one that is not set.
    pub variables: Map<String, Value>,
    /// Fields of the contact; `null` for one that is not set.
    pub fields: Map<String, Value>,
    /// Tags of the contact, all of them.
    pub tags: Option<Vec<String>>,
    /// The groups the contact is in, by id, all of them in order.
    pub groups: Option<Vec<String>>,
    /// Where the newest session stands: `waiting`, `completed`, `failed`, `cancelled`, or `none`.
    pub status: Option<String>,
    /// The node the newest session waits at.
    pub node: Option<String>,
    /// Exits that were taken.
    pub exit: Option<ExitMatch>,
    /// Nodes that were visited, in this order, others between them or not.
    pub visits: Option<Vec<String>>,
    /// Effects that were decided, in this order, each with at least these members.
    pub effects: Option<Vec<Value>>,
    /// Requests that went to servers, all of them, each with at least these members.
    pub requests: Option<Vec<Value>>,
    /// Mails that were sent, all of them, each with at least these members: `to`, `subject`, `text`,
    /// `html`.
    pub mails: Option<Vec<Value>>,
    /// Who owns the conversation: `bot`, `queue`, `member`.
    pub owner: Option<String>,
}

/// The long form of an [`Expectation`].
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Long {
    says: Option<Texts>,
    options: Option<Vec<String>>,
    variables: Map<String, Value>,
    fields: Map<String, Value>,
    tags: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    status: Option<String>,
    node: Option<String>,
    exit: Option<ExitMatch>,
    visits: Option<Vec<String>>,
    effects: Option<Vec<Value>>,
    requests: Option<Vec<Value>>,
    mails: Option<Vec<Value>>,
    owner: Option<String>,
}

impl Default for Long {
    fn default() -> Self {
        let Expectation { options, variables, fields, tags, groups, status, node, .. } =
            Expectation::default();
        let (says, exit, visits, effects, owner) = (None, None, None, None, None);
        Self {
            says,
            options,
            variables,
            fields,
            tags,
            groups,
            status,
            node,
            exit,
            visits,
            effects,
            requests: None,
            mails: None,
            owner,
        }
    }
}

impl<'de> Deserialize<'de> for Expectation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Short;
        impl<'de> Visitor<'de> for Short {
            type Value = Expectation;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text, a list of texts, or what is expected by name")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Expectation, E> {
                let says = Some(vec![TextMatch::Is(text.to_owned())]);
                Ok(Expectation { says, ..Expectation::default() })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Expectation, A::Error> {
                let says = Vec::deserialize(SeqAccessDeserializer::new(seq))?;
                Ok(Expectation { says: Some(says), ..Expectation::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expectation, A::Error> {
                let long = Long::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Expectation {
                    says: long.says.map(|texts| texts.0),
                    options: long.options,
                    variables: long.variables,
                    fields: long.fields,
                    tags: long.tags,
                    groups: long.groups,
                    status: long.status,
                    node: long.node,
                    exit: long.exit,
                    visits: long.visits,
                    effects: long.effects,
                    requests: long.requests,
                    mails: long.mails,
                    owner: long.owner,
                })
            }
        }
        deserializer.deserialize_any(Short)
    }
}

/// A text or a list of texts.
struct Texts(Vec<TextMatch>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Texts;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![TextMatch::Is(text.to_owned())]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Texts, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Texts)
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

/// What a text should be.
#[derive(Debug, Clone)]
pub enum TextMatch {
    /// This text.
    Is(String),
    /// A text with this in it.
    Contains(String),
    /// A text that this expression finds something in.
    Matches(Regex),
}

impl PartialEq for TextMatch {
    fn eq(&self, other: &Self) -> bool {
        self.describe() == other.describe()
    }
}

impl<'de> Deserialize<'de> for TextMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Named {
            Is(String),
            Contains(String),
            Matches(String),
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = TextMatch;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text, or one of contains and matches")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<TextMatch, E> {
                Ok(TextMatch::Is(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TextMatch, A::Error> {
                match Named::deserialize(MapAccessDeserializer::new(map))? {
                    Named::Is(text) => Ok(TextMatch::Is(text)),
                    Named::Contains(text) => Ok(TextMatch::Contains(text)),
                    Named::Matches(text) => {
                        let regex = Regex::new(&text).map_err(serde::de::Error::custom)?;
                        Ok(TextMatch::Matches(regex))
                    }
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl TextMatch {
    fn admits(&self, text: &str) -> bool {
        match self {
            Self::Is(wanted) => wanted == text,
            Self::Contains(part) => text.contains(part.as_str()),
            Self::Matches(regex) => regex.is_match(text),
        }
    }

    fn describe(&self) -> Value {
        match self {
            Self::Is(text) => Value::from(text.as_str()),
            Self::Contains(part) => serde_json::json!({"contains": part}),
            Self::Matches(regex) => serde_json::json!({"matches": regex.as_str()}),
        }
    }
}

/// Exits that should have been taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum ExitMatch {
    /// The last one.
    Last(String),
    /// The last one of each of these nodes.
    Of(BTreeMap<String, String>),
}

/// What came of a step.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) says: Vec<String>,
    pub(super) options: Vec<String>,
    pub(super) variables: Value,
    pub(super) fields: Value,
    pub(super) tags: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) status: String,
    pub(super) node: Option<String>,
    /// Nodes with the exits they were left by.
    pub(super) way: Vec<(String, Option<String>)>,
    pub(super) effects: Vec<Value>,
    pub(super) requests: Vec<Value>,
    pub(super) mails: Vec<Value>,
    pub(super) owner: String,
}

/// Compares what is expected with what was found.
pub(super) struct Comparison<'a> {
    path: &'a str,
    pub(super) checked: u32,
    pub(super) failures: Vec<Failure>,
}

impl<'a> Comparison<'a> {
    pub(super) fn of(path: &'a str, expected: &Expectation, found: &Found) -> Self {
        let mut comparison = Self { path, checked: 0, failures: Vec::new() };
        comparison.texts(expected, found);
        comparison.values(expected, found);
        comparison.way(expected, found);
        comparison
    }

    fn texts(&mut self, expected: &Expectation, found: &Found) {
        if let Some(says) = &expected.says {
            let same = says.len() == found.says.len();
            let same = same && says.iter().zip(&found.says).all(|(text, said)| text.admits(said));
            let wanted: Vec<Value> = says.iter().map(TextMatch::describe).collect();
            self.check("says", same, || (wanted.into(), found.says.clone().into()));
        }
        for (name, wanted, found) in [
            ("options", &expected.options, &found.options),
            ("tags", &expected.tags, &found.tags),
            ("groups", &expected.groups, &found.groups),
        ] {
            if let Some(wanted) = wanted {
                let same = wanted == found;
                self.check(name, same, || (wanted.clone().into(), found.clone().into()));
            }
        }
    }

    fn values(&mut self, expected: &Expectation, found: &Found) {
        for (kind, wanted, found) in [
            ("variables", &expected.variables, &found.variables),
            ("fields", &expected.fields, &found.fields),
        ] {
            for (name, wanted) in wanted {
                let value = found.get(name).cloned().unwrap_or_default();
                let name = format!("{kind}/{name}");
                self.check(&name, *wanted == value, || (wanted.clone(), value));
            }
        }
        for (name, wanted, found) in [
            ("status", &expected.status, Some(&found.status)),
            ("node", &expected.node, found.node.as_ref()),
            ("owner", &expected.owner, Some(&found.owner)),
        ] {
            if let Some(wanted) = wanted {
                let same = Some(wanted) == found;
                let found = found.map_or(Value::Null, |found| found.as_str().into());
                self.check(name, same, || (wanted.as_str().into(), found));
            }
        }
        for (name, wanted, found) in [
            ("requests", &expected.requests, &found.requests),
            ("mails", &expected.mails, &found.mails),
        ] {
            let Some(wanted) = wanted else { continue };
            let same = wanted.len() == found.len()
                && wanted.iter().zip(found).all(|(part, whole)| holds(whole, part));
            self.check(name, same, || (wanted.clone().into(), found.clone().into()));
        }
    }

    fn way(&mut self, expected: &Expectation, found: &Found) {
        let exits = || found.way.iter().filter_map(|(node, exit)| Some((node, exit.as_ref()?)));
        match &expected.exit {
            None => {}
            Some(ExitMatch::Last(wanted)) => {
                let last = exits().next_back().map(|(_, exit)| exit.as_str());
                let same = last == Some(wanted);
                self.check("exit", same, || (wanted.as_str().into(), last.into()));
            }
            Some(ExitMatch::Of(nodes)) => {
                for (node, wanted) in nodes {
                    let last = exits().rfind(|(name, _)| *name == node);
                    let last = last.map(|(_, exit)| exit.as_str());
                    let same = last == Some(wanted);
                    let name = format!("exit/{node}");
                    self.check(&name, same, || (wanted.as_str().into(), last.into()));
                }
            }
        }
        if let Some(wanted) = &expected.visits {
            let visited: Vec<&str> = found.way.iter().map(|(node, _)| node.as_str()).collect();
            let same = in_order(wanted, &visited, |wanted, node| *wanted == **node);
            self.check("visits", same, || (wanted.clone().into(), visited.into()));
        }
        if let Some(wanted) = &expected.effects {
            let same = in_order(wanted, &found.effects, |part, whole| holds(whole, part));
            self.check("effects", same, || (wanted.clone().into(), found.effects.clone().into()));
        }
    }

    fn check(&mut self, what: &str, same: bool, values: impl FnOnce() -> (Value, Value)) {
        self.checked += 1;
        if !same {
            let (expected, found) = values();
            let path = format!("{}/{what}", self.path);
            self.failures.push(Failure { path, message: None, expected, found });
        }
    }
}

/// Says whether all of `wanted` are found in this order, others between them or not.
fn in_order<W, F>(wanted: &[W], found: &[F], same: impl Fn(&W, &F) -> bool) -> bool {
    let mut found = found.iter();
    wanted.iter().all(|wanted| found.by_ref().any(|one| same(wanted, one)))
}

/// Says whether `whole` has at least what `part` has.
fn holds(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(name, part)| holds(whole.get(name).unwrap_or(&Value::Null), part))
        }
        (whole, part) => whole == part,
    }
}
