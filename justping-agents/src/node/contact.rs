//! Writes down what the flow learned about the contact.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use justping_core::model::{ContactPatch, GROUPS_OF_CONTACT_MAX, GroupId, ParseIdError};
use justping_core::port::{
    BuiltNode, Effect, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::names::Names;
use super::prompt::exit;
use super::{config, schema};
use crate::scope::Path;
use crate::text::Template;

/// Most fields one node changes.
const FIELDS_MAX: usize = 32;
/// Most tags one node adds or removes.
const TAGS_MAX: usize = 32;
/// Most groups one node lets the contact join or leave.
const GROUPS_MAX: usize = 32;
/// Most fields, and most tags, of a contact that a node adds to.
const LABELS_MAX: usize = 200;
/// Most characters of a tag, a field's name, a language.
const LABEL_MAX_CHARS: usize = 100;
/// Most characters of a name; what is longer is cut.
const NAME_MAX_CHARS: usize = 200;
/// Most bytes of a field's value, written as JSON.
const VALUE_MAX_BYTES: usize = 8 * 1024;

/// Changes the contact: name, language, time zone, fields, tags and groups, or that it wants silence.
///
/// Groups are named by their ids, as they stand in the document. One that was deleted meanwhile is
/// passed over.
///
/// There is no way to end the silence here: only the contact's own word does, in the order in which
/// it came.
#[derive(Debug)]
pub(super) struct Contact;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    name: Option<String>,
    locale: Option<String>,
    time_zone: Option<String>,
    fields: BTreeMap<String, Value>,
    add_tags: Vec<String>,
    remove_tags: Vec<String>,
    join_groups: Vec<String>,
    leave_groups: Vec<String>,
    opt_out: bool,
}

impl FlowNode for Contact {
    fn descriptor(&self) -> NodeDescriptor {
        let label = json!({"minLength": 1, "maxLength": LABEL_MAX_CHARS});
        let tags = |title: &str| {
            let tag = schema::template("Tag");
            json!({"type": "array", "title": title, "maxItems": TAGS_MAX, "items": tag})
        };
        let groups = |title: &str| {
            let group = json!({"type": "string", "title": "Group, by its id"});
            json!({"type": "array", "title": title, "maxItems": GROUPS_MAX, "items": group})
        };
        let from_variable = schema::object(
            json!({"variable": {"type": "string", "title": "Variable", "minLength": 1}}),
            &["variable"],
        );
        let field = json!({"anyOf": [
            schema::template("Text"), {"type": ["number", "boolean", "null"]}, from_variable
        ]});
        NodeDescriptor {
            kind: "contact".to_owned(),
            title: "Change the contact".to_owned(),
            summary: "Sets name, language, time zone, fields, tags and groups of the contact, or \
                      notes that it wants no more messages here."
                .to_owned(),
            schema: schema::object(
                json!({
                    "name": schema::template("Name"),
                    "locale": schema::template("Language, such as en or pt-BR"),
                    "time_zone": schema::template("Time zone, such as Europe/Berlin"),
                    "fields": {
                        "type": "object", "title": "Fields; null removes one",
                        "maxProperties": FIELDS_MAX, "propertyNames": label,
                        "additionalProperties": field
                    },
                    "add_tags": tags("Tags to add"),
                    "remove_tags": tags("Tags to remove"),
                    "join_groups": groups("Groups to join"),
                    "leave_groups": groups("Groups to leave"),
                    "opt_out": {"type": "boolean", "title": "Send nothing more on this channel"}
                }),
                &[],
            ),
            exits: vec![schema::exit("next", "Next")],
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let text = |name: &str, source: &Option<String>| {
            config::template_if(&format!("/{name}"), source.as_deref())
        };
        let tags = |name: &str, sources: &[String]| {
            let tag =
                |(at, source): (usize, &String)| config::template(&format!("/{name}/{at}"), source);
            sources.iter().enumerate().map(tag).collect::<Result<Vec<_>, _>>()
        };
        let field = |(name, value): (String, Value)| Ok((Field::read(&name, value)?, name));
        Ok(Box::new(Note {
            name: text("name", &config.name)?,
            locale: text("locale", &config.locale)?,
            time_zone: text("time_zone", &config.time_zone)?,
            add_tags: tags("add_tags", &config.add_tags)?,
            remove_tags: tags("remove_tags", &config.remove_tags)?,
            join_groups: groups("join_groups", &config.join_groups)?,
            leave_groups: groups("leave_groups", &config.leave_groups)?,
            fields: config.fields.into_iter().map(field).collect::<Result<_, _>>()?,
            opt_out: config.opt_out,
        }))
    }
}

/// Reads ids of groups.
fn groups(name: &str, ids: &[String]) -> Result<BTreeSet<GroupId>, NodeConfigError> {
    let group = |(at, id): (usize, &String)| {
        let wrong = |reason: ParseIdError| {
            NodeConfigError::new(format!("/{name}/{at}"), reason.to_string())
        };
        id.parse().map_err(wrong)
    };
    ids.iter().enumerate().map(group).collect()
}

#[derive(Debug)]
struct Note {
    name: Option<Template>,
    locale: Option<Template>,
    time_zone: Option<Template>,
    fields: Vec<(Field, String)>,
    add_tags: Vec<Template>,
    remove_tags: Vec<Template>,
    join_groups: BTreeSet<GroupId>,
    leave_groups: BTreeSet<GroupId>,
    opt_out: bool,
}

/// What a field is set to.
#[derive(Debug)]
enum Field {
    Text(Template),
    Variable(Path),
    Value(Value),
}

impl Field {
    fn read(name: &str, value: Value) -> Result<Self, NodeConfigError> {
        // `~` and `/` are written so in JSON pointers (RFC 6901).
        let path = format!("/fields/{}", name.replace('~', "~0").replace('/', "~1"));
        match value {
            Value::String(source) => Ok(Self::Text(config::template(&path, &source)?)),
            Value::Object(from) => {
                let variable = from.get("variable").and_then(Value::as_str).unwrap_or_default();
                let found = Path::parse(variable);
                found.map(Self::Variable).map_err(|reason| {
                    NodeConfigError::new(format!("{path}/variable"), reason.to_string())
                })
            }
            other => Ok(Self::Value(other)),
        }
    }

