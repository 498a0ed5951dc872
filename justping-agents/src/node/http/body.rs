//! What a request sends.

use justping_core::port::{NodeConfigError, NodeContext, Step};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::url::push_pair;
use super::{Field, Fields, field, fields};
use crate::node::names::Names;
use crate::node::{config, schema};
use crate::scope::Path;
use crate::text::Template;

/// Most characters of a MIME type.
const CONTENT_TYPE_MAX: usize = 200;

#[derive(Debug, Deserialize)]
pub(super) struct BodyConfig {
    #[serde(default)]
    json: Option<Value>,
    #[serde(default)]
    form: Option<Vec<Field>>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
}

/// The schema of a body: JSON whose texts are templates, a form, or a text.
pub(super) fn schema() -> Value {
    let members = json!({
        "json": {"title": "JSON; a text that is one variable becomes its value"},
        "form": {
            "type": "array", "title": "Form", "maxItems": super::FIELDS_MAX, "items": field()
        },
        "text": schema::template("Text"),
        "content_type": {
            "type": "string", "title": "MIME type of the text",
            "minLength": 1, "maxLength": CONTENT_TYPE_MAX
        }
    });
    let one_of =
        json!({"oneOf": [{"required": ["json"]}, {"required": ["form"]}, {"required": ["text"]}]});
    schema::merged(schema::object(members, &[]), one_of)
}

/// A body with variables.
#[derive(Debug)]
pub(super) enum Body {
    Json(Json),
    Form(Fields),
    Text { text: Template, content_type: String },
}

impl Body {
    pub(super) fn build(config: BodyConfig) -> Result<Self, NodeConfigError> {
        if let Some(json) = config.json {
            return Json::build("/body/json", json).map(Self::Json);
        }
        if let Some(form) = config.form {
            return fields("/body/form", &form).map(Self::Form);
        }
        let Some(text) = config.text else {
            return Err(NodeConfigError::new("/body", "JSON, a form or a text is needed"));
        };
        let content_type =
            config.content_type.unwrap_or_else(|| "text/plain; charset=utf-8".to_owned());
        Ok(Self::Text { text: config::template("/body/text", &text)?, content_type })
    }

    pub(super) fn content_type(&self) -> &str {
        match self {
            Self::Json(_) => "application/json",
            Self::Form(_) => "application/x-www-form-urlencoded",
            Self::Text { content_type, .. } => content_type,
        }
    }

    pub(super) fn render(&self, cx: &NodeContext<'_>) -> Result<String, Step> {
        match self {
            Self::Json(json) => json.render(cx).map(|value| value.to_string()),
            Self::Text { text, .. } => config::render(cx, text),
            Self::Form(fields) => {
                let mut form = String::new();
                for (name, value) in fields {
                    if !form.is_empty() {
                        form.push('&');
                    }
                    push_pair(&mut form, name, &config::render(cx, value)?);
                }
                Ok(form)
            }
        }
    }

    pub(super) fn reads(&self) -> Vec<String> {
        match self {
            Self::Json(json) => json.reads(),
            Self::Form(fields) => config::reads(fields.iter().map(|(_, value)| value)),
            Self::Text { text, .. } => config::reads([text]),
        }
    }
}

/// JSON with variables.
#[derive(Debug)]
pub(super) enum Json {
    Fixed(Value),
    /// A text that is one variable and nothing else keeps the kind of its value.
    Value(Path),
    Text(Template),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    fn build(path: &str, value: Value) -> Result<Self, NodeConfigError> {
        Ok(match value {
            Value::String(text) => match lone_variable(&text) {
                Some(variable) => Self::Value(variable),
                None => Self::Text(config::template(path, &text)?),
            },
            Value::Array(items) => {
                let item = |(at, item)| Self::build(&format!("{path}/{at}"), item);
                Self::List(items.into_iter().enumerate().map(item).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let member = |(name, value): (String, Value)| {
                    let escaped = name.replace('~', "~0").replace('/', "~1");
                    Self::build(&format!("{path}/{escaped}"), value).map(|value| (name, value))
                };
                Self::Object(members.into_iter().map(member).collect::<Result<_, _>>()?)
            }
            fixed => Self::Fixed(fixed),
        })
    }

    fn render(&self, cx: &NodeContext<'_>) -> Result<Value, Step> {
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Value(path) => path.find(&Names::of(cx)).cloned().unwrap_or_default(),
            Self::Text(template) => config::render(cx, template)?.into(),
            Self::List(items) => {
                items.iter().map(|item| item.render(cx)).collect::<Result<Vec<_>, _>>()?.into()
            }
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| {
                    value.render(cx).map(|value| (name.clone(), value))
                };
                members.iter().map(member).collect::<Result<Map<_, _>, _>>()?.into()
            }
        })
    }

    fn reads(&self) -> Vec<String> {
        match self {
            Self::Fixed(_) => Vec::new(),
            Self::Value(path) => vec![path.as_str().to_owned()],
            Self::Text(template) => config::reads([template]),
            Self::List(items) => items.iter().flat_map(Self::reads).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, value)| value.reads()).collect(),
        }
    }
}

/// The variable of `{{ a.b }}`.
fn lone_variable(text: &str) -> Option<Path> {
    let name = text.strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    Path::parse(name).ok().filter(|_| name.split('.').all(is_name))
}
