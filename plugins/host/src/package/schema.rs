use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

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
