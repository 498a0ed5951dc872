//! How much room JSON takes, without writing it anywhere.

use std::io::{Error, ErrorKind, Write};

use serde_json::Value;

/// The bytes of a value written without blanks; `None` when they are more than `max`.
pub(crate) fn written(value: &Value, max: usize) -> Option<usize> {
    let mut counter = Counter { left: max };
    serde_json::to_writer(&mut counter, value).ok()?;
    Some(max - counter.left)
}

/// Counts bytes down and fails below zero.
struct Counter {
    left: usize,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let left = self.left.checked_sub(bytes.len());
        self.left = left.ok_or_else(|| Error::from(ErrorKind::WriteZero))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The room a number, a boolean or a `null` is counted with.
const SCALAR_BYTES: usize = 8;
/// The room the quotes, the comma and the colon around a name or a text are counted with.
const PUNCTUATION_BYTES: usize = 4;

/// The weight of named values: the bytes of their texts and names, and a little for each value.
/// It is what limits on variables count, and cheap enough to be asked for after every node.
pub(crate) fn weight<'v>(values: impl IntoIterator<Item = (&'v String, &'v Value)>) -> usize {
    values.into_iter().map(|(name, value)| name.len() + PUNCTUATION_BYTES + weigh(value)).sum()
}

/// The weight of one value.
pub(crate) fn weigh(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => SCALAR_BYTES,
        Value::String(text) => text.len() + PUNCTUATION_BYTES,
        Value::Array(items) => PUNCTUATION_BYTES + items.iter().map(weigh).sum::<usize>(),
        Value::Object(map) => PUNCTUATION_BYTES + weight(map),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn written_is_the_length_of_the_text() {
        let value = json!({"a": [1, "é\n", null], "b": {"c": 1.5}});
        let length = value.to_string().len();
        assert_eq!(written(&value, length), Some(length));
        assert_eq!(written(&value, length - 1), None);
    }

    #[test]
    fn weight_grows_with_texts_and_values() {
        assert_eq!(weigh(&json!("abc")), 7);
        assert_eq!(weigh(&json!(["abc", 1])), 4 + 7 + 8);
        assert_eq!(weigh(&json!({"ab": "abc"})), 4 + 2 + 4 + 7);
    }
}
