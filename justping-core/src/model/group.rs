use serde::{Deserialize, Serialize};

use super::{BusinessId, ContactId, GroupId, Timestamp};

/// Most groups of a business.
pub const GROUPS_MAX: usize = 500;
/// Most groups one contact is in.
pub const GROUPS_OF_CONTACT_MAX: usize = 100;
/// Most characters of the name of a group.
pub const GROUP_NAME_MAX_CHARS: usize = 100;

/// A group: a list of contacts that people or flows put together, one by one.
///
/// Who is in which group is a [`Membership`], a row of its own, and no part of the contact's
/// document, for four reasons. What accepting a message reads and writes stays as short as it is,
/// however many groups there are. The contacts of a group are a walk along one key, were it a
/// million. To put a thousand contacts into a group writes a thousand short rows and rewrites no
/// contact, so that nothing is searched anew and no turn is disturbed. And a group that is deleted
/// is gone at once, for there is no second copy of it in a million documents. The price is one
/// look-up along an index when a turn is claimed, which reads the groups of its contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// The business that owns it.
    pub business_id: BusinessId,
    /// What people call it; unique in the business. See [`is_name`](Self::is_name).
    pub name: String,
    /// Counts changes of the group itself, not of who is in it.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Group {
    /// The group as it stands after a change: what never changes is as it was, and the revision is
    /// the next.
    #[must_use]
    pub fn replaced(self, change: &Self) -> Self {
        Self { created_at: self.created_at, revision: change.revision + 1, ..change.clone() }
    }

    /// Says whether a group may be called so: 1 to [`GROUP_NAME_MAX_CHARS`] characters, none of
    /// them white space at either end.
    pub fn is_name(name: &str) -> bool {
        name == name.trim() && (1..=GROUP_NAME_MAX_CHARS).contains(&name.chars().count())
    }
}

/// A contact is in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The business of both.
    pub business_id: BusinessId,
    /// The group.
    pub group_id: GroupId,
    /// The contact.
    pub contact_id: ContactId,
    /// When it came in.
    pub since: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_short() {
        for name in ["a", "Newsletter", "ü 💛", &"é".repeat(100)] {
            assert!(Group::is_name(name), "{name}");
        }
        let long = "x".repeat(101);
        for name in ["", " ", " a", "a\n", "a\u{a0}", &long] {
            assert!(!Group::is_name(name), "{name:?}");
        }
    }
}
