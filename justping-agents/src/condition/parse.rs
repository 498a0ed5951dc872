//! From JSON to a checked condition.

use regex::RegexBuilder;
use serde_json::{Map, Value};

use super::leaf::{Leaf, Operator};
use super::{
    ConditionError, MAX_DEPTH, MAX_LEAVES, MAX_LIST, MAX_PATTERN_BYTES, MAX_TEXT_BYTES, Node,
    compare,
};
use crate::scope::Path;

/// The most memory one compiled pattern takes, in bytes.
const PATTERN_MEMORY: usize = 256 * 1024;

/// The deepest nesting of a pattern.
const PATTERN_DEPTH: u32 = 32;

/// Checks a whole condition.
pub(super) fn condition(json: &Value) -> Result<Node, ConditionError> {
    Parser { leaves: 0 }.node(json, "$", 1)
}

struct Parser {
    leaves: usize,
}

fn error(path: &str, message: impl Into<String>) -> ConditionError {
    ConditionError { path: path.to_owned(), message: message.into() }
}

impl Parser {
    fn node(&mut self, json: &Value, path: &str, depth: usize) -> Result<Node, ConditionError> {
        if depth > MAX_DEPTH {
            return Err(error(path, format!("nested deeper than {MAX_DEPTH}")));
        }
        let Value::Object(map) = json else {
            return Err(error(path, "a condition is an object"));
        };
        for (key, build) in [("all", Node::All as fn(Vec<Node>) -> Node), ("any", Node::Any)] {
            if let Some(list) = map.get(key) {
                alone(map, key, path)?;
                return self.list(list, &format!("{path}.{key}"), depth).map(build);
            }
        }
        if let Some(inner) = map.get("not") {
            alone(map, "not", path)?;
            let inner = self.node(inner, &format!("{path}.not"), depth + 1)?;
            return Ok(Node::Not(Box::new(inner)));
        }
        self.leaves += 1;
        if self.leaves > MAX_LEAVES {
            return Err(error(path, format!("more than {MAX_LEAVES} leaves")));
        }
        leaf(map, path).map(|leaf| Node::Leaf(Box::new(leaf)))
    }

    fn list(&mut self, json: &Value, at: &str, depth: usize) -> Result<Vec<Node>, ConditionError> {
        let Value::Array(items) = json else {
            return Err(error(at, "expected a list of conditions"));
        };
        if items.len() > MAX_LEAVES {
            return Err(error(at, format!("more than {MAX_LEAVES} conditions in one list")));
        }
        let items = items.iter().enumerate();
        items.map(|(i, item)| self.node(item, &format!("{at}[{i}]"), depth + 1)).collect()
    }
}

/// Refuses members beside `key`.
fn alone(map: &Map<String, Value>, key: &str, path: &str) -> Result<(), ConditionError> {
    match map.keys().find(|other| *other != key) {
        Some(other) => Err(error(path, format!("unexpected {other:?} beside {key:?}"))),
        None => Ok(()),
    }
}

fn leaf(map: &Map<String, Value>, path: &str) -> Result<Leaf, ConditionError> {
    if let Some(key) = map.keys().find(|key| !["field", "op", "value"].contains(&key.as_str())) {
        let known = "expected \"all\", \"any\", \"not\" or \"field\", \"op\" and \"value\"";
        return Err(error(path, format!("unknown member {key:?}, {known}")));
    }
    let member = |key: &str| {
        let text = map.get(key).and_then(Value::as_str);
        text.ok_or_else(|| error(&format!("{path}.{key}"), format!("{key} is a text")))
    };
    let field = Path::parse(member("field")?);
    let field = field.map_err(|problem| error(&format!("{path}.field"), problem.to_string()))?;
    let operator = operator(member("op")?, &format!("{path}.op"))?;
    let value = value(operator, map.get("value"), &format!("{path}.value"))?;
    let pattern = match (operator, value.as_str()) {
        (Operator::Matches, Some(text)) => Some(pattern(text, &format!("{path}.value"))?),
        _ => None,
    };
    let text = compare::text(&value).unwrap_or_default();
    Ok(Leaf { field, operator, value, text, pattern })
}

fn operator(name: &str, path: &str) -> Result<Operator, ConditionError> {
    Operator::parse(name).ok_or_else(|| {
        let known: Vec<&str> = Operator::NAMES.iter().map(|(_, name)| *name).collect();
        error(path, format!("unknown operator {name:?}, known are {}", known.join(", ")))
    })
}

fn value(operator: Operator, json: Option<&Value>, at: &str) -> Result<Value, ConditionError> {
    let name = operator.name();
    let Some(value) = json.filter(|_| operator.takes_value()) else {
        return match json {
            Some(_) => Err(error(at, format!("{name} takes no value"))),
            None if operator.takes_value() => Err(error(at, format!("{name} needs a value"))),
            None => Ok(Value::Null),
        };
    };
    let fits = match operator {
        Operator::In | Operator::NotIn => return list(value, at),
        Operator::StartsWith | Operator::EndsWith => value.is_string() || value.is_number(),
        Operator::Matches => value.is_string(),
        Operator::Contains | Operator::NotContains => scalar(value) && !value.is_null(),
        Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte => {
            value.is_string() || value.is_number()
        }
        _ => scalar(value),
    };
    if !fits {
        return Err(error(at, format!("{name} does not take this kind of value")));
    }
    short(value, at).cloned()
}

fn list(value: &Value, at: &str) -> Result<Value, ConditionError> {
    let items = value.as_array().filter(|items| items.iter().all(scalar));
    let items = items.ok_or_else(|| error(at, "expected a list of texts, numbers or booleans"))?;
    if items.len() > MAX_LIST {
        return Err(error(at, format!("more than {MAX_LIST} values")));
    }
    items.iter().try_for_each(|item| short(item, at).map(|_| ()))?;
    Ok(value.clone())
}

fn scalar(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

fn short<'v>(value: &'v Value, at: &str) -> Result<&'v Value, ConditionError> {
    match value.as_str() {
        Some(text) if text.len() > MAX_TEXT_BYTES => {
            Err(error(at, format!("text longer than {MAX_TEXT_BYTES} bytes")))
        }
        _ => Ok(value),
    }
}

fn pattern(text: &str, at: &str) -> Result<regex::Regex, ConditionError> {
    if text.len() > MAX_PATTERN_BYTES {
        return Err(error(at, format!("pattern longer than {MAX_PATTERN_BYTES} bytes")));
    }
    RegexBuilder::new(text)
        .case_insensitive(true)
        .size_limit(PATTERN_MEMORY)
        .dfa_size_limit(PATTERN_MEMORY)
        .nest_limit(PATTERN_DEPTH)
        .build()
        .map_err(|problem| match problem {
            regex::Error::CompiledTooBig(_) => error(at, "pattern too large"),
            _ => error(at, "not a regular expression"),
        })
}
