use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use http::StatusCode;
use justping::agents::knowledge::Knowledge;
use justping::agents::scenario::{
    CustomerEnd, Failure, Line, Scenario, ScenarioReport, SentMail, SimulateError, Simulator,
    Verdict, WalkedSession,
};
use justping::model::{AgentId, Content, Direction, FlowId, SessionStatus, Timestamp};
use justping::port::{AiError, Visit};
use justping::stage::StageError;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::content::ContentBody;
use super::schema;
use super::session::TraceStepView;
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, Caller, perm};
use crate::http::extract::{Id, JsonBody};
use crate::http::problem::FieldError;

/// Steps of a session that are shown.
const STEPS_SHOWN_MAX: usize = 200;
/// The longest a test may take in real time.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same where a model plays the contact or judges.
const PEOPLE_PATIENCE: Duration = Duration::from_secs(100);

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(test_flow)).routes(routes!(test_agent))
}

/// What a contact does and what should come of it. The same form as the files of
/// `justping flow simulate`.
#[derive(Debug, ToSchema)]
#[schema(as = Scenario)]
#[expect(dead_code, reason = "describes what the library reads")]
struct ScenarioDoc {
    name: Option<String>,
    /// How things are before: `now`, `seed`, `contact` (`name`, `fields`, `tags`, `groups`, `locale`,
    /// `time_zone`), `agent` (`instructions`, `model`).
    #[schema(value_type = Option<Object>)]
    given: Option<Value>,
    /// What the model answers, in order, when a node asks it. The real one is never asked.
    answers: Option<Vec<String>>,
    /// What servers answer, in order, when a node asks one: `status`, `body`. The real ones are
    /// never asked.
    #[schema(value_type = Option<Vec<Object>>)]
    replies: Option<Vec<Value>>,
    /// What happens, in order; each one of `say`, `press`, `choose`, `send`, `after` and `expect`.
    /// `lines` is another name for it.
    #[schema(value_type = Option<Vec<Object>>)]
    steps: Option<Vec<BTreeMap<String, Value>>>,
    /// Who plays the contact after the steps: `persona`, `goal`, `max_turns`, `model`, `answers`.
    /// Without `answers` a model plays, where the server has one; what it costs is the business's.
    #[schema(value_type = Option<Object>)]
    customer: Option<Value>,
    /// Who judges the conversation: `criteria`, `model`, `answers`; a model without `answers`.
    #[schema(value_type = Option<Object>)]
    judge: Option<Value>,
}

/// What became of a scenario.
#[derive(Debug, Serialize, ToSchema)]
struct TestRun {
    /// Whether everything that was expected came true.
    passed: bool,
    /// How much was expected.
    checked: u32,
    /// How much of it came true, from 0 to 1.
    score: f64,
    /// What did not come true.
    failures: Vec<TestFailure>,
    /// The whole thread, oldest first.
    transcript: Vec<TranscriptLine>,
    /// The mails that would have left, oldest first: `to`, `subject`, `text`, `html`.
    #[schema(value_type = Vec<Object>)]
    mails: Vec<SentMail>,
    /// The walks through the flow, oldest first.
    sessions: Vec<TestedSession>,
    /// How the played contact ended: `reached`, `turns`, `reason`.
    #[schema(value_type = Option<Object>)]
    customer: Option<CustomerEnd>,
    /// What the judge says: `criterion`, `passed`, `reason`.
    #[schema(value_type = Vec<Object>)]
    verdicts: Vec<Verdict>,
}

/// Something that did not come true.
#[derive(Debug, Serialize, ToSchema)]
struct TestFailure {
    /// JSON pointer into the scenario, such as `/steps/3/expect/says`.
    path: String,
    /// A sentence for people.
    message: String,
    expected: Value,
    found: Value,
}

