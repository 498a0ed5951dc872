//! Addresses that customers, or whoever talks through them, might try.

use std::sync::Arc;

use super::{Names, client};
use crate::{HttpError, Method, OpenRequest, OpenUrl, Policy, Refusal, is_public};

/// An address and why it is refused.
const HOSTILE: &[(&str, Refusal)] = &[
    // The machine itself, in plain and in disguise.
    ("http://127.0.0.1/", Refusal::Address),
    ("http://127.1/", Refusal::Address),
    ("http://127.0.1/", Refusal::Address),
    ("http://127.127.127.127/", Refusal::Address),
    ("http://2130706433/", Refusal::Address),
    ("http://017700000001/", Refusal::Address),
    ("http://0177.0.0.1/", Refusal::Address),
    ("http://0x7f000001/", Refusal::Address),
    ("http://0x7f.0x0.0x0.0x1/", Refusal::Address),
    ("http://0x7F.1/", Refusal::Address),
    ("http://00000000177.0.0.0x1/", Refusal::Address),
    ("http://127.0.0.1./", Refusal::Address),
    ("http://127%2e0%2e0%2e1/", Refusal::Address),
    ("http://%31%32%37.0.0.1/", Refusal::Address),
    ("http://①②⑦.⓪.⓪.①/", Refusal::Address),
    ("http://127。0。0。1/", Refusal::Address),
    ("http://127．0．0．1/", Refusal::Address),
    ("http://127｡0｡0｡1/", Refusal::Address),
    ("http://１２７.0.0.1/", Refusal::Address),
    ("http://0/", Refusal::Address),
    ("http://0.0.0.0/", Refusal::Address),
    ("http://localhost/", Refusal::LocalName),
    ("http://LOCALHOST/", Refusal::LocalName),
    ("http://localhost./", Refusal::LocalName),
    ("http://ｌｏｃａｌｈｏｓｔ/", Refusal::LocalName),
    ("http://ⓛocalhost/", Refusal::LocalName),
    ("http://loc%61lhost/", Refusal::LocalName),
    ("http://lo\u{ad}calhost/", Refusal::LocalName),
    ("http://app.localhost/", Refusal::LocalName),
    ("http://localhost.localdomain/", Refusal::LocalName),
    // Names and addresses of the inside.
    ("http://redis/", Refusal::LocalName),
    ("http://printer.local/", Refusal::LocalName),
    ("http://metadata.google.internal/computeMetadata/v1/", Refusal::LocalName),
    ("http://metadata/", Refusal::LocalName),
    ("http://10.0.0.1/", Refusal::Address),
    ("http://167772161/", Refusal::Address),
    ("http://100.64.0.1/", Refusal::Address),
    ("http://172.16.0.1/", Refusal::Address),
    ("http://192.168.1.1/", Refusal::Address),
    ("http://192.168.257/", Refusal::Address),
    ("http://255.255.255.255/", Refusal::Address),
    ("http://224.0.0.1/", Refusal::Address),
    // Where clouds keep keys.
    ("http://169.254.169.254/latest/meta-data/", Refusal::Address),
    ("http://2852039166/", Refusal::Address),
    ("http://0xa9fea9fe/", Refusal::Address),
    ("http://0251.0376.0251.0376/", Refusal::Address),
    ("http://169.254.43518/", Refusal::Address),
    ("http://100.100.100.200/", Refusal::Address),
    ("http://192.0.0.192/", Refusal::Address),
    ("http://168.63.129.16/", Refusal::Address),
    ("http://[fd00:ec2::254]/", Refusal::Address),
    // IPv6 and what it can wrap.
    ("http://[::]/", Refusal::Address),
    ("http://[::1]/", Refusal::Address),
    ("http://[0:0:0:0:0:0:0:1]/", Refusal::Address),
    ("http://[0000::0001]/", Refusal::Address),
    ("http://[::127.0.0.1]/", Refusal::Address),
    ("http://[::ffff:127.0.0.1]/", Refusal::Address),
    ("http://[::ffff:7f00:1]/", Refusal::Address),
    ("http://[::ffff:a9fe:a9fe]/", Refusal::Address),
    ("http://[0:0:0:0:0:ffff:169.254.169.254]/", Refusal::Address),
    ("http://[64:ff9b::a9fe:a9fe]/", Refusal::Address),
    ("http://[64:ff9b::10.0.0.1]/", Refusal::Address),
    ("http://[64:ff9b:1::1]/", Refusal::Address),
    ("http://[2002:a9fe:a9fe::]/", Refusal::Address),
    ("http://[2002:7f00:1::1]/", Refusal::Address),
    ("http://[2001:0:7f00:1::]/", Refusal::Address),
    ("http://[fe80::1]/", Refusal::Address),
    ("http://[fec0::1]/", Refusal::Address),
    ("http://[ff02::1]/", Refusal::Address),
    ("http://[fe80::1%25eth0]/", Refusal::Url),
    ("http://[fe80::1%eth0]/", Refusal::Url),
    ("http://[::1/", Refusal::Url),
    ("http://[127.0.0.1]/", Refusal::Url),
    ("http://[v1.x]/", Refusal::Url),
    // User info, and hosts that pretend to be.
    ("http://user@example.com/", Refusal::UserInfo),
    ("http://user:pass@example.com/", Refusal::UserInfo),
    ("http://:pass@example.com/", Refusal::UserInfo),
    ("http://example.com@127.0.0.1/", Refusal::UserInfo),
    ("http://example.com:80@127.0.0.1/", Refusal::UserInfo),
    ("http://example.com%00@127.0.0.1/", Refusal::UserInfo),
    ("http://@127.0.0.1/", Refusal::Address),
    ("http://example.com\\@127.0.0.1/", Refusal::Url),
    ("http:\\\\127.0.0.1/", Refusal::Url),
    ("http://127.0.0.1#@example.com/", Refusal::Address),
    ("http://127.0.0.1?@example.com/", Refusal::Address),
    ("http://exa mple.com/", Refusal::Url),
    ("http://example.com/ x", Refusal::Url),
    ("http://exam\tple.com/", Refusal::Url),
    ("http://example.com/\r\nHost: inside", Refusal::Url),
    ("\u{1}http://example.com/", Refusal::Url),
    ("http://example.com%00.org/", Refusal::Url),
    // More or fewer slashes mean the same to a browser.
    ("http:127.0.0.1/", Refusal::Address),
    ("http:/127.0.0.1/", Refusal::Address),
    ("http:////127.0.0.1/", Refusal::Address),
    // Other schemes, or none.
    ("file:///etc/passwd", Refusal::Scheme),
    ("ftp://example.com/", Refusal::Scheme),
    ("gopher://127.0.0.1:6379/_FLUSHALL", Refusal::Scheme),
    ("dict://127.0.0.1:11211/", Refusal::Scheme),
    ("ldap://127.0.0.1/", Refusal::Scheme),
    ("ws://example.com/", Refusal::Scheme),
    ("data:text/plain,x", Refusal::Scheme),
    ("javascript:alert(1)", Refusal::Scheme),
    ("jar:http://example.com!/", Refusal::Scheme),
    ("unix:/var/run/docker.sock", Refusal::Scheme),
    ("http+unix://%2fvar%2frun%2fdocker.sock/", Refusal::Scheme),
    ("//example.com/", Refusal::Url),
    ("/etc/passwd", Refusal::Url),
    ("example.com", Refusal::Url),
    ("http://", Refusal::Url),
    ("", Refusal::Url),
    // Ports of what is not the web.
    ("http://example.com:22/", Refusal::Port),
    ("http://example.com:25/", Refusal::Port),
    ("http://example.com:6379/", Refusal::Port),
    ("http://example.com:8080/", Refusal::Port),
    ("http://example.com:0/", Refusal::Port),
    ("https://93.184.216.34:11211/", Refusal::Port),
    ("http://example.com:65536/", Refusal::Url),
    ("http://example.com:-80/", Refusal::Url),
];

