use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

/// Most bytes of a JSON Schema.
pub const SCHEMA_MAX_BYTES: usize = 64 * 1024;

/// Most bytes that one compiled pattern may take.
const PATTERN_MAX_BYTES: usize = 1024 * 1024;

/// Why a JSON Schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is too large.
    #[error("the schema is larger than {SCHEMA_MAX_BYTES} bytes")]
    TooLarge,
    /// What it describes is no object.
    #[error("the schema must be of an object: \"type\": \"object\"")]
    NotOfAnObject,
    /// It does not make sense.
    #[error("{0}")]
    Malformed(String),
}

/// Compiles the JSON Schema (draft 2020-12) of an object that a stranger wrote. It fetches nothing,
/// and its patterns run in time that grows with the text only.
///
/// # Errors
/// [`SchemaError`].
pub fn compile_schema(schema: &Value) -> Result<Validator, SchemaError> {
    if schema.to_string().len() > SCHEMA_MAX_BYTES {
        return Err(SchemaError::TooLarge);
    }
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(SchemaError::NotOfAnObject);
    }
    let patterns =
        PatternOptions::regex().size_limit(PATTERN_MAX_BYTES).dfa_size_limit(PATTERN_MAX_BYTES);
    jsonschema::draft202012::options()
        .with_pattern_options(patterns)
        .build(schema)
        .map_err(|error| SchemaError::Malformed(error.to_string()))
}

/// Most problems of one value that are told.
const PROBLEMS_MAX: usize = 50;

/// What is wrong with one part of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer into the value.
    pub path: String,
    /// Why, without the value itself.
    pub message: String,
}

/// How texts with templates, `{{ … }}`, are judged: what they will be is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Templates {
    /// As the texts they are.
    Literal,
    /// Not at all.
    Open,
}

/// Says what is wrong with a configuration. Where no schema asks for anything, nothing may be given.
pub fn config_problems(
    schema: Option<&Value>,
    config: &Map<String, Value>,
    templates: Templates,
) -> Vec<Problem> {
    let Some(schema) = schema else {
        let unknown = |name: &String| Problem {
            path: format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            message: "nobody asks for this".to_owned(),
        };
        return config.keys().take(PROBLEMS_MAX).map(unknown).collect();
    };
    let validator = match compile_schema(schema) {
        Ok(validator) => validator,
        Err(error) => return vec![Problem { path: String::new(), message: error.to_string() }],
    };
    let config = Value::Object(config.clone());
    let errors = validator.iter_errors(&config);
    let judged = errors.filter(|error| templates == Templates::Literal || !is_open(error));
    let problem = |error: jsonschema::ValidationError<'_>| Problem {
        path: error.instance_path().to_string(),
        message: error.masked().to_string(),
    };
    judged.take(PROBLEMS_MAX).map(problem).collect()
}

/// Keywords that judge a value by its parts.
const COMBINED: &[&str] = &[
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "uniqueItems",
    "const",
    "enum",
];

/// Whether a problem may be none once templates are filled in.
fn is_open(error: &jsonschema::ValidationError<'_>) -> bool {
    let instance = error.instance();
    match &**instance {
        Value::String(text) => is_template(text),
        whole => COMBINED.contains(&error.kind().keyword()) && has_template(whole),
    }
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

fn has_template(value: &Value) -> bool {
    match value {
        Value::String(text) => is_template(text),
        Value::Array(items) => items.iter().any(has_template),
        Value::Object(members) => members.values().any(has_template),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
