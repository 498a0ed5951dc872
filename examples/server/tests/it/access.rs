//! Who may do what: one golden table for every role and every route.

use std::fmt::Write;

use justping::model::{Permission, Role};
use serde_json::{Value, json};

use crate::answer::Actor;
use crate::platform::Platform;

const GOLDEN: &str = include_str!("access.golden");

/// Every operation of the API, from its own description: method, path, permission.
pub(crate) fn operations() -> Vec<(String, String, Option<String>)> {
    let document = serde_json::to_value(justping_server::http::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"] {
            let Some(operation) = item.get(method) else { continue };
            let scope = operation.pointer("/security/0/api_key/0").and_then(Value::as_str);
            found.push((method.to_uppercase(), path.clone(), scope.map(str::to_owned)));
        }
    }
    found
}

/// How a route receives an actor, before it looks at anything else.
async fn gate(actor: &Actor, method: &str, path: &str) -> &'static str {
    let path = path.replace("{id}", "none");
    match actor.ask(method, &path).json(&json!({})).send().await.status.as_u16() {
        401 => "401",
        403 => "403",
        500.. => "broken",
        _ => "open",
    }
}

async fn every_route_has_its_gate(platform: Platform) {
    let actors = [&platform.anonymous, &platform.viewer, &platform.support, &platform.owner];
    let mut table = String::new();
    for (method, path, scope) in operations() {
        let mut line = format!("{method} {path} {}:", scope.as_deref().unwrap_or("any key"));
        for actor in actors {
            let gate = gate(actor, &method, &path).await;
            write!(line, " {}={gate}", actor.name).unwrap();
            assert_eq!(gate, expected(actor.name, scope.as_deref()), "{} {line}", actor.name);
        }
        writeln!(table, "{line}").unwrap();
    }
    let open = ["/", "/assets/chat.js", "/healthz", "/readyz", "/metrics", "/api/docs"];
    for path in open.into_iter().chain(["/api/openapi.json"]) {
        assert_eq!(gate(&platform.anonymous, "GET", path).await, "open", "{path}");
        writeln!(table, "GET {path} public").unwrap();
    }
    assert_eq!(table, GOLDEN, "\nthe table has changed; when that is meant, it becomes:\n{table}");
}

fn expected(actor: &str, scope: Option<&str>) -> &'static str {
    let role = match actor {
        "owner" => Role::Owner,
        "support" => Role::Support,
        "viewer" => Role::Viewer,
        _ => return "401",
    };
    let Some(scope) = scope else { return "open" };
    let permission: Permission = serde_json::from_value(json!(scope)).unwrap();
    if role.allows(permission) { "open" } else { "403" }
}

#[test]
fn only_me_needs_no_permission() {
    let without = operations().into_iter().filter(|(_, _, scope)| scope.is_none());
    let paths: Vec<String> = without.map(|(_, path, _)| path).collect();
    assert_eq!(paths, ["/api/v1/me"]);
}

async fn a_bad_token_is_no_token(platform: Platform) {
    let good = platform.owner.token.clone().unwrap();
    let longer = format!("{good}A");
    let mut other = good.clone();
    other.replace_range(5..6, if &good[5..6] == "x" { "y" } else { "x" });
    for token in ["", "jp_", "x", &good[3..], longer.as_str(), other.as_str()] {
        let actor = Actor { token: Some(token.to_owned()), ..platform.owner.clone() };
        let answer = actor.get("/me").await;
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        answer.problem(401, "unauthorized");
    }
    let basic = platform.anonymous.ask("GET", "/api/v1/me");
    basic.header("authorization", &format!("Basic {good}")).send().await.expect(401);
    let lower = platform.anonymous.ask("GET", "/api/v1/me");
    lower.header("authorization", &format!("bearer {good}")).send().await.expect(200);
}

async fn me_tells_who_is_calling(platform: Platform) {
    let me = platform.support.get("/me").await.expect(200).json();
    assert_eq!(me["business_name"], "Ours");
    assert_eq!(me["member"]["name"], "Support");
    assert_eq!(me["role"], "support");
    let may = me["permissions"].as_array().unwrap();
    assert!(may.contains(&json!("conversations_write")) && !may.contains(&json!("agents_write")));
    let members = platform.viewer.get("/members").await.expect(200).json();
    assert_eq!(members["items"].as_array().unwrap().len(), 3);
}

on_every_store!(every_route_has_its_gate, a_bad_token_is_no_token, me_tells_who_is_calling);
