//! Variables that are read before they are set.
//!
//! Forward over the graph: what every way to a node has set, and what some way has. A question sets
//! its variable when it is answered, not when it is given up.

use std::collections::HashMap;

use justping_core::port::{Finding, Patch};
use serde_json::json;

use crate::check::finding::{about, code, error, warning};
use crate::check::graph::finish_order;
use crate::check::{Draft, DraftNode};
use crate::document::{RESERVED_NAMES, is_variable_name};
use crate::node::RESUME_URL;

/// Exits by which a node leaves without what it wanted to set.
const GIVING_UP: [&str; 4] = ["timeout", "invalid", "interrupted", "error"];

/// A type of node that sets its variables by every exit: those that got nothing are empty.
const ALWAYS_SET: [&str; 3] = ["http", "plugin", "tool"];

/// A set of variables by their numbers.
#[derive(Debug, Clone, PartialEq)]
struct Bits(Vec<u64>);

impl Bits {
    fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn all(count: usize) -> Self {
        Self(vec![u64::MAX; count.div_ceil(64)])
    }

    fn of(members: &[usize], count: usize) -> Self {
        let mut bits = Self::none(count);
        members.iter().for_each(|at| bits.insert(*at));
        bits
    }

    fn insert(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    fn contains(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    /// Takes over what the other has; says whether that was anything new.
    fn add(&mut self, other: &Self) -> bool {
        self.merge(other, |own, other| own | other)
    }

    /// Loses what the other has not; says whether that was anything.
    fn keep(&mut self, other: &Self) -> bool {
        self.merge(other, |own, other| own & other)
    }

    fn merge(&mut self, other: &Self, of: impl Fn(u64, u64) -> u64) -> bool {
        let mut changed = false;
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            let merged = of(*own, *other);
            changed |= merged != *own;
            *own = merged;
        }
        changed
    }
}

/// What is set when a session arrives at a node.
#[derive(Debug, Clone, PartialEq)]
struct Arrived {
    always: Bits,
    sometimes: Bits,
}

impl Arrived {
    /// Becomes a copy, in the room it has.
    fn copy(&mut self, other: &Self) {
        self.always.0.clone_from(&other.always.0);
        self.sometimes.0.clone_from(&other.sometimes.0);
    }

    fn set(&mut self, own: &Bits) {
        self.always.add(own);
        self.sometimes.add(own);
    }

