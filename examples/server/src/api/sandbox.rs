use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use jiff::SignedDuration;
use justping::agents::fetch::ScriptedFetcher;
use justping::engine::PublishError;
use justping::memory::ScriptedAi;
use justping::model::{
    AgentId, Content, Direction, FlowId, Message, SessionStatus, Timestamp, TraceStep,
};
use justping::port::FlowRuntime;
use justping::stage::{Stage, StageError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::check::Checks;
use super::content::ContentBody;
use super::flow::unpublishable;
use super::schema;
use super::session::TraceStepView;
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, Caller, perm};
use crate::http::extract::{Id, JsonBody};

/// Most lines of a script.
const LINES_MAX: usize = 100;
/// Most characters of a line.
const LINE_MAX_CHARS: usize = 4_096;
/// Most scripted answers of the model, and of servers.
const ANSWERS_MAX: usize = 100;
/// The longest a script may wait in all, in virtual seconds: a year.
const WAIT_MAX_SECONDS: u64 = 366 * 24 * 60 * 60;
/// The longest a test may take in real time.
const PATIENCE: Duration = Duration::from_secs(10);
/// The one contact of a sandbox.
const CONTACT: &str = "tester";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(test_flow)).routes(routes!(test_agent))
}

/// A script to try.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Script {
    /// What the contact does, in order.
    lines: Vec<Line>,
    /// What the model answers, in order, when a node asks it. The real one is never asked.
    answers: Vec<String>,
    /// What servers answer, in order, when a node asks one. The real ones are never asked.
    replies: Vec<ScriptedReply>,
}

/// What a server answers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ScriptedReply {
    /// The status.
    #[schema(minimum = 100, maximum = 599)]
    status: u16,
    /// The body.
    #[serde(default)]
    body: Value,
}

/// One thing the contact does.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    /// Writes a text.
    Say(String),
    /// Presses the button or row with this id.
    Choose(String),
    /// Lets so many seconds of virtual time pass.
    Wait(u64),
}

/// What became of a script.
#[derive(Debug, Serialize, ToSchema)]
struct TestRun {
    /// The whole thread, oldest first.
    transcript: Vec<TranscriptLine>,
    /// The walks through the flow, oldest first.
    sessions: Vec<TestedSession>,
}

/// One message of a thread.
#[derive(Debug, Serialize, ToSchema)]
struct TranscriptLine {
    /// When, by the sandbox's clock.
    at: Timestamp,
    #[schema(schema_with = schema::direction)]
    direction: Direction,
    #[schema(value_type = ContentBody)]
    content: Content,
}

/// One walk through the flow.
#[derive(Debug, Serialize, ToSchema)]
struct TestedSession {
    #[schema(schema_with = schema::session_status)]
    status: SessionStatus,
    /// Why it failed, if it did.
    failure: Option<String>,
    /// Its first 200 steps.
    trace: Vec<TraceStepView>,
}

impl From<Message> for TranscriptLine {
    fn from(message: Message) -> Self {
        Self { at: message.created_at, direction: message.direction, content: message.content }
    }
}

impl Script {
    fn check(&self) -> Result<(), Problem> {
        let mut checks = Checks::default();
        checks.count("/lines", self.lines.len(), LINES_MAX);
        checks.count("/answers", self.answers.len(), ANSWERS_MAX);
        checks.count("/replies", self.replies.len(), ANSWERS_MAX);
        for (index, reply) in self.replies.iter().enumerate() {
            let is_status = (100..600).contains(&reply.status);
            checks.require(is_status, format!("/replies/{index}/status"), "is not a status");
        }
        let mut waited = 0u64;
        for (index, line) in self.lines.iter().enumerate() {
            match line {
                Line::Say(text) => {
                    checks.text(&format!("/lines/{index}/say"), text, LINE_MAX_CHARS);
                }
                Line::Choose(id) => {
                    checks.text(&format!("/lines/{index}/choose"), id, LINE_MAX_CHARS);
                }
                Line::Wait(seconds) => waited = waited.saturating_add(*seconds),
            }
        }
        checks.require(waited <= WAIT_MAX_SECONDS, "/lines", "waits for more than a year in all");
        checks.done()
    }

