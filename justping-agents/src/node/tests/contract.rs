//! Every built-in node keeps the contract of nodes.

use std::sync::Arc;

use justping_core::conformance::NodeSubject;
use justping_core::memory::{MemoryStore, ScriptedAi, ScriptedPlugins};
use justping_core::port::FlowNode;
use serde_json::{Value, json};

use crate::ai::AiHost;
use crate::fetch::ScriptedFetcher;
use crate::knowledge::Knowledge;

fn subject(node: impl FlowNode, samples: Value, broken: Value) -> NodeSubject {
    let list = |value: Value| value.as_array().cloned().unwrap();
    NodeSubject { node: Arc::new(node), samples: list(samples), broken: list(broken) }
}

fn host() -> Arc<AiHost> {
    let mut host = AiHost::default();
    host.set_provider(Arc::new(ScriptedAi::new()));
    Arc::new(host)
}

/// A host with a model and a library.
fn learned() -> Arc<AiHost> {
    let mut host = AiHost::default();
    host.set_provider(Arc::new(ScriptedAi::new()));
    host.set_knowledge(Knowledge::new(Arc::new(MemoryStore::new())));
    Arc::new(host)
}

macro_rules! contract {
    ($($name:ident = $node:expr, $samples:tt, $broken:tt;)*) => {$(
        mod $name {
            use super::*;

            justping_core::node_conformance!(async || {
                subject($node, json!($samples), json!($broken))
            });
        }
    )*};
}

