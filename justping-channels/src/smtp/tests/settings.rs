//! What settings and secrets may say.

use super::*;

fn refused(settings: Value) -> String {
    let error = provider().open_channel(&config(settings), &secrets("p")).unwrap_err();
    error.field
}

fn with(name: &str, value: Value) -> Value {
    let mut settings = json!({"host": "smtp.acme.example", "from": "hello@acme.example"});
    settings[name] = value;
    settings
}

#[test]
fn the_least_is_a_host_and_an_address() {
    let settings = json!({"host": "smtp.acme.example", "from": "hello@acme.example"});
    let channel = provider().open_channel(&config(settings), &secrets("")).unwrap();
    assert_eq!(channel.capabilities(), &CAPABILITIES);
    let fast =
        provider().open_channel(&config(with("messages_per_second", json!(50))), &secrets(""));
    assert_eq!(fast.unwrap().capabilities().rate, Rate::within(50));
}

#[test]
fn what_is_wrong_is_named() {
    for (settings, field) in [
        (json!({}), "settings"),
        (json!({"host": 1, "from": "hello@acme.example"}), "settings"),
        (with("unknown", json!(1)), "settings"),
        (with("security", json!("ssl")), "settings"),
        (with("host", json!("localhost")), "host"),
        (with("host", json!("127.0.0.1")), "host"),
        (with("host", json!("169.254.169.254")), "host"),
        (with("host", json!("2130706433")), "host"),
        (with("host", json!("mail.internal")), "host"),
        (with("host", json!("smtp.acme.example/x")), "host"),
        (with("host", json!("a@smtp.acme.example")), "host"),
        (with("port", json!(6379)), "port"),
        (with("security", json!("none")), "security"),
        (with("from", json!("Acme <hello@acme.example>")), "from"),
        (with("from", json!("hello@localhost")), "from"),
        (with("reply_to", json!("nobody")), "reply_to"),
        (with("from_name", json!("a\nb")), "from_name"),
        (with("from_name", json!("x".repeat(101))), "from_name"),
        (with("subject", json!("a\rb")), "subject"),
        (with("list_unsubscribe", json!("http://acme.example")), "list_unsubscribe"),
        (with("list_unsubscribe", json!("https://acme.example/>\r\nBcc: x")), "list_unsubscribe"),
        (with("messages_per_second", json!(0)), "messages_per_second"),
    ] {
        assert_eq!(refused(settings.clone()), field, "{settings}");
    }
}

#[test]
fn secrets_are_there_and_long_enough() {
    let open = |settings: Value, secrets: ChannelSecrets| {
        provider().open_channel(&config(settings), &secrets).map(drop).map_err(|error| error.field)
    };
    let user = with("user", json!("acme"));
    assert_eq!(open(user.clone(), secrets("")), Err(PASSWORD.to_owned()));
    assert_eq!(open(user, secrets("p")), Ok(()));
    let plain = with("port", json!(465));
    assert_eq!(open(plain.clone(), ChannelSecrets::new()), Err(WEBHOOK_SECRET.to_owned()));
    let short = ChannelSecrets::from_iter([(WEBHOOK_SECRET, "short")]);
    assert_eq!(open(plain, short), Err(WEBHOOK_SECRET.to_owned()));
}

#[test]
fn in_the_open_only_where_the_operator_says() {
    let address = SocketAddr::from(([10, 0, 0, 5], 2525));
    let open = |provider: SmtpProvider, port: u16| {
        let settings = json!({
            "host": "10.0.0.5", "port": port, "security": "none", "from": "hello@acme.example"
        });
        provider
            .open_channel(&config(settings), &secrets(""))
            .map(drop)
            .map_err(|error| error.field)
    };
    assert_eq!(open(provider(), 2525), Err("host".to_owned()));
    assert_eq!(open(provider().allowing([address]), 2525), Ok(()));
    assert_eq!(open(provider().allowing([address]), 587), Err("host".to_owned()));
}
