use proptest::prelude::*;

use super::*;

fn eval(condition: &Value, scope: &Value) -> bool {
    Condition::compile(condition).unwrap().eval(scope)
}

fn holds(found: &Value, op: &str, value: &Value) -> bool {
    eval(&json!({"field": "x", "op": op, "value": value}), &json!({ "x": found }))
}

fn fail(condition: &Value) -> String {
    Condition::compile(condition).unwrap_err().to_string()
}

#[test]
fn equality_is_pinned() {
    let same = [
        (json!("Pro"), json!(" pRO ")),
        (json!("ÄÖ"), json!("äö")),
        (json!("İ"), json!("i")),
        (json!(7), json!("7")),
        (json!("007"), json!(7.0)),
        (json!("+7"), json!("7.0")),
        (json!("1e2"), json!(100)),
        (json!(true), json!("TRUE ")),
        (json!("false"), json!(false)),
        (json!(null), json!(null)),
        (json!(u64::MAX), json!("18446744073709551615")),
    ];
    for (a, b) in same {
        assert!(holds(&a, "eq", &b) && holds(&b, "eq", &a), "{a} = {b}");
        assert!(!holds(&a, "ne", &b) && holds(&a, "in", &json!(["?", b])), "{a} = {b}");
    }
    let different = [
        (json!("Pro"), json!("Prof")),
        (json!("9007199254740993"), json!("9007199254740992")),
        (json!(1), json!(true)),
        (json!("yes"), json!(true)),
        (json!(""), json!(null)),
        (json!(0), json!(null)),
        (json!(0), json!("")),
        (json!("inf"), json!("infinity")),
        (json!([1]), json!(1)),
        (json!({"a": 1}), json!("a")),
    ];
    for (a, b) in different {
        assert!(!holds(&a, "eq", &b) && holds(&a, "ne", &b), "{a} != {b}");
        assert!(holds(&a, "not_in", &json!([b])), "{a} != {b}");
    }
}

#[test]
fn order_is_pinned() {
    let less = [
        (json!(9), json!(10)),
        (json!("9"), json!("10")),
        (json!("-1.5"), json!(0)),
        (json!("Apple"), json!("banana")),
        (json!("2026-01-09"), json!("2026-01-10")),
        (json!(i64::MAX), json!(u64::MAX)),
    ];
    for (a, b) in less {
        assert!(holds(&a, "lt", &b) && holds(&a, "lte", &b) && holds(&b, "gt", &a), "{a} < {b}");
        assert!(!holds(&a, "gte", &b) && holds(&a, "gte", &a), "{a} < {b}");
    }
    let unordered = [json!(null), json!("abc"), json!(true), json!([5]), json!({}), json!("")];
    for found in unordered {
        for op in ["lt", "lte", "gt", "gte"] {
            assert!(!holds(&found, op, &json!(5)), "{found} {op} 5");
            assert!(!holds(&found, op, &json!("5")), "{found} {op} '5'");
        }
    }
}

#[test]
fn texts_and_lists_contain() {
    let yes = [
        (json!("Hello World"), "contains", json!("O w")),
        (json!(["VIP", 3]), "contains", json!("vip")),
        (json!(["VIP", 3]), "contains", json!("3")),
        (json!(12345), "contains", json!(234)),
        (json!("Hello"), "not_contains", json!("x")),
        (json!({"a": 1}), "not_contains", json!("a")),
        (json!("+49 30"), "starts_with", json!("+49")),
        (json!(4930), "starts_with", json!(49)),
        (json!("a.PDF "), "ends_with", json!(".pdf")),
        (json!("Order 12"), "matches", json!("^order \\d+$")),
        (json!("straße"), "matches", json!("STRA.E")),
    ];
    for (found, op, value) in yes {
        assert!(holds(&found, op, &value), "{found} {op} {value}");
    }
    let no = [
        (json!(["vip gold"]), "contains", json!("vip")),
        (json!(null), "contains", json!("a")),
        (json!(["ab"]), "starts_with", json!("a")),
        (json!([1]), "matches", json!("1")),
        (json!(null), "matches", json!(".*")),
    ];
    for (found, op, value) in no {
        assert!(!holds(&found, op, &value), "{found} {op} {value}");
    }
}