contract! {
    trigger = super::super::super::trigger::Trigger,
        [{}, {"on": "keywords", "keywords": ["hi"]}],
        [{"on": "keywords"}, {"keywords": [" "]}];
    text = super::super::super::text::Text, [{"text": "Hi {{ name }}"}], [{"text": "{{"}];
    media = super::super::super::media::Media,
        [{"kind": "image", "url": "https://x/y.png"}, {"kind": "audio", "url": "nowhere"}],
        [{"kind": "image", "url": "{{"}];
    buttons = super::super::super::buttons::Buttons,
        [
            {"text": "?", "options": [{"id": "b", "title": "B"}]},
            {"text": "?", "options": [{"id": "a", "title": "yes"}], "timeout_minutes": 1, "max_retries": 0}
        ],
        [{"text": "?", "options": [{"id": "b", "title": "B"}, {"id": "b", "title": "C"}]}];
    list = super::super::super::list::List,
        [{"text": "?", "button": "Open", "sections": [{"options": [{"id": "b", "title": "B"}]}]}],
        [{"text": "?", "button": "{{", "sections": []}];
    input = super::super::super::input::Input,
        [
            {"prompt": "?", "variable": "v"},
            {"prompt": "?", "variable": "v", "kind": "number", "max_retries": 0, "timeout_minutes": 5},
            {"prompt": "?", "variable": "v", "kind": "file", "accept": ["image"]},
            {"prompt": "?", "variable": "v", "kind": "location"},
            {"prompt": "?", "variable": "v", "kind": "date", "date_order": "month_first"},
            {
                "prompt": "?", "variable": "v", "kind": "payment", "timeout_minutes": 9,
                "follow_ups": [{"after_minutes": 5, "text": "{{ name }}?"}]
            }
        ],
        [
            {"prompt": "?", "variable": "v", "min": 2, "max": 1},
            {"prompt": "?", "variable": "v", "kind": "rating", "max": 1.5}
        ];
    wait = super::super::super::wait::Wait,
        [{"amount": 1, "unit": "days"}],
        [{"amount": 400, "unit": "days"}];
    typing = super::super::super::typing::Typing, [{}, {"seconds": 25}], [];
    condition = super::super::super::condition::If,
        [{"condition": {"field": "name", "op": "eq", "value": "Ann"}}, {"condition": {"any": []}}],
        [{"condition": {}}];
    switch = super::super::super::switch::Switch,
        [{"cases": [{"id": "a", "condition": {"all": []}}]}, {"cases": [{"id": "a", "condition": {"any": []}}]}],
        [{"cases": [{"id": "a", "condition": {}}]}];
    set = super::super::super::set::Set,
        [{"assignments": [{"variable": "a", "text": "{{ name }}"}, {"variable": "name", "add": 1}]}],
        [{"assignments": [{"variable": "a"}]}];
    jump = super::super::super::jump::Jump, [{"node": "there"}], [{}];
    split = super::super::super::split::Split,
        [{"arms": [{"id": "a", "weight": 1}, {"id": "b", "weight": 2}]}, {"experiment": "x", "variable": "v", "arms": [{"id": "a", "weight": 1}]}],
        [{"arms": [{"id": "a", "weight": 0}]}, {"arms": [{"id": "a", "weight": 1}, {"id": "a", "weight": 1}]}];
    business_hours = super::super::super::business_hours::BusinessHours,
        [
            {"time_zone": "UTC", "hours": []},
            {
                "time_zone": "Europe/Berlin", "holidays": ["2026-12-25"], "next_opening_variable": "v",
                "hours": [{"days": ["mon"], "from": "09:00", "to": "24:00"}]
            }
        ],
        [
            {"time_zone": "Mars/Olympus", "hours": []},
            {"time_zone": "UTC", "hours": [{"days": ["mon"], "from": "09:00", "to": "09:00"}]},
            {"time_zone": "UTC", "hours": [], "holidays": ["2026-02-30"]}
        ];
    contact = super::super::super::contact::Contact,
        [{}, {"name": "{{ name }}", "fields": {"a": "{{ name }}", "b": 1, "c": {"variable": "name"}, "d": null}, "add_tags": ["x"], "join_groups": ["grp_00000000000000000000000001"], "opt_out": true}],
        [{"add_tags": ["{{"]}, {"fields": {"a": {"variable": "a..b"}}}, {"join_groups": ["vip"]}, {"leave_groups": ["con_00000000000000000000000001"]}];
    csat = super::super::super::csat::Csat,
        [{"text": "?"}, {"text": "?", "scale": 2, "labels": ["no", "yes"], "comment": "why?", "timeout_minutes": 3, "max_retries": 0}],
        [{"text": "?", "scale": 3, "labels": ["no", "yes"]}, {"text": "{{"}];
    send_template = super::super::super::send_template::SendTemplate,
        [{"template": "hello", "language": "en_US"}, {"template": "t", "language": "de", "parameters": [{"name": "n", "text": "{{ name }}"}]}],
        [{"template": "t", "language": "de", "parameters": [{"text": "{{"}]}];
    send_email = super::super::super::send_email::SendEmail,
        [
            {"subject": "s", "text": "t"},
            {
                "to": "{{ name }}@example.org", "subject": "{{ name }}", "text": "t", "html": "<p>t</p>",
                "channel": "chn_00000000000000000000000001"
            }
        ],
        [{"subject": "s", "text": "{{"}, {"subject": "s"}, {"subject": "s", "text": "t", "channel": "x"}];
    handoff = super::super::super::handoff::HandOff, [{}, {"note": "{{ name }}"}], [{"note": "{{"}];
    close = super::super::super::close::Close, [{}], [];
    end = super::super::super::end::End, [{}], [];
    call_flow = super::super::super::call_flow::CallFlow,
        [
            {"flow": "f"},
            {"flow": "f", "inputs": {"a": "{{ name }}", "b": "{{ name }}!"}, "outputs": {"c": "d"}}
        ],
        [{"flow": "f", "inputs": {"a": "{{"}}, {"flow": "f", "inputs": {"now": "x"}}];
    return_ = super::super::super::return_::Return, [{}, {"exit": "break"}], [];
    foreach = super::super::super::foreach::Foreach,
        [{"list": "name", "item": "x"}, {"list": "contact.tags", "item": "x", "index": "i"}],
        [{"list": "a..b", "item": "x"}];
    wait_event = super::super::super::wait_event::WaitEvent,
        [
            {"event": "other"},
            {
                "event": "paid.*", "variable": "v", "link": "never", "timeout_minutes": 9,
                "follow_ups": [{"after_minutes": 5, "text": "{{ name }}?"}]
            }
        ],
        [
            {"event": "x", "follow_ups": [{"after_minutes": 5, "text": "{{"}]},
            {"event": "x", "timeout_minutes": 5, "follow_ups": [{"after_minutes": 5, "text": "a"}]}
        ];
    http = super::super::super::Http::new(Arc::new(ScriptedFetcher::new())),
        [
            {"url": "https://a.example/{{ name }}"},
            {
                "method": "POST", "url": "https://a.example", "body": {"json": {"a": "{{ name }}"}},
                "headers": [{"name": "x-a", "value": "{{ name }}"}], "timeout_seconds": 3,
                "save": [{"variable": "v", "pointer": "/a"}], "status_variable": "status"
            }
        ],
        [{"url": "https://{{ name }}/"}, {"url": "https://a.example", "body": {"text": "x"}}];
    knowledge = super::super::super::knowledge::Knowledge::new(learned()),
        [
            {"base": "knb_00000000000000000000000001"},
            {"base": "knb_00000000000000000000000001", "question": "{{ name }}?", "variable": "v", "say": "nothing"}
        ],
        [{"base": "x"}, {"base": "knb_00000000000000000000000001", "question": "{{"}];
    ai_reply = super::super::super::AiReply::new(Arc::new(ScriptedAi::new())),
        [
            {}, {"begin": "wait", "timeout_minutes": 3, "exit_phrases": ["yes"]},
            {"hand_off": "never", "max_turns": 1},
            {"tools": ["look"], "transfers": [{"id": "sales", "description": "Sells."}]}
        ],
        [
            {"prompt": "{{"}, {"tools": ["hand_off"]},
            {"transfers": [{"id": "a", "description": "x"}, {"id": "a", "description": "y"}]}
        ];
    ai_classify = super::super::super::ai_classify::AiClassify::new(host()),
        [{"classes": [{"id": "a", "description": "A"}]}, {"text": "{{ name }}", "classes": [{"id": "a", "description": "A"}, {"id": "b", "description": "B"}], "variable": "v"}],
        [
            {"classes": [{"id": "none", "description": "A"}]}, {"text": "{{", "classes": []},
            {"classes": [{"id": "a", "description": "A"}, {"id": "a", "description": "B"}]}
        ];
    ai_extract = super::super::super::ai_extract::AiExtract::new(host()),
        [
            {"fields": [{"name": "city"}]},
            {
                "text": "{{ name }}", "instructions": "Be exact.",
                "fields": [
                    {"name": "n", "type": "integer", "required": false}, {"name": "d", "type": "date"},
                    {"name": "size", "values": ["s", "m"]}, {"name": "l", "type": "list"}
                ]
            }
        ],
        [{"fields": [{"name": "a"}, {"name": "a"}]}, {"fields": [{"name": "a"}], "text": "{{"}];
    plugin = super::super::super::Plugin::new(Arc::new(ScriptedPlugins::new())),
        [
            {"plugin": "shop", "node": "look"},
            {"plugin": "shop", "node": "look", "config": {"a": "{{ name }}"}, "exits": ["found"], "variable": "v"}
        ],
        [{"plugin": "shop", "node": "look", "exits": ["error"]}, {"plugin": "shop", "node": "look", "config": {"a": "{{"}}];
    tool = super::super::super::tool::CallTool::new(host()),
        [{"tool": "look"}, {"tool": "look", "arguments": {"a": "{{ name }}", "b": [1, {"variable": "name"}]}, "variable": "v"}],
        [{"tool": "look", "arguments": {"a": ["{{"]}}];
}
