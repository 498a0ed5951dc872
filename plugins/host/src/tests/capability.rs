//! Every capability, granted and denied. Guests answer with two digits (which case of the result, which
//! case of what is in it) and a text.

use std::sync::Arc;

use justping_core::model::{
    Capability, ChannelKind, Contact, ContactId, Grants, Identity, PluginLevel, PluginLineKind,
    PluginQuota,
};
use justping_core::port::store::ContactStore as _;
use justping_http::Policy;
use proptest::prelude::*;
use uuid::Uuid;
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::guest::tool;
use super::{Bench, business, caller, caller_of, moment};
use crate::{CallError, Caller, Limits, SandboxConfig};

fn import(interface: &str, function: &str, params: &str) -> String {
    format!(
        r#"(import "justping:plugin/{interface}@0.1.0" "{function}" (func $f (param {params})))"#
    )
}

/// What most results look like: a case, a case within, a text.
const REPORT: &str =
    "(call $report (call $byte (local.get $r)) (i32.load8_u offset=4 (local.get $r))
    (i32.load offset=8 (local.get $r)) (i32.load offset=12 (local.get $r)))";
/// The same where the first case holds a text right away.
const REPORT_TEXT: &str = "(if (result i32) (call $byte (local.get $r))
    (then (call $report (i32.const 1) (i32.load8_u offset=4 (local.get $r))
      (i32.load offset=8 (local.get $r)) (i32.load offset=12 (local.get $r))))
    (else (call $report (i32.const 0) (i32.const 0)
      (i32.load offset=4 (local.get $r)) (i32.load offset=8 (local.get $r)))))";
const ROOM: &str = "(local.set $r (call $alloc (i32.const 128)))";

fn kv_get() -> Vec<u8> {
    let call = format!("{ROOM} (call $f (local.get $ap) (local.get $al) (local.get $r)) {REPORT}");
    tool(&import("kv", "get", "i32 i32 i32"), &call)
}

/// Sets the key of its tool's name; its contact's length is the time to live, if it has one.
fn kv_set() -> Vec<u8> {
    let call = format!(
        "{ROOM} (call $f (local.get $tp) (local.get $tl) (local.get $ap) (local.get $al)
        (i32.ne (local.get $cl) (i32.const 0)) (i64.extend_i32_u (local.get $cl)) (local.get $r)) {REPORT}"
    );
    tool(&import("kv", "set", "i32 i32 i32 i32 i32 i64 i32"), &call)
}

#[tokio::test]
async fn values_are_kept_by_business_and_plugin() {
    let bench = Bench::new().await;
    let (get, set) = (bench.load(kv_get()).await, bench.load(kv_set()).await);
    let kv = [Capability::Kv];
    assert_eq!(bench.told(&set, caller(&kv), ["", "k", "one"]).await.unwrap(), "00:");
    assert_eq!(bench.told(&get, caller(&kv), ["", "", "k"]).await.unwrap(), "01:one");
    for (of, by) in [(2, 1), (1, 2)] {
        let told = bench.told(&get, caller_of(of, by, &kv), ["", "", "k"]).await;
        assert!(told.unwrap().starts_with("00:"), "{of} {by}");
        let who = caller_of(of, by, &kv);
        assert_eq!(bench.told(&set, who, ["", "k", "other"]).await.unwrap(), "00:");
    }
    assert_eq!(bench.told(&get, caller(&kv), ["", "", "k"]).await.unwrap(), "01:one");
}

#[tokio::test]
async fn values_end_and_quotas_hold() {
    let bench = Bench::new().await;
    let (get, set) = (bench.load(kv_get()).await, bench.load(kv_set()).await);
    let kv = caller(&[Capability::Kv]);
    assert_eq!(bench.told(&set, kv.clone(), ["12345", "k", "one"]).await.unwrap(), "00:");
    bench.clock.advance(jiff::SignedDuration::from_millis(4));
    assert_eq!(bench.told(&get, kv.clone(), ["", "", "k"]).await.unwrap(), "01:one");
    bench.clock.advance(jiff::SignedDuration::from_millis(1));
    assert!(bench.told(&get, kv.clone(), ["", "", "k"]).await.unwrap().starts_with("00:"));
    let few = Caller { quota: PluginQuota { keys: 1, bytes: 10 }, ..kv.clone() };
    assert_eq!(bench.told(&set, few.clone(), ["", "a", "123456789"]).await.unwrap(), "00:");
    assert!(
        bench.told(&set, few.clone(), ["", "a", "1234567890"]).await.unwrap().starts_with("11:")
    );
    assert!(bench.told(&set, few, ["", "b", "1"]).await.unwrap().starts_with("11:"));
    let long = "k".repeat(257);
    for key in ["", "a\0b", &long] {
        let told = bench.told(&set, kv.clone(), ["", key, "v"]).await.unwrap();
        assert!(told.starts_with("12:"), "{told}");
    }
    assert!(bench.told(&set, kv, ["", "k", ""]).await.unwrap().starts_with("12:"));
}

