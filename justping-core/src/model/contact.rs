use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{BusinessId, ChannelKind, ContactId, GroupId, Timestamp};

/// How a contact is known in one kind of channel.
///
/// A phone number is optional by design: a WhatsApp contact may arrive with a user name only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// The kind of channel in which the id means something.
    pub kind: ChannelKind,
    /// The id in that kind: phone digits, visitor id, mail address.
    pub id: String,
}

impl Identity {
    /// Makes an identity.
    pub fn new(kind: ChannelKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }
}

/// An end user, known by one identity or more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// The business that knows it.
    pub business_id: BusinessId,
    /// The name people see, when known.
    pub name: Option<String>,
    /// Where it can be reached. Unique over the business.
    pub identities: Vec<Identity>,
    /// Custom fields by name.
    pub fields: BTreeMap<String, serde_json::Value>,
    /// Labels.
    pub tags: BTreeSet<String>,
    /// BCP 47 language tag, when known.
    pub locale: Option<String>,
    /// IANA time zone, when known.
    pub time_zone: Option<String>,
    /// Kinds of channel on which the contact asked for silence.
    pub opted_out: BTreeSet<ChannelKind>,
    /// Kinds of channel whose provider reported the address as dead or complaining.
    pub suppressed: BTreeSet<ChannelKind>,
    /// Counts changes.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A change of a contact: what is `None` or empty stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContactPatch {
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Fields to set; `null` removes one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, serde_json::Value>,
    /// Tags to add.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub add_tags: BTreeSet<String>,
    /// Tags to remove.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub remove_tags: BTreeSet<String>,
    /// Groups to come into. Only a turn and `patch_contact` of the store look at these two:
    /// memberships are no part of the contact itself.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub join_groups: BTreeSet<GroupId>,
    /// Groups to leave; one that is to be joined as well is left.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub leave_groups: BTreeSet<GroupId>,
    /// A new language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// A new time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Kinds to silence.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub opt_out: BTreeSet<ChannelKind>,
    /// Kinds to allow again.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub opt_in: BTreeSet<ChannelKind>,
    /// Kinds to suppress.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub suppress: BTreeSet<ChannelKind>,
}

impl ContactPatch {
    /// Says whether the patch changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Says whether the patch joins or leaves groups.
    pub fn moves_groups(&self) -> bool {
        !self.join_groups.is_empty() || !self.leave_groups.is_empty()
    }

    /// Says whether the patch changes the contact itself, and not only which groups it is in.
    pub fn changes_contact(&self) -> bool {
        let groups = Self {
            join_groups: self.join_groups.clone(),
            leave_groups: self.leave_groups.clone(),
            ..Self::default()
        };
        *self != groups
    }

    /// Adds `later` on top of this patch.
    pub fn merge(&mut self, later: Self) {
        for tag in &later.add_tags {
            self.remove_tags.remove(tag);
        }
        for tag in &later.remove_tags {
            self.add_tags.remove(tag);
        }
        for group in &later.join_groups {
            self.leave_groups.remove(group);
        }
        for group in &later.leave_groups {
            self.join_groups.remove(group);
        }
        for kind in &later.opt_in {
            self.opt_out.remove(kind);
        }
        for kind in &later.opt_out {
            self.opt_in.remove(kind);
        }
        self.name = later.name.or(self.name.take());
        self.locale = later.locale.or(self.locale.take());
        self.time_zone = later.time_zone.or(self.time_zone.take());
        self.fields.extend(later.fields);
        self.add_tags.extend(later.add_tags);
        self.remove_tags.extend(later.remove_tags);
        self.join_groups.extend(later.join_groups);
        self.leave_groups.extend(later.leave_groups);
        self.opt_out.extend(later.opt_out);
        self.opt_in.extend(later.opt_in);
        self.suppress.extend(later.suppress);
    }
}

