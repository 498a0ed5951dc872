//! Requests to servers that the operator configured.

use std::time::Duration;

use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::headers::AUTHORIZATION;
use crate::{
    ConfiguredClient, ConfiguredOptions, ConfiguredUrl, HeaderValue, HttpError, Method, Refusal,
};

fn client() -> ConfiguredClient {
    ConfiguredClient::new(&ConfiguredOptions::default()).unwrap()
}

#[test]
fn an_address_is_one_of_the_web() {
    let parse = ConfiguredUrl::parse;
    assert!(parse("http://localhost:9/x").is_ok() && parse("https://10.0.0.1/").is_ok());
    assert_eq!(parse("ftp://example.com/"), Err(Refusal::Scheme));
    for text in ["", "example.com", "http://"] {
        assert_eq!(parse(text), Err(Refusal::Url), "{text}");
    }
}

#[tokio::test]
async fn it_asks_loopback_and_reads_the_answer() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(429).insert_header("retry-after", "7").set_body_string("no");
    Mock::given(method("POST")).and(path("/x")).respond_with(answer).mount(&server).await;
    let url = ConfiguredUrl::parse(&format!("{}/x", server.uri())).unwrap();
    let key = HeaderValue::from_static("Bearer k");
    let request = client().request(Method::Post, &url).header(AUTHORIZATION, key).json("{}");
    let response = request.send().await.unwrap();
    assert_eq!((response.status(), response.retry_after()), (429, Some(Duration::from_secs(7))));
    assert_eq!(response.read(2).await.unwrap(), b"no");
    let heard = server.received_requests().await.unwrap().remove(0);
    assert_eq!(heard.headers["authorization"], "Bearer k");
    assert_eq!(heard.headers["content-type"], "application/json");
}

#[tokio::test]
async fn it_follows_no_redirect_and_reads_no_more_than_asked() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(302).insert_header("location", "/y").set_body_string("long");
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let url = ConfiguredUrl::parse(&server.uri()).unwrap();
    let response = client().request(Method::Get, &url).send().await.unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.read(3).await, Err(HttpError::TooLarge));
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn it_tells_no_connection_from_no_answer() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
    Mock::given(any()).respond_with(slow).mount(&server).await;
    let url = ConfiguredUrl::parse(&server.uri()).unwrap();
    let request = client().request(Method::Get, &url).timeout(Duration::from_millis(50));
    assert!(matches!(request.send().await, Err(HttpError::Timeout)));
    let closed = ConfiguredUrl::parse("http://127.0.0.1:9/s3cret").unwrap();
    let error = client().request(Method::Get, &closed).send().await.err().unwrap();
    assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
}
