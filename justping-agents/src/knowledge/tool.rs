//! A knowledge base as a tool that models call.

use async_trait::async_trait;
use justping_core::model::KnowledgeBaseId;
use justping_core::port::store::StoreError;
use justping_core::port::{Tool, ToolContext, ToolError, ToolOutput, ToolSpec};
use serde_json::{Value, json};

use super::search::{Knowledge, KnowledgeError, Passage, QUESTION_MAX_CHARS};

/// Passages that a search gives.
const PASSAGES: u32 = 6;

/// Lets a model search the knowledge bases of the business whose contact it talks with.
#[derive(Debug)]
pub struct SearchKnowledge {
    knowledge: Knowledge,
    /// The only base it searches; without one the model names it.
    base: Option<KnowledgeBaseId>,
}

impl SearchKnowledge {
    /// The name under which models know it.
    pub const NAME: &'static str = "search_knowledge";

    /// Searches whichever base of the business the model names.
    pub fn new(knowledge: Knowledge) -> Self {
        Self { knowledge, base: None }
    }

    /// Searches this base only.
    #[must_use]
    pub fn only(self, base: KnowledgeBaseId) -> Self {
        Self { base: Some(base), ..self }
    }

    fn base(&self, arguments: &Value) -> Result<KnowledgeBaseId, ToolError> {
        let named = arguments.get("base").and_then(Value::as_str);
        match (self.base, named) {
            (Some(base), _) => Ok(base),
            (None, Some(id)) => id.parse().map_err(|_| no_base()),
            (None, None) => Err(ToolError::Arguments("`base` is missing".to_owned())),
        }
    }
}

fn no_base() -> ToolError {
    ToolError::Arguments("`base` is not the id of a knowledge base".to_owned())
}

fn told(passage: &Passage) -> Value {
    json!({
        "title": passage.title,
        "url": passage.url,
        "section": passage.section,
        "page": passage.page,
        "text": passage.text
    })
}

#[async_trait]
impl Tool for SearchKnowledge {
    fn spec(&self) -> ToolSpec {
        let question = json!({
            "type": "string", "minLength": 1, "maxLength": QUESTION_MAX_CHARS,
            "description": "What to look for, in the words of the customer."
        });
        let base = json!({
            "type": "string", "description": "The id of the knowledge base (knb_…)."
        });
        let (properties, required) = match self.base {
            Some(_) => (json!({"question": question}), json!(["question"])),
            None => (json!({"question": question, "base": base}), json!(["question", "base"])),
        };
        ToolSpec {
            name: Self::NAME.to_owned(),
            description: "Finds passages of the business's documents that answer a question. \
                An empty list means that they do not."
                .to_owned(),
            parameters: json!({
                "type": "object", "properties": properties, "required": required,
                "additionalProperties": false
            }),
        }
    }

    async fn call(&self, arguments: &Value, cx: &ToolContext) -> Result<ToolOutput, ToolError> {
        let base = self.base(arguments)?;
        let question = arguments.get("question").and_then(Value::as_str).unwrap_or_default();
        let found = self.knowledge.search(cx.scope.business_id, base, question, PASSAGES).await;
        let passages = found.map_err(|error| match error {
            KnowledgeError::Store(StoreError::NotFound(_)) => no_base(),
            other => ToolError::Unavailable(other.to_string()),
        })?;
        let passages = passages.iter().filter(|passage| passage.answers()).map(told);
        // A source may be anybody's page.
        Ok(ToolOutput::foreign(passages.collect::<Vec<_>>()))
    }
}
