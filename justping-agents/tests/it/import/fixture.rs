//! Sources of our own.

use serde_json::{Value, json};

/// One of each format.
pub(super) fn all() -> Vec<Value> {
    vec![typebot(), old_typebot(), twilio(), floip()]
}

fn bubble(id: &str, text: &str) -> Value {
    let children = json!([{"text": text}]);
    json!({"id": id, "type": "text", "content": {"richText": [{"type": "p", "children": children}]}})
}

/// A survey with most kinds of blocks.
pub(super) fn typebot() -> Value {
    let comparison = |id: &str, op: &str, value: &str| json!({"id": id, "variableId": "v-age", "comparisonOperator": op, "value": value});
    json!({
        "version": "6", "id": "bot", "name": "Survey",
        "events": [{"id": "ev", "type": "start", "outgoingEdgeId": "e-start",
                    "graphCoordinates": {"x": -200, "y": 0}}],
        "variables": [
            {"id": "v-name", "name": "First name"}, {"id": "v-age", "name": "age"},
            {"id": "v-first", "name": "First_name"}, {"id": "v-score", "name": "Score"},
            {"id": "v-pick", "name": "pick"}
        ],
        "groups": [
            {"id": "g1", "title": "Hello", "graphCoordinates": {"x": 0, "y": 0}, "blocks": [
                bubble("b-hi", "Welcome! {curly} {{First name}}"),
                {"id": "b-pic", "type": "image", "content": {"url": "https://pics.example/a.png"}},
                bubble("b-who", "Who are you?"),
                {"id": "b-name", "type": "text input", "options": {"variableId": "v-name"}},
                {"id": "b-zero", "type": "Set variable",
                 "options": {"variableId": "v-score", "expressionToEvaluate": "0"}},
                bubble("b-old", "How old are you, {{First name}}?"),
                {"id": "b-age", "type": "number input", "outgoingEdgeId": "e-age",
                 "options": {"variableId": "v-age", "min": 1, "max": 120,
                             "retryMessageContent": "A number, please"}}
            ]},
            {"id": "g2", "title": "Judge", "graphCoordinates": {"x": 400, "y": 0}, "blocks": [
                {"id": "b-if", "type": "Condition", "outgoingEdgeId": "e-young", "items": [
                    {"id": "i-old", "outgoingEdgeId": "e-adult", "content": {
                        "logicalOperator": "AND",
                        "comparisons": [comparison("c1", "Greater or equal to", "18"),
                                        comparison("c2", "Is set", "")]}}
                ]}
            ]},
            {"id": "g3", "title": "Adults", "graphCoordinates": {"x": 800, "y": 0}, "blocks": [
                {"id": "b-add", "type": "Set variable",
                 "options": {"variableId": "v-score", "expressionToEvaluate": "{{Score}} + 10"}},
                bubble("b-plan", "Which plan?"),
                {"id": "b-pick", "type": "choice input", "outgoingEdgeId": "e-other",
                 "options": {"variableId": "v-pick"}, "items": [
                    {"id": "o-pro", "content": "Pro", "outgoingEdgeId": "e-pro"},
                    {"id": "o-free", "content": "Free"}]}
            ]},
            {"id": "g4", "title": "Pro", "graphCoordinates": {"x": 1200, "y": 0}, "blocks": [
                bubble("b-thanks", "{{Score}} points for {{pick}}"),
                {"id": "b-sheet", "type": "Google Sheets", "options": {"spreadsheetId": "s"}},
                {"id": "b-ab", "type": "AB test", "options": {"aPercent": 70}, "items": [
                    {"id": "i-a", "path": "a", "outgoingEdgeId": "e-again"},
                    {"id": "i-b", "path": "b"}]}
            ]},
            {"id": "g5", "title": "Bye", "graphCoordinates": {"x": 1200, "y": 400}, "blocks": [
                bubble("b-bye", "Bye {{Nobody}}"),
                {"id": "b-hook", "type": "Webhook", "options": {
                    "responseVariableMapping": [
                        {"id": "m1", "variableId": "v-score", "bodyPath": "data.points[0]"},
                        {"id": "m2", "variableId": "v-score", "bodyPath": "data.map(x => x.y)"}],
                    "webhook": {"method": "POST", "url": "https://api.example/{{Score}}",
                                "body": "{\"age\": \"{{age}}\"}",
                                "headers": [{"id": "h", "key": "x-key", "value": "k"}]}}},
                {"id": "b-code", "type": "Code", "options": {"content": "alert(1)"}},
                {"id": "b-wait", "type": "Wait", "options": {"secondsToWaitFor": "2"}},
                {"id": "b-jump", "type": "Jump", "options": {"groupId": "g1", "blockId": "b-old"}}
            ]}
        ],
        "edges": typebot_edges()
    })
}

