//! Asking other servers.
#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in place")]

use std::sync::Arc;
use std::time::Duration;

use justping_core::model::CallResult;
use justping_core::model::SessionStatus::{Completed, Failed, Waiting};
use justping_core::port::FlowRuntime;
use serde_json::{Value, json};

use crate::fetch::{FetchError, FetchReply, FetchRequest, Fetcher, ScriptedFetcher};
use crate::play::{Play, document, quiet};
use crate::{Flows, replay};

const URL: &str = "https://api.example/orders";

fn flows(fetcher: &Arc<ScriptedFetcher>) -> Flows {
    Flows::new().with_http(Arc::<ScriptedFetcher>::clone(fetcher))
}

/// A flow that asks for a word, sets some variables, and makes a request.
fn request(data: Value) -> Value {
    let nodes = json!([
        ["word", "input", {"prompt": "?", "variable": "word"}],
        ["vars", "set", {"assignments": [
            {"variable": "order", "json": {"id": 7, "tags": ["a", "b"], "note": null}},
            {"variable": "id", "text": "old"}
        ]}],
        ["ask", "http", data],
        ["ok", "text", {"text": "ok {{ id }} {{ status }}"}],
        ["oops", "text", {"text": "oops {{ id }} {{ status }}"}],
        ["late", "text", {"text": "late {{ id }}"}]
    ]);
    let edges = json!([
        ["start", "next", "word"],
        ["word", "reply", "vars"],
        ["vars", "next", "ask"],
        ["ask", "success", "ok"],
        ["ask", "error", "oops"],
        ["ask", "timeout", "late"]
    ]);
    document(nodes, edges)
}

fn play(fetcher: &Arc<ScriptedFetcher>, data: Value) -> Play {
    Play::with(&flows(fetcher), &request(data))
}

/// What is sent after the contact said a word.
fn sent(data: Value, word: &str) -> FetchRequest {
    let mut play = play(&Arc::default(), data);
    play.say("hi");
    assert_eq!(play.say(word), ["call c1 of ask"]);
    serde_json::from_value(play.call().input).unwrap()
}

/// The findings about the node.
fn findings(flows: &Flows, data: Value) -> Vec<String> {
    let found = flows.check(&request(data)).into_iter();
    let found = found.filter(|finding| finding.node.as_deref() == Some("ask"));
    found.map(|finding| format!("{} {}", finding.code, finding.path)).collect()
}

#[test]
fn a_request_is_rendered_with_its_values_in_their_places() {
    let data = json!({
        "method": "POST", "url": "https://api.example/a/{{ word }}?x={{ word }}#part",
        "query": [{"name": "q&", "value": "{{ word }}"}],
        "headers": [{"name": "X-Name", "value": "{{ contact.name }}"}],
        "body": {"json": {
            "id": "{{ order.id }}", "all": "{{order}}", "text": "No. {{ order.id }}",
            "none": "{{ order.note }}", "fixed": [1, true, null, {"deep": "{{ word }}"}]
        }},
        "timeout_seconds": 3
    });
    let request = sent(data, "é/../?&=#");
    let word = "%C3%A9%2F..%2F%3F%26%3D%23";
    assert_eq!(request.url, format!("https://api.example/a/{word}?x={word}&q%26={word}"));
    assert_eq!(request.headers[0], ("x-name".to_owned(), "Ada".to_owned()));
    assert_eq!(request.headers[1], ("content-type".to_owned(), "application/json".to_owned()));
    assert_eq!(request.timeout_ms, 3000);
    let body: Value = serde_json::from_str(&request.body.unwrap()).unwrap();
    let expected = json!({
        "id": 7, "all": {"id": 7, "tags": ["a", "b"], "note": null}, "text": "No. 7",
        "none": null, "fixed": [1, true, null, {"deep": "é/../?&=#"}]
    });
    assert_eq!(body, expected);
}

#[test]
fn a_body_is_a_form_or_a_text_too() {
    let form =
        json!({"form": [{"name": "a b", "value": "{{ word }}"}, {"name": "c", "value": ""}]});
    let request = sent(json!({"method": "PUT", "url": URL, "body": form}), "1&2");
    assert_eq!(request.body.as_deref(), Some("a%20b=1%262&c="));
    let form = "application/x-www-form-urlencoded".to_owned();
    assert_eq!(request.headers, [("content-type".to_owned(), form)]);
    let text = json!({"text": "<a>{{ word }}</a>", "content_type": "application/xml"});
    let request = sent(json!({"method": "PATCH", "url": URL, "body": text}), "x");
    assert_eq!(request.body.as_deref(), Some("<a>x</a>"));
    assert_eq!(request.headers[0].1, "application/xml");
    let own = json!([{"name": "Content-Type", "value": "text/csv"}]);
    let data = json!({"method": "PUT", "url": URL, "headers": own, "body": {"text": "a,b"}});
    assert_eq!(sent(data, "x").headers, [("content-type".to_owned(), "text/csv".to_owned())]);
}

