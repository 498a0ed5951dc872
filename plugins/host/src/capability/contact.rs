//! The business's contacts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use justping_core::model::{Capability, ChannelKind, Contact, ContactId, ContactPatch, Identity};
use justping_core::port::{StoreError, StoreResult};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{CallState, trouble};
use crate::contract::Contact as Told;
use crate::contract::bindings::justping::plugin::{contacts, contacts_write};

/// Most characters of a name.
const NAME_MAX_CHARS: usize = 200;
/// Most characters of a tag, a field's name, a language.
const LABEL_MAX_CHARS: usize = 100;
/// Most tags or fields of one change.
const LABELS_MAX: usize = 200;
/// Most characters of an address.
const ADDRESS_MAX_CHARS: usize = 256;

type Answer<T> = wasmtime::Result<Result<T, contacts::Error>>;

impl contacts::Host for CallState {
    async fn get(&mut self, id: String) -> Answer<Option<Told>> {
        if !self.access(Capability::Contacts)? {
            return Ok(Err(contacts::Error::Denied));
        }
        let id: ContactId = match id.parse() {
            Ok(id) => id,
            Err(error) => return Ok(Err(invalid(error.to_string()))),
        };
        let (store, business) = (Arc::clone(&self.ports.contacts), self.caller.business_id);
        let found = self.outside(async move { store.contact(business, id).await }).await;
        Ok(answer(found).map(|found| found.map(|contact| told(&contact, None))))
    }

    async fn find(&mut self, channel: String, address: String) -> Answer<Option<Told>> {
        if !self.access(Capability::Contacts)? {
            return Ok(Err(contacts::Error::Denied));
        }
        if !is_text(&channel, LABEL_MAX_CHARS) || !is_text(&address, ADDRESS_MAX_CHARS) {
            return Ok(Err(invalid("a kind of channel and an address are needed")));
        }
        let identity = Identity::new(ChannelKind::from(channel), address);
        let (store, business) = (Arc::clone(&self.ports.contacts), self.caller.business_id);
        let (kind, looked_for) = (identity.kind.clone(), identity);
        let found = self
            .outside(async move { store.contact_by_identity(business, &looked_for).await })
            .await;
        Ok(answer(found).map(|found| found.map(|contact| told(&contact, Some(&kind)))))
    }
}

impl contacts_write::Host for CallState {
    async fn update(&mut self, id: String, patch: String) -> Answer<()> {
        if !self.access(Capability::ContactsWrite)? {
            return Ok(Err(contacts::Error::Denied));
        }
        let read = id.parse::<ContactId>().map_err(|error| error.to_string());
        let read = read.and_then(|id| Ok((id, parse_contact_patch(&patch)?)));
        let (id, patch) = match read {
            Ok(read) => read,
            Err(why) => return Ok(Err(invalid(why))),
        };
        let (store, business) = (Arc::clone(&self.ports.contacts), self.caller.business_id);
        let now = self.ports.clock.now();
        let changed =
            self.outside(async move { store.patch_contact(business, id, &patch, now).await });
        Ok(match answer(changed.await) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(invalid("there is no such contact")),
            Err(error) => Err(error),
        })
    }
}

/// A contact as plugins are told of it, on a kind of channel.
pub(crate) fn told(contact: &Contact, channel: Option<&ChannelKind>) -> Told {
    Told {
        id: contact.id.to_string(),
        name: contact.name.clone(),
        address: channel.and_then(|kind| contact.address(kind)).map(str::to_owned),
        channel: channel.map(ToString::to_string),
        fields: serde_json::to_string(&contact.fields).unwrap_or_else(|_| "{}".to_owned()),
        tags: contact.tags.iter().cloned().collect(),
        locale: contact.locale.clone(),
        time_zone: contact.time_zone.clone(),
    }
}

fn invalid(why: impl Into<String>) -> contacts::Error {
    contacts::Error::Invalid(why.into())
}

fn answer<T>(found: Option<StoreResult<T>>) -> Result<Option<T>, contacts::Error> {
    match found {
        Some(Ok(found)) => Ok(Some(found)),
        Some(Err(StoreError::NotFound(_))) => Ok(None),
        Some(Err(error)) => Err(contacts::Error::Unavailable(trouble(&error))),
        None => Err(contacts::Error::Unavailable("the platform is closing".to_owned())),
    }
}

/// A change of a contact in the API's form.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ContactChange {
    name: Option<String>,
    fields: BTreeMap<String, Value>,
    add_tags: BTreeSet<String>,
    remove_tags: BTreeSet<String>,
    locale: Option<String>,
    time_zone: Option<String>,
    opt_out: BTreeSet<ChannelKind>,
    opt_in: BTreeSet<ChannelKind>,
}

/// Reads a change of a contact in the form of `PATCH /api/v1/contacts/{id}`, as strictly as there.
///
/// # Errors
/// What is wrong, for the plugin's author.
pub fn parse_contact_patch(json: &str) -> Result<ContactPatch, String> {
    let object: Map<String, Value> =
        serde_json::from_str(json).map_err(|error| error.to_string())?;
    let change: ContactChange =
        serde_json::from_value(object.into()).map_err(|error| error.to_string())?;
    let texts =
        [("name", &change.name, NAME_MAX_CHARS), ("locale", &change.locale, LABEL_MAX_CHARS)];
    for (field, text, max) in texts {
        if text.as_ref().is_some_and(|text| !is_text(text, max)) {
            return Err(format!("{field}: must be 1 to {max} characters"));
        }
    }
    if change.time_zone.as_ref().is_some_and(|zone| !is_time_zone(zone)) {
        return Err("time_zone: is not an IANA time zone".to_owned());
    }
    check_labels("fields", change.fields.keys())?;
    check_labels("add_tags", change.add_tags.iter())?;
    check_labels("remove_tags", change.remove_tags.iter())?;
    Ok(ContactPatch {
        name: change.name,
        fields: change.fields,
        add_tags: change.add_tags,
        remove_tags: change.remove_tags,
        locale: change.locale,
        time_zone: change.time_zone,
        opt_out: change.opt_out,
        opt_in: change.opt_in,
        ..ContactPatch::default()
    })
}

fn is_text(text: &str, max_chars: usize) -> bool {
    !text.trim().is_empty() && !text.contains('\0') && text.chars().count() <= max_chars
}

fn is_time_zone(zone: &str) -> bool {
    jiff::tz::TimeZone::get(zone).is_ok()
}

fn check_labels<'a>(
    field: &str,
    labels: impl ExactSizeIterator<Item = &'a String>,
) -> Result<(), String> {
    if labels.len() > LABELS_MAX {
        return Err(format!("{field}: at most {LABELS_MAX}"));
    }
    for label in labels {
        if !is_text(label, LABEL_MAX_CHARS) {
            return Err(format!("{field}: must be 1 to {LABEL_MAX_CHARS} characters each"));
        }
    }
    Ok(())
}
