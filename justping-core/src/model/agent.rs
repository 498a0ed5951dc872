use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AgentId, BusinessId, Cap, ContactId, FlowId, Timestamp};
use crate::policy::mix;

/// Most models to fall back to, fields to remember, prompts to compare, tools and blocked phrases.
pub const AGENT_LIST_MAX: usize = 50;
/// Most characters of a name, a phrase or a description in an agent's settings.
pub const AGENT_TEXT_MAX_CHARS: usize = 500;
/// Most characters of the instructions of a prompt.
pub const AGENT_PROMPT_MAX_CHARS: usize = 20_000;
/// Most messages of a talk that a model is shown.
pub const AGENT_HISTORY_MAX: u32 = 200;

/// An AI agent: how it speaks, which model it uses, and the flows it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// The business that owns it.
    pub business_id: BusinessId,
    /// The name people see.
    pub name: String,
    /// What every AI node of its flows is told first.
    pub instructions: String,
    /// The model its AI nodes use unless they name one.
    pub model: Option<String>,
    /// Its flows; of those that are published, the first whose trigger matches starts.
    pub flows: Vec<FlowId>,
    /// Everything else about how it answers.
    #[serde(default, skip_serializing_if = "AgentSettings::are_default")]
    pub settings: AgentSettings,
    /// Counts changes.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Agent {
    /// What its AI nodes are told first, and which prompt that is: the one of
    /// [`AgentSettings::prompts`] that fell to the contact, for good, else
    /// [`instructions`](Self::instructions).
    pub fn instructions_for(&self, contact: ContactId) -> (Option<&str>, &str) {
        match self.settings.prompt_for(self.id, contact) {
            Some(prompt) => (Some(&prompt.id), &prompt.instructions),
            None => (None, &self.instructions),
        }
    }
}

/// How an agent answers. What is left out has its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSettings {
    /// Models that are asked in turn when the first does not answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallback_models: Vec<String>,
    /// 0 (always the same) to 2, unless a node says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Most tokens of an answer, unless a node says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// The only tools its nodes may use; `None` is all that they name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<BTreeSet<String>>,
    /// What it remembers.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: AgentMemory,
    /// What it must not see or say.
    #[serde(skip_serializing_if = "is_default")]
    pub guard: AgentGuard,
    /// What it may spend.
    #[serde(skip_serializing_if = "is_default")]
    pub budget: AgentBudget,
    /// Instructions to compare: each contact falls to one of them, by weight and for good. Empty
    /// means that the agent's own instructions hold for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<AgentPrompt>,
}

/// What an agent remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentMemory {
    /// Messages of a talk that a model is shown; `None` is the default of the nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<u32>,
    /// Whether a model sums up what is no longer shown.
    pub summary: bool,
    /// Fields of the contact that a model is shown and may set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<MemoryField>,
}

/// A field of the contact that a model may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryField {
    /// Its name.
    pub name: String,
    /// What belongs there, for the model.
    #[serde(default)]
    pub description: String,
}

/// What an agent must not see or say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentGuard {
    /// What models are shown placeholders for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub redact: BTreeSet<PersonalData>,
    /// Words and phrases that no model is asked about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked_topics: Vec<String>,
    /// Words and phrases that no answer may hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked_answers: Vec<String>,
    /// What the contact is told instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_reply: Option<String>,
}

/// A kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonalData {
    /// E-mail addresses.
    Email,
    /// Numbers of telephones.
    Phone,
    /// Numbers of payment cards.
    Card,
    /// Numbers of bank accounts.
    Iban,
}

impl PersonalData {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Email, Self::Phone, Self::Card, Self::Iban];
}