#[test]
fn hostile_addresses_are_refused() {
    assert!(HOSTILE.len() >= 60);
    let policy = Policy::default();
    for (text, expected) in HOSTILE {
        let refused = OpenUrl::parse(text).and_then(|url| policy.check(&url));
        assert_eq!(refused, Err(*expected), "{text:?}");
    }
    let long = format!("http://example.com/{}", "a".repeat(crate::URL_MAX_BYTES));
    assert_eq!(OpenUrl::parse(&long), Err(Refusal::UrlLength));
}

#[test]
fn addresses_of_the_web_are_not() {
    let policy = Policy::default();
    for text in [
        "http://example.com",
        "https://example.com:443/a?b=c#d",
        "http://example.com:80/@",
        "https://bücher.example/",
        "https://xn--bcher-kva.example./",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1::1]/",
        "https://localhost.example.com/",
        "https://10.example.com/",
    ] {
        let judged = OpenUrl::parse(text).and_then(|url| policy.check(&url));
        assert_eq!(judged, Ok(()), "{text}");
    }
}

#[test]
fn a_list_of_hosts_is_the_whole_of_it() {
    let hosts = ["api.example.com", "*.Shop.example", "93.184.216.34"];
    let policy = Policy { hosts: Some(hosts.map(str::to_owned).to_vec()), ..Policy::default() };
    let judged = |text: &str| OpenUrl::parse(text).and_then(|url| policy.check(&url));
    for text in [
        "https://api.example.com/",
        "https://API.example.com./",
        "https://a.shop.example/",
        "https://a.b.shop.example/",
        "https://93.184.216.34/",
    ] {
        assert_eq!(judged(text), Ok(()), "{text}");
    }
    for text in [
        "https://example.com/",
        "https://shop.example/",
        "https://ashop.example/",
        "https://api.example.com.evil.test/",
        "https://93.184.216.35/",
    ] {
        assert_eq!(judged(text), Err(Refusal::Host), "{text}");
    }
}

