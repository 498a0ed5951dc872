//! A hook: looks at every message on its way.

use justping_plugin::{Contact, Failure, Hook, Message, Verdict, text};

struct Calm;

impl Hook for Calm {
    fn before_send(message: &Message, _: &Contact) -> Result<Verdict, Failure> {
        let calm = message.text.replace('!', ".");
        let is_text = message.content.get("type").is_some_and(|kind| kind == "text");
        let changes = is_text && calm != message.text;
        Ok(if changes { Verdict::Change(text(calm)) } else { Verdict::Pass })
    }
}

justping_plugin::export_hook!(Calm);
