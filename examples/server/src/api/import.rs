//! Flows of other systems.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use justping::agents::import::{self, Counts, Element, ElementKind, Import, ImportError};
use justping::model::{Flow, FlowId};
use justping::port::{FlowRuntime, Severity};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::check::{Checks, NAME_MAX_CHARS};
use super::flow::{FindingView, FlowView};
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, perm};
use crate::http::extract::JsonBody;
use crate::http::problem::FieldError;

/// What a flow is called that has no name.
const NAMELESS: &str = "Imported flow";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(import_flow))
}

/// A flow of another system.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewImport {
    /// What the other system exports.
    source: Value,
    /// What wrote it; told by what is in it unless given.
    #[serde(default)]
    format: Option<Format>,
    /// The name of the flow; the source's unless given.
    #[serde(default)]
    name: Option<String>,
    /// Whether to create a flow with the document as its draft. Nothing is stored otherwise.
    #[serde(default)]
    create: bool,
}

/// What wrote a flow.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ImportFormat)]
enum Format {
    /// Typebot, versions 3 to 6.
    Typebot,
    /// Twilio Studio.
    Twilio,
    /// FLOIP.
    Floip,
}

impl From<Format> for import::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Typebot => Self::Typebot,
            Format::Twilio => Self::Twilio,
            Format::Floip => Self::Floip,
        }
    }
}

impl From<import::Format> for Format {
    fn from(format: import::Format) -> Self {
        match format {
            import::Format::Typebot => Self::Typebot,
            import::Format::Twilio => Self::Twilio,
            import::Format::Floip => Self::Floip,
        }
    }
}

/// A flow that was read.
#[derive(Debug, Serialize, ToSchema)]
struct Imported {
    format: Format,
    /// The document (`justping.flow/1`).
    document: Value,
    report: ReportView,
    /// What the linter says of the document.
    findings: Vec<FindingView>,
    /// Whether it can be published as it is.
    ok: bool,
    /// The flow that was created, if one was asked for.
    flow: Option<FlowView>,
}

/// Every element of the source, each once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportReport)]
struct ReportView {
    /// How many of each kind met which fate.
    counts: Vec<CountView>,
    imported: Vec<ElementView>,
    /// Those that mean nearly the same.
    degraded: Vec<ElementView>,
    /// Those that are gone, but for a note.
    unsupported: Vec<ElementView>,
    /// What concerns the whole flow.
    notes: Vec<String>,
}

/// The fates of one kind of elements.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportCount)]
struct CountView {
    /// block, event, option, edge, variable, condition, expression or text.
    #[schema(value_type = String)]
    kind: ElementKind,
    imported: usize,
    degraded: usize,
    unsupported: usize,
}

/// One element of the source.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportElement)]
struct ElementView {
    #[schema(value_type = String)]
    kind: ElementKind,
    /// JSON pointer into the source.
    path: String,
    /// Its id or name there.
    id: Option<String>,
    /// What it is now.
    became: Option<String>,
    /// Why it is not what it was.
    reason: Option<String>,
}

impl From<Element> for ElementView {
    fn from(element: Element) -> Self {
        let Element { kind, path, id, became, reason } = element;
        Self { kind, path, id, became, reason }
    }
}

impl From<import::Report> for ReportView {
    fn from(report: import::Report) -> Self {
        let count = |(kind, counts): (ElementKind, Counts)| {
            let Counts { imported, degraded, unsupported } = counts;
            CountView { kind, imported, degraded, unsupported }
        };
        let counts = report.counts().into_iter().map(count).collect();
        let view = |list: Vec<Element>| list.into_iter().map(ElementView::from).collect();
        Self {
            counts,
            imported: view(report.imported),
            degraded: view(report.degraded),
            unsupported: view(report.unsupported),
            notes: report.notes,
        }
    }
}

/// Reads a flow of Typebot, Twilio Studio or FLOIP. Nothing is stored unless `create` is true.
#[utoipa::path(post, path = "/flows/import", tag = "flows", request_body = NewImport,
    security(("api_key" = ["agents_write"])),
    responses((status = 200, body = Imported), (status = 201, body = Imported)))]
async fn import_flow(
    caller: Allowed<perm::AgentsWrite>,
    JsonBody(new): JsonBody<NewImport>,
) -> Result<Response, Problem> {
    if let Some(name) = &new.name {
        let mut checks = Checks::default();
        checks.text("/name", name, NAME_MAX_CHARS);
        checks.done()?;
    }
    let read = import::import(new.format.map(import::Format::from), &new.source);
    let Import { format, document, report } = read.map_err(refused)?;
    let findings = caller.flows().check(&document);
    let ok = findings.iter().all(|finding| finding.severity != Severity::Error);
    let findings = findings.into_iter().map(FindingView::from).collect();
    let mut flow = None;
    if new.create {
        let name = new.name.unwrap_or_else(|| name_of(&document));
        let created = draft(&caller, name, document.clone());
        caller.store().create_flow(&created).await?;
        flow = Some(FlowView::from(created));
    }
    let status = if flow.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    let (format, report) = (format.into(), report.into());
    let imported = Imported { format, document, report, findings, ok, flow };
    Ok((status, Json(imported)).into_response())
}

fn draft(caller: &Allowed<perm::AgentsWrite>, name: String, draft: Value) -> Flow {
    let now = caller.now();
    Flow {
        id: FlowId::from_uuid(caller.ids().uuid()),
        business_id: caller.business_id,
        name,
        draft,
        published: None,
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

/// The document's name as far as a flow may have it.
fn name_of(document: &Value) -> String {
    let name = document.get("name").and_then(Value::as_str).unwrap_or(NAMELESS);
    name.chars().take(NAME_MAX_CHARS).collect()
}

fn refused(error: ImportError) -> Problem {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let detail = error.to_string();
    match error {
        ImportError::UnknownFormat => {
            Problem::new(status, "unknown_format", "The format is not known").detail(detail)
        }
        ImportError::TooLarge { .. } => {
            Problem::new(status, "import_too_large", "The flow is too large").detail(detail)
        }
        ImportError::Invalid { problems } => {
            let error = |problem: import::Problem| {
                FieldError::new(format!("/source{}", problem.path), problem.message)
            };
            Problem::new(status, "invalid_import", "The flow breaks the rules of its format")
                .detail(detail)
                .errors(problems.into_iter().map(error).collect())
        }
        ImportError::NotJson { .. } => {
            Problem::new(status, "invalid_import", "The flow is not JSON").detail(detail)
        }
    }
}