#[test]
fn missing_is_null_and_neither_is_set() {
    let ask = |field: &str, op: &str, value: Option<Value>| {
        let mut leaf = json!({"field": field, "op": op});
        if let Some(value) = value {
            leaf["value"] = value;
        }
        eval(
            &leaf,
            &json!({"null": null, "blank": " ", "zero": 0, "list": [], "map": {}, "no": false}),
        )
    };
    for field in ["null", "missing", "missing.deeper", "blank.deeper"] {
        assert!(!ask(field, "is_set", None) && ask(field, "is_empty", None), "{field}");
        assert!(ask(field, "eq", Some(json!(null))) && !ask(field, "ne", Some(json!(null))));
        assert!(ask(field, "ne", Some(json!("x"))) && !ask(field, "eq", Some(json!("x"))));
        assert!(ask(field, "not_contains", Some(json!("x"))));
        assert!(ask(field, "not_in", Some(json!(["x"]))) && ask(field, "in", Some(json!([null]))));
    }
    for field in ["blank", "list", "map"] {
        assert!(ask(field, "is_set", None) && ask(field, "is_empty", None), "{field}");
    }
    for field in ["zero", "no"] {
        assert!(ask(field, "is_set", None) && !ask(field, "is_empty", None), "{field}");
    }
}

#[test]
fn groups_and_fields() {
    let leaf = |value: i32| json!({"field": "a.b", "op": "eq", "value": value});
    let scope = json!({"a": {"b": 1}});
    assert!(eval(&json!({"all": []}), &scope) && !eval(&json!({"any": []}), &scope));
    assert!(eval(&json!({"all": [leaf(1), {"not": leaf(2)}]}), &scope));
    assert!(eval(&json!({"any": [leaf(2), leaf(1)]}), &scope));
    let other = json!({"field": "c", "op": "is_set"});
    let condition = Condition::compile(&json!({"any": [leaf(2), {"not": other}]})).unwrap();
    assert_eq!(condition.fields().collect::<Vec<_>>(), ["a.b", "c"]);
}

#[test]
fn errors_say_where_and_what() {
    let leaf = json!({"field": "a", "op": "eq", "value": 1});
    let cases = [
        (json!([]), "$: a condition is an object"),
        (json!({}), "$.field: field is a text"),
        (json!({"all": {}}), "$.all: expected a list of conditions"),
        (json!({"all": [leaf, {"not": 1}]}), "$.all[1].not: a condition is an object"),
        (json!({"all": [], "any": []}), "$: unexpected \"any\" beside \"all\""),
        (json!({"not": leaf, "field": "a"}), "$: unexpected \"field\" beside \"not\""),
        (json!({"field": "a", "op": "is_set", "value": 1}), "$.value: is_set takes no value"),
        (json!({"field": "a", "op": "eq"}), "$.value: eq needs a value"),
        (
            json!({"field": "a", "op": "gt", "value": true}),
            "$.value: gt does not take this kind of value",
        ),
        (
            json!({"field": "a", "op": "eq", "value": []}),
            "$.value: eq does not take this kind of value",
        ),
        (
            json!({"field": "a", "op": "in", "value": "x"}),
            "$.value: expected a list of texts, numbers or booleans",
        ),
        (json!({"field": "a", "op": "matches", "value": "("}), "$.value: not a regular expression"),
        (json!({"field": "a", "op": "matches", "value": "\\w{900}"}), "$.value: pattern too large"),
        (
            json!({"field": "a..b", "op": "is_set"}),
            "$.field: a path is names joined by dots, none of them empty",
        ),
    ];
    for (condition, message) in cases {
        assert_eq!(fail(&condition), message);
    }
    let unknown = fail(&json!({"field": "a", "op": "eq", "vaule": 1}));
    assert!(unknown.starts_with("$: unknown member \"vaule\""), "{unknown}");
    let unknown = fail(&json!({"field": "a", "op": "equals", "value": 1}));
    assert!(
        unknown.starts_with("$.op: unknown operator \"equals\", known are eq, ne"),
        "{unknown}"
    );
    let serde = serde_json::from_value::<Condition>(json!({"not": []})).unwrap_err();
    assert_eq!(serde.to_string(), "$.not: a condition is an object");
}

