use std::time::Instant;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn render(source: &str, scope: &Value) -> Result<String, TemplateError> {
    Template::compile(source)?.render(scope)
}

fn kind(source: &str) -> TemplateErrorKind {
    render(source, &json!({"a": 1, "name": "Ada"})).unwrap_err().kind
}

/// Renders with the engine even what needs no engine.
fn by_engine(source: &str, scope: &Value) -> Result<String, TemplateError> {
    engine::Engine::compile(source, AutoEscape::None)?.render(scope)
}

#[test]
fn values_print_as_documented() {
    let scope = json!({
        "s": "<b>&", "i": 36, "n": -3, "f": 1.0, "g": 1e300, "t": true, "u": false, "z": null,
        "l": [1, "two", null, 2.5], "o": {"k": "v", "a": {"b": "deep"}}
    });
    let cases = [
        ("{{ s }}", "<b>&"),
        ("{{i}}|{{ n }}|{{ f }}", "36|-3|1.0"),
        ("{{ t }} {{ u }} {{ z }}", "true false "),
        ("{{ missing }}{{ missing.deep.er }}{{ s.x }}{{ z.x.y }}{{ l.x }}", ""),
        ("{{ o.a.b }}", "deep"),
        ("{{ l }}", "[1, 'two', None, 2.5]"),
        ("{{ o.a }}", "{'b': 'deep'}"),
        ("literal { } }} % # {\n", "literal { } }} % # {\n"),
        ("", ""),
        ("{{ 'x' ~ missing ~ missing.y.z }}", "x"),
        ("{% if i >= 18 and s %}adult{% else %}minor{% endif %}\n", "adult\n"),
        ("{% for x in l %}{{ loop.index }}={{ x }};{% endfor %}", "1=1;2=two;3=;4=2.5;"),
        ("{{ name | default('friend') | upper }}", "FRIEND"),
        ("{{ s }}{# a note #}", "<b>&"),
        ("{{ i|times(2) + 1 }} {{ o['k'] }} {{ l[1] }}", "73 v two"),
    ];
    for (source, expected) in cases {
        assert_eq!(render(source, &scope).unwrap(), expected, "{source}");
        assert_eq!(by_engine(source, &scope).unwrap(), expected, "{source} by the engine");
    }
}

#[test]
fn in_html_values_are_no_markup() {
    let scope = json!({"name": "<img src=x onerror=\"go('/')\">&", "n": 3, "t": true, "z": null,
        "l": ["<b>"]});
    let html = |source: &str| Template::compile_html(source).unwrap().render(&scope).unwrap();
    let name = "&lt;img src=x onerror=&quot;go(&#x27;&#x2f;&#x27;)&quot;&gt;&amp;";
    assert_eq!(html("<p>{{ name }}</p>"), format!("<p>{name}</p>"));
    assert_eq!(html("<p>{{ n }} {{ t }} {{ z }}{{ missing }}</p>"), "<p>3 true </p>");
    assert_eq!(html("{% for x in l %}<i>{{ x }}</i>{% endfor %}"), "<i>&lt;b&gt;</i>");
    assert_eq!(html("{{ l[0]|upper }}{{ '<hr>'|safe }}"), "&lt;B&gt;<hr>");
    let long = "x".repeat(MAX_TEMPLATE_CHARS + 1);
    assert_eq!(Template::compile_html(&long).unwrap_err().kind, TemplateErrorKind::TooLong);
}

#[test]
fn simple_templates_need_no_engine() {
    for source in ["", "hi", "{{a}}", "Hi {{ contact.name }}, {{\tx.y_1.z }}!\n", "a }} b"] {
        assert!(direct::parse(source).is_some(), "{source}");
    }
    for source in ["{{ a|b }}", "{{- a }}", "{{ a -}}", "{{ true }}", "{{ loop }}", "{{ a.0 }}"] {
        assert!(direct::parse(source).is_none(), "{source}");
    }
    for source in ["{% if a %}", "{# a #}", "{{ a", "{{{ a }}}", "{{ 'a' }}", "{{ }}", "{{ a b }}"]
    {
        assert!(direct::parse(source).is_none(), "{source}");
    }
}

#[test]
fn variables_are_listed_once_without_functions_and_locals() {
    let list = |source: &str| -> Vec<String> {
        Template::compile(source).unwrap().variables().map(str::to_owned).collect()
    };
    assert_eq!(list("{{ b }}{{ a.c }} {{ b }}"), ["a.c", "b"]);
    assert_eq!(list("{% for x in a.items %}{{ x.y }}{{ z|upper }}{% endfor %}"), ["a.items", "z"]);
    assert_eq!(list("{% for i in range(n) %}{{ i }}{% endfor %}"), ["n"]);
    assert!(list("nothing").is_empty());
}

