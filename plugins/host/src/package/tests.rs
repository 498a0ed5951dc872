use bytes::Bytes;
use justping_core::model::Capability;
use proptest::prelude::*;
use serde_json::json;
use tar::{EntryType, Header};

use super::*;

const MANIFEST: &str = r#"
name = "order-status"
title = "Order status"
version = "1.2.3"
contract = "0.1.0"
summary = "Tells where an order is."
authors = ["Ada"]
license = "MIT"
exports = ["nodes", "tools"]

[[capabilities]]
name = "http"
reason = "Asks the shop."
hosts = ["https://api.example.com", "https://shop.example.com:8443"]

[[capabilities]]
name = "secrets"
reason = "Authenticates."
names = ["shop_token"]

[config]
type = "object"
properties = { shop = { type = "string", maxLength = 20 } }
required = ["shop"]
additionalProperties = false

[limits]
memory_mib = 16
keep_warm = true
"#;

fn archive(manifest: &str) -> Archive {
    Archive {
        manifest: Bytes::copy_from_slice(manifest.as_bytes()),
        component: Bytes::from_static(b"\0asm component"),
        signature: None,
    }
}

fn key(byte: u8) -> SecretKey {
    SecretKey::from_seed([byte; 32])
}

fn codes(findings: &[PackageFinding]) -> Vec<(&'static str, &str)> {
    findings.iter().map(|finding| (finding.code.name(), finding.at.as_str())).collect()
}

/// What is wrong with a manifest that differs in one part.
fn wrong(from: &str, to: &str) -> Vec<PackageFinding> {
    assert!(MANIFEST.contains(from), "{from}");
    let text = MANIFEST.replacen(from, to, 1);
    Manifest::read(text.as_bytes(), Dialect::Strict).expect_err(to)
}

#[test]
fn a_package_comes_back_as_it_was_written() {
    let signed = sign(&archive(MANIFEST), &key(7));
    let bytes = signed.write().unwrap();
    assert_eq!(bytes, sign(&archive(MANIFEST), &key(7)).write().unwrap(), "the same bytes again");
    let package = Package::read(&bytes, &PackageRules::default()).unwrap();
    assert_eq!(package.archive, signed);
    assert_eq!(package.signer, Some(key(7).public()));
    assert_eq!(package.digest, digest(&bytes));
    let manifest = &package.manifest;
    assert_eq!(
        (manifest.name.as_str(), manifest.version.to_string()),
        ("order-status", "1.2.3".into())
    );
    assert_eq!(manifest.exports.iter().map(|e| e.name()).collect::<Vec<_>>(), ["nodes", "tools"]);
    let requested = manifest.requested();
    assert!(requested.allows(Capability::Http) && requested.allows(Capability::Secrets));
    assert!(!requested.allows(Capability::Kv));
    assert_eq!(requested.hosts.len(), 2);
    assert!(requested.secrets.contains("shop_token"));
    assert_eq!((manifest.limits.memory_mib, manifest.limits.keep_warm), (Some(16), true));
    assert_eq!(manifest.written["title"], "Order status");
}

#[test]
fn a_configuration_is_checked_against_the_schema() {
    let manifest = Manifest::read(MANIFEST.as_bytes(), Dialect::Strict).unwrap();
    let schema = manifest.config_schema.unwrap();
    let problems = |schema: Option<&serde_json::Value>, json: serde_json::Value, templates| {
        config_problems(schema, json.as_object().unwrap(), templates)
    };
    let literal = |json| problems(Some(&schema), json, Templates::Literal);
    assert!(literal(json!({"shop": "a"})).is_empty());
    let wrong = literal(json!({"shop": 7}));
    assert_eq!((wrong.len(), wrong[0].path.as_str()), (1, "/shop"));
    assert!(!wrong[0].message.contains('7'), "values are not repeated: {wrong:?}");
    assert_eq!(literal(json!({"other": 1})).len(), 2);
    let long = json!({"shop": "{{ contact.fields.shop|upper }}"});
    assert_eq!(literal(long.clone()).len(), 1);
    assert!(problems(Some(&schema), long, Templates::Open).is_empty());
    assert_eq!(problems(Some(&schema), json!({"shop": 7}), Templates::Open).len(), 1);
    let either = json!({"type": "object", "oneOf": [{"properties": {"a": {"const": "x"}}}]});
    assert!(problems(Some(&either), json!({"a": "{{ x }}"}), Templates::Open).is_empty());
    assert_eq!(problems(Some(&either), json!({"a": "y"}), Templates::Open).len(), 1);
    assert!(problems(None, json!({}), Templates::Literal).is_empty());
    assert_eq!(problems(None, json!({"a/b": 1}), Templates::Literal)[0].path, "/a~1b");
}