#[test]
fn limits_hold() {
    let leaf = json!({"field": "a", "op": "is_set"});
    let deep = |n: usize| (1..n).fold(leaf.clone(), |inner, _| json!({ "not": inner }));
    assert!(Condition::compile(&deep(MAX_DEPTH)).is_ok());
    assert!(fail(&deep(MAX_DEPTH + 1)).ends_with("nested deeper than 16"));
    let wide = |n: usize| json!({"any": [{"all": vec![leaf.clone(); n]}, leaf]});
    assert!(Condition::compile(&wide(MAX_LEAVES - 1)).is_ok());
    assert!(fail(&wide(MAX_LEAVES)).ends_with("more than 200 leaves"));
    let list = json!({"field": "a", "op": "in", "value": vec![1; MAX_LIST + 1]});
    assert!(fail(&list).ends_with("more than 500 values"));
    let text = json!({"field": "a", "op": "eq", "value": "x".repeat(MAX_TEXT_BYTES + 1)});
    assert!(fail(&text).ends_with("text longer than 4096 bytes"));
    let pattern = json!({"field": "a", "op": "matches", "value": "x".repeat(513)});
    assert!(fail(&pattern).ends_with("pattern longer than 512 bytes"));
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
        Just(json!(1e300)),
        "[0-9+.eE-]{0,6}".prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        Just(json!("true")),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let nested = prop::collection::vec(scalar(), 0..3).prop_map(Value::from);
    let object = scalar().prop_map(|value| json!({ "b": value }));
    prop_oneof![4 => scalar(), 1 => nested, 1 => object]
}

fn leaf() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(vec!["a", "b", "a.b", "b.0", "c"]);
    let name = prop::sample::select(Operator::NAMES.to_vec());
    (field, name, scalar(), "[a-z0-9.]{0,4}", prop::collection::vec(scalar(), 0..3)).prop_map(
        |(field, (operator, op), any, text, list)| {
            let value = match operator {
                Operator::IsSet | Operator::IsEmpty => return json!({"field": field, "op": op}),
                Operator::Eq | Operator::Ne => any,
                Operator::In | Operator::NotIn => Value::from(list),
                _ => Value::from(text),
            };
            let value = if text_only(operator) && !value.is_string() { json!("a") } else { value };
            json!({"field": field, "op": op, "value": value})
        },
    )
}

fn text_only(operator: Operator) -> bool {
    operator == Operator::Matches
}

fn tree() -> impl Strategy<Value = Value> {
    let node = leaf().prop_filter("pattern", |leaf| Condition::compile(leaf).is_ok());
    node.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| json!({ "all": list })),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| json!({ "any": list })),
            inner.prop_map(|node| json!({ "not": node })),
        ]
    })
}

proptest! {
    #[test]
    fn conditions_round_trip(tree in tree()) {
        let condition = Condition::compile(&tree).unwrap();
        prop_assert_eq!(condition.to_json(), tree);
        let text = serde_json::to_string(&condition).unwrap();
        let again: Condition = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), text);
    }

    #[test]
    fn de_morgan(one in tree(), two in tree(), a in value(), b in value()) {
        let scope = json!({"a": a, "b": b});
        let not = |tree: &Value| json!({ "not": tree });
        let neither = eval(&not(&json!({"any": [one, two]})), &scope);
        prop_assert_eq!(neither, eval(&json!({"all": [not(&one), not(&two)]}), &scope));
        let not_both = eval(&not(&json!({"all": [one, two]})), &scope);
        prop_assert_eq!(not_both, eval(&json!({"any": [not(&one), not(&two)]}), &scope));
    }

    #[test]
    fn negative_operators_negate(a in value(), wanted in scalar()) {
        prop_assert_ne!(holds(&a, "eq", &wanted), holds(&a, "ne", &wanted));
        let list = json!([wanted]);
        prop_assert_ne!(holds(&a, "in", &list), holds(&a, "not_in", &list));
        prop_assert_eq!(holds(&a, "in", &list), holds(&a, "eq", &wanted));
    }

    #[test]
    fn anything_compiles_or_is_an_error(json in value(), key in "all|any|not|field|op", scope in value()) {
        if let Ok(condition) = Condition::compile(&json!({ key: json })) {
            condition.eval(&scope);
        }
    }
}
