//! Choosing among options: what buttons and lists have in common.

use std::collections::HashSet;

use justping_core::model::{Choice as OptionChoice, Content};
use justping_core::policy::MORE_MARK;
use justping_core::port::{
    BuiltNode, ExitDescriptor, Fit, NodeConfigError, NodeContext, Step, StepEvent,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::config;
use super::late::LateReply;
use super::prompt::{Patience, exit};
use super::schema;
use crate::choice::{Match, OptionRef, match_option};
use crate::text::Template;

/// Most options of a choice.
pub(super) const OPTIONS_MAX: usize = 50;

/// What a document says about a choice, besides its look.
#[derive(Debug, Deserialize)]
pub(super) struct ChoiceConfig {
    text: String,
    #[serde(default)]
    variable: Option<String>,
    #[serde(default)]
    save: Save,
    #[serde(default)]
    retry: Option<String>,
    #[serde(flatten)]
    patience: Patience,
}

/// What is saved of the chosen option.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Save {
    #[default]
    Title,
    Id,
}

/// An option as a document says it.
#[derive(Debug, Deserialize)]
pub(super) struct OptionConfig {
    id: String,
    title: String,
    #[serde(default)]
    description: Option<String>,
}

/// How a choice looks.
pub(super) trait Look: Send + Sync + std::fmt::Debug + 'static {
    /// Puts a text and the rendered options, in order, into a message.
    fn content(
        &self,
        cx: &NodeContext<'_>,
        text: String,
        options: Vec<OptionChoice>,
    ) -> Result<Content, Step>;

    /// The templates of its own.
    fn templates(&self) -> Vec<&Template>;
}

/// A choice with its configuration.
#[derive(Debug)]
pub(super) struct Choice<L> {
    look: L,
    text: Template,
    options: Vec<Offer>,
    variable: Option<String>,
    save: Save,
    retry: Option<Template>,
    patience: Patience,
    /// Whether what fits nothing leaves at once.
    has_default: bool,
}

#[derive(Debug)]
struct Offer {
    id: String,
    exit: String,
    title: Template,
    description: Option<Template>,
}

impl<L: Look> Choice<L> {
    /// Compiles a choice; `options` come with the path of each.
    pub(super) fn build(
        look: L,
        config: ChoiceConfig,
        options: Vec<(String, OptionConfig)>,
    ) -> Result<Self, NodeConfigError> {
        let mut ids = HashSet::new();
        let mut offers = Vec::with_capacity(options.len());
        for (path, option) in options {
            if !ids.insert(option.id.clone()) {
                return Err(config::duplicate(format!("{path}/id"), &option.id));
            }
            let description = option.description.as_deref();
            offers.push(Offer {
                exit: format!("option:{}", option.id),
                title: config::template(&format!("{path}/title"), &option.title)?,
                description: config::template_if(&format!("{path}/description"), description)?,
                id: option.id,
            });
        }
        if offers.len() > OPTIONS_MAX {
            let message = format!("a choice has at most {OPTIONS_MAX} options");
            return Err(NodeConfigError::new("", message));
        }
        config.patience.check()?;
        Ok(Self {
            look,
            text: config::template("/text", &config.text)?,
            options: offers,
            variable: config.variable,
            save: config.save,
            retry: config::template_if("/retry", config.retry.as_deref())?,
            patience: config.patience,
            has_default: false,
        })
    }

    /// Sends the options under a text.
    fn ask(&self, cx: &mut NodeContext<'_>, text: &Template) -> Result<(), Step> {
        self.ask_from(cx, text, 0)
    }

    /// Sends the options from one on under a text.
    fn ask_from(
        &self,
        cx: &mut NodeContext<'_>,
        text: &Template,
        first: usize,
    ) -> Result<(), Step> {
        let text = config::render(cx, text)?;
        let options = self.offers(cx)?;
        let content = self.look.content(cx, text, options)?;
        cx.send(after(content, first));
        Ok(())
    }

    /// The option that the next page begins with, when that is what a reply asks for.
    fn next_page(&self, content: &Content) -> Option<usize> {
        let Content::Reply { option, .. } = content else { return None };
        let first = option.strip_suffix(MORE_MARK)?;
        self.options.iter().position(|offer| offer.id == first)
    }

    fn offers(&self, cx: &NodeContext<'_>) -> Result<Vec<OptionChoice>, Step> {
        let offer = |offer: &Offer| {
            let title = config::render(cx, &offer.title)?;
            let description = config::render_if(cx, offer.description.as_ref())?;
            Ok(OptionChoice { id: offer.id.clone(), title, description })
        };
        self.options.iter().map(offer).collect()
    }