fn typebot_edges() -> Value {
    json!([
        {"id": "e-start", "from": {"eventId": "ev"}, "to": {"groupId": "g1"}},
        {"id": "e-age", "from": {"blockId": "b-age"}, "to": {"groupId": "g2"}},
        {"id": "e-adult", "from": {"blockId": "b-if", "itemId": "i-old"},
         "to": {"groupId": "g3"}},
        {"id": "e-young", "from": {"blockId": "b-if"}, "to": {"groupId": "g5"}},
        {"id": "e-pro", "from": {"blockId": "b-pick", "itemId": "o-pro"},
         "to": {"groupId": "g4"}},
        {"id": "e-other", "from": {"blockId": "b-pick"}, "to": {"groupId": "g5"}},
        {"id": "e-again", "from": {"blockId": "b-ab", "itemId": "i-a"}, "to": {"groupId": "g5"}},
        {"id": "e-lost", "from": {"blockId": "b-gone"}, "to": {"groupId": "g5"}}
    ])
}

/// As exports were before version 6: a start block, old bubbles.
pub(super) fn old_typebot() -> Value {
    json!({
        "id": "old", "name": "Old",
        "groups": [
            {"id": "g0", "title": "Start", "graphCoordinates": {"x": 0, "y": 0}, "blocks": [
                {"id": "b0", "type": "start", "label": "Start", "outgoingEdgeId": "e1"}]},
            {"id": "g1", "title": "One", "graphCoordinates": {"x": 1, "y": 1}, "blocks": [
                {"id": "b1", "type": "text",
                 "content": {"html": "<b>Hi</b>", "plainText": "Hi {% x %}"}},
                {"id": "b2", "type": "choice input", "items": [{"id": "o", "content": "Go"}],
                 "options": {"isMultipleChoice": true}},
                {"id": "b3", "type": "Typebot link",
                 "options": {"typebotId": "current", "groupId": "g1"}}]}
        ],
        "variables": [],
        "edges": [{"id": "e1", "from": {"groupId": "g0", "blockId": "b0"}, "to": {"groupId": "g1"}}]
    })
}

/// A desk that asks, looks up and hands over.
pub(super) fn twilio() -> Value {
    let state = |name: &str, kind: &str, properties: Value, exits: Value| json!({"name": name, "type": kind, "properties": properties, "transitions": exits});
    let condition = json!({
        "friendly_name": "Yes", "type": "matches_any_of", "value": "yes, Yep",
        "arguments": ["{{widgets.ask.inbound.Body}}"]
    });
    json!({
        "description": "Desk", "initial_state": "Trigger", "flags": {},
        "states": [
            state("Trigger", "trigger", json!({"offset": {"x": 1, "y": 2}}), json!([
                {"event": "incomingMessage", "next": "vars"}, {"event": "incomingCall", "next": "say"},
                {"event": "incomingRequest"}])),
            state("vars", "set-variables", json!({"variables": [
                {"key": "first words", "value": "{{trigger.message.Body | upcase}}"}]}),
                json!([{"event": "next", "next": "ask"}])),
            state("ask", "send-and-wait-for-reply", json!({
                "body": "You said {{flow.variables.first words}}. Go on?", "timeout": "90",
                "from": "{{flow.channel.address}}"}),
                json!([{"event": "incomingMessage", "next": "split"},
                       {"event": "timeout", "next": "bye"},
                       {"event": "deliveryFailure", "next": "bye"}])),
            state("split", "split-based-on", json!({"input": "{{widgets.ask.inbound.Body}}"}),
                json!([{"event": "noMatch", "next": "bye"},
                       {"event": "match", "next": "look", "conditions": [condition]}])),
            state("look", "make-http-request", json!({
                "method": "GET", "url": "https://api.example/who",
                "parameters": [{"key": "from", "value": "{{contact.channel.address}}"}]}),
                json!([{"event": "success", "next": "found"}, {"event": "failed", "next": "desk"}])),
            state("found", "send-message", json!({"body": "Hi {{widgets.look.parsed.name}}!"}),
                json!([{"event": "sent", "next": "desk"}, {"event": "failed"}])),
            state("desk", "send-to-flex", json!({"attributes": "{\"n\": \"{{flow.data.n}}\"}"}),
                json!([])),
            state("bye", "send-message", json!({"body": "Bye"}), json!([])),
            state("say", "say-play", json!({"say": "{% if x %}Hello{% endif %}"}),
                json!([{"event": "audioComplete", "next": "bye"}]))
        ]
    })
}