impl From<Failure> for TestFailure {
    fn from(failure: Failure) -> Self {
        let message = failure.to_string();
        let Failure { path, expected, found, .. } = failure;
        Self { path, message, expected, found }
    }
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

impl From<Line> for TranscriptLine {
    fn from(Line { at, direction, content }: Line) -> Self {
        Self { at, direction, content }
    }
}

/// One walk through the flow.
#[derive(Debug, Serialize, ToSchema)]
struct TestedSession {
    #[schema(schema_with = schema::session_status)]
    status: SessionStatus,
    /// Why it failed, if it did.
    failure: Option<String>,
    /// Its first 200 steps.
    trace: Vec<TestedStep>,
}

/// One step of a walk.
#[derive(Debug, Serialize, ToSchema)]
struct TestedStep {
    #[serde(flatten)]
    step: TraceStepView,
    /// The nodes it visited, each with the exit it was left by: `node`, `exit`.
    #[schema(value_type = Vec<Object>)]
    way: Vec<Visit>,
}

impl From<WalkedSession> for TestedSession {
    fn from(session: WalkedSession) -> Self {
        let WalkedSession { status, failure, trace, ways } = session;
        let steps = trace.into_iter().zip(ways).take(STEPS_SHOWN_MAX);
        let trace = steps.map(|(step, way)| TestedStep { step: step.into(), way }).collect();
        Self { status, failure, trace }
    }
}

impl From<ScenarioReport> for TestRun {
    fn from(report: ScenarioReport) -> Self {
        let ScenarioReport {
            passed,
            checked,
            score,
            failures,
            transcript,
            mails,
            sessions,
            customer,
            verdicts,
        } = report;
        Self {
            passed,
            checked,
            score,
            failures: failures.into_iter().map(Into::into).collect(),
            transcript: transcript.into_iter().map(Into::into).collect(),
            mails,
            sessions: sessions.into_iter().map(Into::into).collect(),
            customer,
            verdicts,
        }
    }
}

/// Tries the draft of a flow. It runs in memory, on a clock of its own; nothing leaves.
#[utoipa::path(post, path = "/flows/{id}/test", tag = "flows", request_body = ScenarioDoc,
    params(("id" = String, Path, description = "The flow.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 200, body = TestRun)))]
async fn test_flow(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<FlowId>,
    JsonBody(scenario): JsonBody<Scenario>,
) -> Result<Json<TestRun>, Problem> {
    let draft = caller.jp().linked_draft(caller.business_id, id).await?;
    play(&caller, &[draft], &scenario).await
}

/// Tries an agent with the drafts of its flows. It runs in memory, on a clock of its own; nothing
/// leaves.
#[utoipa::path(post, path = "/agents/{id}/test", tag = "agents", request_body = ScenarioDoc,
    params(("id" = String, Path, description = "The agent.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 200, body = TestRun)))]
async fn test_agent(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<AgentId>,
    JsonBody(mut scenario): JsonBody<Scenario>,
) -> Result<Json<TestRun>, Problem> {
    let agent = caller.store().agent(caller.business_id, id).await?;
    let mut documents = Vec::with_capacity(agent.flows.len());
    for flow in &agent.flows {
        documents.push(caller.jp().linked_draft(caller.business_id, *flow).await?);
    }
    let given = &mut scenario.given.agent;
    given.instructions.get_or_insert(agent.instructions);
    given.model = given.model.take().or(agent.model);
    play(&caller, &documents, &scenario).await
}

async fn play(
    caller: &Caller,
    documents: &[Value],
    scenario: &Scenario,
) -> Result<Json<TestRun>, Problem> {
    // What the business knows is looked up where it is, by words: no question leaves.
    let knowledge = Knowledge::new(Arc::clone(caller.jp().store())).only(caller.business_id);
    let simulator = Simulator::new(caller.flows().clone()).with_knowledge(knowledge);
    let (simulator, patience) = match caller.people() {
        // The business pays for whoever plays its contacts, within its budgets.
        Some(people) if scenario.asks_people() => {
            (simulator.with_people(people.of(caller.business_id)), PEOPLE_PATIENCE)
        }
        _ => (simulator, PATIENCE),
    };
    let played = tokio::time::timeout(patience, simulator.run(documents, scenario)).await;
    match played {
        Ok(run) => run.map(|report| Json(report.into())).map_err(problem),
        Err(_) => Err(Problem::unavailable("the test took too long")),
    }
}

fn problem(error: SimulateError) -> Problem {
    match error {
        SimulateError::Invalid(problems) => Problem::invalid(
            problems
                .into_iter()
                .map(|problem| FieldError::new(problem.path, problem.message))
                .collect(),
        ),
        SimulateError::Stage(StageError::Publish(error)) => error.into(),
        SimulateError::Stage(StageError::Store(error)) => error.into(),
        SimulateError::Stage(StageError::Engine(error)) => error.into(),
        SimulateError::Stage(StageError::Build(error)) => {
            tracing::error!(%error, "a sandbox cannot be built");
            Problem::internal()
        }
        SimulateError::NoModel => Problem::invalid_field(
            "/customer/answers",
            "no model plays contacts or judges here: write down what they answer",
        ),
        SimulateError::Model(AiError::Rejected { code, reason }) if code == "budget" => {
            Problem::new(StatusCode::PAYMENT_REQUIRED, "budget", "Budget used up").detail(reason)
        }
        SimulateError::Model(
            error @ (AiError::Unavailable { .. } | AiError::RateLimited { .. }),
        ) => {
            tracing::info!(%error, "nobody plays the contact");
            Problem::unavailable("the model that plays or judges does not answer now")
        }
        SimulateError::Model(error) => {
            Problem::invalid_field("/customer/answers", error.to_string())
        }
    }
}
