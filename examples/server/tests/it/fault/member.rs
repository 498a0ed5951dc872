//! A member who writes to contacts through the API.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::verdict::Written;
use crate::ledger::Ledger;
use crate::provider::{Dice, Doors, insist_on_503};

/// Messages that a member writes to each contact, one after the other.
const LETTERS: usize = 3;
/// A member's rest before a request is repeated.
const REPEAT_AFTER: Duration = Duration::from_millis(50);
/// How long a member waits for an answer, and how often it then asks again.
const ANSWER_MAX: Duration = Duration::from_secs(5);
const TRIES_MAX: usize = 600;

/// Somebody who writes through the API.
#[derive(Debug)]
pub(super) struct Member {
    pub ledger: Ledger,
    pub doors: Doors,
    pub written: Arc<Mutex<Written>>,
    pub dice: Dice,
}

impl Member {
    /// Writes some messages to a contact.
    pub(super) async fn write(mut self, conversation: String) {
        for letter in 0..LETTERS {
            let text = format!("a{letter}");
            match self.post(&conversation, &text).await {
                Some(id) => {
                    if self.dice.roll(4) == 0 {
                        // Where the answer could not be kept, the key is taken and says no more.
                        let again = self.post(&conversation, &text).await;
                        let again = again.unwrap_or_else(|| id.clone());
                        assert_eq!(again, id, "the same key gave another message");
                    }
                    let letter = (conversation.clone(), text);
                    self.written.lock().unwrap().letters.insert(letter, id);
                }
                None => {
                    self.written.lock().unwrap().open.insert((conversation.clone(), text));
                }
            }
        }
    }

    /// Writes a message until it is acknowledged, and gives its id. `None` when its key is taken
    /// by a try of which nobody knows how it ended.
    async fn post(&self, conversation: &str, text: &str) -> Option<String> {
        let mut seen = String::new();
        for turn in 0..TRIES_MAX {
            let ledger = self.ledger.at(self.doors.at(turn));
            let request = ledger
                .request("POST", &format!("/conversations/{conversation}/messages"))
                .header("idempotency-key", format!("{conversation}.{text}"))
                .json(&json!({"content": {"type": "text", "text": text}}))
                .timeout(ANSWER_MAX);
            match request.send().await {
                Ok(answer) if answer.status() == StatusCode::CREATED => {
                    // The answer may be cut off with the process that gives it.
                    if let Ok(made) = answer.json::<Value>().await {
                        return Some(made["messages"][0]["id"].as_str().unwrap().to_owned());
                    }
                }
                Ok(answer) if answer.status() == StatusCode::CONFLICT => {
                    let problem: Value = answer.json().await.unwrap();
                    assert_eq!(problem["code"], "idempotency_in_flight");
                    return None;
                }
                Ok(answer) => {
                    insist_on_503(&answer, "a member's message");
                    seen = answer.status().to_string();
                }
                Err(error) => seen = error.to_string(),
            }
            tokio::time::sleep(REPEAT_AFTER).await;
        }
        panic!("a member's message is not taken: {seen}");
    }
}
