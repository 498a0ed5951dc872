//! What the headers of a request may say.

use crate::{HEADERS_MAX, HEADERS_MAX_BYTES, Method, OpenRequest, OpenUrl, Refusal};

fn request() -> OpenRequest {
    OpenRequest::new(Method::Get, OpenUrl::parse("https://example.com/").unwrap())
}

fn refused(name: &str, value: &str) -> Option<Refusal> {
    request().header(name, value).err()
}

#[test]
fn headers_of_the_connection_and_of_metadata_services_are_refused() {
    for name in [
        "Host",
        "host",
        "Connection",
        "Keep-Alive",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "HTTP2-Settings",
        "Via",
        "Expect",
        "Content-Length",
        "content_length",
        "Metadata",
        "METADATA-FLAVOR",
        "Metadata_Flavor",
        "X-Google-Metadata-Request",
        "X-Metadata-Token",
        "X-aws-ec2-metadata-token",
        "x-aws-ec2-metadata-token-ttl-seconds",
        "X_aws_ec2_metadata_token",
    ] {
        assert_eq!(refused(name, "x"), Some(Refusal::HeaderName), "{name}");
    }
    for name in ["Authorization", "X-Api-Key", "Content-Type", "Accept", "Cookie", "Metadata-Id"] {
        assert_eq!(refused(name, "x"), None, "{name}");
    }
}

#[test]
fn malformed_headers_are_refused() {
    for (name, value) in [
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("a\r\nb", "x"),
        ("ä", "x"),
        ("a", "x\r\nHost: inside"),
        ("a", "x\ny"),
        ("a", "\0"),
    ] {
        assert_eq!(refused(name, value), Some(Refusal::Header), "{name:?}: {value:?}");
    }
}

#[test]
fn headers_are_bounded_in_number_and_size() {
    let mut many = request();
    for _ in 0..HEADERS_MAX {
        many = many.header("a", "b").unwrap();
    }
    assert_eq!(many.header("a", "b").err(), Some(Refusal::HeaderSize));
    let long = "x".repeat(HEADERS_MAX_BYTES - 1);
    let full = request().header("a", &long).unwrap();
    assert_eq!(full.header("b", "").err(), Some(Refusal::HeaderSize));
}
