//! Names that change their mind.

use std::sync::Arc;

use reqwest::dns::Resolve;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{Names, all_but_one, client, get, ports_of};
use crate::resolve::{GuardedResolver, SystemResolver};
use crate::{HttpError, Policy, Refusal, is_public};

#[tokio::test]
async fn a_name_that_flips_between_two_connections_is_caught() {
    let server = MockServer::start().await;
    // Without a kept connection the second request must ask for the name again.
    let answer = ResponseTemplate::new(200).insert_header("connection", "close");
    Mock::given(any()).respond_with(answer.set_body_string("hello")).mount(&server).await;
    let port = server.address().port();
    let names = Names::default().with("rebind.example", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let names = Arc::new(names);
    let client = client(ports_of(&[&server]), &names, all_but_one);
    let url = format!("http://rebind.example:{port}/");
    let first = client.send(get(&url)).await.unwrap();
    assert_eq!((first.status, first.body.as_slice()), (200, b"hello".as_slice()));
    let second = client.send(get(&url)).await;
    assert_eq!(second, Err(HttpError::Refused(Refusal::Address)));
    assert_eq!(names.asked(), ["rebind.example"; 2], "a connection asks once, and uses the answer");
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_several_addresses_only_public_ones_are_tried() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(204)).mount(&server).await;
    let port = server.address().port();
    let mixed: &[&[&str]] = &[&["10.0.0.1", "::1", "127.0.0.2", "127.0.0.1", "fe80::1"]];
    let names = Arc::new(Names::default().with("mixed.example", mixed));
    let client = client(ports_of(&[&server]), &names, all_but_one);
    let answer = client.send(get(&format!("http://mixed.example:{port}/"))).await.unwrap();
    assert_eq!(answer.status, 204);
}

#[tokio::test]
async fn a_name_that_is_not_there_is_no_connection() {
    let names = Arc::new(Names::default().with("empty.example", &[&[]]));
    let client = client(Policy::default(), &names, all_but_one);
    for name in ["nowhere.example", "empty.example"] {
        let error = client.send(get(&format!("https://{name}/s3cret"))).await.unwrap_err();
        assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
        assert_eq!(error.code(), "no_connection");
    }
}

#[tokio::test]
async fn what_the_machine_knows_by_name_is_judged_too() {
    let guarded = GuardedResolver { upstream: Arc::new(SystemResolver), judge: is_public };
    let refused = guarded.resolve("localhost".parse().unwrap()).await.err().unwrap();
    assert_eq!(refused.downcast_ref(), Some(&Refusal::Address));
}
