//! A script in place of the network: the rules hold, and nobody is asked.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::{
    Answer, HeaderMap, HttpError, Method, OpenClient, OpenRequest, OpenUrl, Policy, Refusal, Script,
};

#[derive(Debug, Default)]
struct Parrot {
    heard: Mutex<Vec<String>>,
}

impl Script for Parrot {
    fn answer(&self, request: &OpenRequest) -> Result<Answer, HttpError> {
        let line = format!("{} {}", request.method().name(), request.url().text());
        self.heard.lock().unwrap().push(line);
        let Some(body) = request.content() else { return Err(HttpError::Timeout) };
        let mut headers = HeaderMap::new();
        headers.insert("x-key", request.headers()["x-key"].clone());
        Ok(Answer { status: 302, headers, body: body.to_vec() })
    }
}

#[tokio::test]
async fn a_script_answers_in_place_of_the_network() {
    let parrot = Arc::new(Parrot::default());
    let client = OpenClient::scripted(Policy::default(), Arc::clone(&parrot) as _);
    let url = |text: &str| OpenUrl::parse(text).unwrap();
    let post = OpenRequest::new(Method::Post, url("https://nowhere.example.com/a?b=c"));
    let answer = client.send(post.header("x-key", "k").unwrap().body("hello")).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (302, b"hello".as_slice()));
    assert_eq!(answer.headers["x-key"], "k");
    let get = OpenRequest::new(Method::Get, url("https://nowhere.example.com/"));
    let none: Arc<BTreeSet<String>> = Arc::default();
    let refused = client.send(get.clone().within(none)).await.unwrap_err();
    assert!(matches!(refused, HttpError::Refused(Refusal::Host)), "{refused}");
    assert!(matches!(client.send(get).await, Err(HttpError::Timeout)));
    let inside = OpenRequest::new(Method::Get, url("http://127.0.0.1/"));
    let refused = client.send(inside).await.unwrap_err();
    assert!(matches!(refused, HttpError::Refused(Refusal::Address)), "{refused}");
    let heard = parrot.heard.lock().unwrap();
    assert_eq!(
        *heard,
        ["POST https://nowhere.example.com/a?b=c", "GET https://nowhere.example.com/"]
    );
}