#[test]
fn an_exception_is_one_port_of_one_number() {
    let except = vec!["127.0.0.1:9000".parse().unwrap()];
    let policy = Policy { except, ..Policy::default() };
    let judged = |text: &str| OpenUrl::parse(text).and_then(|url| policy.check(&url));
    assert_eq!(judged("http://127.0.0.1:9000/x"), Ok(()));
    assert_eq!(judged("http://2130706433:9000/x"), Ok(()));
    assert_eq!(judged("http://127.0.0.1:9001/x"), Err(Refusal::Port));
    assert_eq!(judged("http://127.0.0.2:9000/x"), Err(Refusal::Port));
    assert_eq!(judged("http://127.0.0.1/x"), Err(Refusal::Address));
    assert_eq!(judged("http://localhost:9000/x"), Err(Refusal::Port));
}

#[tokio::test]
async fn names_that_lead_inside_are_refused_where_the_connection_is_made() {
    let cases: &[(&'static str, &'static str)] = &[
        ("127.0.0.1.nip.example", "127.0.0.1"),
        ("169-254-169-254.sslip.example", "169.254.169.254"),
        ("a.example", "10.1.2.3"),
        ("b.example", "100.64.7.7"),
        ("c.example", "::1"),
        ("d.example", "::ffff:192.168.0.1"),
        ("e.example", "64:ff9b::7f00:1"),
        ("f.example", "2002:a9fe:a9fe::1"),
        ("g.example", "fd12::1"),
        ("h.example", "0.0.0.0"),
    ];
    let names = cases.iter().fold(Names::default(), |names, (name, ip)| names.with(name, &[&[ip]]));
    let names = Arc::new(names);
    let client = client(Policy::default(), &names, is_public);
    for (name, _) in cases {
        for scheme in ["http", "https"] {
            let url = OpenUrl::parse(&format!("{scheme}://{name}/")).unwrap();
            let refused = client.send(OpenRequest::new(Method::Get, url)).await;
            assert_eq!(refused, Err(HttpError::Refused(Refusal::Address)), "{name}");
        }
    }
    assert_eq!(names.asked().len(), 2 * cases.len(), "each connection asks anew");
}

#[test]
fn nothing_shows_a_secret() {
    let url = OpenUrl::parse("https://example.com/s3cret?key=s3cret").unwrap();
    let request = OpenRequest::new(Method::Post, url.clone()).body("s3cret");
    let request = request.header("authorization", "Bearer s3cret").unwrap();
    let configured = crate::ConfiguredUrl::parse("https://u:s3cret@example.com/s3cret").unwrap();
    for shown in [format!("{url:?}"), format!("{request:?}"), format!("{configured:?}")] {
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("https://example.com"), "{shown}");
    }
}
