use std::sync::LazyLock;

use super::super::{
    ACCESS_TOKEN, APP_SECRET, CAPABILITIES, PROVIDER, VERIFY_TOKEN, WhatsAppProvider,
};
use super::{PHONE_NUMBER_ID, SECRET, channel_with, config, secrets};
use justping_core::model::{ChannelKind, ChannelSecrets};
use justping_core::port::{Channel, ChannelProvider, Rate};
use serde_json::{Value, json};

fn fault(settings: Value, secrets: &ChannelSecrets) -> String {
    static PROVIDER: LazyLock<WhatsAppProvider> = LazyLock::new(WhatsAppProvider::new);
    PROVIDER.open(&config(settings), secrets).unwrap_err().field
}

fn with(name: &str, value: Value) -> Value {
    let mut settings = json!({ "phone_number_id": PHONE_NUMBER_ID });
    settings[name] = value;
    settings
}

#[test]
fn each_secret_is_needed() {
    let all = [(ACCESS_TOKEN, "a"), (APP_SECRET, "b"), (VERIFY_TOKEN, "c")];
    for missing in [ACCESS_TOKEN, APP_SECRET, VERIFY_TOKEN] {
        let rest: ChannelSecrets = all.into_iter().filter(|(name, _)| *name != missing).collect();
        assert_eq!(fault(with("link_preview", json!(true)), &rest), missing);
        let blank = all.map(|(name, value)| (name, if name == missing { " " } else { value }));
        assert_eq!(fault(with("link_preview", json!(true)), &blank.into_iter().collect()), missing);
    }
    let broken = [(ACCESS_TOKEN, "a\nb"), (APP_SECRET, "b"), (VERIFY_TOKEN, "c")];
    assert_eq!(
        fault(with("link_preview", json!(true)), &broken.into_iter().collect()),
        ACCESS_TOKEN
    );
}

#[test]
fn settings_are_checked() {
    let wrong = [
        ("phone_number_id", json!("")),
        ("phone_number_id", json!("12/../3")),
        ("phone_number_id", json!("1".repeat(33))),
        ("api_version", json!("23.0")),
        ("api_version", json!("v23")),
        ("api_version", json!("v23.0/..")),
        ("api_version", json!("v.1")),
        ("timeout_ms", json!(49)),
        ("timeout_ms", json!(120_001)),
        ("messages_per_second", json!(0)),
        ("messages_per_second", json!(1001)),
        ("base_url", json!("graph.facebook.com")),
        ("base_url", json!("ftp://graph.facebook.com")),
        ("base_url", json!("http://graph.facebook.com")),
        ("base_url", json!("http://10.0.0.1:8080")),
        ("base_url", json!("http://localhost.example.com")),
        ("base_url", json!("https://user:pw@graph.facebook.com")),
        ("base_url", json!("https://graph.facebook.com?a=1")),
        ("base_url", json!("https://graph.facebook.com/#a")),
        ("base_url", json!("data:text/plain,hi")),
    ];
    for (name, value) in wrong {
        assert_eq!(fault(with(name, value.clone()), &secrets()), name, "{value}");
    }
    assert_eq!(fault(with("phone_number", json!("1")), &secrets()), "settings");
    assert_eq!(fault(json!({}), &secrets()), "settings");
    assert_eq!(fault(json!(null), &secrets()), "settings");
}

#[test]
fn addresses_that_are_allowed() {
    for base in [
        "https://graph.facebook.com",
        "https://graph.facebook.com/",
        "http://localhost:4010",
        "http://127.0.0.1:4010/prefix/",
        "http://[::1]:4010",
    ] {
        let channel = channel_with(with("base_url", json!(base)));
        let url = channel.client.sender().messages.url().to_string();
        let base = base.trim_end_matches('/');
        assert_eq!(url, format!("{base}/v23.0/{PHONE_NUMBER_ID}/messages"));
    }
}

#[test]
fn a_provider_may_be_held_to_its_hosts() {
    let held = WhatsAppProvider::new().only_hosts(["graph.facebook.com"]);
    let open = |base: &str| held.open(&config(with("base_url", json!(base))), &secrets());
    assert!(open("https://graph.facebook.com").is_ok());
    assert_eq!(open("https://evil.example").unwrap_err().field, "base_url");
    assert_eq!(open("http://127.0.0.1:4010").unwrap_err().field, "base_url");
}

#[test]
fn capabilities_follow_the_settings() {
    let provider = WhatsAppProvider::new();
    assert_eq!((provider.name(), provider.kind()), (PROVIDER, ChannelKind::WHATSAPP));
    let channel = channel_with(with("messages_per_second", json!(1000)));
    assert_eq!(channel.capabilities().rate, Rate { per_second: 938, burst: 62 });
    assert_eq!(channel_with(with("timeout_ms", json!(50))).capabilities(), &CAPABILITIES);
}

#[test]
fn secrets_are_never_printed() {
    let printed = format!("{:?}", channel_with(with("link_preview", json!(true))));
    for secret in [SECRET, "EAAtoken", "open sesame"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
