//! Time and sizes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{client, client_of, get};
use crate::{HttpError, Method, OpenClient, OpenRequest, OpenUrl, Policy, Refusal, is_public};

const MAX: usize = 1000;

fn small(except: std::net::SocketAddr) -> OpenClient {
    let policy = Policy {
        except: vec![except],
        request_max_bytes: MAX,
        response_max_bytes: MAX,
        ..Policy::default()
    };
    client(policy, &std::sync::Arc::default(), is_public)
}

/// Answers one request with a head, then goes on with pieces for as long as somebody listens.
async fn endless(head: &'static str, piece: Vec<u8>) -> (std::net::SocketAddr, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        while !piece.is_empty() && stream.write_all(&piece).await.is_ok() {}
        // Open until the other side goes.
        let _ = stream.read(&mut request).await;
    });
    (address, format!("http://{address}/"))
}

#[tokio::test]
async fn an_answer_is_read_up_to_the_limit() {
    let server = MockServer::start().await;
    for (size, fits) in [(MAX, true), (MAX + 1, false)] {
        server.reset().await;
        let answer = ResponseTemplate::new(200).set_body_bytes(vec![b'x'; size]);
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let answer = small(*server.address()).send(get(&server.uri())).await;
        match fits {
            true => assert_eq!(answer.unwrap().body.len(), MAX),
            false => assert_eq!(answer, Err(HttpError::TooLarge)),
        }
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_while_it_comes() {
    let chunk = format!("100\r\n{}\r\n", "x".repeat(256)).into_bytes();
    let (address, url) =
        endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk).await;
    assert_eq!(small(address).send(get(&url)).await, Err(HttpError::TooLarge));
}

#[tokio::test]
async fn a_slow_answer_is_given_up() {
    for head in ["", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"] {
        let (address, url) = endless(head, Vec::new()).await;
        let request = get(&url).timeout(Duration::from_millis(50));
        let error = small(address).send(request).await.unwrap_err();
        assert_eq!((&error, error.code()), (&HttpError::Timeout, "timeout"));
    }
}

#[tokio::test]
async fn the_policy_bounds_the_wish_for_time() {
    let (address, url) = endless("", Vec::new()).await;
    let timeout = Duration::from_millis(50);
    let policy = Policy { except: vec![address], timeout, ..Policy::default() };
    let client = OpenClient::new(policy);
    let request = get(&url).timeout(Duration::from_secs(3600));
    assert_eq!(client.send(request).await, Err(HttpError::Timeout));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").await.unwrap();
    });
    let error = small(address).send(get(&format!("http://{address}/s3cret"))).await.unwrap_err();
    assert!(matches!(error, HttpError::Broken { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_sent() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let url = OpenUrl::parse(&server.uri()).unwrap();
    let client = small(*server.address());
    let post = |size: usize| OpenRequest::new(Method::Post, url.clone()).body(vec![b'x'; size]);
    assert_eq!(client.send(post(MAX)).await.unwrap().status, 200);
    let refused = client.send(post(MAX + 1)).await;
    assert_eq!(refused, Err(HttpError::Refused(Refusal::BodySize)));
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_answer_has_its_status_headers_and_body() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(418).insert_header("x-a", "b").set_body_string("tea");
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let answer = client_of(&[&server]).send(get(&server.uri())).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (418, b"tea".as_slice()));
    assert_eq!(answer.headers["x-a"], "b");
    assert!(!format!("{answer:?}").contains("tea"));
    let asked = server.received_requests().await.unwrap().remove(0);
    assert!(asked.headers["user-agent"].to_str().unwrap().starts_with("justping/"));
}
