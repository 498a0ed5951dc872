use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::SignedDuration;
use justping_core::memory::{ManualClock, MemoryStore};
use justping_core::model::{
    Business, BusinessId, Capability, ChannelSecrets, Grants, MessageId, PageRequest, Plugin,
    PluginId, PluginLine, PluginLineKind,
};
use justping_core::port::store::{BusinessStore as _, PluginDayFilter, PluginStore as _};
use justping_core::port::{Clock as _, Severity};
use justping_http::{OpenClient, Policy};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::*;
use crate::package::{PackageCode, PackageFinding, SecretKey, sign};
use crate::sandbox::ToolAsk;
use crate::testing::{Guest, archive, manifest, package};
use crate::{CallError, LineSink, Messenger, MessengerError, PluginMessage, Ports, SandboxConfig};

const OBJECT: &str = r#"{"type":"object"}"#;

#[derive(Debug)]
struct NoMessenger;

#[async_trait]
impl Messenger for NoMessenger {
    async fn send(&self, _: PluginMessage) -> Result<MessageId, MessengerError> {
        Err(MessengerError::Refused("nothing is sent here".to_owned()))
    }
}

/// A store, a clock that is moved by hand, and processes over them.
struct Bench {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    blobs: PackageBlobs,
    plugins: Plugins,
}

fn business(number: u128) -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(number))
}

fn id(number: u128) -> PluginId {
    PluginId::from_uuid(Uuid::from_u128(number))
}

impl Bench {
    async fn new() -> Self {
        Self::with(OperatorPolicy::default()).await
    }

    async fn with(policy: OperatorPolicy) -> Self {
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(ManualClock::new("2026-01-05T09:00:00Z".parse().unwrap()));
        for number in 1..=2 {
            let name = format!("business {number}");
            let business = Business { id: business(number), name, created_at: clock.now() };
            store.create_business(&business).await.unwrap();
        }
        let blobs = PackageBlobs::in_memory();
        let plugins = process(&store, &clock, &blobs, policy);
        Self { store, clock, blobs, plugins }
    }

    /// Another process over the same store and packages.
    fn another(&self) -> Plugins {
        process(&self.store, &self.clock, &self.blobs, OperatorPolicy::default())
    }

    async fn keep(&self, package: Bytes) -> Kept {
        self.plugins.keep(business(1), package).await.unwrap()
    }

    /// Installs a release, granted all that it asks for.
    async fn install(&self, kept: &Kept, number: u128) -> Plugin {
        let grants = kept.release.requested.clone();
        let new = NewPlugin { grants, ..new(number, &kept.release.digest) };
        self.plugins.install(business(1), new, "Ada").await.unwrap()
    }

    async fn lines(&self, plugin: PluginId, kind: PluginLineKind) -> Vec<PluginLine> {
        self.plugins.write().await.unwrap();
        let page = PageRequest { after: None, limit: 200 };
        self.store.plugin_lines(business(1), plugin, Some(kind), &page).await.unwrap().items
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }
}

fn process(
    store: &Arc<MemoryStore>,
    clock: &Arc<ManualClock>,
    blobs: &PackageBlobs,
    policy: OperatorPolicy,
) -> Plugins {
    let ports = Ports {
        plugins: Arc::clone(store) as _,
        contacts: Arc::clone(store) as _,
        http: OpenClient::new(Policy::default()),
        messenger: Arc::new(NoMessenger),
        clock: Arc::clone(clock) as _,
        lines: LineSink::start(Arc::clone(store) as _),
    };
    let sandbox = Sandbox::new(SandboxConfig::default(), ports).unwrap();
    Plugins::new(sandbox, blobs.clone(), PluginsConfig { policy, ..PluginsConfig::default() })
}

fn new(number: u128, digest: &str) -> NewPlugin {
    NewPlugin {
        id: id(number),
        digest: digest.to_owned(),
        enabled: true,
        grants: Grants::default(),
        config: Map::new(),
        secrets: ChannelSecrets::new(),
        fail_open: false,
    }
}

