//! The built-in nodes, one file each.

mod ai_classify;
mod ai_extract;
mod ai_reply;
mod argument;
mod asking;
mod business_hours;
mod buttons;
mod call_flow;
mod choice;
mod close;
mod condition;
mod config;
mod contact;
mod csat;
mod end;
mod foreach;
mod handoff;
mod http;
mod input;
mod jump;
mod knowledge;
mod late;
mod list;
mod media;
mod names;
mod note;
mod plugin;
mod prompt;
mod question;
mod return_;
mod schema;
mod send_email;
mod send_template;
mod set;
mod split;
mod switch;
#[cfg(test)]
mod tests;
mod text;
mod tool;
mod trigger;
mod typing;
mod wait;
mod wait_event;

use std::sync::Arc;

use justping_core::port::FlowNode;

pub use self::ai_reply::AiReply;
pub use self::http::Http;
pub(crate) use self::late::LateReply;
pub(crate) use self::names::RESUME_URL;
pub use self::plugin::Plugin;
pub(crate) use self::trigger::Matcher;
use crate::ai::AiHost;

/// Those that ask models or call tools.
pub(crate) fn ai(host: &Arc<AiHost>) -> Vec<Box<dyn FlowNode>> {
    vec![
        Box::new(AiReply::with_host(Arc::clone(host))),
        Box::new(ai_classify::AiClassify::new(Arc::clone(host))),
        Box::new(ai_extract::AiExtract::new(Arc::clone(host))),
        Box::new(tool::CallTool::new(Arc::clone(host))),
        Box::new(knowledge::Knowledge::new(Arc::clone(host))),
    ]
}

/// One of each.
pub(crate) fn built_in() -> Vec<Box<dyn FlowNode>> {
    let plain: Vec<Box<dyn FlowNode>> = vec![
        Box::new(trigger::Trigger),
        Box::new(text::Text),
        Box::new(media::Media),
        Box::new(buttons::Buttons),
        Box::new(list::List),
        Box::new(input::Input),
        Box::new(wait::Wait),
        Box::new(typing::Typing),
        Box::new(condition::If),
        Box::new(switch::Switch),
        Box::new(set::Set),
        Box::new(jump::Jump),
        Box::new(split::Split),
        Box::new(business_hours::BusinessHours),
        Box::new(contact::Contact),
        Box::new(csat::Csat),
        Box::new(send_template::SendTemplate),
        Box::new(send_email::SendEmail),
        Box::new(handoff::HandOff),
        Box::new(close::Close),
        Box::new(end::End),
        Box::new(call_flow::CallFlow),
        Box::new(return_::Return),
        Box::new(foreach::Foreach),
        Box::new(wait_event::WaitEvent),
        Box::new(note::Note),
        Box::new(Http::without_fetcher()),
        Box::new(Plugin::without_nodes()),
    ];
    plain.into_iter().chain(ai(&Arc::default())).collect()
}
