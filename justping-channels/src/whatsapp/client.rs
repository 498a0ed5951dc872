//! The three requests of a channel: send, mark read, look at the number.

use justping_core::port::{Receipt, SendError};
use justping_http::headers::AUTHORIZATION;
use justping_http::{ConfiguredClient, ConfiguredRequest, Method};
use serde_json::Value;

use super::config::Checked;
use super::error::send_error;
use super::wire::{Maybe, Reply};
use crate::http::{Answer, exchange};

/// Speaks to the Graph API as one phone number.
#[derive(Debug)]
pub(super) struct Graph {
    http: ConfiguredClient,
    sender: Checked,
}

impl Graph {
    pub(super) fn new(http: ConfiguredClient, sender: Checked) -> Self {
        Self { http, sender }
    }

    /// The settings and secrets it works with.
    pub(super) fn sender(&self) -> &Checked {
        &self.sender
    }

    /// Hands over a message. Success without an id is no proof that it left: it is unknown.
    pub(super) async fn send(&self, body: &Value) -> Result<Receipt, SendError> {
        let answer = exchange(self.post(body)).await?;
        let reference =
            success(&answer, |reply| reply.messages.iter().find_map(|message| message.id.owned()))?;
        match reference {
            Some(reference) => Ok(Receipt { provider_ref: Some(reference) }),
            None => Err(send_error(&answer)),
        }
    }

    /// Posts something whose answer says no more than that it worked.
    pub(super) async fn tell(&self, body: &Value) -> Result<(), SendError> {
        let answer = exchange(self.post(body)).await?;
        success(&answer, |_| ())
    }

    /// Reads the phone number's own node, which only a token with access to it can.
    pub(super) async fn look(&self) -> Result<(), SendError> {
        let request = self.http.request(Method::Get, &self.sender.look);
        let answer = exchange(self.authorised(request)).await?;
        let id = success(&answer, |reply| reply.id.owned())?;
        if id.as_deref() == Some(self.sender.settings.phone_number_id.as_str()) {
            return Ok(());
        }
        let reason = "the provider knows no such phone number".to_owned();
        Err(SendError::Rejected { code: None, reason })
    }

    fn post(&self, body: &Value) -> ConfiguredRequest {
        let request = self.http.request(Method::Post, &self.sender.messages);
        self.authorised(request).json(body.to_string())
    }

    fn authorised(&self, request: ConfiguredRequest) -> ConfiguredRequest {
        request
            .header(AUTHORIZATION, self.sender.authorization.clone())
            .timeout(self.sender.timeout)
    }
}

/// Reads what is wanted of a 2xx answer that is a JSON object without an error.
fn success<T>(answer: &Answer, wanted: impl Fn(&Reply<'_>) -> T) -> Result<T, SendError> {
    let body = answer.body.as_deref().unwrap_or_default();
    let reply = serde_json::from_slice::<Maybe<Reply<'_>>>(body).ok().and_then(|reply| reply.0);
    match reply {
        Some(reply) if (200..300).contains(&answer.status) && reply.error.0.is_none() => {
            Ok(wanted(&reply))
        }
        _ => Err(send_error(answer)),
    }
}
