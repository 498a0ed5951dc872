//! Looking into JSON that others wrote.

use serde_json::Value;

/// A member that is a text.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

/// A member that is a text with something to see in it.
pub(super) fn visible<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    text(value, name).filter(|text| !text.trim().is_empty())
}

/// The items of a member that is a list; none when it is not.
pub(super) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The items of a list that are objects, with their places.
pub(super) fn objects<'v>(
    value: &'v Value,
    name: &str,
) -> impl Iterator<Item = (usize, &'v Value)> {
    list(value, name).iter().enumerate().filter(|(_, item)| item.is_object())
}

/// A member that is a number, or a text of one.
pub(super) fn number(value: &Value, name: &str) -> Option<f64> {
    let value = value.get(name)?;
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|n| n.is_finite())
}

/// A scalar as people read it.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A JSON pointer one step longer.
pub(super) fn at(path: &str, step: impl std::fmt::Display) -> String {
    let step = step.to_string().replace('~', "~0").replace('/', "~1");
    format!("{path}/{step}")
}

/// Visits every text below `value` with its pointer; deep JSON is the parser's matter (128 levels).
pub(super) fn texts(value: &Value, path: &str, visit: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => visit(path, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                texts(item, &at(path, index), visit);
            }
        }
        Value::Object(map) => {
            for (name, item) in map {
                texts(item, &at(path, name), visit);
            }
        }
        _ => {}
    }
}

/// A text, at most so many characters of it.
pub(super) fn short(text: &str, chars: usize) -> String {
    let mut short: String = text.chars().take(chars).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
