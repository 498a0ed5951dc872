//! The description of the API, made from the code.

use utoipa::OpenApi;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Ref, RefOr, Required, ResponseBuilder};

use crate::http::idempotency::KEY_MAX_CHARS;
use crate::http::problem::{FieldError, PROBLEM_JSON, ProblemBody};

/// Where the API lives.
pub(crate) const PREFIX: &str = "/api/v1";
/// What the description calls the bearer token.
pub(crate) const API_KEY: &str = "api_key";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "JustPing",
        description = "Agents, flows, channels, contacts and conversations of one business.",
    ),
    components(schemas(ProblemBody<'_>, FieldError)),
    tags(
        (name = "me", description = "Who is calling, and who else works here."),
        (name = "agents", description = "AI agents and the flows they run."),
        (name = "flows", description = "Graphs, their published versions and their tests."),
        (name = "knowledge", description = "What agents look up: bases, their sources, searching them."),
        (name = "tools", description = "What agents and flows may use outside: requests to servers, servers with tools."),
        (name = "channels", description = "Senders: numbers, chat widgets."),
        (name = "contacts", description = "End users."),
        (name = "groups", description = "Lists of contacts."),
        (name = "conversations", description = "Threads and their messages."),
        (name = "search", description = "Contacts and messages by the words in them."),
        (name = "sessions", description = "Walks of contacts through flows, step by step."),
        (name = "analytics", description = "What happened, counted by day."),
        (name = "plugins", description = "Code of the business that runs in a sandbox."),
        (name = "api-keys", description = "Credentials for programs."),
    )
)]
struct Description;

/// The description without its paths.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

/// Adds what every operation has: credentials, the key of repetition, errors.
pub(crate) fn complete(document: &mut utoipa::openapi::OpenApi) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "An API key, `jp_…`. The scopes of an operation are the permissions it needs.",
    ));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(API_KEY, SecurityScheme::Http(bearer.build()));
    for item in document.paths.paths.values_mut() {
        let is_post = item.post.is_some();
        for operation in operations(item) {
            complete_operation(operation);
        }
        if let Some(post) = item.post.as_mut().filter(|_| is_post) {
            post.parameters.get_or_insert_default().push(RefOr::T(idempotency_key()));
        }
    }
}

/// The operations of a path that the API uses.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, post, put, patch, delete, .. } = item;
    [get, post, put, patch, delete].into_iter().filter_map(Option::as_mut)
}

fn complete_operation(operation: &mut Operation) {
    // Without scopes of its own an operation needs any live key.
    let any: [&str; 0] = [];
    operation.security.get_or_insert_with(|| vec![SecurityRequirement::new(API_KEY, any)]);
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response =
        ResponseBuilder::new().description("Any error.").content(PROBLEM_JSON, content).build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response));
}

fn idempotency_key() -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).max_length(Some(KEY_MAX_CHARS));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Makes the request safe to repeat: the same key with the same request is done once, \
             and its answer is given again for 24 hours. There is one exception: if the server dies \
             or the work is cut off after its effect and before its answer is kept, the key \
             answers 409 at first, and a repetition after 60 seconds does the request again.",
        ))
        .schema(Some(text))
        .build()
}