#[test]
fn what_is_not_idempotent_carries_a_key_that_stays() {
    let key = |method: &str, word: &str| {
        let request = sent(json!({"method": method, "url": URL}), word);
        request.headers.into_iter().find(|(name, _)| name == "idempotency-key")
    };
    let (_, first) = key("POST", "a").unwrap();
    assert_eq!(first.len(), 32);
    assert_eq!(key("POST", "b").unwrap().1, first, "the key is the step's");
    assert!(key("PATCH", "a").is_some());
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        assert_eq!(key(method, "a"), None, "{method}");
    }
    let own = json!([{"name": "Idempotency-Key", "value": "mine"}]);
    let request = sent(json!({"method": "POST", "url": URL, "headers": own}), "a");
    assert_eq!(request.headers, [("idempotency-key".to_owned(), "mine".to_owned())]);
}

#[tokio::test]
async fn parts_of_an_answer_are_saved() {
    let fetcher = Arc::new(ScriptedFetcher::new());
    let body = json!({"data": [{"id": 42, "deep": {"a/b": [1]}}]}).to_string();
    let headers = vec![("x-request".to_owned(), "r1".to_owned())];
    fetcher.reply(FetchReply { status: 201, headers, body: body.into_bytes() });
    let data = json!({
        "url": URL, "status_variable": "status",
        "save": [
            {"variable": "id", "pointer": "/data/0/id"},
            {"variable": "list", "pointer": "/data/0/deep/a~1b"},
            {"variable": "none", "pointer": "/data/7"}
        ],
        "save_headers": [
            {"variable": "trace", "header": "X-Request"}, {"variable": "no", "header": "x-no"}
        ]
    });
    let mut play = play(&fetcher, data);
    play.say("hi");
    play.say("x");
    let call = play.call();
    assert!(play.say("hello?").is_empty() && play.is(Waiting), "a message goes unheard");
    let result = play.program.perform(&call, &quiet()).await;
    assert_eq!(play.call_done("c1", result), ["ok 42 201"]);
    assert_eq!(play.variable("list"), json!([1]));
    assert_eq!(play.variable("trace"), json!("r1"));
    for none in ["none", "no"] {
        assert_eq!(play.variable(none), Value::Null);
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_is_a_text() {
    let fetcher = Arc::new(ScriptedFetcher::new());
    fetcher.then(200, "plain \u{fffd}");
    let save = json!([{"variable": "id", "pointer": ""}]);
    let mut play = play(&fetcher, json!({"url": URL, "save": save}));
    play.say("hi");
    play.say("x");
    assert_eq!(play.perform().await, ["ok plain \u{fffd} "]);
}

#[tokio::test]
async fn a_status_of_failure_leaves_by_error_with_what_was_said() {
    let ask = async |status: u16, more: Value| {
        let fetcher = Arc::new(ScriptedFetcher::new());
        fetcher.then(status, r#"{"id": 1}"#);
        let mut data = json!({
            "method": "POST", "url": URL, "status_variable": "status",
            "save": [{"variable": "id", "pointer": "/id"}]
        });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut play = play(&fetcher, data);
        play.say("hi");
        play.say("x");
        let words = play.perform().await;
        assert!(play.is(Completed));
        words[0].clone()
    };
    assert_eq!(ask(399, json!({})).await, "ok 1 399");
    assert_eq!(ask(400, json!({})).await, "oops 1 400");
    assert_eq!(ask(503, json!({})).await, "oops 1 503");
    assert_eq!(ask(404, json!({"error_from": 500})).await, "ok 1 404");
    assert_eq!(ask(500, json!({"error_from": 600})).await, "ok 1 500");
    assert_eq!(ask(302, json!({"error_from": 300})).await, "oops 1 302");
}

#[tokio::test]
async fn no_answer_empties_what_would_be_saved() {
    let refused = FetchError::Refused { code: "address_denied", detail: "no".to_owned() };
    for (error, words) in [(refused, "oops  "), (FetchError::Timeout, "late ")] {
        let fetcher = Arc::new(ScriptedFetcher::new());
        fetcher.then_fail(error);
        let save = json!([{"variable": "id", "pointer": "/id"}]);
        let mut play = play(&fetcher, json!({"url": URL, "save": save}));
        play.say("hi");
        play.say("x");
        assert_eq!(play.perform().await, [words]);
        assert_eq!(fetcher.requests().len(), 1);
    }
}

#[test]
fn without_exits_a_session_fails_and_says_why() {
    let nodes = json!([["ask", "http", {"url": URL}]]);
    let document = document(nodes, json!([["start", "next", "ask"]]));
    for (result, reason) in [
        (CallResult::Ok(json!({"status": 500, "values": {}})), "the server answered 500"),
        (error("timeout"), "the server did not answer: timeout"),
        (error("address_denied"), "the server did not answer: address_denied"),
        (CallResult::Ok(json!([])), "the server did not answer: malformed"),
    ] {
        let mut play = Play::with(&flows(&Arc::default()), &document);
        play.say("hi");
        play.call_done("c1", result);
        assert!(play.is(Failed));
        assert_eq!(play.failure.as_deref(), Some(reason));
    }
}

fn error(code: &str) -> CallResult {
    CallResult::Error { code: code.to_owned(), detail: String::new() }
}

#[tokio::test(start_paused = true)]
async fn only_what_may_be_done_twice_is_tried_again() {
    let failed = || FetchError::Failed { code: "no_connection", detail: "down".to_owned() };
    for (method, requests, words) in [
        ("GET", 3, "ok old "),
        ("PUT", 3, "ok old "),
        ("POST", 1, "oops old "),
        ("PATCH", 1, "oops old "),
    ] {
        let fetcher = Arc::new(ScriptedFetcher::new());
        fetcher.then_fail(failed()).then(503, "").then(200, "");
        let mut play = play(&fetcher, json!({"method": method, "url": URL}));
        play.say("hi");
        play.say("x");
        assert_eq!(play.perform().await, [words], "{method}");
        assert_eq!(fetcher.requests().len(), requests, "{method}");
    }
    let fetcher = Arc::new(ScriptedFetcher::new());
    for _ in 0..9 {
        fetcher.then(503, "");
    }
    let mut play = play(&fetcher, json!({"url": URL}));
    play.say("hi");
    play.say("x");
    assert_eq!(play.perform().await, ["oops old "]);
    assert_eq!(fetcher.requests().len(), 3);
}

/// Never answers.
#[derive(Debug)]
struct Silent;

#[async_trait::async_trait]
impl Fetcher for Silent {
    async fn fetch(&self, _: &FetchRequest) -> Result<FetchReply, FetchError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_is_bounded_whatever_the_client_does() {
    let flows = Flows::new().with_http(Arc::new(Silent));
    let mut play = Play::with(&flows, &request(json!({"url": URL, "timeout_seconds": 2})));
    play.say("hi");
    play.say("x");
    let started = tokio::time::Instant::now();
    assert_eq!(play.perform().await, ["late old"]);
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let fetcher = Arc::new(ScriptedFetcher::new());
    fetcher.then(200, "x".repeat(100 * 1024));
    let save = json!([{"variable": "id", "pointer": ""}]);
    let mut play = play(&fetcher, json!({"url": URL, "save": save}));
    play.say("hi");
    play.say("x");
    assert_eq!(play.perform().await, ["oops  "]);
    let long = "{{ word }}".repeat(60);
    let body: Vec<&str> = vec![&long; 10];
    let data = json!({"method": "POST", "url": URL, "body": {"json": body}});
    let mut play = self::play(&fetcher, data);
    play.say("hi");
    assert_eq!(play.say(&"x".repeat(1000)), ["oops old "]);
}

#[test]
fn dots_do_not_climb() {
    for word in ["..", ".", "%2e%2E"] {
        let mut play = play(&Arc::default(), json!({"url": "https://api.example/{{ word }}/x"}));
        play.say("hi");
        let words = play.say(word);
        // A per cent sign is encoded, and with it what it would encode.
        let expected = if word.contains('%') { "call c1 of ask" } else { "oops old " };
        assert_eq!(words, [expected], "{word}");
    }
}

#[test]
fn hosts_are_written_out() {
    let flows = flows(&Arc::default());
    for url in [
        "https://{{ word }}/",
        "https://{{ word }}.example/",
        "https://api.example{{ word }}",
        "https://api.example{{ word }}/x",
        "{{ word }}",
        "{{ word }}://api.example/",
        "https://api.example:{{ word }}/",
        "/orders",
        "api.example",
        "https://",
        "https://{% if word %}a{% endif %}/",
    ] {
        let found = findings(&flows, json!({"url": url}));
        assert_eq!(found, ["unsafe_url /nodes/3/data/url"], "{url}");
    }
    for url in
        ["https://api.example", " https://api.example/{{ word }} ", "https://a.example?{{ word }}"]
    {
        assert!(findings(&flows, json!({"url": url})).is_empty(), "{url}");
    }
}

#[test]
fn a_request_is_checked_before_it_is_published() {
    let flows = flows(&Arc::default());
    let data = "/nodes/3/data";
    for (more, expected) in [
        (json!({"method": "TRACE"}), format!("invalid_config {data}/method")),
        (json!({"body": {"text": "x"}}), format!("invalid_config {data}/body")),
        (json!({"method": "POST", "body": {}}), format!("invalid_config {data}/body")),
        (
            json!({"method": "POST", "body": {"json": {"a/b": ["{{"]}}}),
            format!("invalid_template {data}/body/json/a~1b/0"),
        ),
        (json!({"url": "https://a.example/{{"}), format!("invalid_template {data}/url")),
        (
            json!({"query": [{"name": "a", "value": "{{"}]}),
            format!("invalid_template {data}/query/0/value"),
        ),
        (json!({"timeout_seconds": 31}), format!("invalid_config {data}/timeout_seconds")),
        (
            json!({"save": [{"variable": "a", "pointer": "a"}]}),
            format!("invalid_config {data}/save/0/pointer"),
        ),
        (
            json!({"headers": [{"name": "x", "value": "{{ nobody }}"}]}),
            format!("unknown_variable {data}"),
        ),
    ] {
        let mut node = json!({"url": URL});
        node.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(findings(&flows, node), [expected], "{more}");
    }
    let found = findings(&Flows::new(), json!({"url": URL}));
    assert_eq!(found, [format!("missing_provider {data}")]);
}

#[tokio::test]
async fn a_session_replays_without_asking_again() {
    let fetcher = Arc::new(ScriptedFetcher::new());
    fetcher.then(200, r#"{"id": "first"}"#);
    let data = json!({
        "method": "POST", "url": URL, "body": {"json": {"word": "{{ word }}"}},
        "save": [{"variable": "id", "pointer": "/id"}]
    });
    let mut play = play(&fetcher, data.clone());
    play.say("hi");
    play.say("x");
    assert_eq!(play.perform().await, ["ok first "]);
    let elsewhere = Arc::new(ScriptedFetcher::new());
    let program = flows(&elsewhere).compile(&request(data)).unwrap();
    assert_eq!(replay(&*program, play.trace), Ok(()));
    assert!(elsewhere.requests().is_empty() && fetcher.requests().len() == 1);
}

#[cfg(feature = "http")]
mod guarded {
    //! Through the real client.

    use justping_http::{OpenClient, Policy};
    use wiremock::matchers::{body_json, header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn guarded(policy: Policy) -> Flows {
        Flows::new().with_http(Arc::new(OpenClient::new(policy)))
    }

    #[tokio::test]
    async fn a_server_is_asked_and_its_answer_is_heard() {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path("/orders/x%20y"))
            .and(header("x-name", "Ada"))
            .and(body_json(json!({"id": 7})))
            .respond_with(ResponseTemplate::new(201).set_body_json(json!({"id": "n1"})))
            .mount(&server)
            .await;
        let except = vec![*server.address()];
        let flows = guarded(Policy { except, ..Policy::default() });
        let data = json!({
            "method": "POST", "url": format!("{}/orders/{{{{ word }}}}", server.uri()),
            "headers": [{"name": "x-name", "value": "{{ contact.name }}"}],
            "body": {"json": {"id": "{{ order.id }}"}},
            "save": [{"variable": "id", "pointer": "/id"}], "status_variable": "status"
        });
        let mut play = Play::with(&flows, &request(data));
        play.say("hi");
        play.say("x y");
        assert_eq!(play.perform().await, ["ok n1 201"]);
    }

    #[test]
    fn the_inside_and_denied_headers_are_found_before_publishing() {
        let flows = guarded(Policy::default());
        for url in [
            "http://127.0.0.1/",
            "http://169.254.169.254/latest/{{ word }}",
            "http://localhost/",
            "http://0x7f.1",
            "http://[::ffff:a9fe:a9fe]/",
            "https://a.example:8080/",
            "https://user@a.example/",
            "ftp://a.example/",
            "http://redis/",
        ] {
            let found = findings(&flows, json!({"url": url}));
            assert_eq!(found, ["unsafe_url /nodes/3/data/url"], "{url}");
        }
        let headers = json!([{"name": "Metadata-Flavor", "value": "Google"}]);
        let found = findings(&flows, json!({"url": URL, "headers": headers}));
        assert_eq!(found, ["invalid_config /nodes/3/data/headers/0/name"]);
        assert!(findings(&flows, json!({"url": URL})).is_empty());
    }

    #[tokio::test]
    async fn what_was_published_elsewhere_is_refused_when_it_asks() {
        let document = request(json!({"url": "http://127.0.0.1:9/"}));
        let flows = guarded(Policy::default());
        assert!(!flows.check(&document).is_empty(), "it would not be published");
        let mut play = Play::with(&flows, &document);
        play.say("hi");
        play.say("x");
        let result = play.program.perform(&play.call(), &quiet()).await;
        let CallResult::Error { code, .. } = &result else { panic!("{result:?}") };
        assert_eq!(code, "port_denied");
        assert_eq!(play.call_done("c1", result), ["oops old "]);
    }
}