    fn value(&self, cx: &NodeContext<'_>) -> Result<Value, Step> {
        let value = match self {
            Self::Text(template) => Value::from(config::render(cx, template)?),
            Self::Variable(path) => path.find(&Names::of(cx)).cloned().unwrap_or_default(),
            Self::Value(value) => value.clone(),
        };
        let fits = crate::size::written(&value, VALUE_MAX_BYTES).is_some();
        if fits { Ok(value) } else { Err(failed("a field's value is too long")) }
    }
}

impl Note {
    fn patch(&self, cx: &NodeContext<'_>) -> Result<ContactPatch, Step> {
        let mut fields = BTreeMap::new();
        for (field, name) in &self.fields {
            fields.insert(name.clone(), field.value(cx)?);
        }
        let channel = cx.contact.channel.iter().filter(|_| self.opt_out);
        let patch = ContactPatch {
            name: config::render_if(cx, self.name.as_ref())?
                .map(|name| name.trim().chars().take(NAME_MAX_CHARS).collect()),
            locale: label(config::render_if(cx, self.locale.as_ref())?)?,
            time_zone: zone(config::render_if(cx, self.time_zone.as_ref())?)?,
            fields,
            add_tags: labels(cx, &self.add_tags)?,
            remove_tags: labels(cx, &self.remove_tags)?,
            join_groups: self.join_groups.clone(),
            leave_groups: self.leave_groups.clone(),
            opt_out: channel.cloned().collect(),
            ..ContactPatch::default()
        };
        let mut after = cx.contact.clone();
        after.apply(&patch);
        if after.fields.len().max(after.tags.len()) > LABELS_MAX {
            return Err(failed("the contact has too many fields or tags"));
        }
        if after.groups.len() > GROUPS_OF_CONTACT_MAX {
            return Err(failed("the contact is in too many groups"));
        }
        Ok(patch)
    }
}

fn labels(cx: &NodeContext<'_>, templates: &[Template]) -> Result<BTreeSet<String>, Step> {
    let mut labels = BTreeSet::new();
    for template in templates {
        labels.extend(label(config::render_if(cx, Some(template))?)?);
    }
    Ok(labels)
}

fn label(text: Option<String>) -> Result<Option<String>, Step> {
    let Some(text) = text else { return Ok(None) };
    let text = text.trim();
    if text.chars().count() > LABEL_MAX_CHARS {
        return Err(failed("a tag or language is too long"));
    }
    Ok(Some(text.to_owned()))
}

fn zone(text: Option<String>) -> Result<Option<String>, Step> {
    let zone = text.map(|text| text.trim().to_owned());
    match zone {
        Some(zone) if TimeZone::get(&zone).is_err() => Err(failed("there is no such time zone")),
        zone => Ok(zone),
    }
}

fn failed(reason: &str) -> Step {
    Step::Fail { reason: reason.to_owned() }
}

impl BuiltNode for Note {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        match self.patch(cx) {
            Ok(patch) => {
                if !patch.is_empty() {
                    cx.effects.push(Effect::UpdateContact { patch });
                }
                exit("next")
            }
            Err(failed) => failed,
        }
    }

    fn exits(&self) -> Vec<String> {
        vec!["next".to_owned()]
    }

    fn groups(&self) -> Vec<GroupId> {
        self.join_groups.union(&self.leave_groups).copied().collect()
    }

    fn reads(&self) -> Vec<String> {
        let fields = self.fields.iter().filter_map(|(field, _)| match field {
            Field::Text(template) => Some(template),
            Field::Variable(_) | Field::Value(_) => None,
        });
        let own = self.name.iter().chain(&self.locale).chain(&self.time_zone);
        let mut reads =
            config::reads(own.chain(fields).chain(&self.add_tags).chain(&self.remove_tags));
        reads.extend(self.fields.iter().filter_map(|(field, _)| match field {
            Field::Variable(path) => Some(path.as_str().to_owned()),
            Field::Text(_) | Field::Value(_) => None,
        }));
        reads
    }
}
