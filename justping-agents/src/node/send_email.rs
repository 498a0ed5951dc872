//! Sends a mail.

use async_trait::async_trait;
use justping_core::model::{CallResult, ChannelId};
use justping_core::port::{
    BuiltNode, FlowNode, Letter, NodeConfigError, NodeContext, NodeDescriptor, PerformContext,
    Step, StepEvent,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::prompt::exit;
use super::{config, schema};
use crate::text::Template;

/// Where the code of a failure is saved.
const ERROR_VARIABLE: &str = "email_error";

/// Sends a mail, by the business's channel of e-mail, to the contact or to somebody else.
///
/// The mail is a message in the conversation of whoever gets it, and leaves by the rules that hold for
/// every message. `next` means that it is on its way; what the mail servers make of it is the message's
/// status.
#[derive(Debug)]
pub(super) struct SendEmail;

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    to: Option<String>,
    subject: String,
    text: String,
    #[serde(default)]
    html: Option<String>,
    #[serde(default)]
    channel: Option<ChannelId>,
}

impl FlowNode for SendEmail {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "send_email".to_owned(),
            title: "Send an e-mail".to_owned(),
            summary:
                "Sends a mail to the contact's own address, or to another; messages meanwhile go \
                      unheard."
                    .to_owned(),
            schema: schema::object(members(), &["subject", "text"]),
            exits: vec![
                schema::exit("next", "The mail is on its way"),
                schema::exit("error", "There is no address or no e-mail channel, or it is refused"),
            ],
            suspends: true,
            calls: true,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        Ok(Box::new(Sending {
            to: config::template_if("/to", config.to.as_deref())?,
            subject: config::template("/subject", &config.subject)?,
            text: config::template("/text", &config.text)?,
            html: config::html_if("/html", config.html.as_deref())?,
            channel: config.channel,
        }))
    }
}

fn members() -> Value {
    json!({
        "to": schema::merged(
            schema::template("To"),
            json!({"description": "Without it: the contact's own address, else its field `email`."})
        ),
        "subject": schema::template_required("Subject"),
        "text": schema::template_required("Text"),
        "html": schema::merged(
            schema::template("The same as HTML"),
            json!({"description": "Values are shown as they are, never as markup."})
        ),
        "channel": {
            "type": "string", "title": "Channel, where there are several",
            "pattern": format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", ChannelId::PREFIX)
        }
    })
}

#[derive(Debug)]
struct Sending {
    to: Option<Template>,
    subject: Template,
    text: Template,
    html: Option<Template>,
    channel: Option<ChannelId>,
}

impl Sending {
    fn letter(&self, cx: &NodeContext<'_>) -> Result<Letter, Step> {
        Ok(Letter {
            // A template that gives nothing is no wish for another address than the one it names.
            to: self.to.as_ref().map(|to| config::render(cx, to)).transpose()?,
            channel: self.channel,
            subject: config::render(cx, &self.subject)?,
            text: config::render(cx, &self.text)?,
            html: config::render_if(cx, self.html.as_ref())?,
        })
    }

    fn call(&self, cx: &mut NodeContext<'_>) -> Result<Step, Step> {
        let letter = self.letter(cx)?;
        if letter.to.as_ref().is_some_and(|to| to.trim().is_empty()) {
            return Err(failed(cx, "no_address"));
        }
        Ok(Step::Call { input: json!(letter) })
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        [&self.subject, &self.text].into_iter().chain(&self.to).chain(&self.html)
    }
}

fn failed(cx: &mut NodeContext<'_>, code: &str) -> Step {
    cx.set(ERROR_VARIABLE, Value::from(code));
    Step::Fail { reason: format!("the mail was not sent: {code}") }
}

#[async_trait]
impl BuiltNode for Sending {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        config::step(self.call(cx))
    }

    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        match event {
            StepEvent::Message { .. } | StepEvent::Timer { .. } | StepEvent::Outside { .. } => {
                Step::Wait { until: None }
            }
            StepEvent::CallDone { result: CallResult::Ok(_), .. } => exit("next"),
            StepEvent::CallDone { result: CallResult::Error { code, .. }, .. } => failed(cx, code),
        }
    }

    async fn perform(&self, input: &Value, cx: &PerformContext<'_>) -> CallResult {
        let error =
            |code: &str, detail: String| CallResult::Error { code: code.to_owned(), detail };
        let letter = match Letter::deserialize(input) {
            Ok(letter) => letter,
            Err(reason) => return error("malformed", reason.to_string()),
        };
        match cx.correspondence.write(&cx.scope, &letter).await {
            Ok(posted) => CallResult::Ok(json!(posted)),
            Err(refused) => error(refused.code(), refused.to_string()),
        }
    }

    fn exits(&self) -> Vec<String> {
        ["next", "error"].map(str::to_owned).to_vec()
    }

    fn suspends(&self) -> bool {
        true
    }

    fn reads(&self) -> Vec<String> {
        config::reads(self.templates())
    }

    fn writes(&self) -> Vec<String> {
        vec![ERROR_VARIABLE.to_owned()]
    }
}
