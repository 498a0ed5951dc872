//! Setting variables.
//!
//! Authors write formulas of three kinds that need no script: a text with variables, a literal, and a
//! variable plus or minus a number. What is left is reported.

use serde_json::{Number, Value, json};

use super::place::{Cx, Place};
use crate::import::json::{at, visible};
use crate::import::template::{Piece, pieces};

/// Pieces of scripts; a text with one of them is not taken for a text.
const SCRIPT: [&str; 14] = [
    "=>", "return ", "return(", ";", "===", "!==", "&&", "||", "new ", "typeof ", "Math.", "JSON.",
    "function", "await ",
];

/// Sets a variable.
pub(super) fn set<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let Some(variable) = cx.variable(place.block.option("variableId")) else {
        cx.stand_in(place, "sets no variable");
        return;
    };
    let kind = place.block.option("type").and_then(Value::as_str).unwrap_or("Custom");
    let known = ["variableId", "type", "expressionToEvaluate", "item", "isCode"];
    let assignments = match kind {
        "Custom" => custom(cx, place, &variable),
        "Empty" => Some(vec![json!({"variable": variable, "json": null})]),
        "Append value(s)" => append(cx, place, &variable),
        "Pop" => Some(vec![json!({"variable": variable, "drop": "last"})]),
        "Shift" => Some(vec![json!({"variable": variable, "drop": "first"})]),
        "Now" | "Today" => Some(vec![json!({"variable": variable, "text": "{{ now }}"})]),
        "Contact name" => Some(vec![json!({"variable": variable, "text": "{{ contact.name }}"})]),
        "Phone number" => {
            Some(vec![json!({"variable": variable, "text": "{{ contact.address }}"})])
        }
        "User ID" | "Result ID" => {
            cx.ledger.degraded(&place.block.path, &place.node, "the id of the contact is taken");
            Some(vec![json!({"variable": variable, "text": "{{ contact.id }}"})])
        }
        other => {
            cx.stand_in(place, &format!("setting a variable to `{other}` has no counterpart"));
            return;
        }
    };
    let Some(assignments) = assignments else { return };
    cx.leftovers(place, &known);
    cx.put(place, "set", json!({"assignments": assignments}));
    cx.go_on(place, "next");
}

/// A formula; `None` when it needs a script, which is said then.
fn custom<'s>(cx: &mut Cx<'s>, place: &Place<'s>, variable: &str) -> Option<Vec<Value>> {
    let options = place.block.json.get("options");
    let Some(formula) = options.and_then(|options| visible(options, "expressionToEvaluate")) else {
        return Some(vec![json!({"variable": variable, "json": null})]);
    };
    let path = place.block.option_path("expressionToEvaluate");
    if let Some((read, by)) = sum(formula) {
        let read = cx.text(&path, &format!("{{{{{read}}}}}"));
        let add = json!({"variable": variable, "add": by});
        let itself = read == format!("{{{{ {variable} }}}}");
        let copy = json!({"variable": variable, "text": read});
        return Some(if itself { vec![add] } else { vec![copy, add] });
    }
    if let Some(value) = literal(formula) {
        cx.ledger.imported(&path, variable);
        return Some(vec![json!({"variable": variable, "json": value})]);
    }
    if is_script(formula) {
        cx.ledger.unsupported(&path, "the formula needs a script");
        cx.stand_in(place, &format!("the formula needs a script: {formula}"));
        return None;
    }
    let text = cx.text(&path, formula);
    Some(vec![json!({"variable": variable, "text": text})])
}

/// Reads `{{x}} + 10` and `{{x}} - 10`.
fn sum(formula: &str) -> Option<(&str, Number)> {
    let parts = pieces(formula.trim());
    let [Piece::Code(code), Piece::Plain(rest)] = parts.as_slice() else { return None };
    let rest = rest.trim();
    let (sign, amount) = rest.split_at_checked(1)?;
    let amount: Number = amount.trim().parse().ok().filter(|_| matches!(sign, "+" | "-"))?;
    let amount = match (sign, amount.as_i64()) {
        ("-", Some(whole)) => Number::from(whole.checked_neg()?),
        ("-", None) => Number::from_f64(-amount.as_f64()?)?,
        _ => amount,
    };
    Some((code.trim(), amount))
}

/// Reads a number, a truth value, a quoted text, or a list or an object of such.
fn literal(formula: &str) -> Option<Value> {
    let formula = formula.trim();
    if let Ok(value) = serde_json::from_str::<Value>(formula) {
        let code = value.to_string();
        return Some(value).filter(|_| !code.contains("{{"));
    }
    let inner = formula.strip_prefix('\'')?.strip_suffix('\'')?;
    (!inner.contains(['\'', '\\', '{'])).then(|| Value::from(inner))
}

fn is_script(formula: &str) -> bool {
    let parts = pieces(formula);
    let plain = parts.iter().filter_map(|piece| match piece {
        Piece::Plain(plain) => Some(*plain),
        Piece::Code(_) => None,
    });
    let plain: Vec<&str> = plain.collect();
    let sums = parts.len() > 1
        && !plain.is_empty()
        && plain.iter().all(|plain| plain.chars().all(|c| "+-*/%() 0123456789.".contains(c)))
        && plain.iter().any(|plain| plain.trim().starts_with(['+', '*', '/', '-', '%']));
    let calls = |plain: &str| {
        let mut before = plain.match_indices('(').filter_map(|(at, _)| plain.get(..at));
        before.any(|before| before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
            && plain.contains(['.', ')'])
    };
    sums || plain.iter().any(|plain| SCRIPT.iter().any(|mark| plain.contains(mark)) || calls(plain))
}

/// Adds to a list.
fn append<'s>(cx: &mut Cx<'s>, place: &Place<'s>, variable: &str) -> Option<Vec<Value>> {
    let item = place.block.json.get("options").and_then(|options| visible(options, "item"));
    let path = at(&at(&place.block.path, "options"), "item");
    let item = item.map(|item| cx.text(&path, item)).unwrap_or_default();
    Some(vec![json!({"variable": variable, "append": item})])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_literals_and_scripts_are_told_apart() {
        assert_eq!(sum("{{Lead Score}} + 10"), Some(("Lead Score", Number::from(10))));
        assert_eq!(sum(" {{x}}-5 "), Some(("x", Number::from(-5))));
        assert_eq!(sum("{{x}} + {{y}}"), None);
        assert_eq!(sum("{{x}} items"), None);
        assert_eq!(literal("42"), Some(json!(42)));
        assert_eq!(literal("'a b'"), Some(json!("a b")));
        assert_eq!(literal("Baptiste"), None);
        for script in [
            "{{x}} + {{y}}",
            "{{x}} * 2",
            "new Date().toISOString()",
            "{{x}}.split(',')",
            "const a = 1; return a",
            "Math.round({{x}})",
        ] {
            assert!(is_script(script), "{script}");
        }
        for text in ["https://image.example/w185{{Poster path}}", "Variable item", "{{a}} (b)"] {
            assert!(!is_script(text), "{text}");
        }
    }
}