/// What an agent may spend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentBudget {
    /// On one message of a contact, however many answers of models that takes.
    #[serde(skip_serializing_if = "Cap::is_open")]
    pub message: Cap,
    /// On one conversation.
    #[serde(skip_serializing_if = "Cap::is_open")]
    pub conversation: Cap,
    /// On one day, in UTC.
    #[serde(skip_serializing_if = "Cap::is_open")]
    pub day: Cap,
    /// In one month, in UTC.
    #[serde(skip_serializing_if = "Cap::is_open")]
    pub month: Cap,
}

/// Instructions among others that are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentPrompt {
    /// Its name, by which results are told apart.
    pub id: String,
    /// Its share of the contacts, in proportion to the others.
    pub weight: u32,
    /// What AI nodes are told first.
    pub instructions: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl AgentSettings {
    /// Says whether nothing is set.
    pub fn are_default(&self) -> bool {
        is_default(self)
    }

    /// What is wrong with them, as JSON pointers and sentences.
    pub fn problems(&self) -> Vec<(String, &'static str)> {
        let mut found = Vec::new();
        let mut require = |holds: bool, path: String, problem: &'static str| {
            if !holds {
                found.push((path, problem));
            }
        };
        let heat = self.temperature.is_none_or(|heat| (0.0..=2.0).contains(&heat));
        require(heat, "/temperature".to_owned(), "must be between 0 and 2");
        let tokens = self.max_output_tokens.is_none_or(|tokens| (1..=100_000).contains(&tokens));
        require(tokens, "/max_output_tokens".to_owned(), "must be between 1 and 100000");
        let messages = self.memory.messages.is_none_or(|n| (1..=AGENT_HISTORY_MAX).contains(&n));
        require(messages, "/memory/messages".to_owned(), "must be between 1 and 200");
        let texts = |texts: &[String]| texts.len();
        let lists = [
            ("/fallback_models", texts(&self.fallback_models)),
            ("/tools", self.tools.as_ref().map_or(0, BTreeSet::len)),
            ("/memory/fields", self.memory.fields.len()),
            ("/guard/blocked_topics", texts(&self.guard.blocked_topics)),
            ("/guard/blocked_answers", texts(&self.guard.blocked_answers)),
            ("/prompts", self.prompts.len()),
        ];
        for (path, len) in lists {
            require(len <= AGENT_LIST_MAX, path.to_owned(), "must be at most 50");
        }
        for (path, text) in self.texts() {
            let chars = text.chars().count();
            let holds = !text.trim().is_empty() && chars <= AGENT_TEXT_MAX_CHARS;
            require(holds, path, "must be between 1 and 500 characters, not all blank");
        }
        for (at, prompt) in self.prompts.iter().enumerate() {
            let chars = prompt.instructions.chars().count();
            let path = format!("/prompts/{at}/instructions");
            require(chars <= AGENT_PROMPT_MAX_CHARS, path, "must be at most 20000 characters");
            let others = self.prompts.iter().take(at);
            let fresh = others.map(|other| &other.id).all(|id| *id != prompt.id);
            require(fresh, format!("/prompts/{at}/id"), "is there twice");
        }
        let weighs = self.prompts.is_empty() || self.prompts.iter().any(|one| one.weight > 0);
        require(weighs, "/prompts".to_owned(), "must have a weight above 0");
        found
    }

    /// Every short text with where it stands.
    fn texts(&self) -> Vec<(String, &str)> {
        fn list<'t>(path: &str, texts: &'t [String]) -> Vec<(String, &'t str)> {
            let text = |(at, text): (usize, &'t String)| (format!("{path}/{at}"), text.as_str());
            texts.iter().enumerate().map(text).collect()
        }
        let mut texts = list("/fallback_models", &self.fallback_models);
        texts.extend(list("/guard/blocked_topics", &self.guard.blocked_topics));
        texts.extend(list("/guard/blocked_answers", &self.guard.blocked_answers));
        let reply = self.guard.blocked_reply.as_deref();
        texts.extend(reply.map(|reply| ("/guard/blocked_reply".to_owned(), reply)));
        let fields = self.memory.fields.iter().enumerate();
        texts.extend(fields.map(|(at, f)| (format!("/memory/fields/{at}/name"), f.name.as_str())));
        let prompts = self.prompts.iter().enumerate();
        texts.extend(prompts.map(|(at, p)| (format!("/prompts/{at}/id"), p.id.as_str())));
        texts
    }

    /// The prompt that falls to a contact: always the same while the prompts stay the same.
    pub fn prompt_for(&self, agent: AgentId, contact: ContactId) -> Option<&AgentPrompt> {
        let total: u64 = self.prompts.iter().map(|prompt| u64::from(prompt.weight)).sum();
        let mut lot = hash(agent.uuid(), contact.uuid()).checked_rem(total)?;
        self.prompts.iter().find(|prompt| {
            let weight = u64::from(prompt.weight);
            let here = lot < weight;
            lot = lot.saturating_sub(weight);
            here
        })
    }
}