/// A package with a tool that answers with its arguments.
fn echo(version: &str) -> Bytes {
    let manifest = manifest("echo", version, r#""tools""#, "");
    package(&manifest, &Guest::new().tool("echo", OBJECT).build())
}

async fn told(
    plugins: &Plugins,
    installed: &Installed,
    arguments: &str,
) -> Result<String, UseError> {
    let ask =
        Ask { conversation_id: None, call_id: "call".to_owned(), now: installed.plugin.created_at };
    let tool = ToolAsk {
        contact_id: String::new(),
        tool: "echo".to_owned(),
        arguments: arguments.to_owned(),
    };
    let work = |sandbox: Sandbox, code, caller| async move {
        sandbox.call_tool(&code, caller, tool).await
    };
    plugins.call(installed, &ask, work).await
}

async fn refused(policy: OperatorPolicy, package: Bytes) -> Vec<PackageFinding> {
    match Bench::with(policy).await.plugins.verify(&package).await {
        Err(VerifyError::Refused(findings)) => findings,
        other => panic!("{other:?}"),
    }
}

fn errors(findings: &[PackageFinding]) -> Vec<(&'static str, &str)> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| (finding.code.name(), finding.at.as_str())).collect()
}

#[tokio::test]
async fn a_plugin_is_uploaded_installed_and_called() {
    let bench = Bench::new().await;
    let kept = bench.keep(echo("1.0.0")).await;
    assert!(kept.is_new);
    assert!(!bench.keep(echo("1.0.0")).await.is_new, "the same package is the same release");
    let plugin = bench.install(&kept, 1).await;
    let installed = bench.plugins.installed(business(1), "echo").await.unwrap();
    assert_eq!(installed.plugin, plugin);
    assert!(installed.inspection.pure);
    assert_eq!(installed.inspection.tools[0].name, "echo");
    assert_eq!(told(&bench.plugins, &installed, "{}").await.unwrap(), "{}");
    let elsewhere = bench.plugins.installed(business(2), "echo").await;
    assert!(matches!(elsewhere, Err(UseError::NotInstalled(_))), "{elsewhere:?}");
    let exporting = bench.plugins.exporting(business(1), Export::Tools).await.unwrap();
    assert_eq!(exporting.len(), 1);
    assert!(bench.plugins.exporting(business(1), Export::Nodes).await.unwrap().is_empty());
    let lines = bench.lines(plugin.id, PluginLineKind::Changed).await;
    assert_eq!(lines.len(), 1);
    assert!(lines[0].text.starts_with("Ada: installed echo 1.0.0 ("), "{}", lines[0].text);
    let again = bench.plugins.install(business(1), new(2, &kept.release.digest), "Ada").await;
    assert!(matches!(again, Err(ManageError::Store(StoreError::Conflict(_)))), "{again:?}");
    bench.plugins.remove(business(1), plugin.id, "Ada").await.unwrap();
    let gone = bench.plugins.installed(business(1), "echo").await;
    assert!(matches!(gone, Err(UseError::NotInstalled(_))));
}

#[tokio::test]
async fn what_a_component_is_must_be_what_its_manifest_says() {
    let guest = Guest::new().tool("echo", OBJECT).with_kv().with_clock().build();
    let asks = |names: &[&str]| {
        let ask = |name: &&str| format!("[[capabilities]]\nname = \"{name}\"\nreason = \"r\"\n");
        names.iter().map(ask).collect::<String>()
    };
    let of = |exports: &str, more: &str| package(&manifest("echo", "1.0.0", exports, more), &guest);
    let findings = refused(OperatorPolicy::default(), of(r#""nodes""#, &asks(&["kv"]))).await;
    let expected = [
        ("import_undeclared", "plugin.wasm"),
        ("export_missing", "plugin.wasm"),
        ("export_undeclared", "plugin.toml"),
    ];
    assert_eq!(errors(&findings), expected);
    let bench = Bench::new().await;
    let package = of(r#""tools""#, &asks(&["kv", "clock", "random"]));
    let verified = bench.plugins.verify(&package).await.unwrap();
    assert!(!verified.inspection.pure);
    let codes: Vec<_> = verified.inspection.findings.iter().map(|f| (f.severity, f.code)).collect();
    assert_eq!(codes, [(Severity::Warning, PackageCode::CapabilityUnused)]);
    assert_eq!(verified.inspection.component, verified.code.digest().to_string());
    let written = serde_json::to_value(&verified.inspection).unwrap();
    let read: crate::package::Inspection = serde_json::from_value(written).unwrap();
    assert_eq!(read, verified.inspection);
}

#[tokio::test]
async fn what_a_component_says_of_itself_must_make_sense() {
    let guest = Guest::new()
        .node("lookup", r#"{"type":"object","properties":1}"#, &["found", "error", "found"])
        .node("Look Up", OBJECT, &[])
        .tool("same", OBJECT)
        .tool("same", "no json")
        .filter("fil-ter")
        .build();
    let manifest = manifest("odd", "1.0.0", r#""nodes", "tools", "filters""#, "");
    let findings = refused(OperatorPolicy::default(), package(&manifest, &guest)).await;
    let all = errors(&findings);
    assert!(all.iter().all(|(code, _)| *code == "descriptor_invalid"), "{findings:#?}");
    let places: Vec<_> = all.iter().map(|(_, at)| *at).collect();
    for place in [
        "nodes/lookup/exits",
        "nodes/lookup/exits/error",
        "nodes/lookup/schema",
        "nodes/Look Up",
        "nodes/Look Up/exits",
        "tools",
        "tools/same/parameters",
        "filters/fil-ter",
    ] {
        assert!(places.contains(&place), "{place} is not among {places:?}");
    }
}

#[tokio::test]
async fn what_is_no_component_is_refused_with_its_reason() {
    let manifest = manifest("echo", "1.0.0", r#""tools""#, "");
    let wat = wat::parse_str("(module)").unwrap();
    for component in [Bytes::from_static(b"no wasm"), wat.into()] {
        let findings = refused(OperatorPolicy::default(), package(&manifest, &component)).await;
        assert_eq!(errors(&findings), [("component_invalid", "plugin.wasm")]);
    }
}

#[tokio::test]
async fn the_operator_says_who_signs_and_what_is_allowed() {
    let text = manifest(
        "echo",
        "1.0.0",
        r#""tools""#,
        "[[capabilities]]\nname = \"kv\"\nreason = \"r\"\n\
         [[capabilities]]\nname = \"http\"\nreason = \"r\"\nhosts = [\"https://a.example\"]\n",
    );
    let guest = Guest::new().tool("echo", OBJECT).with_kv().build();
    let unsigned = package(&text, &guest);
    let key = SecretKey::from_seed([5; 32]);
    let signed: Bytes = sign(&archive(&text, &guest), &key).write().unwrap().into();
    let with = |signers| OperatorPolicy { signers, ..OperatorPolicy::default() };
    for (signers, package, passes) in [
        (Signers::Anyone, &unsigned, true),
        (Signers::Somebody, &unsigned, false),
        (Signers::Somebody, &signed, true),
        (Signers::Only(vec![key.public()]), &signed, true),
        (Signers::Only(vec![SecretKey::from_seed([6; 32]).public()]), &signed, false),
        (Signers::Only(Vec::new()), &unsigned, false),
    ] {
        let verified = Bench::with(with(signers.clone())).await.plugins.verify(package).await;
        assert_eq!(verified.is_ok(), passes, "{signers:?}: {verified:?}");
    }
    let policy = OperatorPolicy {
        capabilities: [Capability::Http].into(),
        hosts: Some(["https://b.example".to_owned()].into()),
        ..OperatorPolicy::default()
    };
    let bench = Bench::with(policy).await;
    let kept = bench.keep(signed).await;
    assert_eq!(kept.release.signer, Some(key.public().to_string()));
    let all = NewPlugin { grants: kept.release.requested.clone(), ..new(1, &kept.release.digest) };
    let Err(ManageError::Fields(fields)) = bench.plugins.install(business(1), all, "Ada").await
    else {
        panic!("more was granted than is allowed")
    };
    let paths: Vec<_> = fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(paths, ["/grants/capabilities", "/grants/hosts"]);
    assert!(kept.release.inspection["findings"].to_string().contains("operator_denies"));
}

#[tokio::test]
async fn grants_configuration_and_secrets_are_within_what_the_release_asks_for() {
    let bench = Bench::new().await;
    let text = manifest(
        "echo",
        "1.0.0",
        r#""tools""#,
        "[config]\ntype = \"object\"\nproperties = { a = { type = \"integer\" } }\n",
    );
    let kept = bench.keep(package(&text, &Guest::new().tool("echo", OBJECT).build())).await;
    let digest = &kept.release.digest;
    let grants = Grants {
        capabilities: [Capability::Kv].into(),
        hosts: ["https://a.example".to_owned()].into(),
        secrets: ["token".to_owned()].into(),
    };
    let config: Map<String, Value> = json!({"a": "x"}).as_object().unwrap().clone();
    let secrets: ChannelSecrets = [("tok/en", "s")].into_iter().collect();
    let wrong = NewPlugin { grants, config, secrets, ..new(1, digest) };
    let Err(ManageError::Fields(fields)) = bench.plugins.install(business(1), wrong, "Ada").await
    else {
        panic!("it was installed")
    };
    let paths: Vec<_> = fields.iter().map(|field| field.path.as_str()).collect();
    let expected = [
        "/grants/capabilities",
        "/grants/hosts",
        "/grants/secrets",
        "/config/a",
        "/secrets/tok~1en",
    ];
    assert_eq!(paths, expected);
    let other = bench.plugins.install(business(2), new(1, digest), "Ada").await;
    assert!(matches!(other, Err(ManageError::Fields(_))), "a release is of one business");
    let plugin = bench.install(&kept, 1).await;
    let change = Change { config: json!({"a": 1.5}).as_object().cloned(), ..Change::default() };
    let changed = bench.plugins.change(business(1), plugin.id, change, "Ada").await;
    assert!(matches!(changed, Err(ManageError::Fields(_))));
    let stale = Change { enabled: Some(false), revision: Some(9), ..Change::default() };
    let changed = bench.plugins.change(business(1), plugin.id, stale, "Ada").await;
    assert!(matches!(changed, Err(ManageError::Store(StoreError::Stale(_)))));
    let off = Change { enabled: Some(false), revision: Some(1), ..Change::default() };
    bench.plugins.change(business(1), plugin.id, off, "Ada").await.unwrap();
    let found = bench.plugins.installed(business(1), "echo").await;
    assert!(matches!(found, Err(UseError::Disabled(_))));
    let lines = bench.lines(plugin.id, PluginLineKind::Changed).await;
    assert_eq!(lines[0].text, "Ada: switched off");
}

#[tokio::test]
async fn an_upgrade_grants_nothing_new_and_a_rollback_is_one_step() {
    let bench = Bench::new().await;
    let guest = Guest::new().tool("echo", OBJECT).with_kv().with_clock().build();
    let release = |version: &str, names: [&str; 3]| {
        let ask = |name: &str| format!("[[capabilities]]\nname = \"{name}\"\nreason = \"r\"\n");
        package(&manifest("echo", version, r#""tools""#, &names.map(ask).concat()), &guest)
    };
    let one = bench.keep(release("1.0.0", ["kv", "clock", "random"])).await;
    let two = bench.keep(release("2.0.0", ["kv", "clock", "contacts"])).await;
    let other = manifest("other", "1.0.0", r#""tools""#, "");
    let other = bench.keep(package(&other, &Guest::new().tool("x", OBJECT).build())).await;
    let plugin = bench.install(&one, 1).await;
    let upgrade = |digest: String, revision| {
        let plugins = bench.plugins.clone();
        async move { plugins.upgrade(business(1), id(1), (&digest, revision), "Bob").await }
    };
    for digest in [other.release.digest, one.release.digest.clone(), "0".repeat(64)] {
        assert!(matches!(upgrade(digest, None).await, Err(ManageError::Fields(_))));
    }
    let old = bench.plugins.installed(business(1), "echo").await.unwrap();
    let upgraded = upgrade(two.release.digest.clone(), Some(plugin.revision)).await.unwrap();
    let expected = [Capability::Kv, Capability::Clock];
    assert_eq!(upgraded.grants.capabilities, expected.into());
    assert_eq!(upgraded.history, std::slice::from_ref(&one.release.digest));
    let new = bench.plugins.installed(business(1), "echo").await.unwrap();
    assert_eq!((old.release.version.as_str(), new.release.version.as_str()), ("1.0.0", "2.0.0"));
    assert_eq!(
        told(&bench.plugins, &old, "{}").await.unwrap(),
        "{}",
        "who holds the old one ends on it"
    );
    let back = bench.plugins.rollback(business(1), id(1), None, "Bob").await.unwrap();
    assert_eq!((back.digest, back.history.len()), (one.release.digest, 0));
    let again = bench.plugins.rollback(business(1), id(1), None, "Bob").await;
    assert!(matches!(again, Err(ManageError::NoHistory)));
    let lines = bench.lines(id(1), PluginLineKind::Changed).await;
    assert!(lines[0].text.starts_with("Bob: rolled back to echo 1.0.0"), "{}", lines[0].text);
    assert!(lines[1].text.ends_with("granted kv, clock"), "{}", lines[1].text);
}

#[tokio::test]
async fn another_process_sees_a_change_within_a_second() {
    let bench = Bench::new().await;
    let kept = bench.keep(echo("1.0.0")).await;
    let plugin = bench.install(&kept, 1).await;
    let another = bench.another();
    let found = another.installed(business(1), "echo").await.unwrap();
    assert_eq!(told(&another, &found, "{}").await.unwrap(), "{}", "from the package that is kept");
    let off = Change { enabled: Some(false), ..Change::default() };
    bench.plugins.change(business(1), plugin.id, off, "Ada").await.unwrap();
    assert!(bench.plugins.installed(business(1), "echo").await.is_err(), "here at once");
    assert!(another.installed(business(1), "echo").await.is_ok(), "there not yet");
    bench.pass(1);
    assert!(another.installed(business(1), "echo").await.is_err());
    let same = another.all(business(1)).await.unwrap();
    bench.pass(1);
    let read_again = another.all(business(1)).await.unwrap();
    assert!(Arc::ptr_eq(&same[0], &read_again[0]), "what did not change is not built again");
}

#[tokio::test]
async fn what_breaks_is_paused_and_tried_again() {
    let bench = Bench::new().await;
    let plugin = bench.install(&bench.keep(echo("1.0.0")).await, 1).await;
    let installed = bench.plugins.installed(business(1), "echo").await.unwrap();
    for _ in 0..FAULTS_MAX {
        let error = told(&bench.plugins, &installed, "!").await.unwrap_err();
        assert!(matches!(error, UseError::Call(CallError::Trap(_))), "{error:?}");
    }
    let until = bench.plugins.paused_until(business(1), plugin.id).unwrap();
    assert_eq!(until, bench.clock.now() + SignedDuration::from_mins(1));
    let error = told(&bench.plugins, &installed, "{}").await.unwrap_err();
    assert!(matches!(error, UseError::Paused { .. }) && error.is_passing(), "{error:?}");
    bench.pass(60);
    assert_eq!(told(&bench.plugins, &installed, "{}").await.unwrap(), "{}");
    assert_eq!(bench.plugins.paused_until(business(1), plugin.id), None);
    let changed = bench.lines(plugin.id, PluginLineKind::Changed).await;
    let texts: Vec<&str> = changed.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        texts[..2],
        ["well again: no longer paused", "paused until 2026-01-05T09:01:00Z: it broke too often"]
    );
    let failed = bench.lines(plugin.id, PluginLineKind::Failed).await;
    assert_eq!(failed.len(), FAULTS_MAX as usize);
    assert!(failed[0].text.starts_with("trap: "), "{}", failed[0].text);
}

#[tokio::test]
async fn what_calls_take_is_gathered_by_day() {
    let bench = Bench::new().await;
    let plugin = bench.install(&bench.keep(echo("1.0.0")).await, 1).await;
    let installed = bench.plugins.installed(business(1), "echo").await.unwrap();
    told(&bench.plugins, &installed, "{}").await.unwrap();
    told(&bench.plugins, &installed, "!").await.unwrap_err();
    bench.pass(24 * 60 * 60);
    told(&bench.plugins, &installed, "{}").await.unwrap();
    let too_large = "x".repeat(1024 * 1024);
    let error = told(&bench.plugins, &installed, &too_large).await.unwrap_err();
    assert!(matches!(error, UseError::Call(CallError::Input { .. })), "{error:?}");
    bench.plugins.write().await.unwrap();
    bench.plugins.write().await.unwrap();
    let day = |text: &str| text.parse().unwrap();
    let filter = PluginDayFilter {
        from: day("2026-01-05"),
        to: day("2026-01-06"),
        plugin_id: Some(plugin.id),
    };
    let days = bench.store.plugin_days(business(1), &filter).await.unwrap();
    let counts: Vec<_> = days.iter().map(|day| (day.spend.calls, day.spend.failures)).collect();
    assert_eq!(counts, [(2, 1), (1, 0)], "a call that was not made is not counted");
    assert!(days[0].spend.peak_bytes >= 4 * 64 * 1024);
}

#[tokio::test]
async fn what_is_gathered_is_written_at_intervals_and_at_the_end() {
    let bench = Bench::new().await;
    bench.install(&bench.keep(echo("1.0.0")).await, 1).await;
    let installed = bench.plugins.installed(business(1), "echo").await.unwrap();
    told(&bench.plugins, &installed, "{}").await.unwrap();
    bench.plugins.run(std::future::ready(())).await;
    let today = "2026-01-05".parse().unwrap();
    let filter = PluginDayFilter { from: today, to: today, plugin_id: None };
    let days = bench.store.plugin_days(business(1), &filter).await.unwrap();
    assert_eq!(days[0].spend.calls, 1);
}

#[tokio::test]
async fn a_package_that_is_lost_is_told() {
    let bench = Bench::new().await;
    let kept = bench.keep(echo("1.0.0")).await;
    bench.install(&kept, 1).await;
    let another = bench.another();
    bench.blobs.remove(&kept.release.digest).await.unwrap();
    let installed = another.installed(business(1), "echo").await.unwrap();
    let error = told(&another, &installed, "{}").await.unwrap_err();
    assert!(matches!(error, UseError::Unloadable { is_passing: false, .. }), "{error:?}");
    bench.keep(echo("1.0.0")).await;
    assert_eq!(told(&another, &installed, "{}").await.unwrap(), "{}", "uploaded again it is back");
}

#[tokio::test]
async fn flows_may_use_what_is_installed_as_it_is_described() {
    let bench = Bench::new().await;
    let schema = r#"{"type":"object","properties":{"limit":{"type":"integer"},"name":{"type":"string","maxLength":3}},"additionalProperties":false}"#;
    let guest = Guest::new().node("lookup", schema, &["found", "missing"]).build();
    let kept = bench.keep(package(&manifest("orders", "1.0.0", r#""nodes""#, ""), &guest)).await;
    let plugin = bench.install(&kept, 1).await;
    let nodes = bench.plugins.nodes(business(1)).await.unwrap();
    assert_eq!(nodes.len(), 1);
    let exits: Vec<_> = nodes[0].descriptor.exits.iter().map(|exit| exit.name.as_str()).collect();
    assert_eq!(exits, ["found", "missing", "error"]);
    let preset =
        json!({"plugin": "orders", "node": "lookup", "config": {}, "exits": ["found", "missing"]});
    assert_eq!(nodes[0].preset, preset);
    assert!(jsonschema::draft202012::is_valid(&nodes[0].descriptor.schema, &preset));
    let check = |data: Value| {
        let node = json!({"id": "n", "type": "plugin", "data": data});
        let document =
            json!({"nodes": [{"id": "s", "type": "text"}], "flows": {"a/b": {"nodes": [node]}}});
        let plugins = bench.plugins.clone();
        async move {
            let found = plugins.check_flow(business(1), &document).await.unwrap();
            let of =
                |f: &justping_core::port::Finding| (f.severity, f.code.clone(), f.path.clone());
            found.iter().map(of).collect::<Vec<_>>()
        }
    };
    assert!(check(preset.clone()).await.is_empty());
    let with = |name: &str, value: Value| {
        let mut data = preset.clone();
        data[name] = value;
        data
    };
    let one = |severity, code: &str, path: &str| {
        vec![(severity, code.to_owned(), format!("/flows/a~1b/nodes/0/data{path}"))]
    };
    let error = Severity::Error;
    for (data, expected) in [
        (with("plugin", json!("gone")), one(error, "plugin_not_installed", "/plugin")),
        (with("node", json!("gone")), one(error, "plugin_node_unknown", "/node")),
        (with("config", json!({"limit": "x"})), one(error, "plugin_config", "/config/limit")),
        (with("config", json!({"limit": "{{ n }}", "name": "{{ contact.name }}"})), Vec::new()),
        (with("exits", json!(["found"])), one(Severity::Warning, "plugin_exits", "/exits")),
        (with("exits", json!(["found", "missing", "x"])), one(error, "plugin_exits", "/exits/2")),
        (json!({}), Vec::new()),
    ] {
        assert_eq!(check(data.clone()).await, expected, "{data}");
    }
    let off = Change { enabled: Some(false), ..Change::default() };
    bench.plugins.change(business(1), plugin.id, off, "Ada").await.unwrap();
    assert_eq!(check(preset.clone()).await, one(error, "plugin_not_installed", "/plugin"));
    assert!(bench.plugins.nodes(business(1)).await.unwrap().is_empty());
}