#[test]
fn every_field_of_a_manifest_has_its_rule_and_its_place() {
    let one = |from: &str, to: &str| {
        let findings = wrong(from, to);
        assert_eq!(findings.len(), 1, "{findings:?}");
        (findings[0].code.name(), findings[0].at.clone())
    };
    for (from, to, code, at) in [
        ("\"order-status\"", "\"Order\"", "manifest_field", "plugin.toml:2:8"),
        ("\"order-status\"", "\"o\"", "manifest_field", "plugin.toml:2:8"),
        ("\"Order status\"", "\" \"", "manifest_field", "plugin.toml:3:9"),
        ("\"1.2.3\"", "\"1.2\"", "manifest_field", "plugin.toml:4:11"),
        ("\"0.1.0\"", "\"0.2.0\"", "contract_newer", "plugin.toml:5:12"),
        ("\"0.1.0\"", "\"1.0.0\"", "contract_newer", "plugin.toml:5:12"),
        ("\"0.1.0\"", "\"0.0.9\"", "contract_unsupported", "plugin.toml:5:12"),
        ("\"0.1.0\"", "\"new\"", "manifest_field", "plugin.toml:5:12"),
        ("[\"nodes\", \"tools\"]", "[]", "manifest_field", "plugin.toml:9:11"),
        ("\"tools\"]", "\"nodes\"]", "manifest_field", "plugin.toml:9:21"),
        ("\"tools\"]", "\"cows\"]", "manifest_unreadable", "plugin.toml:9:21"),
        ("license", "licence", "manifest_unreadable", "plugin.toml:8:1"),
        ("title = \"Order status\"", "", "manifest_unreadable", "plugin.toml:1:1"),
        ("\"http\"", "\"kv\"", "capability_field", "plugin.toml:14:9"),
        ("\"secrets\"", "\"http\"", "capability_field", "plugin.toml:17:8"),
        (
            "\"https://api.example.com\"",
            "\"https://*.example.com\"",
            "host_invalid",
            "plugin.toml:14:10",
        ),
        ("\"shop_token\"", "\"shop token\"", "capability_field", "plugin.toml:19:10"),
        ("type = \"object\"", "type = \"string\"", "config_schema", "plugin.toml:21:1"),
        ("memory_mib = 16", "memory_mib = 0", "manifest_field", "plugin.toml:27:1"),
        ("memory_mib = 16", "memory = 16", "manifest_unreadable", "plugin.toml:28:1"),
    ] {
        assert_eq!(one(from, to), (code, at.to_owned()), "{from} -> {to}");
    }
    let findings = wrong("hosts = [", "names = [");
    let at = [("capability_field", "plugin.toml:12:8"), ("capability_field", "plugin.toml:14:9")];
    assert_eq!(codes(&findings), at);
    assert!(Manifest::read(MANIFEST.replace("0.1.0", "0.1.9").as_bytes(), Dialect::Strict).is_ok());
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = MANIFEST
        .replace("order-status", "Order")
        .replace("1.2.3", "x")
        .replace("https://api", "ftp://api")
        .replace("Asks the shop.", "");
    let findings = Manifest::read(text.as_bytes(), Dialect::Strict).unwrap_err();
    let expected = ["manifest_field", "manifest_field", "manifest_field", "host_invalid"];
    assert_eq!(codes(&findings).iter().map(|(code, _)| *code).collect::<Vec<_>>(), expected);
}

