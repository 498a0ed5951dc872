//! Adaptive expressions, as far as templates and conditions here say the same.

use serde_json::{Value, json};

/// The variable of a property: `user.name`, `$name`, `dialog.name`.
pub(super) fn variable(property: &str) -> Result<String, String> {
    let property = property.trim().trim_start_matches('=');
    let path = property.strip_prefix('$').map(|name| format!("dialog.{name}"));
    let path = path.unwrap_or_else(|| property.to_owned());
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if path.is_empty() || !path.chars().all(legal) || path.starts_with("settings.") {
        return Err(format!("the property `{property}`"));
    }
    Ok(match path.as_str() {
        "turn.activity.text" | "this.value" => "turn_text".to_owned(),
        "turn.activity.from.name" => "contact.name".to_owned(),
        _ => path.replace('.', "_"),
    })
}

/// A text with `${…}` as a template.
pub(super) fn template(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text.strip_prefix('-').map_or(text, str::trim_start);
    while let Some((before, tail)) = rest.split_once("${") {
        let (code, after) = tail.split_once('}').ok_or("an expression does not end")?;
        out.push_str(&before.replace("{{", "{ {"));
        out.push_str(&format!("{{{{ {} }}}}", printed(code.trim())?));
        rest = after;
    }
    out.push_str(&rest.replace("{{", "{ {"));
    Ok(out)
}

fn printed(code: &str) -> Result<String, String> {
    let call = code.strip_suffix(')').and_then(|code| code.split_once('('));
    if let Some((name, arguments)) = call.filter(|(name, _)| !name.contains(['$', '.', ' '])) {
        let mut parts = arguments.splitn(2, ',').map(str::trim);
        let first = parts.next().unwrap_or_default();
        return match (name, parts.next()) {
            ("join", Some(separator)) => Ok(format!("{}|join({separator})", variable(first)?)),
            ("toUpper", None) => Ok(format!("{}|upper", variable(first)?)),
            ("toLower", None) => Ok(format!("{}|lower", variable(first)?)),
            ("sentenceCase", None) => Ok(format!("{}|capitalize", variable(first)?)),
            ("coalesce", Some(other)) => Ok(other.to_owned()),
            _ => Err(format!("the function `{name}`")),
        };
    }
    if let Some((left, right)) = code.split_once('*') {
        let factor = |text: &str| text.trim().parse::<i64>().map_err(|_| format!("`{code}`"));
        return Ok((factor(left)? * factor(right)?).to_string());
    }
    variable(code)
}

/// What a property is set to: an assignment of `set`.
pub(super) fn assignment(variable: &str, value: &Value) -> Result<Vec<Value>, String> {
    if let Value::Object(members) = value {
        let member =
            |(name, value): (&String, &Value)| assignment(&format!("{variable}_{name}"), value);
        return members.iter().map(member).collect::<Result<Vec<_>, _>>().map(|all| all.concat());
    }
    let Some(text) = value.as_str() else {
        return Ok(vec![json!({"variable": variable, "json": value})]);
    };
    let Some(code) = text.strip_prefix('=').map(str::trim) else {
        return Ok(vec![json!({"variable": variable, "text": template(text)?})]);
    };
    if let Some(value) = constant(code) {
        return Ok(vec![json!({"variable": variable, "json": value})]);
    }
    if let Some((left, right)) = code.split_once('+') {
        let by: i64 = right.trim().parse().map_err(|_| format!("`{code}`"))?;
        let add = json!({"variable": variable, "add": by});
        let read = self::variable(left)?;
        return Ok(match read == variable {
            true => vec![add],
            false => vec![json!({"variable": variable, "text": format!("{{{{ {read} }}}}")}), add],
        });
    }
    let read = self::variable(code)?;
    Ok(vec![json!({"variable": variable, "text": format!("{{{{ {read} }}}}")})])
}

/// A constant expression.
pub(super) fn constant(code: &str) -> Option<Value> {
    let code = code.trim();
    let inner = |name: &str| code.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(items) = inner("createArray") {
        return items.split(',').map(constant).collect::<Option<Vec<_>>>().map(Value::from);
    }
    if let Some(number) = inner("bool") {
        return constant(number).map(|number| json!(number.as_i64() != Some(0)));
    }
    if let Some(text) = inner("json") {
        return serde_json::from_str(constant(text)?.as_str()?).ok();
    }
    let quoted = |mark: char| code.strip_prefix(mark)?.strip_suffix(mark);
    if let Some(text) = quoted('\'').or_else(|| quoted('"')) {
        return Some(json!(text));
    }
    serde_json::from_str(&code.to_lowercase()).ok()
}

/// A condition.
pub(super) fn condition(code: &str) -> Result<Value, String> {
    let code = code.trim().trim_start_matches('=').trim();
    let whole = code.strip_prefix('(').and_then(|code| code.strip_suffix(')'));
    if let Some(inner) = whole.filter(|inner| balanced(inner)) {
        return condition(inner);
    }
    for (mark, key) in [("||", "any"), ("&&", "all")] {
        let parts: Vec<&str> = code.split(mark).collect();
        if parts.len() > 1 && parts.iter().all(|part| balanced(part)) {
            let parts: Result<Vec<Value>, String> = parts.into_iter().map(condition).collect();
            return Ok(json!({ key: parts? }));
        }
    }
    for (mark, op) in
        [("==", "eq"), ("!=", "ne"), (">=", "gte"), ("<=", "lte"), (">", "gt"), ("<", "lt")]
    {
        if let Some((left, right)) = code.split_once(mark) {
            let value = constant(right).ok_or_else(|| format!("the condition `{code}`"))?;
            return Ok(json!({"field": variable(left)?, "op": op, "value": value}));
        }
    }
    if let Some(inner) = code.strip_prefix('!') {
        return Ok(json!({"not": condition(inner)?}));
    }
    if let Some(Value::Bool(flag)) = constant(code) {
        return Ok(if flag { json!({"all": []}) } else { json!({"any": []}) });
    }
    let field = variable(code)?;
    Ok(json!({"all": [
        {"field": field, "op": "is_set"},
        {"not": {"field": field, "op": "eq", "value": false}}
    ]}))
}

fn balanced(code: &str) -> bool {
    let mut depth = 0_i32;
    let never_below = code.chars().all(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth >= 0
    });
    never_below && depth == 0
}
