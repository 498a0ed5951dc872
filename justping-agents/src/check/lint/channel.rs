//! How channels show what a flow sends.
//!
//! The limits are data (`channels.json`, with a version); what becomes of content is said by the very
//! function that sends it, [`policy::fit_in_pages`].

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use justping_core::model::{ChannelKind, ContactId, Content, Timestamp};
use justping_core::policy::{self, MORE_MARK};
use justping_core::port::{
    AgentView, Capabilities, ContactView, Effect, Finding, NodeContext, Rate,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::check::finding::{about, code, note};
use crate::check::{Draft, DraftNode};
use crate::program::label;

/// The limits of channels there are, as far as they are known without opening one.
static TABLE: LazyLock<Table> =
    LazyLock::new(|| serde_json::from_str(include_str!("channels.json")).unwrap_or_default());
/// Characters that GSM-7 has, besides ASCII without ``[\]^`{|}~`` (3GPP TS 23.038, 6.2.1).
const GSM: &str = "£¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà\n\r";
/// Characters that GSM-7 writes as two.
const GSM_TWICE: &str = "[\\]^{|}~€\u{c}";

#[derive(Debug, Default, Deserialize)]
struct Table {
    version: String,
    channels: BTreeMap<String, Limits>,
}

#[derive(Debug, Deserialize)]
struct Limits {
    title: String,
    text_max: usize,
    buttons_max: usize,
    button_title_max: usize,
    list_rows_max: usize,
    list_title_max: usize,
    list_description_max: usize,
    interactive_text_max: usize,
    option_id_max: usize,
    #[serde(default)]
    segments: Option<Segments>,
}

/// Characters of the only segment of a message and of one of several, by encoding.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Segments {
    gsm7: (usize, usize),
    ucs2: (usize, usize),
}

/// The version of the table of limits.
pub fn limits_version() -> &'static str {
    &TABLE.version
}

/// The kinds of channels that the table of limits knows.
pub fn known_channels() -> impl Iterator<Item = &'static str> {
    TABLE.channels.keys().map(String::as_str)
}

/// What a kind of channel can show; `None` when the table does not know it. Rates are not part of it.
pub fn channel_limits(kind: &str) -> Option<Capabilities> {
    let limits = TABLE.channels.get(kind)?;
    Some(Capabilities {
        kind: ChannelKind::from(kind.to_owned()),
        service_window: false,
        templates: false,
        echoes_key: false,
        text_max: limits.text_max,
        buttons_max: limits.buttons_max,
        button_title_max: limits.button_title_max,
        list_rows_max: limits.list_rows_max,
        list_title_max: limits.list_title_max,
        list_description_max: limits.list_description_max,
        interactive_text_max: limits.interactive_text_max,
        option_id_max: limits.option_id_max,
        rate: Rate { per_second: 1, burst: 1 },
    })
}

/// What a kind of channel shows otherwise than it was written, node by node.
pub(in crate::check) fn notes(draft: &Draft, kind: &str) -> Vec<Finding> {
    let Some((limits, capabilities)) = TABLE.channels.get(kind).zip(channel_limits(kind)) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (base, flow) in draft.all() {
        for node in &flow.nodes {
            let told = sent(flow, node)
                .into_iter()
                .filter_map(|content| told(&content, &capabilities, limits.segments));
            findings.extend(told.map(|(known, what)| {
                let reads = node.built.iter().any(|built| !built.reads().is_empty());
                let least = if reads && known == code::SENT_IN_PARTS { ", at least" } else { "" };
                let message = format!("{}{least}: {what}", limits.title);
                about(&node.node.id, note(known, format!("{base}/nodes/{}/data", node.at), message))
            }));
        }
    }
    findings
}

/// What a node sends on arrival, with nothing known but the defaults of variables.
fn sent(draft: &Draft, node: &DraftNode) -> Vec<Content> {
    let Some(built) = &node.built else { return Vec::new() };
    let defaults = draft.variables.iter();
    let defaults = defaults.filter_map(|one| Some((one.name.clone(), one.default.clone()?)));
    let mut variables: Map<String, Value> = defaults.collect();
    let (mut local, mut effects) = (Value::Null, Vec::new());
    let (contact, agent) = (nobody(), Arc::new(AgentView::default()));
    let _ = built.enter(&mut NodeContext {
        node: &node.node.id,
        now: Timestamp::UNIX_EPOCH,
        seed: 0,
        contact: &contact,
        agent: &agent,
        variables: &mut variables,
        last_text: "",
        resume_url: None,
        local: &mut local,
        effects: &mut effects,
    });
    label(&mut effects, &node.node.id, &mut 0, &mut None, 0);
    let content = |effect| match effect {
        Effect::Send { content } => Some(content),
        _ => None,
    };
    effects.into_iter().filter_map(content).collect()
}