impl Contact {
    /// A contact with nothing but an identity and perhaps a name.
    pub fn new(id: ContactId, business_id: BusinessId, now: Timestamp) -> Self {
        Self {
            id,
            business_id,
            name: None,
            identities: Vec::new(),
            fields: BTreeMap::new(),
            tags: BTreeSet::new(),
            locale: None,
            time_zone: None,
            opted_out: BTreeSet::new(),
            suppressed: BTreeSet::new(),
            revision: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// The external id in one kind of channel.
    pub fn address(&self, kind: &ChannelKind) -> Option<&str> {
        self.identities.iter().find(|i| i.kind == *kind).map(|i| i.id.as_str())
    }

    /// Takes in what a channel says about the contact: identities that are new to it, and a name
    /// when it has none. `false` when nothing is new.
    ///
    /// Every store uses this, after leaving out the identities of other contacts.
    pub fn learn(
        &mut self,
        identities: impl IntoIterator<Item = Identity>,
        name: Option<&str>,
        now: Timestamp,
    ) -> bool {
        let known = self.identities.len();
        for identity in identities {
            if !self.identities.contains(&identity) {
                self.identities.push(identity);
            }
        }
        let named = self.name.is_none() && name.is_some();
        if named {
            self.name = name.map(str::to_owned);
        }
        if self.identities.len() == known && !named {
            return false;
        }
        self.revision += 1;
        self.updated_at = now;
        true
    }

    /// Applies a patch; every store uses this, so that all agree. `false` when the patch is about
    /// groups only, which are no part of the contact: then nothing of it changes.
    pub fn apply(&mut self, patch: &ContactPatch, now: Timestamp) -> bool {
        if !patch.changes_contact() {
            return false;
        }
        if let Some(name) = &patch.name {
            self.name = Some(name.clone());
        }
        if let Some(locale) = &patch.locale {
            self.locale = Some(locale.clone());
        }
        if let Some(zone) = &patch.time_zone {
            self.time_zone = Some(zone.clone());
        }
        for (name, value) in &patch.fields {
            if value.is_null() {
                self.fields.remove(name);
            } else {
                self.fields.insert(name.clone(), value.clone());
            }
        }
        self.tags.extend(patch.add_tags.iter().cloned());
        self.tags.retain(|tag| !patch.remove_tags.contains(tag));
        self.opted_out.extend(patch.opt_out.iter().cloned());
        self.opted_out.retain(|kind| !patch.opt_in.contains(kind));
        self.suppressed.extend(patch.suppress.iter().cloned());
        self.revision += 1;
        self.updated_at = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn group(number: u128) -> GroupId {
        GroupId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn the_later_word_about_a_group_counts() {
        let join = |groups: &[u128]| ContactPatch {
            join_groups: groups.iter().copied().map(group).collect(),
            ..ContactPatch::default()
        };
        let leave = |groups: &[u128]| ContactPatch {
            leave_groups: groups.iter().copied().map(group).collect(),
            ..ContactPatch::default()
        };
        let mut patch = join(&[1, 2]);
        patch.merge(leave(&[2, 3]));
        patch.merge(join(&[3]));
        assert_eq!(patch.join_groups, BTreeSet::from([group(1), group(3)]));
        assert_eq!(patch.leave_groups, BTreeSet::from([group(2)]));
    }

    #[test]
    fn groups_are_no_part_of_the_contact() {
        let (id, business) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (id, business) = (ContactId::from_uuid(id), BusinessId::from_uuid(business));
        let before = Contact::new(id, business, Timestamp::UNIX_EPOCH);
        let mut patch = ContactPatch { join_groups: [group(1)].into(), ..ContactPatch::default() };
        let mut contact = before.clone();
        assert!(patch.moves_groups() && !patch.changes_contact() && !patch.is_empty());
        assert!(!contact.apply(&patch, Timestamp::MAX));
        assert_eq!(contact, before);
        patch.name = Some("Ann".to_owned());
        assert!(contact.apply(&patch, Timestamp::MAX));
        assert_eq!(contact.revision, 2);
    }

    #[test]
    fn a_patch_without_groups_is_written_as_ever() {
        let patch = ContactPatch { add_tags: ["vip".to_owned()].into(), ..ContactPatch::default() };
        let text = serde_json::to_string(&patch).unwrap();
        assert_eq!(text, r#"{"add_tags":["vip"]}"#);
        assert_eq!(serde_json::from_str::<ContactPatch>(&text).unwrap(), patch);
    }
}
