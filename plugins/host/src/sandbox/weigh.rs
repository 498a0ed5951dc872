//! How large what goes into a call and comes out of it is.

use crate::contract::bindings::exports::justping::plugin as guest;
use crate::contract::{Contact, Failure, Message, Scope};

/// What an item of a list weighs at least, so that many empty ones weigh something.
const ITEM_BYTES: usize = 16;

/// Has a size: about the bytes of its texts and bodies.
pub(super) trait Weigh {
    fn bytes(&self) -> usize;
}

impl Weigh for str {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Weigh for String {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Weigh for () {
    fn bytes(&self) -> usize {
        0
    }
}

impl Weigh for u8 {
    fn bytes(&self) -> usize {
        1
    }
}

impl<T: Weigh> Weigh for Option<T> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, Weigh::bytes)
    }
}

impl<T: Weigh> Weigh for Vec<T> {
    fn bytes(&self) -> usize {
        self.iter().fold(0, |sum: usize, item| sum.saturating_add(item.bytes() + ITEM_BYTES))
    }
}

impl<A: Weigh, B: Weigh> Weigh for (A, B) {
    fn bytes(&self) -> usize {
        self.0.bytes().saturating_add(self.1.bytes())
    }
}

impl<T: Weigh, E: Weigh> Weigh for Result<T, E> {
    fn bytes(&self) -> usize {
        match self {
            Ok(answer) => answer.bytes(),
            Err(error) => error.bytes(),
        }
    }
}

/// The sum of some fields.
macro_rules! weigh {
    ($($kind:ty { $($field:ident),* $(; bytes $($body:ident),*)? })*) => {$(
        impl Weigh for $kind {
            fn bytes(&self) -> usize {
                let sum = 0_usize $(.saturating_add(self.$field.bytes()))*;
                sum $($(.saturating_add(self.$body.len()))*)?
            }
        }
    )*};
}

weigh! {
    Contact { id, name, address, channel, fields, tags, locale, time_zone }
    Message { id, conversation_id, channel, text, content }
    Scope { business_id, conversation_id, call_id }
    Failure { code, message }
    guest::nodes::Exit { name, title }
    guest::nodes::Node { name, title, summary, schema, exits }
    guest::nodes::Context { scope, node, config, contact, variables, last_text, memory }
    guest::nodes::Waiting { memory }
    guest::nodes::Step { messages, output, contact, next }
    guest::tools::Tool { name, description, parameters }
    guest::subscriber::Event { id, name, data }
    guest::channels::Channel { kind, title, capabilities }
    guest::channels::Webhook { method, query, headers; bytes body }
    guest::channels::Received { inbound; bytes reply }
    guest::channels::Outbound { to, content, reply_to, idempotency_key }
    guest::filters::Filter { name, summary }
}

impl Weigh for guest::nodes::Event {
    fn bytes(&self) -> usize {
        match self {
            Self::Message(content) => content.len(),
            Self::Timer => 0,
        }
    }
}

impl Weigh for guest::nodes::Next {
    fn bytes(&self) -> usize {
        match self {
            Self::Leave(exit) => exit.len(),
            Self::Wait(waiting) => waiting.bytes(),
        }
    }
}

impl Weigh for guest::hooks::Verdict {
    fn bytes(&self) -> usize {
        match self {
            Self::Pass => 0,
            Self::Change(text) | Self::Drop(text) => text.len(),
        }
    }
}

impl Weigh for guest::channels::Refusal {
    fn bytes(&self) -> usize {
        match self {
            Self::Unauthorized => 0,
            Self::Malformed(why) => why.len(),
        }
    }
}

impl Weigh for guest::channels::SendError {
    fn bytes(&self) -> usize {
        match self {
            Self::Unknown(why) | Self::Rejected(why) => why.len(),
            Self::Retry(_)
            | Self::RateLimited(_)
            | Self::WindowClosed
            | Self::OptedOut
            | Self::InvalidRecipient
            | Self::Unauthorized => 0,
        }
    }
}
