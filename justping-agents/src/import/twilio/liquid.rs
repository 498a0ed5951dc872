//! Paths and filters of Liquid, as Twilio's variables have them.

/// Filters with the same meaning here.
const FILTERS: [(&str, &str); 10] = [
    ("upcase", "upper"),
    ("downcase", "lower"),
    ("capitalize", "capitalize"),
    ("strip", "trim"),
    ("size", "length"),
    ("first", "first"),
    ("last", "last"),
    ("default", "default"),
    ("replace", "replace"),
    ("join", "join"),
];

/// A path with filters behind it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Code<'c> {
    pub(super) path: Vec<&'c str>,
    /// The filters as they are written here, `|upper` and the like.
    pub(super) filters: String,
}

/// Reads what stands between `{{` and `}}`; `None` when it is more than a path and known filters.
pub(super) fn read(code: &str) -> Option<Code<'_>> {
    let mut parts = code.split('|').map(str::trim);
    let path: Vec<&str> = parts.next()?.split('.').map(str::trim).collect();
    let legal = |name: &&str| {
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_- ".contains(c))
    };
    if !path.iter().all(legal) {
        return None;
    }
    let mut filters = String::new();
    for part in parts {
        let (name, arguments) = part.split_once(':').unwrap_or((part, ""));
        let (_, here) = FILTERS.iter().find(|(liquid, _)| *liquid == name.trim())?;
        filters.push('|');
        filters.push_str(here);
        let arguments = arguments.trim();
        if !arguments.is_empty() {
            let texts = arguments.split(',').map(str::trim);
            if !texts.clone().all(is_literal) {
                return None;
            }
            filters.push_str(&format!("({})", texts.collect::<Vec<_>>().join(", ")));
        }
    }
    Some(Code { path, filters })
}

/// A number, or a text in quotes without more of them.
fn is_literal(text: &str) -> bool {
    let quoted = |quote: char| {
        text.len() > 1
            && text
                .strip_prefix(quote)
                .and_then(|text| text.strip_suffix(quote))
                .is_some_and(|inner| !inner.contains([quote, '\\']))
    };
    quoted('\'') || quoted('"') || text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// A path as templates have it: names that are no names stand in brackets.
pub(super) fn written(root: &str, rest: &[&str]) -> String {
    let mut out = root.to_owned();
    for name in rest {
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            out.push('.');
            out.push_str(name);
        } else if name.parse::<usize>().is_ok() {
            out.push_str(&format!("[{name}]"));
        } else {
            out.push_str(&format!("['{name}']"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_filters_are_read() {
        let code = read("flow.variables.name | downcase | default: 'you'").unwrap();
        assert_eq!(code.path, ["flow", "variables", "name"]);
        assert_eq!(code.filters, "|lower|default('you')");
        assert_eq!(read("flow.data").unwrap().filters, "");
        for none in ["a | date: '%Y'", "a[0]", "a..b", "", "a | default: b"] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(written("a", &["b", "c-d", "0"]), "a.b['c-d'][0]");
    }
}
