//! The examples, tried out line by line. Their tests begin here, once they are built.

use serde_json::json;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{root, told};

fn example(name: &str, arguments: &[&str], lines: &str) -> Vec<String> {
    let folder = root().join("plugins/examples").join(name);
    let arguments: Vec<&str> = ["plugin", "run"].iter().chain(arguments).copied().collect();
    let out = told(&folder, &arguments, lines);
    let is_told = |line: &&str| line.starts_with(['=', '!', '#', '<', '>']);
    out.lines().filter(is_told).map(str::to_owned).collect()
}

/// What a plugin keeps stays from call to call.
pub(super) fn loyalty_points() {
    let lines = "tool add_points {\"points\": 5}\ntool add_points {\"points\": 6}\n\
                 tool steal_points\n";
    let told = example("loyalty-points", &["--grant", "all"], lines);
    let wanted = [
        r#"= {"points":5}"#,
        "# info: added 5",
        r#"= {"points":11}"#,
        "# info: added 6",
        "! unknown_tool: there is no tool steal_points",
    ];
    assert_eq!(told, wanted);
}

/// Servers answer what they are told to.
pub(super) fn order_status() {
    let flow = ["--grant", "all", "--flow", "flow.json"];
    let lines = ":secret shop_key k\n:reply 200 {\"status\": \"packed\"}\n\
                 Hello\nA-17\nHello\nA-18\n:revoke http\nHello\nA-19\n";
    let told = example("order-status", &flow, lines);
    let (ask, sorry) = ("< What is your order number?", "< The shop does not answer right now.");
    let wanted = [
        ask,
        "# asked GET https://shop.example.com/orders/A-17",
        "< Order A-17 is packed.",
        "< Is there anything else?",
        ask,
        "# failed: timeout: no answer in time",
        "# asked GET https://shop.example.com/orders/A-18",
        sorry,
        ask,
        "# denied: http is not granted",
        "# failed: denied: http is not granted",
        sorry,
    ];
    assert_eq!(told, wanted);
}

/// A hook looks at what is said.
pub(super) fn pii_filter() {
    let told = example("pii-filter", &["--flow", "flow.json"], "Hi\n4111 1111 1111 1111\n");
    let masked = "•••• •••• •••• 1111";
    let said = format!("< You said: {masked}");
    assert_eq!(told, ["< How do you pay?".to_owned(), format!("> {masked}"), said]);
}

/// Servers are asked themselves, once that is wanted: one of this machine where the manifest names it.
pub(super) fn order_status_online() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = runtime.block_on(async {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/orders/A-17"))
            .and(header("authorization", "Bearer k"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"status": "packed"})))
            .mount(&server)
            .await;
        server
    });
    let from = root().join("plugins/examples/order-status");
    let to = tempfile::tempdir().unwrap();
    let manifest = std::fs::read_to_string(from.join("plugin.toml")).unwrap();
    let manifest = manifest.replace("https://shop.example.com", &server.uri());
    std::fs::write(to.path().join("plugin.toml"), manifest).unwrap();
    std::fs::copy(from.join("plugin.wasm"), to.path().join("plugin.wasm")).unwrap();
    let call = json!({"number": "A-17", "shop": server.uri()});
    let lines = format!(":secret shop_key k\n:reply 200\nenter lookup {call}\n");
    let out = told(to.path(), &["plugin", "run", "--online", "--grant", "all"], &lines);
    assert!(out.contains("! other servers are asked themselves"), "{out}");
    assert!(out.contains(r#""output":"packed""#), "{out}");
}
