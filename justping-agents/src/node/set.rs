//! Sets variables.

use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Map, Number, Value, json};

use super::prompt::exit;
use super::{config, schema};
use crate::text::Template;

/// Most assignments of one node.
const ASSIGNMENTS_MAX: usize = 32;

/// Sets variables, one after another.
#[derive(Debug)]
pub(super) struct Set;

#[derive(Debug, Deserialize)]
struct Config {
    assignments: Vec<Map<String, Value>>,
}

impl FlowNode for Set {
    fn descriptor(&self) -> NodeDescriptor {
        let assignment = json!({
            "variable": schema::variable("Variable"),
            "text": schema::template("To a text"),
            "json": {"title": "To a value"},
            "add": {"type": "number", "title": "Add a number"},
            "append": schema::template("Append a text to a list"),
            "remove": schema::template("Remove a text from a list"),
            "drop": {"title": "Drop an end of a list", "enum": ["first", "last"]}
        });
        let one_of = json!({"oneOf": [
            {"required": ["text"]}, {"required": ["json"]}, {"required": ["add"]},
            {"required": ["append"]}, {"required": ["remove"]}, {"required": ["drop"]}
        ]});
        NodeDescriptor {
            kind: "set".to_owned(),
            title: "Set variables".to_owned(),
            summary: "Sets variables to texts or values, adds to numbers, or changes lists."
                .to_owned(),
            schema: schema::object(
                json!({"assignments": {
                    "type": "array", "title": "Assignments",
                    "minItems": 1, "maxItems": ASSIGNMENTS_MAX,
                    "items": schema::merged(schema::object(assignment, &["variable"]), one_of)
                }}),
                &["assignments"],
            ),
            exits: vec![schema::exit("next", "Next")],
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let assignment = |(at, fields): (usize, Map<String, Value>)| {
            assignment(&format!("/assignments/{at}"), fields)
        };
        let assignments = config.assignments.into_iter().enumerate().map(assignment);
        Ok(Box::new(Assign { assignments: assignments.collect::<Result<_, _>>()? }))
    }
}

/// Reads one assignment. A `json` of `null` is a value too, so the members are looked at as such.
fn assignment(path: &str, mut fields: Map<String, Value>) -> Result<Assignment, NodeConfigError> {
    let Some(variable) = fields.get("variable").and_then(Value::as_str).map(str::to_owned) else {
        return Err(NodeConfigError::new(format!("{path}/variable"), "a variable is needed"));
    };
    let value = if let Some(value) = fields.remove("json") {
        Source::Json(value)
    } else if let Some(Value::Number(by)) = fields.get("add") {
        Source::Add(by.clone())
    } else if let Some(text) = fields.get("text").and_then(Value::as_str) {
        Source::Text(config::template(&format!("{path}/text"), text)?)
    } else if let Some(change) = Change::of(path, &fields)? {
        Source::List(change)
    } else {
        return Err(NodeConfigError::new(path, "a text, a value or a number to add is needed"));
    };
    Ok(Assignment { variable, value })
}

#[derive(Debug)]
struct Assign {
    assignments: Vec<Assignment>,
}

#[derive(Debug)]
struct Assignment {
    variable: String,
    value: Source,
}

#[derive(Debug)]
enum Source {
    Text(Template),
    Json(Value),
    Add(Number),
    List(Change),
}

/// A change of a list; an unset variable is an empty one.
#[derive(Debug)]
enum Change {
    Append(Template),
    Remove(Template),
    DropFirst,
    DropLast,
}

impl Change {
    fn of(path: &str, fields: &Map<String, Value>) -> Result<Option<Self>, NodeConfigError> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let template = |name: &str, text: &str| config::template(&format!("{path}/{name}"), text);
        Ok(match (text("append"), text("remove"), text("drop")) {
            (Some(item), ..) => Some(Self::Append(template("append", item)?)),
            (_, Some(item), _) => Some(Self::Remove(template("remove", item)?)),
            (_, _, Some("last")) => Some(Self::DropLast),
            (_, _, Some(_)) => Some(Self::DropFirst),
            (None, None, None) => None,
        })
    }

