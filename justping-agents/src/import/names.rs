//! Names of variables: legal ones stay, others are changed, and no two become one.

use std::collections::{HashMap, HashSet};

use crate::document::{VARIABLE_NAME_MAX_BYTES, is_variable_name};

/// Words that are legal names of variables but mean something else in templates.
const TEMPLATE_WORDS: [&str; 21] = [
    "true", "True", "false", "False", "none", "None", "not", "and", "or", "in", "is", "if", "else",
    "for", "loop", "self", "super", "caller", "varargs", "kwargs", "range",
];
/// Room for what tells two names apart.
const SUFFIX_BYTES: usize = 8;

/// The names of a source and what they are called here.
#[derive(Debug, Default)]
pub(super) struct Names {
    here: HashMap<String, String>,
    taken: HashSet<String>,
    renamed: Vec<(String, String)>,
}

impl Names {
    /// Keeps the legal ones of these names for themselves.
    pub(super) fn keep<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        for name in names.into_iter().filter(|name| is_usable(name)) {
            self.taken.insert(name.to_owned());
            self.here.insert(name.to_owned(), name.to_owned());
        }
    }

    /// What a name of the source is called here.
    pub(super) fn of(&mut self, name: &str) -> String {
        self.like(name, name)
    }

    /// What something of the source, told apart by `key`, is called here: `wanted` or nearly that.
    pub(super) fn like(&mut self, key: &str, wanted: &str) -> String {
        if let Some(known) = self.here.get(key) {
            return known.clone();
        }
        let name = self.fresh(wanted);
        if name != wanted {
            self.renamed.push((wanted.to_owned(), name.clone()));
        }
        self.here.insert(key.to_owned(), name.clone());
        name
    }

    /// A name nothing else has.
    pub(super) fn fresh(&mut self, wanted: &str) -> String {
        let base = legal(wanted);
        let numbered = (2_u64..).map(|number| format!("{base}_{number}"));
        let mut candidates = std::iter::once(base.clone()).chain(numbered);
        let free = candidates.find(|name| !self.taken.contains(name)).unwrap_or(base.clone());
        self.taken.insert(free.clone());
        free
    }

    /// The names that had to change, with what they are now.
    pub(super) fn renamed(&self) -> &[(String, String)] {
        &self.renamed
    }
}

fn is_usable(name: &str) -> bool {
    is_variable_name(name) && !TEMPLATE_WORDS.contains(&name)
}

/// A legal name that looks like another one.
fn legal(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut legal: String =
        name.chars().map(letter).take(VARIABLE_NAME_MAX_BYTES - SUFFIX_BYTES).collect();
    if legal.bytes().all(|b| b == b'_') {
        legal = "variable".to_owned();
    }
    if legal.starts_with(|c: char| c.is_ascii_digit()) {
        legal.insert(0, '_');
    }
    if !is_usable(&legal) {
        legal.push('_');
    }
    legal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn legal_names_stay_and_others_look_alike() {
        let mut names = Names::default();
        names.keep(["Lead_Score", "true", "contact"]);
        assert_eq!(names.of("Lead_Score"), "Lead_Score");
        assert_eq!(names.of("Lead Score"), "Lead_Score_2");
        assert_eq!(names.of("Lead Score"), "Lead_Score_2");
        assert_eq!(names.of("2nd"), "_2nd");
        assert_eq!(names.of("contact"), "contact_");
        assert_eq!(names.of("true"), "true_");
        assert_eq!(names.of("имя"), "variable");
        assert_eq!(names.of("名"), "variable_2");
    }

    proptest! {
        #[test]
        fn different_names_stay_different(sources in prop::collection::hash_set("\\PC{0,70}", 0..40)) {
            let mut names = Names::default();
            names.keep(sources.iter().map(String::as_str));
            let mut seen = HashSet::new();
            for source in &sources {
                let name = names.of(source);
                prop_assert!(is_variable_name(&name), "{name}");
                prop_assert_eq!(&name, &names.of(source));
                prop_assert!(seen.insert(name));
            }
        }
    }
}