fn nobody() -> ContactView {
    ContactView {
        id: ContactId::from_uuid(Default::default()),
        name: None,
        address: None,
        channel: None,
        fields: Map::new(),
        tags: Vec::new(),
        groups: Default::default(),
        locale: None,
        time_zone: None,
    }
}

/// What becomes of content, in words; `None` when it stays what it is.
fn told(
    content: &Content,
    capabilities: &Capabilities,
    segments: Option<Segments>,
) -> Option<(&'static str, String)> {
    let fitted = policy::fit_in_pages(content.clone(), capabilities);
    let texts: Vec<&str> = fitted.iter().map(Content::plain).collect();
    let parts = segments.map(|segments| parts(&texts, segments)).unwrap_or_default();
    let has_options = matches!(content, Content::Buttons { .. } | Content::List { .. });
    if let [Content::List { sections, .. }] = fitted.as_slice()
        && fitted.first() != Some(content)
    {
        let mut rows = sections.iter().flat_map(|section| &section.options);
        let paged = rows.any(|row| row.id.ends_with(MORE_MARK));
        let what = match paged {
            true => "the options come as a list, page by page",
            false => "the buttons come as a list that opens",
        };
        return Some((code::SHOWN_OTHERWISE, what.to_owned()));
    }
    if has_options && fitted.first() != Some(content) {
        let mut what = "the options come as numbered text".to_owned();
        if fitted.len() > 1 {
            what.push_str(&format!(" in {} messages", fitted.len()));
        }
        what.push_str(&parts);
        return Some((code::SHOWN_OTHERWISE, what));
    }
    if fitted.len() > 1 {
        let what = format!("the text comes in {} messages{parts}", fitted.len());
        return Some((code::SENT_IN_PARTS, what));
    }
    (!parts.is_empty()).then(|| (code::SENT_IN_PARTS, format!("the text is long{parts}")))
}

/// How many segments texts take, in words; nothing when each takes one.
fn parts(texts: &[&str], segments: Segments) -> String {
    let counted = texts.iter().map(|text| count(text, segments));
    let (mut all, mut is_unicode) = (0, false);
    for (count, unicode) in counted {
        all += count;
        is_unicode |= unicode;
    }
    if all <= texts.len() {
        return String::new();
    }
    let encoding = if is_unicode { "UCS-2" } else { "GSM-7" };
    format!(", {all} segments in {encoding}")
}

/// The segments of a text, and whether it needs UCS-2.
fn count(text: &str, segments: Segments) -> (usize, bool) {
    let single = |c: char| (c.is_ascii() && !c.is_ascii_control() && c != '`') || GSM.contains(c);
    let is_gsm = text.chars().all(|c| single(c) || GSM_TWICE.contains(c));
    let (units, (alone, one_of)) = match is_gsm {
        true => {
            let twice = text.chars().filter(|c| GSM_TWICE.contains(*c)).count();
            (text.chars().count() + twice, segments.gsm7)
        }
        false => (text.encode_utf16().count(), segments.ucs2),
    };
    let count = if units <= alone { 1 } else { units.div_ceil(one_of.max(1)) };
    (count, !is_gsm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        let known: Vec<&str> = known_channels().collect();
        assert_eq!(known, ["email", "sms", "webchat", "whatsapp"]);
        assert_eq!(limits_version(), "2026-11");
        assert_eq!(channel_limits("pigeon"), None);
    }

    #[test]
    fn segments_are_counted_by_encoding() {
        let segments = Segments { gsm7: (160, 153), ucs2: (70, 67) };
        let count = |text: String| count(&text, segments);
        assert_eq!(count("a".repeat(160)), (1, false));
        assert_eq!(count("a".repeat(161)), (2, false));
        assert_eq!(count("a".repeat(307)), (3, false));
        assert_eq!(count("€".repeat(80)), (1, false));
        assert_eq!(count("€".repeat(81)), (2, false));
        assert_eq!(count("я".repeat(70)), (1, true));
        assert_eq!(count("😀".repeat(36)), (2, true));
        assert_eq!(count("`".to_owned()), (1, true));
    }
}