    /// The option that a message chooses, if it chooses one, with what the contact sees of it.
    fn chosen(
        &self,
        cx: &NodeContext<'_>,
        content: &Content,
    ) -> Result<Option<(&Offer, OptionChoice)>, Step> {
        let offers = self.offers(cx)?;
        let refs: Vec<OptionRef<'_>> =
            offers.iter().map(|offer| OptionRef { id: &offer.id, title: &offer.title }).collect();
        let found = match content {
            Content::Reply { option, title } => {
                let by_id = refs.iter().position(|offer| offer.id == option);
                by_id.map_or_else(|| match_option(&refs, title), Match::One)
            }
            other => match_option(&refs, other.plain()),
        };
        Ok(match found {
            Match::One(at) => self.options.get(at).zip(offers.into_iter().nth(at)),
            Match::None | Match::Ambiguous => None,
        })
    }

    fn hear(&self, cx: &mut NodeContext<'_>, content: &Content) -> Result<Step, Step> {
        if let Some(first) = self.next_page(content) {
            self.ask_from(cx, &self.text, first)?;
            return Ok(Patience::on(cx));
        }
        let Some((offer, shown)) = self.chosen(cx, content)? else { return self.miss(cx) };
        if let Some(variable) = &self.variable {
            let value = match self.save {
                Save::Title => shown.title,
                Save::Id => shown.id,
            };
            cx.set(variable, Value::from(value));
        }
        Ok(Step::Exit(offer.exit.clone().into()))
    }

    /// Nothing fits: by the default exit if it leads somewhere, else ask again.
    fn miss(&self, cx: &mut NodeContext<'_>) -> Result<Step, Step> {
        if self.has_default {
            return Ok(exit("default"));
        }
        let Some(wait) = self.patience.again(cx) else { return Ok(exit("invalid")) };
        self.ask(cx, self.retry.as_ref().unwrap_or(&self.text))?;
        Ok(wait)
    }
}

impl<L: Look> BuiltNode for Choice<L> {
    fn connect(&mut self, exits: &[String]) {
        self.has_default = exits.iter().any(|exit| exit == "default");
    }

    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        config::step(self.ask(cx, &self.text).map(|()| self.patience.first(cx)))
    }

    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        match event {
            StepEvent::Message { content } => config::step(self.hear(cx, content)),
            StepEvent::Timer { .. } => self.patience.over(cx),
            StepEvent::CallDone { .. } | StepEvent::Outside { .. } => Patience::on(cx),
        }
    }

    fn fits(&self, cx: &NodeContext<'_>, content: &Content) -> Fit {
        if self.next_page(content).is_some() {
            return Fit::Exact;
        }
        match self.chosen(cx, content) {
            Ok(Some(_)) => Fit::Exact,
            Ok(None) | Err(_) => Fit::Other,
        }
    }

    fn exits(&self) -> Vec<String> {
        let options = self.options.iter().map(|offer| offer.exit.clone());
        options.chain(["default".to_owned()]).chain(self.patience.exits()).collect()
    }

    fn suspends(&self) -> bool {
        true
    }

    fn reads(&self) -> Vec<String> {
        let titles = self.options.iter().map(|offer| &offer.title);
        let descriptions = self.options.iter().filter_map(|offer| offer.description.as_ref());
        let own = [&self.text].into_iter().chain(&self.retry).chain(self.look.templates());
        let own = own.chain(self.patience.templates());
        config::reads(own.chain(titles).chain(descriptions))
    }

    fn writes(&self) -> Vec<String> {
        self.variable.iter().cloned().collect()
    }
}

/// The same question without its first options.
fn after(content: Content, first: usize) -> Content {
    match content {
        Content::Buttons { text, header, footer, options } => {
            let options = options.into_iter().skip(first).collect();
            Content::Buttons { text, header, footer, options }
        }
        Content::List { text, button, mut sections } => {
            let mut skip = first;
            for section in &mut sections {
                let gone = skip.min(section.options.len());
                section.options.drain(..gone);
                skip -= gone;
            }
            sections.retain(|section| !section.options.is_empty());
            Content::List { text, button, sections }
        }
        other => other,
    }
}

/// The members every choice's schema has.
pub(super) fn schema() -> Value {
    let own = json!({
        "text": schema::template_required("Text"),
        "variable": schema::variable("Save the choice in"),
        "save": {"title": "Save", "enum": ["title", "id"]},
        "late_reply": LateReply::schema()
    });
    schema::merged(own, schema::asking())
}

/// The exits every choice has.
pub(super) fn exits() -> Vec<ExitDescriptor> {
    vec![
        schema::exit("option:*", "One for each option"),
        schema::exit("default", "Anything else"),
        schema::exit("invalid", "After the last retry"),
        schema::exit("timeout", "No answer in time"),
        schema::exit("interrupted", "After an intent went first, instead of asking again"),
    ]
}
