//! The built-in page, its files, the API's description, and what operators look at.

use serde_json::Value;

use crate::access::operations;
use crate::platform::Platform;

async fn the_page_shows_the_chat(platform: Platform) {
    let chat = platform.web_chat(None).await;
    let page = platform.anonymous.ask("GET", "/").send().await.expect(200);
    assert!(page.text.contains(&chat) && page.text.contains("Ours"));
    assert!(!page.text.contains("{{"), "a placeholder is left");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    assert!(page.header("permissions-policy").is_some());
}

async fn a_name_is_text_not_markup(platform: Platform) {
    let chat = platform.web_chat(None).await;
    assert!(platform.anonymous.ask("GET", "/").send().await.text.contains(&chat));
    // Inline scripts and styles would not run either.
    let page = platform.anonymous.ask("GET", "/").send().await;
    assert!(!page.text.contains("<script>") && !page.text.contains("<style"));
}

async fn files_are_cached_by_their_tag(platform: Platform) {
    for (path, kind) in [
        ("/assets/chat.js", "text/javascript; charset=utf-8"),
        ("/assets/chat-model.js", "text/javascript; charset=utf-8"),
        ("/assets/chat.css", "text/css; charset=utf-8"),
        ("/assets/docs.css", "text/css; charset=utf-8"),
        ("/assets/favicon.svg", "image/svg+xml"),
    ] {
        let first = platform.anonymous.ask("GET", path).send().await.expect(200);
        assert_eq!(first.header("content-type"), Some(kind));
        assert_eq!(first.header("cross-origin-resource-policy"), Some("cross-origin"));
        assert_eq!(first.header("access-control-allow-origin"), Some("*"));
        let tag = first.header("etag").unwrap();
        let again = platform.anonymous.ask("GET", path).header("if-none-match", tag).send().await;
        assert_eq!(again.expect(304).text, "");
    }
    platform.anonymous.ask("GET", "/assets/../Cargo.toml").send().await.problem(404, "no_route");
}

async fn the_api_describes_itself(platform: Platform) {
    let document = platform.anonymous.ask("GET", "/api/openapi.json").send().await.expect(200);
    let document = document.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(operations().len() >= 40, "{}", operations().len());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
            let parameters = operation["parameters"].as_array();
            let has_key =
                parameters.is_some_and(|p| p.iter().any(|p| p["name"] == "Idempotency-Key"));
            assert_eq!(has_key, method == "post", "{method} {path}");
        }
    }
    let text = document.to_string();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\"#/components/schemas/") {
        rest = &rest[at + 22..];
        let name = &rest[..rest.find('"').unwrap()];
        let known = document["components"]["schemas"].get(name);
        assert!(known.is_some_and(Value::is_object), "no schema {name}");
    }
    let page = platform.anonymous.ask("GET", "/api/docs").send().await.expect(200);
    for (_, path, _) in operations() {
        assert!(page.text.contains(&path), "{path}");
    }
    assert!(!page.text.contains("<script") && !page.text.contains("https://"));
}

async fn the_process_tells_how_it_is(platform: Platform) {
    let anyone = &platform.anonymous;
    assert_eq!(anyone.ask("GET", "/healthz").send().await.expect(200).text, "ok\n");
    assert_eq!(anyone.ask("GET", "/readyz").send().await.expect(200).text, "ready\n");
    anyone.ask("GET", "/api/v1/contacts").send().await.expect(401);
    let numbers = anyone.ask("GET", "/metrics").send().await.expect(200).text;
    let line = numbers.lines().find(|line| {
        line.starts_with("justping_http_requests_total")
            && line.contains("route=\"/api/v1/contacts\"")
            && line.contains("status=\"401\"")
    });
    assert!(line.is_some(), "{numbers}");
    let due = "justping_queue_sends{lane=\"bulk\",state=\"due\"} 0";
    assert!(numbers.contains(due), "{numbers}");
    platform.app.stop();
    anyone.ask("GET", "/healthz").send().await.expect(200);
    let stopping = anyone.ask("GET", "/readyz").send().await;
    assert!(stopping.header("retry-after").is_some());
    stopping.problem(503, "unavailable");
}

on_every_store!(
    the_page_shows_the_chat,
    a_name_is_text_not_markup,
    files_are_cached_by_their_tag,
    the_api_describes_itself,
    the_process_tells_how_it_is,
);
