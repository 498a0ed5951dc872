use serde::{Deserialize, Serialize};

/// How far a message got. Moves forward only, whatever the order in which news arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Inbound: it reached us.
    Received,
    /// Outbound: recorded, waiting for its turn.
    Queued,
    /// The provider accepted it.
    Sent,
    /// It reached the contact's device.
    Delivered,
    /// The contact saw it.
    Read,
    /// It will not arrive. Final.
    Failed,
}

impl DeliveryStatus {
    /// The status after hearing `news`, or `None` when the news is old, repeated or impossible.
    ///
    /// `queued → sent → delivered → read`, steps may be skipped; `failed` is reached from `queued`
    /// and `sent` only and is final: a message that was delivered has not failed.
    pub fn advance(self, news: Self) -> Option<Self> {
        let moves = match news {
            Self::Failed => matches!(self, Self::Queued | Self::Sent),
            Self::Received | Self::Queued => false,
            Self::Sent | Self::Delivered | Self::Read => {
                matches!(self, Self::Queued | Self::Sent | Self::Delivered)
                    && self.rank() < news.rank()
            }
        };
        moves.then_some(news)
    }

    /// Its name in JSON and in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Received | Self::Queued => 0,
            Self::Sent => 1,
            Self::Delivered => 2,
            Self::Read => 3,
            Self::Failed => 4,
        }
    }
}

/// Why a message failed, by what can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The customer-service window is closed: a template is needed.
    WindowClosed,
    /// The contact asked for silence.
    OptedOut,
    /// The address does not exist, cannot receive, or is suppressed.
    InvalidRecipient,
    /// The provider refused the message itself.
    Rejected,
    /// The channel's credentials do not work.
    Unauthorized,
    /// Every retry was used up.
    Exhausted,
    /// A crash hid the outcome, and the channel's policy is at most once.
    UnknownOutcome,
    /// A human took over before the bot's message left.
    Superseded,
    /// The channel is disabled, deleted or misconfigured.
    ChannelUnavailable,
    /// A hook of the business stopped it.
    DroppedByHook,
}

/// A failure as it is stored with the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// The provider's code, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// A sentence for people; carries no message text and no secret.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::DeliveryStatus::{self, *};
    use proptest::prelude::*;

    fn any_status() -> impl Strategy<Value = DeliveryStatus> {
        prop::sample::select(vec![Received, Queued, Sent, Delivered, Read, Failed])
    }

    proptest! {
        #[test]
        fn never_goes_back(news in prop::collection::vec(any_status(), 0..12)) {
            let mut now = Queued;
            for next in news {
                let before = now;
                now = now.advance(next).unwrap_or(now);
                prop_assert!(now.rank() >= before.rank());
                prop_assert!(!matches!(before, Read | Failed) || now == before);
            }
        }

        #[test]
        fn receipts_of_success_commute(mut news in prop::collection::vec(
            prop::sample::select(vec![Sent, Delivered, Read]), 0..8)) {
            let fold = |list: &[DeliveryStatus]| {
                list.iter().fold(Queued, |now, next| now.advance(*next).unwrap_or(now))
            };
            let once = fold(&news);
            news.reverse();
            prop_assert_eq!(once, fold(&news));
        }
    }

    #[test]
    fn failed_after_delivered_is_ignored() {
        assert_eq!(Delivered.advance(Failed), None);
        assert_eq!(Sent.advance(Failed), Some(Failed));
        assert_eq!(Failed.advance(Delivered), None);
    }
}