#[tokio::test]
async fn numbers_are_counted_and_keys_listed() {
    let bench = Bench::new().await;
    let kv = caller(&[Capability::Kv]);
    let add = format!(
        "{ROOM} (call $f (local.get $ap) (local.get $al) (i64.extend_i32_u (local.get $tl)) (local.get $r))
        (call $report (call $byte (local.get $r)) (i32.load8_u offset=8 (local.get $r)) (i32.const 0) (i32.const 0))"
    );
    let add = bench.load(tool(&import("kv", "increment", "i32 i32 i64 i32"), &add)).await;
    assert_eq!(bench.told(&add, kv.clone(), ["", "123", "n"]).await.unwrap(), "03:");
    assert_eq!(bench.told(&add, kv.clone(), ["", "1234", "n"]).await.unwrap(), "07:");
    let (get, set) = (bench.load(kv_get()).await, bench.load(kv_set()).await);
    assert_eq!(bench.told(&get, kv.clone(), ["", "", "n"]).await.unwrap(), "01:7");
    bench.told(&set, kv.clone(), ["", "word", "x"]).await.unwrap();
    assert_eq!(bench.told(&add, kv.clone(), ["", "1", "word"]).await.unwrap(), "12:");
    // Says how many keys there are, and the first.
    let keys = format!(
        "{ROOM} (call $f (local.get $ap) (local.get $al) (i32.ne (local.get $tl) (i32.const 0))
          (local.get $tp) (local.get $tl) (i32.const 10) (local.get $r))
        (local.set $i (i32.load offset=4 (local.get $r)))
        (if (result i32) (i32.or (call $byte (local.get $r)) (i32.eqz (i32.load offset=8 (local.get $r))))
          (then (call $report (call $byte (local.get $r)) (i32.const 0) (i32.const 0) (i32.const 0)))
          (else (call $report (i32.const 0) (i32.load offset=8 (local.get $r))
            (i32.load (local.get $i)) (i32.load offset=4 (local.get $i)))))"
    );
    let import_keys = import("kv", "keys", "i32 i32 i32 i32 i32 i32 i32");
    let keys = bench.load(tool(&import_keys, &keys)).await;
    assert_eq!(bench.told(&keys, kv.clone(), ["", "", ""]).await.unwrap(), "02:n");
    assert_eq!(bench.told(&keys, kv.clone(), ["", "n", ""]).await.unwrap(), "01:word");
    assert_eq!(bench.told(&keys, kv.clone(), ["", "", "z"]).await.unwrap(), "00:");
    let gone = format!("{ROOM} (call $f (local.get $ap) (local.get $al) (local.get $r)) {REPORT}");
    let gone = bench.load(tool(&import("kv", "delete", "i32 i32 i32"), &gone)).await;
    assert!(bench.told(&gone, kv.clone(), ["", "", "n"]).await.unwrap().starts_with("00"));
    assert_eq!(bench.told(&keys, kv, ["", "", ""]).await.unwrap(), "01:word");
}

#[tokio::test]
async fn what_is_not_granted_is_denied_and_noted_once_a_call() {
    let bench = Bench::new().await;
    let twice = format!(
        "{ROOM} (call $f (local.get $ap) (local.get $al) (local.get $r))
        (call $f (local.get $ap) (local.get $al) (local.get $r)) {REPORT}"
    );
    let code = bench.load(tool(&import("kv", "get", "i32 i32 i32"), &twice)).await;
    assert!(!code.is_pure());
    assert_eq!(code.imports().iter().collect::<Vec<_>>(), [&Capability::Kv]);
    let called = bench.ask(&code, caller(&[Capability::Http]), ["", "", "k"]).await;
    assert!(called.result.unwrap().starts_with("10:"));
    assert_eq!(called.meter.host_calls, 2);
    let [line] = called.meter.lines.as_slice() else { panic!("{:?}", called.meter.lines) };
    assert_eq!((line.kind, line.level), (PluginLineKind::Denied, PluginLevel::Warn));
    assert_eq!(line.text, "kv is not granted");
    assert_eq!(bench.lines().await.as_slice(), std::slice::from_ref(line));
}