const CONTAINER: &str = "3666a05d-3792-482b-8f7f-9e2472e4f027";
const MAIN: &str = "f0492216-65f3-4dc7-a1d8-8f79d1d30c11";
const OTHER: &str = "f0492216-65f3-4dc7-a1d8-8f79d1d30c12";

/// A question, a decision, and a flow that is called.
pub(super) fn floip() -> Value {
    let say = |language: &str, text: &str| json!({"language_id": language, "content_type": "TEXT", "modes": ["SMS"], "value": text});
    let resource = |id: &str, values: Value| json!({"uuid": id, "values": values});
    let exit = |to: Option<&str>, test: Option<&str>, default: bool| json!({"uuid": "x", "name": "1", "destination_block": to, "test": test, "default": default});
    let block = |id: &str, name: &str, kind: &str, config: Value, exits: Value| json!({"uuid": id, "name": name, "type": kind, "config": config, "exits": exits});
    json!({
        "specification_version": "1.0.0-rc4", "uuid": CONTAINER, "name": "Box",
        "flows": [
            {"uuid": MAIN, "name": "Main", "first_block_id": "b1",
             "languages": [{"id": "22", "iso_639_3": "eng"}],
             "blocks": [
                block("b1", "pet", "MobilePrimitives.SelectOneResponse",
                    json!({"prompt": "r-ask", "choices": {"dog": "r-dog", "cat": "r-cat"}}),
                    json!([exit(Some("b2"), Some("@(block.value = 'Dog')"), false),
                           exit(Some("b3"), Some("@(TRUE)"), false)])),
                block("b2", "age", "MobilePrimitives.NumericResponse",
                    json!({"prompt": "r-age", "validation_minimum": 0, "validation_maximum": 30}),
                    json!([exit(Some("b4"), None, false)])),
                block("b3", "bye", "MobilePrimitives.Message", json!({"prompt": "r-bye"}),
                    json!([exit(None, None, false)])),
                block("b4", "case", "Core.Case", json!({}),
                    json!([exit(Some("b5"), Some("@(flow.age.value > 10)"), false),
                           exit(Some("b3"), None, true)])),
                block("b5", "run", "Core.RunFlow", json!({"flow_id": OTHER}),
                    json!([exit(Some("b6"), None, false)])),
                block("b6", "join", "Core.SetGroupMembership",
                    json!({"group_key": "old", "group_name": "Old {pets}", "is_member": true}),
                    json!([exit(Some("b7"), None, false)])),
                block("b7", "odd", "Core.Foo", json!({"x": "@(nonsense)"}),
                    json!([exit(Some("b3"), None, false)]))
             ],
             "resources": [
                resource("r-ask", json!([say("22", "Dog or cat, @contact.name?"), say("33", "?")])),
                resource("r-dog", json!([say("22", "Dog")])),
                resource("r-cat", json!([say("22", "Cat")])),
                resource("r-age", json!([say("22", "How old?")])),
                resource("r-bye", json!([say("22", "Bye @(flow.pet) {{x}} a@@b")]))
             ]},
            {"uuid": OTHER, "name": "Other", "first_block_id": "c1", "languages": [],
             "blocks": [block("c1", "note", "MobilePrimitives.Message", json!({"prompt": "r-old"}),
                json!([exit(None, None, false)]))],
             "resources": [resource("r-old", json!([say("22", "An old dog!")]))]}
        ]
    })
}