#[test]
fn only_what_is_read_is_in_the_context_and_nothing_is_missing() {
    let scope = json!({"c": {"name": "Ada", "tags": ["x"], "big": "…"}, "a": "outer", "n": null});
    let cases = [
        ("{{ c.name|upper }}{{ c }}", "ADA{'big': '…', 'name': 'Ada', 'tags': ['x']}"),
        ("{% for t in c.tags %}{{ t }}{{ c.name }}{% endfor %}", "xAda"),
        ("{% for a in c.tags %}{{ a }}{% endfor %}{{ a }}", "xouter"),
        ("{% if c.name is defined and c.nope is not defined %}y{% endif %}{{ c.nope.x }}", "y"),
        ("{% for x in c.tags|sort if x -%} {{ x }} {%- endfor %}{{ c.name }}", "xAda"),
        ("{% for k, v in c|items %}{{ k }}{% endfor %}", "bignametags"),
        ("{% for x in 'a,b'|split(',') %}{{ x }}{% endfor %}", "ab"),
        ("{% for x in ['a', 'b'] %}{{ x }}{% endfor %}", "ab"),
        ("{% for i in range(c.tags|length + 1) %}{{ i }}{% endfor %}", "01"),
    ];
    for (source, expected) in cases {
        assert_eq!(render(source, &scope).unwrap(), expected, "{source}");
    }
}