#[tokio::test]
async fn lines_are_bounded_and_clean() {
    let bench = Bench::new().await;
    // As many lines as the tool's name is long.
    let log = "(block $done (loop $more
        (br_if $done (i32.ge_u (local.get $i) (local.get $tl)))
        (call $f (i32.const 2) (local.get $ap) (local.get $al))
        (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $more)))
        (call $ok (local.get $ap) (i32.const 0))";
    let code = bench.load(tool(&import("log", "write", "i32 i32 i32"), log)).await;
    assert!(code.is_pure());
    let text = format!("a\nb{}", "ü".repeat(2_000));
    let called = bench.ask(&code, caller(&[]), ["", &"x".repeat(70), &text]).await;
    assert_eq!(called.meter.lines.len(), 64);
    assert_eq!(called.meter.lines_lost, 6);
    let line = &called.meter.lines[0];
    assert_eq!((line.kind, line.level), (PluginLineKind::Log, PluginLevel::Warn));
    assert!(line.text.starts_with("a\\nbü") && line.text.len() <= 1024);
    assert_eq!(bench.lines().await.len(), 64);
}

#[tokio::test]
async fn the_configuration_is_told() {
    let bench = Bench::new().await;
    let get = format!(
        "{ROOM} (call $f (local.get $r)) (call $ok (i32.load (local.get $r)) (i32.load offset=4 (local.get $r)))"
    );
    let code = bench.load(tool(&import("config", "get", "i32"), &get)).await;
    assert!(code.is_pure());
    let told = bench.told(&code, caller(&[]), ["", "", ""]).await.unwrap();
    assert_eq!(told, r#"{"greeting":"hello"}"#);
}

#[tokio::test]
async fn time_stands_still_without_the_grant() {
    let bench = Bench::new().await;
    let import = r#"(import "justping:plugin/clock@0.1.0" "now" (func $f (result i64)))"#;
    let code = bench.load(tool(import, "(call $dec (call $f))")).await;
    bench.clock.advance(jiff::SignedDuration::from_secs(5));
    let told = bench.told(&code, caller(&[]), ["", "", ""]).await.unwrap();
    assert_eq!(told, moment().as_millisecond().to_string());
    let told = bench.told(&code, caller(&[Capability::Clock]), ["", "", ""]).await.unwrap();
    assert_eq!(told, (moment().as_millisecond() + 5_000).to_string());
}

#[tokio::test]
async fn the_same_call_draws_the_same_bytes() {
    let bench = Bench::new().await;
    let draw = format!(
        "{ROOM} (call $f (i32.const 40) (local.get $r))
        (call $ok (call $hex (i32.load (local.get $r)) (i32.load offset=4 (local.get $r))) (i32.const 80))"
    );
    let code = bench.load(tool(&import("random", "bytes", "i32 i32"), &draw)).await;
    let random = [Capability::Random];
    let first = bench.told(&code, caller(&random), ["", "", ""]).await.unwrap();
    assert_eq!(first.len(), 80);
    assert_eq!(bench.told(&code, caller(&random), ["", "", ""]).await.unwrap(), first);
    let other = Caller { call_id: "call-2".to_owned(), ..caller(&random) };
    for who in [other, caller_of(2, 1, &random), caller_of(1, 2, &random)] {
        assert_ne!(bench.told(&code, who, ["", "", ""]).await.unwrap(), first);
    }
    let denied = bench.told(&code, caller(&[]), ["", "", ""]).await.unwrap_err();
    assert!(matches!(denied, CallError::Denied(Capability::Random)));
}

pub(super) fn with_hosts(caller: Caller, hosts: &[&str]) -> Caller {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    let grants = Grants { hosts, ..(*caller.grants).clone() };
    Caller { grants: Arc::new(grants), ..caller }
}

fn with_secrets(caller: Caller, names: &[&str]) -> Caller {
    let secrets = names.iter().map(|name| (*name).to_owned()).collect();
    let grants = Grants { secrets, ..(*caller.grants).clone() };
    Caller { grants: Arc::new(grants), ..caller }
}

/// Asks the address of its tool's name with its arguments as a body, and a header with the secret that
/// its contact names. Answers `0<status/100>:<body>` or `1<error>:`.
pub(super) fn http_guest() -> Vec<u8> {
    let call = format!(
        r#"(local.set $i (call $alloc (i32.const 28)))
        (i32.store (local.get $i) (i32.const 1000)) (i32.store offset=4 (local.get $i) (i32.const 13))
        (i32.store8 offset=8 (local.get $i) (i32.const 1))
        (i32.store offset=12 (local.get $i) (local.get $cp)) (i32.store offset=16 (local.get $i) (local.get $cl))
        (i32.store offset=20 (local.get $i) (i32.const 1020)) (i32.store offset=24 (local.get $i) (i32.const 7))
        {ROOM}
        (call $f (i32.const 2) (local.get $tp) (local.get $tl)
          (local.get $i) (i32.ne (local.get $cl) (i32.const 0))
          (i32.ne (local.get $al) (i32.const 0)) (local.get $ap) (local.get $al)
          (i32.const 0) (i32.const 0) (local.get $r))
        (if (result i32) (call $byte (local.get $r))
          (then (if (result i32) (i32.or (i32.eq (i32.load8_u offset=4 (local.get $r)) (i32.const 2))
                                         (i32.eq (i32.load8_u offset=4 (local.get $r)) (i32.const 3)))
            (then (call $report (i32.const 1) (i32.load8_u offset=4 (local.get $r)) (i32.const 0) (i32.const 0)))
            (else {REPORT})))
          (else (call $report (i32.const 0)
            (i32.div_u (i32.load16_u offset=4 (local.get $r)) (i32.const 100))
            (i32.load offset=16 (local.get $r)) (i32.load offset=20 (local.get $r)))))"#
    );
    let import = import("http", "send", "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32");
    let module = super::guest::tool_module(&import, &call).replacen(
        "(global $next",
        r#"(data (i32.const 1000) "authorization") (data (i32.const 1020) "Bearer ") (global $next"#,
        1,
    );
    super::guest::component(&["tools"], &module)
}

async fn web() -> (MockServer, Bench) {
    let server = MockServer::start().await;
    let policy = Policy { except: vec![*server.address()], ..Policy::default() };
    let bench = Bench::with(SandboxConfig::default(), policy).await;
    (server, bench)
}

#[tokio::test]
async fn a_granted_host_is_asked_and_secrets_are_put_in() {
    let (server, bench) = web().await;
    Mock::given(path("/orders"))
        .and(header("authorization", "Bearer s3cret-token"))
        .respond_with(ResponseTemplate::new(201).set_body_string("saw s3cret-token here"))
        .mount(&server)
        .await;
    let code = bench.load(http_guest()).await;
    let both = caller(&[Capability::Http, Capability::Secrets]);
    let who = with_secrets(with_hosts(both, &[&server.uri()]), &["token", "empty", "absent"]);
    let url = format!("{}/orders", server.uri());
    // A server that repeats the secret does not give it to the plugin.
    let told = bench.told(&code, who.clone(), ["token", &url, "body"]).await.unwrap();
    assert_eq!(told, "02:saw [secret] here");
    for name in ["empty", "absent", "unnamed"] {
        let told = bench.told(&code, who.clone(), [name, &url, ""]).await.unwrap();
        assert!(told.starts_with("10:"), "{name}: {told}");
    }
    let only_http =
        with_secrets(with_hosts(caller(&[Capability::Http]), &[&server.uri()]), &["token"]);
    let told = bench.told(&code, only_http, ["token", &url, ""]).await.unwrap();
    assert_eq!(told, "10:secrets is not granted");
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn other_hosts_and_the_inside_are_denied() {
    let (server, bench) = web().await;
    let redirect = |to: &str| ResponseTemplate::new(302).insert_header("location", to);
    Mock::given(path("/out")).respond_with(redirect("https://example.com/")).mount(&server).await;
    let inside = redirect("http://169.254.169.254/");
    Mock::given(path("/in")).respond_with(inside).mount(&server).await;
    let code = bench.load(http_guest()).await;
    let hosts = [&server.uri(), "http://127.0.0.1", "http://localhost", "http://169.254.169.254"];
    let who = with_hosts(caller(&[Capability::Http]), &hosts);
    let uri = server.uri();
    let denied = [
        "https://example.com/".to_owned(),
        uri.replace("http://", "https://"),
        uri.replace("127.0.0.1", "127.0.0.1.nip.io"),
        "http://127.0.0.1/".to_owned(),
        "http://2130706433/".to_owned(),
        "http://localhost/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        format!("{uri}/out"),
        format!("{uri}/in"),
    ];
    for url in denied {
        let called = bench.ask(&code, who.clone(), ["", &url, ""]).await;
        assert!(called.result.as_ref().unwrap().starts_with("10:"), "{url}: {:?}", called.result);
        assert_eq!(called.meter.lines.len(), 1, "{url}");
        assert_eq!(called.meter.lines[0].kind, PluginLineKind::Denied);
    }
    for url in ["", "nonsense", "file:///etc/passwd", "http://a:b@example.com/", "gopher://x/"] {
        let told = bench.told(&code, who.clone(), ["", url, ""]).await.unwrap();
        assert!(told.starts_with("11:"), "{url}: {told}");
    }
    let told = bench.told(&code, caller(&[]), ["", &server.uri(), ""]).await.unwrap();
    assert_eq!(told, "10:http is not granted");
}

#[tokio::test]
async fn answers_and_failures_are_told() {
    let (server, bench) = web().await;
    Mock::given(path("/huge"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(vec![b'x'; 300 * 1024]))
        .mount(&server)
        .await;
    let code = bench.load(http_guest()).await;
    let who = with_hosts(caller(&[Capability::Http]), &[&server.uri()]);
    let ask = |path: &str| format!("{}{path}", server.uri());
    assert_eq!(bench.told(&code, who.clone(), ["", &ask("/huge"), ""]).await.unwrap(), "13:");
    assert_eq!(bench.told(&code, who.clone(), ["", &ask("/no"), ""]).await.unwrap(), "04:");
    let address = *server.address();
    drop(server);
    let told = bench.told(&code, who, ["", &format!("http://{address}/"), ""]).await.unwrap();
    // Servers of tests are pooled: the address may be open still.
    assert!(told.starts_with("14:") || told.starts_with("04:"), "{told}");
}

#[tokio::test]
async fn secrets_sign_and_verify_and_are_not_read() {
    let (_server, bench) = web().await;
    let secrets = caller(&[Capability::Secrets]);
    let who = with_secrets(secrets, &["token", "absent"]);
    let has = format!(
        "{ROOM} (call $f (local.get $ap) (local.get $al) (local.get $r))
        (call $report (call $byte (local.get $r)) (i32.load8_u offset=4 (local.get $r)) (i32.const 0) (i32.const 0))"
    );
    let has = bench.load(tool(&import("secrets", "has", "i32 i32 i32"), &has)).await;
    assert_eq!(bench.told(&has, who.clone(), ["", "", "token"]).await.unwrap(), "01:");
    assert_eq!(bench.told(&has, who.clone(), ["", "", "absent"]).await.unwrap(), "00:");
    assert_eq!(bench.told(&has, who.clone(), ["", "", "other"]).await.unwrap(), "00:");
    assert_eq!(bench.told(&has, caller(&[]), ["", "", "token"]).await.unwrap(), "10:");
    let hmac = format!(
        "{ROOM} (call $f (local.get $tp) (local.get $tl) (local.get $ap) (local.get $al) (local.get $r))
        (if (result i32) (call $byte (local.get $r)) (then {REPORT}) (else
        (call $ok (call $hex (i32.load offset=4 (local.get $r)) (i32.const 32)) (i32.const 64))))"
    );
    let hmac =
        bench.load(tool(&import("secrets", "hmac-sha256", "i32 i32 i32 i32 i32"), &hmac)).await;
    let told = bench.told(&hmac, who.clone(), ["", "token", "data"]).await.unwrap();
    let mut mac = crate::mac::keyed(b"s3cret-token");
    hmac::Mac::update(&mut mac, b"data");
    let expected: Vec<u8> = hmac::Mac::finalize(mac).into_bytes().to_vec();
    let hex: String = expected.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(told, hex);
    let told = bench.told(&hmac, who.clone(), ["", "absent", "data"]).await.unwrap();
    assert!(told.starts_with("11:"), "{told}");
    // Signs its arguments and verifies the signature, of which the tool's length says a byte to spoil.
    let verify = r#"(local.set $r (call $alloc (i32.const 64)))
        (call $f (i32.const 1000) (i32.const 5) (local.get $ap) (local.get $al) (local.get $r))
        (local.set $i (i32.load offset=4 (local.get $r)))
        (if (local.get $tl) (then (i32.store8 (local.get $i) (i32.xor (call $byte (local.get $i)) (i32.const 1)))))
        (call $g (i32.const 1000) (i32.const 5) (local.get $ap) (local.get $al) (local.get $i) (i32.const 32) (local.get $r))
        (call $report (call $byte (local.get $r)) (i32.load8_u offset=4 (local.get $r)) (i32.const 0) (i32.const 0))"#;
    let imports = format!(
        r#"{} (import "justping:plugin/secrets@0.1.0" "verify-hmac-sha256"
            (func $g (param i32 i32 i32 i32 i32 i32 i32)))"#,
        import("secrets", "hmac-sha256", "i32 i32 i32 i32 i32")
    );
    let module = super::guest::tool_module(&imports, verify).replacen(
        "(global $next",
        r#"(data (i32.const 1000) "token") (global $next"#,
        1,
    );
    let verify = bench.load(super::guest::component(&["tools"], &module)).await;
    assert_eq!(bench.told(&verify, who.clone(), ["", "", "data"]).await.unwrap(), "01:");
    assert_eq!(bench.told(&verify, who, ["", "spoil", "data"]).await.unwrap(), "00:");
}

fn contact(of: u128, number: u128) -> Contact {
    let id = ContactId::from_uuid(Uuid::from_u128(number));
    Contact {
        name: Some(format!("contact {number}")),
        identities: vec![Identity::new(
            ChannelKind::from("sms".to_owned()),
            format!("+49{number}"),
        )],
        fields: [("tier".to_owned(), "gold".into())].into(),
        ..Contact::new(id, business(of), moment())
    }
}

#[tokio::test]
async fn contacts_are_read_in_ones_own_business() {
    let bench = Bench::new().await;
    let (own, foreign) = (contact(1, 11), contact(2, 22));
    bench.store.create_contact(&own).await.unwrap();
    bench.store.create_contact(&foreign).await.unwrap();
    // Says the custom fields of whom it found.
    let report = "(if (result i32) (call $byte (local.get $r)) (then (call $report (i32.const 1)
          (i32.load8_u offset=4 (local.get $r)) (i32.const 0) (i32.const 0)))
        (else (call $report (i32.const 0) (i32.load8_u offset=4 (local.get $r))
          (i32.load offset=52 (local.get $r)) (i32.load offset=56 (local.get $r)))))";
    let get = format!("{ROOM} (call $f (local.get $ap) (local.get $al) (local.get $r)) {report}");
    let get = bench.load(tool(&import("contacts", "get", "i32 i32 i32"), &get)).await;
    let find = format!(
        "{ROOM} (call $f (local.get $tp) (local.get $tl) (local.get $ap) (local.get $al) (local.get $r)) {report}"
    );
    let find = bench.load(tool(&import("contacts", "find", "i32 i32 i32 i32 i32"), &find)).await;
    let who = caller(&[Capability::Contacts]);
    let id = own.id.to_string();
    let told = bench.told(&get, who.clone(), ["", "", &id]).await.unwrap();
    assert_eq!(told, r#"01:{"tier":"gold"}"#);
    let foreign = foreign.id.to_string();
    assert_eq!(bench.told(&get, who.clone(), ["", "", &foreign]).await.unwrap(), "00:");
    assert_eq!(bench.told(&get, who.clone(), ["", "", "con_x"]).await.unwrap(), "11:");
    assert_eq!(bench.told(&get, caller(&[]), ["", "", &id]).await.unwrap(), "10:");
    let told = bench.told(&find, who.clone(), ["", "sms", "+4911"]).await.unwrap();
    assert_eq!(told, r#"01:{"tier":"gold"}"#);
    assert_eq!(bench.told(&find, who.clone(), ["", "sms", "+4922"]).await.unwrap(), "00:");
    assert_eq!(bench.told(&find, who.clone(), ["", "", ""]).await.unwrap(), "11:");
    assert_eq!(bench.told(&find, caller(&[]), ["", "sms", "+4911"]).await.unwrap(), "10:");
}

#[tokio::test]
async fn contacts_are_changed_with_a_grant_of_its_own() {
    let bench = Bench::new().await;
    let (own, foreign) = (contact(1, 11), contact(2, 22));
    bench.store.create_contact(&own).await.unwrap();
    bench.store.create_contact(&foreign).await.unwrap();
    let update = format!(
        "{ROOM} (call $f (local.get $tp) (local.get $tl) (local.get $ap) (local.get $al) (local.get $r))
        (call $report (call $byte (local.get $r)) (i32.load8_u offset=4 (local.get $r)) (i32.const 0) (i32.const 0))"
    );
    let update = tool(&import("contacts-write", "update", "i32 i32 i32 i32 i32"), &update);
    let update = bench.load(update).await;
    assert_eq!(update.imports().iter().collect::<Vec<_>>(), [&Capability::ContactsWrite]);
    let who = caller(&[Capability::ContactsWrite]);
    let id = own.id.to_string();
    let patch = r#"{"name":"Ann","add_tags":["vip"],"fields":{"tier":null}}"#;
    assert_eq!(bench.told(&update, who.clone(), ["", &id, patch]).await.unwrap(), "00:");
    let changed = bench.store.contact(business(1), own.id).await.unwrap();
    assert_eq!((changed.name.as_deref(), changed.fields.len()), (Some("Ann"), 0));
    let bad = [
        "",
        "[]",
        r#"{"x":1}"#,
        r#"{"name":" "}"#,
        r#"{"time_zone":"Mars"}"#,
        r#"{"suppress":["sms"]}"#,
    ];
    for patch in bad {
        assert_eq!(
            bench.told(&update, who.clone(), ["", &id, patch]).await.unwrap(),
            "11:",
            "{patch}"
        );
    }
    let deep = format!(r#"{{"fields":{{"a":{}{}}}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(bench.told(&update, who.clone(), ["", &id, &deep]).await.unwrap(), "11:");
    let other = foreign.id.to_string();
    assert_eq!(bench.told(&update, who, ["", &other, patch]).await.unwrap(), "11:");
    let reader = caller(&[Capability::Contacts]);
    assert_eq!(bench.told(&update, reader, ["", &id, patch]).await.unwrap(), "10:");
    let same = bench.store.contact(business(2), foreign.id).await.unwrap();
    assert_eq!(same.name, foreign.name);
}

#[tokio::test]
async fn messages_are_sent_once_a_key() {
    let bench = Bench::new().await;
    let send = format!(
        "{ROOM} (call $f (local.get $cp) (local.get $cl) (local.get $ap) (local.get $al)
          (local.get $tp) (local.get $tl) (local.get $r)) {REPORT_TEXT}"
    );
    let send = tool(&import("messaging", "send", "i32 i32 i32 i32 i32 i32 i32"), &send);
    let send = bench.load(send).await;
    let who = caller(&[Capability::Messaging]);
    let conversation =
        justping_core::model::ConversationId::from_uuid(Uuid::from_u128(5)).to_string();
    let text = r#"{"type":"text","text":"hi"}"#;
    let first = bench.told(&send, who.clone(), [&conversation, "k1", text]).await.unwrap();
    assert!(first.starts_with("00:msg_"), "{first}");
    assert_eq!(bench.told(&send, who.clone(), [&conversation, "k1", text]).await.unwrap(), first);
    assert_eq!(bench.messenger.sent.lock().unwrap().len(), 1);
    let told = bench.told(&send, who.clone(), [&conversation, "refuse", text]).await.unwrap();
    assert_eq!(told, "12:opted out");
    let bad = [r#"{"type":"text","text":" "}"#, r#"{"type":"system","text":"x"}"#, "null", "{"];
    for content in bad {
        let told = bench.told(&send, who.clone(), [&conversation, "k2", content]).await.unwrap();
        assert!(told.starts_with("11:"), "{content}: {told}");
    }
    let long = "k".repeat(257);
    for (conversation, key) in [("con_1", "k"), (conversation.as_str(), ""), (&conversation, &long)]
    {
        let told = bench.told(&send, who.clone(), [conversation, key, text]).await.unwrap();
        assert!(told.starts_with("11:"), "{told}");
    }
    let told = bench.told(&send, caller(&[]), [&conversation, "k3", text]).await.unwrap();
    assert!(told.starts_with("10:"), "{told}");
    assert_eq!(bench.messenger.sent.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn host_calls_are_counted_by_kind() {
    let flood = format!(
        "{ROOM} (loop $more (call $f (local.get $ap) (local.get $al) (local.get $r)) (br $more)) (unreachable)"
    );
    let limits = Limits { cpu: std::time::Duration::from_secs(5), ..Limits::default() };
    let config = SandboxConfig { limits, ..SandboxConfig::default() };
    let bench = Bench::with(config, Policy::default()).await;
    let code = bench.load(tool(&import("kv", "get", "i32 i32 i32"), &flood)).await;
    let who =
        Caller { limits: Arc::new(bench.sandbox.limits().clone()), ..caller(&[Capability::Kv]) };
    let called = bench.ask(&code, who, ["", "", "k"]).await;
    let error = called.result.unwrap_err();
    assert!(
        matches!(error, CallError::HostCalls { capability: Capability::Kv, max: 100 }),
        "{error}"
    );
    assert_eq!(called.meter.host_calls, 101);
}

/// Calls every host function with its arguments, a number of times: keys, texts and JSON alike are what
/// somebody made up.
fn everything() -> Vec<u8> {
    let imports = [
        ("log", "write", "i32 i32 i32"),
        ("kv", "get", "i32 i32 i32"),
        ("kv", "set", "i32 i32 i32 i32 i32 i64 i32"),
        ("kv", "increment", "i32 i32 i64 i32"),
        ("kv", "delete", "i32 i32 i32"),
        ("kv", "keys", "i32 i32 i32 i32 i32 i32 i32"),
        ("secrets", "has", "i32 i32 i32"),
        ("secrets", "hmac-sha256", "i32 i32 i32 i32 i32"),
        ("contacts", "get", "i32 i32 i32"),
        ("contacts", "find", "i32 i32 i32 i32 i32"),
        ("contacts-write", "update", "i32 i32 i32 i32 i32"),
        ("messaging", "send", "i32 i32 i32 i32 i32 i32 i32"),
        ("http", "send", "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32"),
    ];
    let declared: String = imports
        .iter()
        .enumerate()
        .map(|(at, (interface, function, params))| {
            import(interface, function, params).replace("$f", &format!("$f{at}"))
        })
        .collect();
    let call = "(local.set $r (call $alloc (i32.const 128)))
        (call $f0 (i32.const 1) (local.get $ap) (local.get $al))
        (call $f1 (local.get $ap) (local.get $al) (local.get $r))
        (call $f2 (local.get $ap) (local.get $al) (local.get $tp) (local.get $tl)
          (i32.const 1) (local.get $now) (local.get $r))
        (call $f3 (local.get $ap) (local.get $al) (local.get $now) (local.get $r))
        (call $f4 (local.get $ap) (local.get $al) (local.get $r))
        (call $f5 (local.get $ap) (local.get $al) (i32.const 1) (local.get $tp) (local.get $tl)
          (i32.const -1) (local.get $r))
        (call $f6 (local.get $ap) (local.get $al) (local.get $r))
        (call $f7 (local.get $ap) (local.get $al) (local.get $tp) (local.get $tl) (local.get $r))
        (call $f8 (local.get $ap) (local.get $al) (local.get $r))
        (call $f9 (local.get $ap) (local.get $al) (local.get $tp) (local.get $tl) (local.get $r))
        (call $f10 (local.get $tp) (local.get $tl) (local.get $ap) (local.get $al) (local.get $r))
        (call $f11 (local.get $cp) (local.get $cl) (local.get $ap) (local.get $al)
          (local.get $tp) (local.get $tl) (local.get $r))
        (call $f12 (i32.const 0) (local.get $ap) (local.get $al) (i32.const 0) (i32.const 0)
          (i32.const 1) (local.get $tp) (local.get $tl) (i32.const 1) (i32.const 5) (local.get $r))
        (call $ok (local.get $ap) (local.get $al))";
    tool(&declared, call)
}

/// Texts that somebody may try: of all kinds, and those that nearly mean something.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<String>(),
        2 => "(con|conv|msg)_[0-9a-z]{20,30}",
        2 => r#"\{"(name|fields|add_tags|type|text|opt_in|time_zone)":("[a-z ]{0,5}"|\[\]|\{\}|null|1)\}"#,
        1 => "https?://[a-z0-9.@:/\\[\\]%]{0,30}",
        1 => "(\\.\\./|%00|\0|'|\"|;|--){1,10}",
        1 => proptest::string::string_regex("[\\[{]{100,3000}").unwrap(),
        1 => Just("x".repeat(70_000)),
    ]
}

struct Tried {
    runtime: tokio::runtime::Runtime,
    bench: Bench,
    code: Arc<crate::Code>,
}

static TRIED: std::sync::LazyLock<Tried> = std::sync::LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::new());
    let code = runtime.block_on(bench.load(everything()));
    Tried { runtime, bench, code }
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever a guest asks for, it is answered: the platform neither breaks nor ends the call.
    #[test]
    fn no_words_break_a_host_function(one in text(), two in text(), three in text(), is_granted: bool) {
        let tried = &*TRIED;
        let granted = if is_granted { Capability::ALL.to_vec() } else { Vec::new() };
        let who = with_secrets(with_hosts(caller(&granted), &["http://127.0.0.1:1"]), &["token"]);
        // What is said in a debug build takes longer than a call has.
        let called = tried.runtime.block_on(tried.bench.ask(&tried.code, who, [&one, &two, &three]));
        match called.result {
            Ok(told) => prop_assert_eq!(told, three),
            Err(CallError::Cpu { .. }) => {}
            Err(error) => prop_assert!(false, "{}", error),
        }
        prop_assert!(called.meter.lines.len() <= 64 + Capability::ALL.len() + 1);
    }
}