    fn template(&self) -> Option<&Template> {
        match self {
            Self::Append(item) | Self::Remove(item) => Some(item),
            Self::DropFirst | Self::DropLast => None,
        }
    }

    fn value(&self, cx: &NodeContext<'_>, variable: &str) -> Result<Value, Step> {
        let mut items = match cx.variables.get(variable) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.clone(),
            Some(_) => return Err(Step::Fail { reason: format!("`{variable}` is not a list") }),
        };
        match self {
            Self::Append(item) => items.push(config::render(cx, item)?.into()),
            Self::Remove(item) => {
                let item = Value::from(config::render(cx, item)?);
                if let Some(at) = items.iter().position(|one| *one == item) {
                    items.remove(at);
                }
            }
            Self::DropFirst if items.is_empty() => {}
            Self::DropFirst => drop(items.remove(0)),
            Self::DropLast => drop(items.pop()),
        }
        Ok(Value::from(items))
    }
}

impl Assignment {
    fn value(&self, cx: &NodeContext<'_>) -> Result<Value, Step> {
        match &self.value {
            Source::Text(template) => config::render(cx, template).map(Value::from),
            Source::Json(value) => Ok(value.clone()),
            Source::List(change) => change.value(cx, &self.variable),
            Source::Add(by) => sum(cx.variables.get(&self.variable), by).ok_or_else(|| {
                Step::Fail { reason: format!("`{}` cannot be added to", self.variable) }
            }),
        }
    }
}

/// Adds; unset counts as 0, a text that is a number counts as it, and whole numbers stay whole.
fn sum(value: Option<&Value>, by: &Number) -> Option<Value> {
    let zero = Number::from(0);
    let parsed;
    let number = match value {
        None | Some(Value::Null) => &zero,
        Some(Value::Number(number)) => number,
        Some(Value::String(text)) => {
            parsed = serde_json::from_str::<Number>(text.trim()).ok()?;
            &parsed
        }
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => return None,
    };
    if let Some(sum) = number.as_i64().zip(by.as_i64()).and_then(|(a, b)| a.checked_add(b)) {
        return Some(Value::from(sum));
    }
    Number::from_f64(number.as_f64()? + by.as_f64()?).map(Value::Number)
}

impl BuiltNode for Assign {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        for assignment in &self.assignments {
            match assignment.value(cx) {
                Ok(value) => cx.set(&assignment.variable, value),
                Err(failed) => return failed,
            }
        }
        exit("next")
    }

    fn exits(&self) -> Vec<String> {
        vec!["next".to_owned()]
    }

    fn reads(&self) -> Vec<String> {
        let templates = self.assignments.iter().filter_map(|one| match &one.value {
            Source::Text(template) => Some(template),
            Source::List(change) => change.template(),
            Source::Json(_) | Source::Add(_) => None,
        });
        config::reads(templates)
    }

    fn writes(&self) -> Vec<String> {
        self.assignments.iter().map(|one| one.variable.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stay_whole_and_finite() {
        let add = |value: Value, by: Value| sum(Some(&value), by.as_number().unwrap());
        assert_eq!(sum(None, &Number::from(2)), Some(json!(2)));
        assert_eq!(add(json!(1), json!(2)), Some(json!(3)));
        assert_eq!(add(json!(" 1.5 "), json!(2)), Some(json!(3.5)));
        assert_eq!(
            add(json!(i64::MAX), json!(1)),
            Some(json!(9_223_372_036_854_775_807_i64 as f64))
        );
        assert_eq!(add(json!(f64::MAX), json!(f64::MAX)), None);
        assert_eq!(add(json!("x"), json!(1)), None);
        assert_eq!(add(json!([1]), json!(1)), None);
    }
}
