//! Templates with expressions, filters and statements, rendered by minijinja.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::OnceLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value as EngineValue, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, Output, State, UndefinedBehavior, escape_formatter,
};
use serde_json::Value;

use super::{FUEL, TemplateError, budget};
use crate::scope::Scope;

/// The only template an environment holds.
const NAME: &str = "text";

/// How deep the engine may call itself.
const RECURSION: usize = 64;

/// The function of the engine that stays; it is no variable.
const FUNCTION: &str = "range";

/// `debug` prints every variable there is; the others have no use without statements that bind.
const REMOVED_FUNCTIONS: [&str; 3] = ["debug", "dict", "namespace"];

/// Filters that put one value into many places: a few of them in one another make a list that takes
/// hours to print, see `budget`.
const GROWING_FILTERS: [&str; 5] = ["batch", "chain", "map", "slice", "zip"];

/// Is a compiled template and what it reads.
pub(super) struct Engine {
    environment: Environment<'static>,
    reads: Vec<Read>,
    variables: Vec<String>,
}

/// Is a path the template reads; the value at its end is converted, its neighbours are not.
#[derive(Debug)]
struct Read {
    root: String,
    rest: Vec<String>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("reads", &self.reads).finish_non_exhaustive()
    }
}

impl Engine {
    pub(super) fn compile(source: &str, escape: AutoEscape) -> Result<Self, TemplateError> {
        budget::check(source)?;
        let mut environment = base().clone();
        environment.set_auto_escape_callback(move |_| escape.clone());
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| TemplateError::from_engine(&error))?;
        let paths = undeclared(&environment)?;
        let variables: Vec<String> = paths.into_iter().filter(|path| path != FUNCTION).collect();
        let reads = shortest(&variables);
        Ok(Self { environment, reads, variables })
    }

    pub(super) fn render(&self, scope: &dyn Scope) -> Result<String, TemplateError> {
        let template = self.environment.get_template(NAME);
        template
            .and_then(|template| template.render(self.context(scope)))
            .map_err(|error| TemplateError::from_engine(&error))
    }

    pub(super) fn variables(&self) -> Vec<String> {
        self.variables.clone()
    }

    /// Builds the smallest context in which the template renders as with all of `scope`.
    fn context(&self, scope: &dyn Scope) -> EngineValue {
        let mut root = Node::default();
        for read in &self.reads {
            if let Some(value) = scope.get(&read.root) {
                root.insert(&read.root, &read.rest, value);
            }
        }
        EngineValue::from(Serde(&root))
    }
}

/// Is an object with only the members that are read.
#[derive(Default, serde::Serialize)]
#[serde(transparent)]
struct Node<'v>(BTreeMap<&'v str, Branch<'v>>);

#[derive(serde::Serialize)]
#[serde(untagged)]
enum Branch<'v> {
    Whole(&'v Value),
    Part(Node<'v>),
}

impl<'v> Node<'v> {
    /// Adds `value` under `name`, narrowed to `rest` as far as it consists of objects.
    fn insert(&mut self, name: &'v str, rest: &'v [String], value: &'v Value) {
        let (Some((next, rest)), Value::Object(map)) = (rest.split_first(), value) else {
            self.0.insert(name, Branch::Whole(value));
            return;
        };
        let branch = self.0.entry(name).or_insert_with(|| Branch::Part(Node::default()));
        if let (Branch::Part(node), Some(value)) = (branch, map.get(next)) {
            node.insert(next, rest, value);
        }
    }
}

/// Returns the environment every template starts from; cloning it shares its tables.
fn base() -> &'static Environment<'static> {
    static BASE: OnceLock<Environment<'static>> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut environment = Environment::new();
        for function in REMOVED_FUNCTIONS {
            environment.remove_global(function);
        }
        for filter in GROWING_FILTERS {
            environment.remove_filter(filter);
        }
        environment.add_filter("times", times);
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        // Building fails only on bad delimiters, and these are the standard ones.
        if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
            environment.set_syntax(syntax);
        }
        environment.set_formatter(plain);
        environment.set_recursion_limit(RECURSION);
        environment.set_fuel(Some(FUEL));
        environment
    })
}

/// Writes a value as people read it: nothing for `null`, `true` and `false` in small letters.
fn plain(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &EngineValue,
) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => Ok(()),
        ValueKind::Bool => Ok(out.write_str(if value.is_true() { "true" } else { "false" })?),
        _ => escape_formatter(out, state, value),
    }
}

fn undeclared(environment: &Environment<'_>) -> Result<BTreeSet<String>, TemplateError> {
    let template =
        environment.get_template(NAME).map_err(|error| TemplateError::from_engine(&error))?;
    Ok(template.undeclared_variables(true).into_iter().collect())
}

/// Reads each path unless a shorter one already covers it; `paths` are sorted.
fn shortest(paths: &[String]) -> Vec<Read> {
    let covered = |path: &str| {
        let prefix = |other: &String| path.strip_prefix(other.as_str());
        paths.iter().filter_map(prefix).any(|rest| rest.starts_with('.'))
    };
    let paths = paths.iter().filter(|path| !covered(path));
    let split = |path: &String| {
        let mut names = path.split('.').map(str::to_owned);
        let root = names.next().unwrap_or_default();
        Read { root, rest: names.collect() }
    };
    paths.map(split).collect()
}

/// Multiplies two numbers; `*` is not available because it also repeats lists.
fn times(left: &EngineValue, right: &EngineValue) -> Result<EngineValue, minijinja::Error> {
    let whole =
        |value: &EngineValue| i64::try_from(value.clone()).ok().filter(|_| value.is_integer());
    if let (Some(left), Some(right)) = (whole(left), whole(right))
        && let Some(product) = left.checked_mul(right)
    {
        return Ok(EngineValue::from(product));
    }
    let number =
        |value: &EngineValue| f64::try_from(value.clone()).ok().filter(|_| value.is_number());
    match (number(left), number(right)) {
        (Some(left), Some(right)) => Ok(EngineValue::from(left * right)),
        _ => Err(minijinja::Error::new(
            minijinja::ErrorKind::InvalidOperation,
            "times multiplies numbers",
        )),
    }
}