    fn flows(&self, caller: &Caller) -> Arc<dyn FlowRuntime> {
        let model = ScriptedAi::new();
        for answer in &self.answers {
            model.then(answer.as_str());
        }
        let servers = ScriptedFetcher::new();
        for reply in &self.replies {
            servers.then(reply.status, reply.body.to_string());
        }
        let flows = caller.flows().clone().with_ai(Arc::new(model));
        Arc::new(flows.with_http(Arc::new(servers)))
    }
}

/// Tries the draft of a flow. It runs in memory, on a clock of its own; nothing leaves.
#[utoipa::path(post, path = "/flows/{id}/test", tag = "flows", request_body = Script,
    params(("id" = String, Path, description = "The flow.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 200, body = TestRun)))]
async fn test_flow(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<FlowId>,
    JsonBody(script): JsonBody<Script>,
) -> Result<Json<TestRun>, Problem> {
    let flow = caller.store().flow(caller.business_id, id).await?;
    script.check()?;
    let stage = Stage::builder(script.flows(&caller));
    let stage = stage.open(&[flow.draft]).await.map_err(stage_problem)?;
    play(&stage, &script).await.map(Json)
}

/// Tries an agent with the drafts of its flows. It runs in memory, on a clock of its own; nothing
/// leaves.
#[utoipa::path(post, path = "/agents/{id}/test", tag = "agents", request_body = Script,
    params(("id" = String, Path, description = "The agent.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 200, body = TestRun)))]
async fn test_agent(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<AgentId>,
    JsonBody(script): JsonBody<Script>,
) -> Result<Json<TestRun>, Problem> {
    let agent = caller.store().agent(caller.business_id, id).await?;
    script.check()?;
    let mut documents = Vec::with_capacity(agent.flows.len());
    for flow in &agent.flows {
        documents.push(caller.store().flow(caller.business_id, *flow).await?.draft);
    }
    let stage = Stage::builder(script.flows(&caller))
        .instructions(agent.instructions)
        .model(agent.model)
        .open(&documents)
        .await
        .map_err(stage_problem)?;
    play(&stage, &script).await.map(Json)
}

async fn play(stage: &Stage, script: &Script) -> Result<TestRun, Problem> {
    let played = tokio::time::timeout(PATIENCE, async {
        for line in &script.lines {
            perform(stage, line).await?;
        }
        report(stage).await
    });
    match played.await {
        Ok(run) => run.map_err(stage_problem),
        Err(_) => Err(Problem::unavailable("the test took too long")),
    }
}

async fn perform(stage: &Stage, line: &Line) -> Result<(), StageError> {
    match line {
        Line::Say(text) => stage.say(CONTACT, text).await.map(drop),
        Line::Choose(id) => {
            let content = Content::Reply { option: id.clone(), title: id.clone() };
            stage.hear(CONTACT, content).await.map(drop)
        }
        Line::Wait(seconds) => {
            let seconds = i64::try_from(*seconds).unwrap_or(i64::MAX);
            stage.advance(SignedDuration::from_secs(seconds)).await.map(drop)
        }
    }
}

async fn report(stage: &Stage) -> Result<TestRun, StageError> {
    let transcript = stage.thread(CONTACT).await?.into_iter().map(TranscriptLine::from).collect();
    let mut sessions = Vec::new();
    for (session, trace) in stage.sessions(CONTACT).await? {
        let trace: Vec<TraceStep> = trace;
        sessions.push(TestedSession {
            status: session.status,
            failure: session.failure,
            trace: trace.into_iter().map(TraceStepView::from).collect(),
        });
    }
    Ok(TestRun { transcript, sessions })
}

fn stage_problem(error: StageError) -> Problem {
    match error {
        StageError::Publish(PublishError::Invalid(findings)) => unpublishable(findings),
        StageError::Publish(PublishError::Store(error)) | StageError::Store(error) => error.into(),
        StageError::Engine(error) => error.into(),
        StageError::Build(error) => {
            tracing::error!(%error, "a sandbox cannot be built");
            Problem::internal()
        }
    }
}
