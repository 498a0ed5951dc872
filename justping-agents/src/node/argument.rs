//! JSON in which texts are templates.

use justping_core::port::{NodeConfigError, NodeContext, Step};
use serde_json::{Map, Value};

use super::config;
use super::names::Names;
use crate::scope::Scope as _;
use crate::text::Template;

/// How deep it may be nested.
const DEPTH_MAX: usize = 8;

/// An argument as written: texts are templates, and `{"variable": path}` is a variable as it is.
#[derive(Debug)]
pub(super) enum Argument {
    Text(Template),
    Variable(String),
    Plain(Value),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Argument {
    /// Compiles a value of `data`.
    fn build(path: &str, value: &Value, depth: usize) -> Result<Self, NodeConfigError> {
        if depth > DEPTH_MAX {
            return Err(NodeConfigError::new(path, "arguments are nested too deep"));
        }
        Ok(match value {
            Value::String(text) => Self::Text(config::template(path, text)?),
            Value::Array(items) => {
                let item = |(at, item)| Self::build(&format!("{path}/{at}"), item, depth + 1);
                Self::List(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => match (members.len(), members.get("variable")) {
                (1, Some(Value::String(path))) => Self::Variable(path.clone()),
                _ => Self::object(path, members, depth)?,
            },
            plain => Self::Plain(plain.clone()),
        })
    }

    /// Compiles an object of `data`.
    pub(super) fn object(
        path: &str,
        members: &Map<String, Value>,
        depth: usize,
    ) -> Result<Self, NodeConfigError> {
        let member = |(name, value): (&String, &Value)| {
            Ok((name.clone(), Self::build(&format!("{path}/{name}"), value, depth + 1)?))
        };
        Ok(Self::Object(members.iter().map(member).collect::<Result<_, NodeConfigError>>()?))
    }

    /// Fills the templates in; one that fails fails the node.
    pub(super) fn render(&self, cx: &NodeContext<'_>) -> Result<Value, Step> {
        Ok(match self {
            Self::Text(template) => Value::from(config::render(cx, template)?),
            Self::Variable(path) => variable(cx, path),
            Self::Plain(value) => value.clone(),
            Self::List(items) => {
                items.iter().map(|item| item.render(cx)).collect::<Result<Value, _>>()?
            }
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| Ok((name.clone(), value.render(cx)?));
                Value::Object(members.iter().map(member).collect::<Result<_, Step>>()?)
            }
        })
    }

    /// The paths it reads.
    pub(super) fn reads(&self) -> Vec<String> {
        let mut reads = config::reads(self.templates());
        reads.extend(self.variables());
        reads
    }

    fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Text(template) => vec![template],
            Self::Variable(_) | Self::Plain(_) => Vec::new(),
            Self::List(items) => items.iter().flat_map(Self::templates).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, one)| one.templates()).collect(),
        }
    }

    fn variables(&self) -> Vec<String> {
        match self {
            Self::Variable(path) => vec![path.clone()],
            Self::Text(_) | Self::Plain(_) => Vec::new(),
            Self::List(items) => items.iter().flat_map(Self::variables).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, one)| one.variables()).collect(),
        }
    }
}

/// The value at a dotted path; `null` when there is none.
fn variable(cx: &NodeContext<'_>, path: &str) -> Value {
    let names = Names::of(cx);
    let mut parts = path.split('.');
    let first = parts.next().and_then(|first| names.get(first));
    let found = parts.fold(first, |value, part| match value? {
        Value::Object(members) => members.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    });
    found.cloned().unwrap_or_default()
}
