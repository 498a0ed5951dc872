//! What becomes of a live session once another version of its flow is published. Pure; the report
//! before a publication and the turns after it ask the same function.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{SessionPolicy, StrandedPolicy};
use crate::port::Program;

/// What becomes of a live session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    /// It is on the version already.
    Stays,
    /// It finishes on the version it is on.
    Finishes,
    /// It goes on in the new version.
    Migrates {
        /// The node it stands at then.
        node: String,
        /// Whether that node is entered again, which asks the contact again.
        again: bool,
    },
    /// It has nowhere to stand in the new version.
    Stranded {
        /// Why.
        reason: StrandedReason,
        /// What becomes of it.
        then: StrandedPolicy,
    },
    /// It begins again, in the new version.
    Restarts,
    /// It ends.
    Ends,
}

/// Why a session has nowhere to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrandedReason {
    /// The new version does not have its node.
    Gone,
    /// The node is of another type there.
    OtherType,
    /// It is inside of a called flow or an interruption, and the node to come back to has changed.
    CallerChanged,
    /// Its version does not run any more, or cannot say where it stands.
    Unreadable,
}

/// A fate with what it takes to carry it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destiny {
    pub(super) fate: Fate,
    /// Nodes that have other names in the new version.
    pub(super) nodes: BTreeMap<String, String>,
}

impl From<Fate> for Destiny {
    fn from(fate: Fate) -> Self {
        Self { fate, nodes: BTreeMap::new() }
    }
}

/// Decides about a session that stands at `position` of `old`, when `new` is published.
pub(super) fn destiny(
    policy: &SessionPolicy,
    old: Option<&dyn Program>,
    new: &dyn Program,
    position: &[String],
) -> Destiny {
    match policy {
        SessionPolicy::Finish => Fate::Finishes.into(),
        SessionPolicy::Restart => Fate::Restarts.into(),
        SessionPolicy::End => Fate::Ends.into(),
        SessionPolicy::Migrate { nodes, stranded } => {
            let Some(old) = old else {
                return Fate::Stranded { reason: StrandedReason::Unreadable, then: *stranded }
                    .into();
            };
            migrate(nodes, old, new, position)
                .unwrap_or_else(|reason| Fate::Stranded { reason, then: *stranded }.into())
        }
    }
}

/// Finds a place for every node the session stands at.
fn migrate(
    names: &BTreeMap<String, String>,
    old: &dyn Program,
    new: &dyn Program,
    position: &[String],
) -> Result<Destiny, StrandedReason> {
    let Some((waiting, callers)) = position.split_last() else {
        return Err(StrandedReason::Unreadable);
    };
    let mut nodes = BTreeMap::new();
    for caller in callers {
        // What runs above a node comes back to what the node remembers: it has to be the same one.
        let target = names.get(caller).unwrap_or(caller);
        same_type(old, caller, new, target)?;
        if old.mark(caller) != new.mark(target) {
            return Err(StrandedReason::CallerChanged);
        }
        rename(&mut nodes, caller, target);
    }
    let target = match names.get(waiting) {
        // Who names a node may change its type with it: it is entered anew.
        Some(target) => new.mark(target).map(|_| target).ok_or(StrandedReason::Gone)?,
        None => same_type(old, waiting, new, waiting).map(|()| waiting)?,
    };
    rename(&mut nodes, waiting, target);
    let again = old.mark(waiting) != new.mark(target);
    Ok(Destiny { fate: Fate::Migrates { node: target.clone(), again }, nodes })
}

fn same_type(
    old: &dyn Program,
    node: &str,
    new: &dyn Program,
    target: &str,
) -> Result<(), StrandedReason> {
    let there = new.mark(target).ok_or(StrandedReason::Gone)?;
    let here = old.mark(node).ok_or(StrandedReason::Unreadable)?;
    if here.kind == there.kind { Ok(()) } else { Err(StrandedReason::OtherType) }
}

fn rename(nodes: &mut BTreeMap<String, String>, from: &str, to: &str) {
    if from != to {
        nodes.insert(from.to_owned(), to.to_owned());
    }
}
