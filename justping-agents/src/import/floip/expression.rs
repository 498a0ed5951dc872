//! Formulas that answer yes or no, as conditions.
//!
//! What is read: `AND`, `OR`, `NOT`, `IN`, comparisons of a field with a value, `LOWER` and `UPPER`
//! (case does not count here anyway), and the constants `TRUE`, `FALSE` and `NULL`. The mode of a
//! channel is text, never a call.

use serde_json::{Value, json};

/// Deepest nesting of a formula.
const DEPTH_MAX: usize = 24;
/// The mode every channel has here.
const MODE: &str = "text";

/// A formula's answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// Always the same.
    Always(bool),
    /// It depends.
    When(Value),
}

/// A value in a formula.
#[derive(Debug, Clone, PartialEq)]
enum Term {
    Test(Test),
    Field(String),
    Value(Value),
    /// A word that is no field.
    Word(String),
}

/// Reads a formula; `field` says what a path is called here.
///
/// The error says what cannot be read.
pub(super) fn test(
    source: &str,
    field: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<Test, String> {
    let source = source.trim();
    let inner = source.strip_prefix("@(").and_then(|rest| rest.strip_suffix(')'));
    let source = inner.or_else(|| source.strip_prefix('@')).unwrap_or(source);
    let tokens = tokens(source)?;
    let mut parser = Parser { tokens: &tokens, field };
    let term = parser.comparison(0)?;
    if let Some(token) = parser.tokens.first() {
        return Err(format!("`{}` was not expected", token.text()));
    }
    truth(term)
}

fn truth(term: Term) -> Result<Test, String> {
    match term {
        Term::Test(test) => Ok(test),
        Term::Value(Value::Bool(flag)) => Ok(Test::Always(flag)),
        Term::Field(field) => Ok(Test::When(json!({"not": {"any": [
            {"field": field, "op": "is_empty"},
            {"field": field, "op": "in", "value": [false, 0]}
        ]}}))),
        Term::Value(value) => Err(format!("`{value}` is neither true nor false")),
        Term::Word(word) => Err(format!("`{word}` is unknown")),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(f64),
    Mark(&'static str),
}

impl Token {
    fn text(&self) -> String {
        match self {
            Self::Name(text) | Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Mark(mark) => (*mark).to_owned(),
        }
    }
}

fn tokens(source: &str) -> Result<Vec<Token>, String> {
    const MARKS: [&str; 10] = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","];
    let mut tokens = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        let length;
        if let Some(mark) = MARKS.into_iter().find(|mark| rest.starts_with(mark)) {
            tokens.push(Token::Mark(mark));
            length = mark.len();
        } else if first == '\'' || first == '"' {
            let inner = rest.get(1..).unwrap_or_default();
            let end = inner.find(first).ok_or("a text does not end")?;
            tokens.push(Token::Text(inner.get(..end).unwrap_or_default().to_owned()));
            length = end + 2;
        } else {
            let is_name = |c: char| c.is_alphanumeric() || "_.-".contains(c);
            length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            let word = rest.get(..length).filter(|word| !word.is_empty());
            let word = word.ok_or_else(|| format!("`{first}` is not understood"))?;
            let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
            tokens.push(number.map_or_else(|| Token::Name(word.to_owned()), Token::Number));
        }
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

struct Parser<'t, 'f> {
    tokens: &'t [Token],
    field: &'f mut dyn FnMut(&str) -> Option<String>,
}

impl Parser<'_, '_> {
    fn next(&mut self) -> Option<Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first.clone())
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = matches!(self.tokens.first(), Some(Token::Mark(one)) if *one == mark);
        if found {
            self.next();
        }
        found
    }

    fn comparison(&mut self, depth: usize) -> Result<Term, String> {
        if depth > DEPTH_MAX {
            return Err("nested too deep".to_owned());
        }
        let left = self.term(depth)?;
        for (mark, op) in [
            ("!=", "ne"),
            ("<>", "ne"),
            ("<=", "lte"),
            (">=", "gte"),
            ("=", "eq"),
            ("<", "lt"),
            (">", "gt"),
        ] {
            if self.take(mark) {
                let right = self.term(depth)?;
                return compare(left, op, right);
            }
        }
        Ok(left)
    }

    fn term(&mut self, depth: usize) -> Result<Term, String> {
        match self.next().ok_or("the formula ends too early")? {
            Token::Text(text) => Ok(Term::Value(Value::from(text))),
            Token::Number(number) => Ok(Term::Value(json!(number))),
            Token::Mark("(") => {
                let inner = self.comparison(depth + 1)?;
                if self.take(")") { Ok(inner) } else { Err("`)` is missing".to_owned()) }
            }
            Token::Mark(mark) => Err(format!("`{mark}` was not expected")),
            Token::Name(name) if self.take("(") => self.call(&name, depth),
            Token::Name(name) => Ok(match name.to_uppercase().as_str() {
                "TRUE" => Term::Value(Value::Bool(true)),
                "FALSE" => Term::Value(Value::Bool(false)),
                "NULL" => Term::Value(Value::Null),
                "CHANNEL.MODE" => Term::Value(Value::from(MODE)),
                _ => match (self.field)(&name) {
                    Some(field) => Term::Field(field),
                    None => Term::Word(name),
                },
            }),
        }
    }

    fn call(&mut self, name: &str, depth: usize) -> Result<Term, String> {
        let mut arguments = Vec::new();
        while !self.take(")") {
            arguments.push(self.comparison(depth + 1)?);
            if !self.take(",") && !matches!(self.tokens.first(), Some(Token::Mark(")"))) {
                return Err("`)` is missing".to_owned());
            }
        }
        match name.to_uppercase().as_str() {
            "AND" => tests(arguments).map(|tests| Term::Test(all(tests))),
            "OR" => tests(arguments).map(|tests| Term::Test(any(tests))),
            "NOT" => match tests(arguments)?.as_slice() {
                [one] => Ok(Term::Test(not(one.clone()))),
                _ => Err("`NOT` takes one formula".to_owned()),
            },
            "LOWER" | "UPPER" | "TRIM" => match <[Term; 1]>::try_from(arguments) {
                Ok([one]) => Ok(one),
                Err(_) => Err(format!("`{name}` takes one value")),
            },
            "IN" => match <[Term; 2]>::try_from(arguments) {
                Ok([item, Term::Field(list)]) => {
                    let item = value(item)?;
                    Ok(leaf(&list, "contains", &item))
                }
                _ => Err("`IN` takes a value and a list".to_owned()),
            },
            _ => Err(format!("the function `{name}` has no counterpart")),
        }
    }
}

fn tests(terms: Vec<Term>) -> Result<Vec<Test>, String> {
    terms.into_iter().map(truth).collect()
}

fn leaf(field: &str, op: &str, value: &Value) -> Term {
    Term::Test(Test::When(json!({"field": field, "op": op, "value": value})))
}

fn value(term: Term) -> Result<Value, String> {
    match term {
        Term::Value(value) => Ok(value),
        Term::Word(word) => Ok(Value::from(word)),
        Term::Field(field) => Err(format!("`{field}` is compared with another field")),
        Term::Test(_) => Err("a formula is compared".to_owned()),
    }
}

fn compare(left: Term, op: &str, right: Term) -> Result<Term, String> {
    let turned = match op {
        "lt" => "gt",
        "gt" => "lt",
        "lte" => "gte",
        "gte" => "lte",
        same => same,
    };
    match (left, right) {
        (Term::Field(field), other) => Ok(leaf(&field, op, &value(other)?)),
        (other, Term::Field(field)) => Ok(leaf(&field, turned, &value(other)?)),
        (Term::Value(left), Term::Value(right)) => match op {
            "eq" => Ok(Term::Test(Test::Always(left == right))),
            "ne" => Ok(Term::Test(Test::Always(left != right))),
            _ => Err("two constants are ordered".to_owned()),
        },
        (Term::Word(word), _) | (_, Term::Word(word)) => Err(format!("`{word}` is unknown")),
        (Term::Test(_), _) | (_, Term::Test(_)) => Err("a formula is compared".to_owned()),
    }
}

fn all(tests: Vec<Test>) -> Test {
    join(tests, "all", true)
}

fn any(tests: Vec<Test>) -> Test {
    join(tests, "any", false)
}

/// Leaves out what changes nothing; one that decides alone is the answer.
fn join(tests: Vec<Test>, key: &str, neutral: bool) -> Test {
    if tests.contains(&Test::Always(!neutral)) {
        return Test::Always(!neutral);
    }
    let mut open: Vec<Value> = tests
        .into_iter()
        .filter_map(|test| match test {
            Test::When(condition) => Some(condition),
            Test::Always(_) => None,
        })
        .collect();
    match (open.len(), open.pop()) {
        (_, None) => Test::Always(neutral),
        (1, Some(alone)) => Test::When(alone),
        (_, Some(last)) => {
            open.push(last);
            Test::When(Value::from_iter([(key, Value::from(open))]))
        }
    }
}

fn not(test: Test) -> Test {
    match test {
        Test::Always(flag) => Test::Always(!flag),
        Test::When(condition) => Test::When(json!({"not": condition})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Result<Test, String> {
        test(source, &mut |path| {
            let known = ["block.value", "flow.age", "contact.name", "contact.groups"];
            known.contains(&path).then(|| path.replace('.', "_"))
        })
    }

    #[test]
    fn formulas_become_conditions() {
        let yes = read(
            "@(OR(AND(channel.mode = 'ivr', block.value = '1'), AND(channel.mode != 'ivr', \
             OR(block.value = '1', LOWER(block.value) = 'yes'))))",
        );
        let expected = json!({"any": [
            {"field": "block_value", "op": "eq", "value": "1"},
            {"field": "block_value", "op": "eq", "value": "yes"}
        ]});
        assert_eq!(yes, Ok(Test::When(expected)));
        assert_eq!(read("@(TRUE)"), Ok(Test::Always(true)));
        assert_eq!(read("true"), Ok(Test::Always(true)));
        let more = json!({"field": "flow_age", "op": "gt", "value": 18.0});
        assert_eq!(read("@(flow.age > 18)"), Ok(Test::When(more.clone())));
        assert_eq!(read("@(18 < flow.age)"), Ok(Test::When(more)));
        let set = json!({"field": "block_value", "op": "ne", "value": null});
        assert_eq!(read("@(block.value != NULL)"), Ok(Test::When(set)));
        let group = json!({"field": "contact_groups", "op": "contains", "value": "test"});
        assert_eq!(read("@(IN(test, contact.groups))"), Ok(Test::When(group)));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for bad in ["@(nonsense)", "(", "@(AND(", "a +", "@(SUM(1))", "'open", "1", "@(1 < 2)", ""]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&"(".repeat(100)).is_err());
    }
}