fn hash(one: Uuid, other: Uuid) -> u64 {
    let ((a, b), (c, d)) = (one.as_u64_pair(), other.as_u64_pair());
    [a, b, c, d].into_iter().fold(0, |hash, part| mix(hash ^ part))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn prompts(weights: [u32; 3]) -> AgentSettings {
        let prompt = |(at, weight): (usize, u32)| AgentPrompt {
            id: format!("p{at}"),
            weight,
            instructions: String::new(),
        };
        let prompts = weights.into_iter().enumerate().map(prompt).collect();
        AgentSettings { prompts, ..AgentSettings::default() }
    }

    #[test]
    fn contacts_fall_to_prompts_by_weight_and_for_good() {
        let settings = prompts([1, 0, 3]);
        let agent = AgentId::from_uuid(Uuid::from_u128(1));
        let mut counts = [0; 3];
        for number in 0..4_000 {
            let contact = ContactId::from_uuid(Uuid::from_u128(number));
            let prompt = settings.prompt_for(agent, contact).unwrap();
            assert_eq!(settings.prompt_for(agent, contact), Some(prompt));
            let at = settings.prompts.iter().position(|one| one == prompt).unwrap();
            counts[at] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((850..1_150).contains(&counts[0]), "{counts:?}");
        let contact = ContactId::from_uuid(Uuid::nil());
        assert_eq!(AgentSettings::default().prompt_for(agent, contact), None);
        assert_eq!(prompts([0, 0, 0]).prompt_for(agent, contact), None);
    }

    #[test]
    fn settings_that_make_no_sense_are_told() {
        assert!(AgentSettings::default().problems().is_empty());
        assert!(prompts([1, 0, 3]).problems().is_empty());
        let mut settings = prompts([0, 0, 0]);
        settings.prompts[1].id = "p0".to_owned();
        settings.temperature = Some(f64::NAN);
        settings.memory.messages = Some(0);
        settings.guard.blocked_topics = vec![" ".to_owned()];
        settings.fallback_models = vec!["m".to_owned(); AGENT_LIST_MAX + 1];
        let problems = settings.problems();
        let mut paths: Vec<&str> = problems.iter().map(|(path, _)| path.as_str()).collect();
        paths.sort_unstable();
        let expected = [
            "/fallback_models",
            "/guard/blocked_topics/0",
            "/memory/messages",
            "/prompts",
            "/prompts/1/id",
            "/temperature",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let settings: AgentSettings = serde_json::from_value(json!({})).unwrap();
        assert!(settings.are_default());
        assert_eq!(serde_json::to_value(&settings).unwrap(), json!({}));
        let some = json!({"guard": {"redact": ["email"]}, "budget": {"day": {"micros": 5}}});
        let settings: AgentSettings = serde_json::from_value(some.clone()).unwrap();
        assert_eq!(settings.budget.day.micros, Some(5));
        assert_eq!(serde_json::to_value(&settings).unwrap(), some);
        assert!(serde_json::from_value::<AgentSettings>(json!({"colour": 1})).is_err());
    }
}