#[test]
fn a_schema_may_stand_as_text_but_not_twice() {
    let (head, _) = MANIFEST.split_once("[[capabilities]]").unwrap();
    let with = |schema: &str| format!("{head}config_schema = '''{schema}'''\n");
    let read = |text: String| Manifest::read(text.as_bytes(), Dialect::Strict);
    let manifest = read(with(r#"{"type": "object"}"#)).unwrap();
    assert_eq!(manifest.config_schema.unwrap()["type"], "object");
    for bad in [
        "{",
        "[]",
        r#"{"type": "object", "properties": 1}"#,
        r#"{"type": "object", "$ref": "https://example.com/x"}"#,
        r#"{"type": "object", "properties": {"a": {"pattern": "(a+)\\1"}}}"#,
    ] {
        let findings = read(with(bad)).unwrap_err();
        assert_eq!(findings[0].code, PackageCode::ConfigSchema, "{bad}");
    }
    let both = format!("{}\n[config]\ntype = \"object\"\n", with(r#"{"type": "object"}"#));
    assert_eq!(read(both).unwrap_err()[0].code, PackageCode::ConfigSchema);
}

#[test]
fn a_host_is_an_origin_and_nothing_more() {
    let strict = |text: &str| check_origin(text, Dialect::Strict);
    for good in [
        "https://a.example",
        "https://a.example:8443",
        "https://192.0.2.1",
        "https://[2001:db8::1]",
    ] {
        assert_eq!(strict(good), Ok(()), "{good}");
    }
    assert_eq!(strict("https://*.example"), Err(OriginError::Wildcard));
    assert_eq!(strict("http://a.example"), Err(OriginError::Scheme));
    assert_eq!(strict("ftp://a.example"), Err(OriginError::Scheme));
    assert_eq!(check_origin("http://127.0.0.1:9000", Dialect::Development), Ok(()));
    assert_eq!(strict("a.example"), Err(OriginError::Malformed));
    assert_eq!(strict("https://"), Err(OriginError::Malformed));
    for more in [
        "https://a.example/",
        "https://a.example/x",
        "https://a.example?q",
        "https://a.example#f",
        "https://A.example",
        "https://a.example:443",
        "https://a.example:08443",
        " https://a.example",
        "https:a.example",
        "https://u@a.example",
        "https://u:secret@a.example",
        "https://b\u{fc}cher.example",
    ] {
        let error = strict(more).expect_err(more);
        assert!(matches!(error, OriginError::NotPlain(_)), "{more}: {error}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn a_signature_is_of_this_package_by_this_key() {
    let signed = sign(&archive(MANIFEST), &key(1));
    let read =
        |archive: &Archive| Package::read(&archive.write().unwrap(), &PackageRules::default());
    let refused = |archive: Archive| {
        let findings = read(&archive).unwrap_err();
        assert_eq!(codes(&findings), [("signature_invalid", "plugin.sig")]);
    };
    assert_eq!(read(&signed).unwrap().signer, Some(key(1).public()));
    assert_eq!(read(&archive(MANIFEST)).unwrap().signer, None);
    refused(Archive { component: Bytes::from_static(b"\0asm other"), ..signed.clone() });
    let moved = format!("{MANIFEST}\0");
    assert_eq!(read(&Archive { manifest: moved.into(), ..signed.clone() }).unwrap_err().len(), 2);
    let other = MANIFEST.replace("1.2.3", "1.2.4");
    refused(Archive { manifest: other.into(), ..signed.clone() });
    let text = String::from_utf8(signed.signature.clone().unwrap().to_vec()).unwrap();
    let with = |text: String| Archive { signature: Some(text.into()), ..signed.clone() };
    refused(with(text.replace(&key(1).public().to_string(), &key(2).public().to_string())));
    refused(with(text.replace("signature = \"", "signature = \"00")));
    refused(with(text.replace("key", "name")));
    refused(with(format!("{text}more = 1\n")));
    // The point of order 1 signs anything for anybody.
    let weak = format!("01{}", "00".repeat(31));
    refused(with(text.replace(&key(1).public().to_string(), &weak)));
    assert_eq!(weak.parse::<PublicKey>(), Err(KeyError::Weak));
    assert_eq!("no key".parse::<PublicKey>(), Err(KeyError::Malformed));
}

#[test]
fn a_secret_key_is_shown_only_when_asked_for() {
    let one = key(3);
    assert!(!format!("{one:?}").contains(&one.expose()));
    assert_eq!(SecretKey::parse(&format!("{}\n", one.expose())).unwrap().public(), one.public());
}

/// A tar of anything.
fn tar(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn an_archive_holds_the_three_files_and_nothing_else() {
    use EntryType as T;
    let manifest = ("plugin.toml", T::Regular, MANIFEST.as_bytes());
    let component = ("plugin.wasm", T::Regular, b"\0asm".as_slice());
    let code = |bytes: &[u8]| Archive::read(bytes, PACKAGE_MAX_BYTES).unwrap_err().code;
    assert!(Archive::read(&tar(&[component, manifest]), PACKAGE_MAX_BYTES).is_ok(), "in any order");
    for (entry, expected) in [
        (("plugin.txt", T::Regular, b"x".as_slice()), PackageCode::ArchiveFile),
        (("./plugin.sig", T::Regular, b"x"), PackageCode::ArchiveFile),
        (("../plugin.sig", T::Regular, b"x"), PackageCode::ArchiveFile),
        (("/plugin.sig", T::Regular, b"x"), PackageCode::ArchiveFile),
        (("plugin.wasm", T::Regular, b"x"), PackageCode::ArchiveFile),
        (("plugin.sig", T::Symlink, b""), PackageCode::ArchiveFile),
        (("plugin.sig", T::Link, b""), PackageCode::ArchiveFile),
        (("plugin.sig", T::Directory, b""), PackageCode::ArchiveFile),
        (("plugin.sig", T::Fifo, b""), PackageCode::ArchiveFile),
        (("plugin.sig", T::GNUSparse, b"x"), PackageCode::ArchiveFile),
        (("plugin.sig", T::GNULongName, b"plugin.sig\0"), PackageCode::ArchiveFile),
        (("plugin.sig", T::XHeader, b"x"), PackageCode::ArchiveFile),
        (("plugin.sig", T::Regular, &[b'x'; SIGNATURE_MAX_BYTES + 1]), PackageCode::TooLarge),
    ] {
        assert_eq!(code(&tar(&[manifest, component, entry])), expected, "{entry:?}");
    }
    assert_eq!(code(&tar(&[manifest])), PackageCode::ArchiveMissing);
    assert_eq!(code(&tar(&[component])), PackageCode::ArchiveMissing);
    assert_eq!(code(b""), PackageCode::ArchiveMissing);
    assert_eq!(code(b"not a tar"), PackageCode::ArchiveUnreadable);
    let whole = tar(&[manifest, component]);
    let mut longer = whole.clone();
    longer.extend([0; 8192]);
    assert!(Archive::read(&longer, PACKAGE_MAX_BYTES).is_ok(), "tar pads with zeros");
    longer.push(1);
    assert_eq!(code(&longer), PackageCode::ArchiveUnreadable);
    assert_eq!(code(&whole[..whole.len() - 1024 - 512]), PackageCode::ArchiveUnreadable);
    assert_eq!(Archive::read(&whole, 100).unwrap_err().code, PackageCode::TooLarge);
    let huge = Archive { component: vec![0; COMPONENT_MAX_BYTES + 1].into(), ..archive(MANIFEST) };
    assert_eq!(huge.write().unwrap_err().code, PackageCode::TooLarge);
}

#[test]
fn findings_are_shown_and_written() {
    let finding = PackageFinding::error(PackageCode::ContractNewer, "plugin.toml:5:12", "newer");
    assert_eq!(finding.to_string(), "plugin.toml:5:12: error[contract_newer]: newer");
    let json = serde_json::to_value(&finding).unwrap();
    assert_eq!(json["code"], "contract_newer");
    assert_eq!(json["severity"], "error");
}

proptest! {
    #[test]
    fn noise_is_never_a_package_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert!(Package::read(&bytes, &PackageRules::default()).is_err());
    }

    #[test]
    fn a_changed_package_is_never_a_panic_and_never_the_same_signed_one(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let signed = sign(&archive(MANIFEST), &key(9));
        let whole = signed.write().unwrap();
        let mut bytes = whole.clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(package) = Package::read(&bytes, &PackageRules::default()) {
            prop_assert_eq!(&package.archive.component, &signed.component);
            prop_assert_eq!(&package.archive.manifest, &signed.manifest);
            prop_assert_eq!(package.digest == digest(&whole), bytes == whole);
        }
        let cut = cut.index(bytes.len());
        let _ = Package::read(&bytes[..cut], &PackageRules::default());
    }

    #[test]
    fn any_manifest_is_read_or_refused(text in "\\PC{0,200}", part in any::<prop::sample::Index>()) {
        let _ = Manifest::read(text.as_bytes(), Dialect::Strict);
        let mut at = part.index(MANIFEST.len());
        while !MANIFEST.is_char_boundary(at) { at -= 1; }
        let mixed = format!("{}{text}{}", &MANIFEST[..at], &MANIFEST[at..]);
        let _ = Manifest::read(mixed.as_bytes(), Dialect::Development);
    }

    #[test]
    fn any_files_come_back(manifest in prop::collection::vec(any::<u8>(), 0..2000), component in prop::collection::vec(any::<u8>(), 0..2000), signature in prop::option::of(prop::collection::vec(any::<u8>(), 0..SIGNATURE_MAX_BYTES))) {
        let archive = Archive { manifest: manifest.into(), component: component.into(), signature: signature.map(Into::into) };
        let bytes = archive.write().unwrap();
        prop_assert_eq!(Archive::read(&bytes, PACKAGE_MAX_BYTES).unwrap(), archive);
    }
}
