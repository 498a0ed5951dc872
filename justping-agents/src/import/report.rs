//! What became of a source.

use std::collections::BTreeMap;

use serde::Serialize;

/// What an element of a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ElementKind {
    /// A box: a block, a widget.
    Block,
    /// Something that starts or interrupts the flow.
    Event,
    /// One of the answers to a choice, or an arm.
    Option,
    /// An arrow.
    Edge,
    /// A named value.
    Variable,
    /// A comparison.
    Condition,
    /// A text with code in it: a template, a formula, a path into an answer.
    Expression,
    /// A wording of a text, in one language.
    Text,
}

/// One element of a source and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Element {
    /// What it is.
    pub kind: ElementKind,
    /// JSON pointer into the source; no two elements share one.
    pub path: String,
    /// Its id or name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it is now: the id of a node, the name of a variable, or words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub became: Option<String>,
    /// Why it is not what it was; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How many elements of a kind met which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// They mean here what they meant there.
    pub imported: usize,
    /// They mean nearly the same.
    pub degraded: usize,
    /// They are gone, but for a note.
    pub unsupported: usize,
}

impl Counts {
    /// All of them.
    pub fn total(self) -> usize {
        self.imported + self.degraded + self.unsupported
    }
}

/// Every element of a source, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Those that mean here what they meant there.
    pub imported: Vec<Element>,
    /// Those that mean nearly the same.
    pub degraded: Vec<Element>,
    /// Those that are gone, but for a note.
    pub unsupported: Vec<Element>,
    /// What concerns the whole flow, such as variables that got other names.
    pub notes: Vec<String>,
}

impl Report {
    /// The counts of each kind that occurs.
    pub fn counts(&self) -> BTreeMap<ElementKind, Counts> {
        let mut counts: BTreeMap<ElementKind, Counts> = BTreeMap::new();
        for element in &self.imported {
            counts.entry(element.kind).or_default().imported += 1;
        }
        for element in &self.degraded {
            counts.entry(element.kind).or_default().degraded += 1;
        }
        for element in &self.unsupported {
            counts.entry(element.kind).or_default().unsupported += 1;
        }
        counts
    }
}
