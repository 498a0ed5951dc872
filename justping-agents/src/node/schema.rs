//! Pieces of the nodes' JSON Schemas.

use justping_core::port::ExitDescriptor;
use serde_json::{Map, Value, json};

use super::prompt::{FOLLOW_UPS_MAX, RETRIES_MAX, TIMEOUT_MINUTES_MAX};
use crate::document::VARIABLE_NAME_MAX_BYTES;
use crate::text::MAX_TEMPLATE_CHARS;

/// An object with these members and no others.
pub(super) fn object(properties: Value, required: &[&str]) -> Value {
    let rules = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": required,
        "additionalProperties": false
    });
    merged(rules, Value::from_iter([("properties", properties)]))
}

/// The members of two objects.
pub(super) fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend::<Map<String, Value>>(other);
    }
    one
}

/// A text with variables.
pub(super) fn template(title: &str) -> Value {
    json!({"type": "string", "title": title, "format": "template", "maxLength": MAX_TEMPLATE_CHARS})
}

/// A text with variables that must not be empty.
pub(super) fn template_required(title: &str) -> Value {
    merged(template(title), json!({"minLength": 1}))
}

/// The name of a variable.
pub(super) fn variable(title: &str) -> Value {
    json!({
        "type": "string",
        "title": title,
        "format": "variable",
        "pattern": "^[A-Za-z_][A-Za-z0-9_]*$",
        "maxLength": VARIABLE_NAME_MAX_BYTES,
        "not": {"enum": crate::document::RESERVED_NAMES}
    })
}

/// The id of an option or a case, which is part of the name of its exit.
pub(super) fn id(title: &str) -> Value {
    json!({"type": "string", "title": title, "pattern": "^[A-Za-z0-9_-]{1,64}$"})
}

/// The name of a model, in place of the agent's.
pub(super) fn model() -> Value {
    json!({"type": "string", "title": "Model", "minLength": 1, "maxLength": 200})
}

/// A condition; what it looks like in detail is checked when it is compiled.
pub(super) fn condition() -> Value {
    json!({"type": "object", "title": "Condition", "format": "condition"})
}

/// What every node that asks has in common.
pub(super) fn asking() -> Value {
    let own = json!({
        "retry": template("Text when the answer does not fit"),
        "max_retries": {
            "type": "integer", "title": "Times to ask again", "minimum": 0, "maximum": RETRIES_MAX
        }
    });
    merged(own, reminding())
}

/// What every node that waits, reminds and gives up has in common.
pub(super) fn reminding() -> Value {
    let minutes = |title: &str| {
        json!({
            "type": "integer", "title": title, "minimum": 1, "maximum": TIMEOUT_MINUTES_MAX
        })
    };
    json!({
        "timeout_minutes": minutes("Minutes to wait for an answer"),
        "follow_ups": {
            "type": "array", "title": "Reminders", "maxItems": FOLLOW_UPS_MAX,
            "items": object(
                json!({
                    "after_minutes": minutes("Minutes after the question"),
                    "text": template_required("Text")
                }),
                &["after_minutes", "text"],
            )
        }
    })
}

/// An exit.
pub(super) fn exit(name: &str, title: &str) -> ExitDescriptor {
    ExitDescriptor { name: name.to_owned(), title: title.to_owned() }
}