    /// Another way leads here too; says whether that changes anything.
    fn meet(&mut self, other: &Self) -> bool {
        let lost = self.always.keep(&other.always);
        self.sometimes.add(&other.sometimes) || lost
    }
}

/// The way from one node to another.
struct Way {
    to: usize,
    sets: bool,
}

/// Reports variables that are read where they are unset, or may be.
pub(super) fn unset(draft: &Draft) -> Vec<Finding> {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut number = |name: String| {
        let next = numbers.len();
        *numbers.entry(name).or_insert(next)
    };
    let writes: Vec<Vec<usize>> = draft
        .nodes
        .iter()
        .map(|node| node.built.iter().flat_map(|built| built.writes()).map(&mut number).collect())
        .collect();
    let arrived = arrive(draft, &writes, numbers.len());
    let mut findings = Vec::new();
    for (at, node) in draft.nodes.iter().enumerate() {
        let Some(built) = &node.built else { continue };
        let mut seen: Vec<String> = Vec::new();
        for path in built.reads() {
            let name = path.split('.').next().unwrap_or_default();
            if RESERVED_NAMES.contains(&name)
                || name == RESUME_URL
                || seen.iter().any(|one| one == name)
            {
                continue;
            }
            seen.push(name.to_owned());
            let number = numbers.get(name).copied();
            let own = number.is_some_and(|n| writes.get(at).is_some_and(|own| own.contains(&n)));
            if !own {
                let here = arrived.get(at).and_then(Option::as_ref);
                findings.extend(judge(draft, node, name, number, here));
            }
        }
    }
    findings
}

fn judge(
    draft: &Draft,
    node: &DraftNode,
    name: &str,
    number: Option<usize>,
    here: Option<&Arrived>,
) -> Option<Finding> {
    let declared = draft.variables.iter().find(|variable| variable.name == name);
    if declared.is_some_and(|variable| variable.default.is_some()) {
        return None;
    }
    let path = format!("/nodes/{}/data", node.at);
    let Some(number) = number else {
        if declared.is_some() {
            // Whoever starts the session may set it.
            return None;
        }
        let message = format!("nothing sets the variable `{name}`");
        let mut finding = about(&node.node.id, error(code::UNKNOWN_VARIABLE, path, message));
        if is_variable_name(name) {
            finding.fix = declare(draft, name);
        }
        return Some(finding);
    };
    let here = here?;
    if here.always.contains(number) {
        return None;
    }
    let message = match here.sometimes.contains(number) {
        true => format!("some ways here leave `{name}` unset"),
        false => format!("no way here sets `{name}`"),
    };
    let (severity, known) = match here.sometimes.contains(number) || declared.is_some() {
        true => (warning as fn(&str, String, String) -> Finding, code::MAYBE_UNSET),
        false => (error as fn(&str, String, String) -> Finding, code::UNKNOWN_VARIABLE),
    };
    let mut finding = about(&node.node.id, severity(known, path, message));
    if known == code::UNKNOWN_VARIABLE && is_variable_name(name) {
        finding.fix = declare(draft, name);
    }
    Some(finding)
}

/// Declares a variable.
fn declare(draft: &Draft, name: &str) -> Vec<Patch> {
    let variable = json!({"name": name});
    vec![match draft.variables.is_empty() {
        true => Patch::Add { path: "/variables".to_owned(), value: json!([variable]) },
        false => Patch::Add { path: "/variables/-".to_owned(), value: variable },
    }]
}

/// What is set on arrival at each node; `None` where no way leads.
///
/// Nodes are looked at before those they lead to, and again only when something about them changed, so
/// that it takes one round and another one for each way back within a way back.
fn arrive(draft: &Draft, writes: &[Vec<usize>], count: usize) -> Vec<Option<Arrived>> {
    let ways = ways(draft);
    let mut arrived: Vec<Option<Arrived>> = vec![None; draft.nodes.len()];
    let Some(start) = draft.trigger else { return arrived };
    let nothing = Arrived { always: Bits::none(count), sometimes: Bits::none(count) };
    // Words, intents and errors lead to roots from anywhere.
    let anything = Arrived { sometimes: Bits::all(count), ..nothing.clone() };
    let roots = draft.roots.iter().map(|root| (*root, &anything));
    let mut open = vec![false; draft.nodes.len()];
    for (at, first) in std::iter::once((start, &nothing)).chain(roots) {
        if let Some((slot, open)) = arrived.get_mut(at).zip(open.get_mut(at)) {
            (*slot, *open) = (Some(first.clone()), true);
        }
    }
    let own: Vec<Bits> = writes.iter().map(|writes| Bits::of(writes, count)).collect();
    let order = order(&ways);
    let mut left = nothing;
    while open.contains(&true) {
        for at in order.iter().copied() {
            if !open.get_mut(at).is_some_and(std::mem::take) {
                continue;
            }
            for way in ways.get(at).into_iter().flatten() {
                let Some(Some(here)) = arrived.get(at) else { continue };
                left.copy(here);
                if let Some(own) = own.get(at).filter(|_| way.sets) {
                    left.set(own);
                }
                let Some((slot, open)) = arrived.get_mut(way.to).zip(open.get_mut(way.to)) else {
                    continue;
                };
                let changed = match slot {
                    Some(known) => known.meet(&left),
                    None => {
                        *slot = Some(left.clone());
                        true
                    }
                };
                *open |= changed;
            }
        }
    }
    arrived
}

/// Nodes before those they lead to, but for ways back.
fn order(ways: &[Vec<Way>]) -> Vec<usize> {
    let successors = ways.iter().map(|ways| ways.iter().map(|way| way.to).collect()).collect();
    let mut order = finish_order(&successors);
    order.reverse();
    order
}

/// Where each node leads, by edges and by jumps.
fn ways(draft: &Draft) -> Vec<Vec<Way>> {
    let mut ways: Vec<Vec<Way>> = draft.nodes.iter().map(|_| Vec::new()).collect();
    for edge in &draft.edges {
        let always =
            draft.nodes.get(edge.source).is_some_and(|node| ALWAYS_SET.contains(&&*node.node.kind));
        let sets = always || !GIVING_UP.contains(&edge.exit.as_str());
        if let Some(list) = ways.get_mut(edge.source) {
            list.push(Way { to: edge.target, sets });
        }
    }
    for (node, list) in draft.nodes.iter().zip(&mut ways) {
        let jumps = node.built.iter().flat_map(|built| built.jumps());
        let targets = jumps.filter_map(|jump| draft.ids.get(&jump).copied());
        list.extend(targets.map(|to| Way { to, sets: true }));
    }
    ways
}