/// Payloads known from template injection reports of many engines, and some of our own.
const PAYLOADS: [&str; 36] = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ self.__init__.__globals__.__builtins__ }}",
    "{{ config.items() }}",
    "{{ config }}",
    "{{ request.application.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ joiner.__init__ }}",
    "{{ range.__init__.__globals__ }}",
    "{{ ''|attr('__class__') }}",
    "{{ ()|attr('__class__')|attr('__base__') }}",
    "{{ debug() }}",
    "{{ env }}{{ ENV }}{{ environ }}{{ process.env }}",
    "{% include '/etc/passwd' %}",
    "{% include 'text' %}",
    "{% import 'os' as os %}{{ os }}",
    "{% from 'x' import y %}",
    "{% extends 'base.html' %}",
    "{% block x %}{% endblock %}",
    "{% do a.append(1) %}",
    "{{ [].append(1) }}",
    "{{ range.__class__ }}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "${{<%[%'\"}}%\\.",
    "*{T(java.lang.Runtime).getRuntime().exec('id')}",
    "{php}echo `id`;{/php}",
    "@(1+2)",
    "{{constructor.constructor('return process')()}}",
    "{{ a.constructor.prototype }}",
    "{{ __import__('os').system('id') }}",
    "{{ caller() }}{{ super() }}",
    "{% call x() %}{% endcall %}",
];

#[test]
fn injection_payloads_are_inert() {
    let scope = json!({"a": {"b": 1}, "name": "Ada", "secret": "hunter2"});
    let mut ran = 0;
    for payload in PAYLOADS {
        ran += 1;
        let Ok(text) = render(payload, &scope) else { continue };
        assert!(text.is_empty() || text == payload, "{payload} gave {text}");
    }
    assert_eq!(ran, 36);
}

#[test]
fn values_are_never_templates() {
    for payload in PAYLOADS {
        let scope = json!({"name": payload});
        assert_eq!(render("{{ name }}", &scope).unwrap(), payload);
        assert_eq!(render("{{ name|string }}", &scope).unwrap(), payload);
    }
}

#[test]
fn bombs_run_out_of_fuel() {
    let bombs = [
        "{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}",
        "{{ 'x'|times(90000000) }}",
        "{{ [1]|times(90000000) }}",
        "{% set n = namespace(a=[1]) %}{% for i in range(40) %}{% set n.a = n.a + n.a %}{% endfor %}{{ n.a }}",
        "{% set n = namespace(a=[1]) %}{% for i in range(28) %}{% set n.a = n.a + n.a %}{% endfor %}{{ n.a }}",
        "{% set n = namespace(a=[1]) %}{% for i in range(99) %}{% set n.a = [n.a, n.a] %}{% endfor %}{{ n.a }}",
        "{% set n = namespace(a={}) %}{% for i in range(99) %}{% set n.a = {'a': n.a, 'b': n.a} %}{% endfor %}{{ n.a ~ '' }}",
        "{% set n = namespace(a=[1]) %}{% for i in range(99) %}{% set n.a = [n.a, n.a] %}{% endfor %}{{ n.a == n.a|list }}",
        "{% set a = [a, a] %}",
        "{% with a = [a, a] %}{% endwith %}",
        "{% for a in [[a, a]] %}{% for a in [[a, a]] %}{{ a }}{% endfor %}{% endfor %}",
        "{% for a in a, a %}{% endfor %}",
        "{% for a in (a, a) %}{% endfor %}",
        "{% for a in a|default([a]) %}{% endfor %}",
        "{% for a in a + a %}{% endfor %}",
        "{% for a in [range(1), a, a] %}{% endfor %}",
        "{% for a in range(3) , [a, a] %}{% endfor %}",
        "{% for a in range((1)) + [a, a] %}{% endfor %}",
        "{{ [1]|batch(999, [1]|batch(999, [1]|batch(999, [1]|batch(999)|list)|list)|list)|list }}",
        "{{ range(99)|map('default', [1])|list }}",
        "{{ [1]*90000000 }}",
        "{{ 'x'|indent(900000000) }}",
        "{{ [1]|batch(900000000, 'x')|list }}",
        "{{ '%900000000d'|format(1) }}",
        "{% set a = 'xxxxxxxx' %}{% for i in range(99) %}{% set a = a ~ a %}{{ a }}{% endfor %}",
        "{% for a in [[1]] recursive %}{{ loop([a + a]) }}{% endfor %}",
        "{% macro m(a) %}{{ m(a + a) }}{% endmacro %}{{ m([1]) }}",
        "{% set a = [1, 1] %}{% set n = namespace(a=a) %}{% for i in range(60) %}{% set n.a = [n.a, n.a] %}{% endfor %}{{ n.a|string|length }}",
        "{{ 'aaaaaaaaaaaaaaaa'|replace('', '%9999s'|format('b'))|replace('', '%9999s'|format('b')) }}",
        "{{ range(99999999)|list|length }}",
    ];
    for bomb in bombs {
        let started = Instant::now();
        let error = render(bomb, &json!({})).unwrap_err();
        let bounded = [
            TemplateErrorKind::OutOfFuel,
            TemplateErrorKind::Evaluation,
            TemplateErrorKind::Syntax,
        ];
        assert!(bounded.contains(&error.kind), "{bomb}: {error}");
        assert!(started.elapsed().as_secs() < 2, "{bomb} is slow");
    }
}

#[test]
fn giants_are_refused() {
    assert_eq!(kind(&"x".repeat(MAX_TEMPLATE_CHARS + 1)), TemplateErrorKind::TooLong);
    assert_eq!(kind(&"x".repeat(MAX_OUTPUT_CHARS + 1)), TemplateErrorKind::TooLong);
    assert!(render(&"é".repeat(MAX_OUTPUT_CHARS), &json!({})).is_ok());
    let scope = json!({"a": "y".repeat(MAX_OUTPUT_CHARS)});
    assert!(render("{{ a }}", &scope).is_ok());
    for source in ["{{ a }}!", "{{ a }}{{ a }}{{ a }}{{ a }}{{ a }}", "{{ a|upper }}!"] {
        assert_eq!(render(source, &scope).unwrap_err().kind, TemplateErrorKind::TooLong);
    }
}

/// Chains and nests of every kind; `a` is the innermost expression.
fn nested(n: usize) -> Vec<String> {
    let chain = |link: &str| format!("{{{{ a{} }}}}", link.repeat(n));
    let links = [
        "+a",
        " and a",
        ".a",
        "[0]",
        "()",
        "|e",
        "**a",
        " if a else a",
        " is e",
        "<a",
        "~a",
        " and 1and 1",
    ];
    let mut sources: Vec<String> = links.iter().map(|link| chain(link)).collect();
    for prefix in ["not ", "-", "(", "[", "{'a':", "m("] {
        sources.push(format!("{{{{ {}a }}}}", prefix.repeat(n)));
    }
    sources.push(format!("{{{{ {}a{} }}}}", "(".repeat(n), ")".repeat(n)));
    sources.push(format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(n)));
    let (open, close) = ("{% for a in a %}".repeat(n), "{% endfor %}".repeat(n));
    sources.push(format!("{open}{close}"));
    let hidden = chain("+a");
    sources.push(format!("{{{{ '}}}}' ~ {{'a': {{}}}} }}}}{hidden}"));
    sources.push(format!("{{{{ {{'a': {{}}}} ~ a{} }}}}", "+a".repeat(n)));
    sources.push(format!("{{# {{{{ '}}}}' #}}{hidden}"));
    sources.push(format!("{{% raw %}}\"{{% endraw %}}{hidden}{{% raw %}}\"{{% endraw %}}"));
    sources.push(format!("{{# {{{{ \" #}}{hidden}{{# \" }}}} #}}"));
    sources.push(format!("{{{{ \"\\\"}}}}\" ~ a{} }}}}", "+a".repeat(n)));
    sources.push(format!("{{{{ ( }}}}{hidden}"));
    sources.push(format!("{{{{ ) }}}}{hidden}"));
    sources.push(format!("{{{{ 'it }}}}{hidden}"));
    sources
}

#[test]
fn deep_templates_end_in_typed_errors_not_in_a_crash() {
    for n in [20, 70, 140, 240, 490, 1000, 6000] {
        for source in nested(n) {
            let Err(error) = render(&source, &json!({"a": 1})) else { continue };
            assert!(!error.message.is_empty());
        }
    }
    let deepest = format!(
        "{}{{{{ {}a{}{} }}}}{}",
        "{% for a in a %}".repeat(12),
        "m(".repeat(12),
        ".a".repeat(440),
        ")".repeat(12),
        "{% endfor %}".repeat(12),
    );
    assert!(Template::compile(&deepest).is_ok());
    for source in nested(6000) {
        if !source.contains('<') {
            assert!(render(&source, &json!({"a": 1})).is_err(), "{}", &source[..60]);
        }
    }
}

#[test]
fn errors_name_the_line_and_keep_values_to_themselves() {
    let error = Template::compile("one\ntwo {{ a b }}").unwrap_err();
    assert_eq!((error.kind, error.line), (TemplateErrorKind::Syntax, 2));
    let scope = json!({"card": "4111-1111"});
    for source in ["\n{{ card + 1 }}", "\n{{ card|int }}", "\n{{ -card }}", "\n{{ card / card }}"] {
        let error = render(source, &scope).unwrap_err();
        assert_eq!((error.kind, error.line), (TemplateErrorKind::Evaluation, 2), "{error}");
        assert!(!error.to_string().contains("4111"), "{error}");
    }
    let error = render("{{ card|shout }}", &scope).unwrap_err();
    assert_eq!(error.to_string(), "unknown filter: filter shout is unknown (line 1)");
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1000i32..1000).prop_map(|n| Value::from(f64::from(n) / 4.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn part() -> impl Strategy<Value = String> {
    let path = prop::collection::vec("[a-c]", 1..4);
    prop_oneof![
        3 => (path, "[ \t\n]{0,2}").prop_map(|(p, pad)| format!("{{{{{pad}{}{pad}}}}}", p.join("."))),
        2 => "[^{]{0,8}",
        1 => "[{}%# a\r\n-]{0,4}",
    ]
}

proptest! {
    #[test]
    fn both_ways_give_the_same_bytes(
        parts in prop::collection::vec(part(), 0..6), a in value(), b in value(),
    ) {
        let source = parts.concat();
        let scope = json!({"a": a, "b": b});
        if let Some(segments) = direct::parse(&source) {
            let engine = engine::Engine::compile(&source, AutoEscape::None);
            prop_assert!(engine.is_ok(), "{source:?} {engine:?}");
            prop_assert_eq!(segments.render(&scope), engine.unwrap().render(&scope));
        }
    }

    #[test]
    fn no_source_panics(source in "(\\{\\{|\\}\\}|\\{%|%\\}|[a-c|.+'\"(){}\\[\\] #-]|if|endif|for|in|set){0,24}", a in value()) {
        let _ = render(&source, &json!({"a": a}));
    }

    #[test]
    fn a_narrowed_context_renders_like_a_whole_one(a in value(), b in value()) {
        let scope = json!({"a": a, "b": b});
        let source = "{{ a.b|string }}{{ (a.b.c is defined)|string }}{% if a.c %}{{ a.c.a|string }}{% endif %}{{ b.a ~ b.b }}";
        let whole = minijinja_whole(source, &scope);
        prop_assert_eq!(render(source, &scope).ok(), whole);
    }
}

fn minijinja_whole(source: &str, scope: &Value) -> Option<String> {
    let mut environment = minijinja::Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Chainable);
    environment
        .render_str(source, minijinja::value::Value::from(minijinja::value::Serde(scope)))
        .ok()
}
