//! The examples, tried out line by line.

use super::{root, told};

fn example(name: &str, arguments: &[&str], lines: &str) -> Vec<String> {
    let folder = root().join("plugins/examples").join(name);
    let arguments: Vec<&str> = ["plugin", "run"].iter().chain(arguments).copied().collect();
    let out = told(&folder, &arguments, lines);
    let is_told = |line: &&str| line.starts_with(['=', '!', '#', '<', '>']);
    out.lines().filter(is_told).map(str::to_owned).collect()
}

#[test]
fn what_a_plugin_keeps_stays_from_call_to_call() {
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

#[test]
fn servers_answer_what_they_are_told_to() {
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
        "# failed: failed: it failed: no answer in time",
        "# asked GET https://shop.example.com/orders/A-18",
        sorry,
        ask,
        "# denied: http is not granted",
        "# failed: failed: it failed: http is not granted",
        sorry,
    ];
    assert_eq!(told, wanted);
}

#[test]
fn a_hook_looks_at_what_is_said() {
    let told = example("pii-filter", &["--flow", "flow.json"], "Hi\n4111 1111 1111 1111\n");
    let masked = "•••• •••• •••• 1111";
    let said = format!("< You said: {masked}");
    assert_eq!(told, ["< How do you pay?".to_owned(), format!("> {masked}"), said]);
}
