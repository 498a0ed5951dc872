//! Redirects: each is judged anew, and credentials do not travel.

use std::collections::BTreeSet;
use std::sync::Arc;

use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{Names, all_but_one, client, client_of, get, ports_of};
use crate::{HttpError, Method, OpenRequest, OpenUrl, Refusal};

async fn redirects(from: &MockServer, at: &str, status: u16, to: &str) {
    let answer = ResponseTemplate::new(status).insert_header("location", to);
    Mock::given(path(at)).respond_with(answer).mount(from).await;
}

async fn answers(server: &MockServer) {
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200))
        .with_priority(9)
        .mount(server)
        .await;
}

async fn heard(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

#[tokio::test]
async fn a_redirect_to_the_inside_is_refused() {
    let server = MockServer::start().await;
    let inside = MockServer::start().await;
    answers(&inside).await;
    let client = client_of(&[&server]);
    let inside_port = inside.address().port();
    let cases = [
        (inside.uri(), Refusal::Port),
        (format!("http://0x7f.1:{inside_port}/"), Refusal::Port),
        ("http://127.0.0.1/".to_owned(), Refusal::Address),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), Refusal::Address),
        ("//169.254.169.254/".to_owned(), Refusal::Address),
        ("http://[::ffff:a9fe:a9fe]/".to_owned(), Refusal::Address),
        ("http://localhost/".to_owned(), Refusal::LocalName),
        ("http://a:b@example.com/".to_owned(), Refusal::UserInfo),
        ("file:///etc/passwd".to_owned(), Refusal::Scheme),
        ("gopher://127.0.0.1:6379/".to_owned(), Refusal::Scheme),
        ("http://example.com:6379/".to_owned(), Refusal::Port),
        ("http://[".to_owned(), Refusal::Url),
    ];
    for (at, (to, refusal)) in cases.iter().enumerate() {
        let status = [301, 302, 303, 307, 308][at % 5];
        redirects(&server, &format!("/{at}"), status, to).await;
        let refused = client.send(get(&format!("{}/{at}", server.uri()))).await;
        assert_eq!(refused, Err(HttpError::Refused(*refusal)), "{to}");
    }
    assert!(heard(&inside).await.is_empty());
}

#[tokio::test]
async fn a_chain_ends_where_a_name_leads_inside() {
    let server = MockServer::start().await;
    let port = server.address().port();
    let names = Names::default()
        .with("one.example", &[&["127.0.0.1"]])
        .with("two.example", &[&["127.0.0.1"]])
        .with("inside.example", &[&["127.0.0.2"]]);
    let names = Arc::new(names);
    redirects(&server, "/a", 302, &format!("http://two.example:{port}/b")).await;
    redirects(&server, "/b", 307, &format!("http://inside.example:{port}/c")).await;
    let client = client(ports_of(&[&server]), &names, all_but_one);
    let refused = client.send(get(&format!("http://one.example:{port}/a"))).await;
    assert_eq!(refused, Err(HttpError::Refused(Refusal::Address)));
    assert_eq!(names.asked(), ["one.example", "two.example", "inside.example"]);
    assert_eq!(heard(&server).await.len(), 2);
}

#[tokio::test]
async fn five_redirects_are_followed_and_no_more() {
    let server = MockServer::start().await;
    for at in 0..6 {
        redirects(&server, &format!("/{at}"), 302, &format!("/{}", at + 1)).await;
    }
    answers(&server).await;
    let client = client_of(&[&server]);
    let followed = client.send(get(&format!("{}/1", server.uri()))).await.unwrap();
    assert_eq!(followed.status, 200);
    let circle = client.send(get(&format!("{}/0", server.uri()))).await;
    assert_eq!(circle, Err(HttpError::Redirects));
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let (home, away) = (MockServer::start().await, MockServer::start().await);
    redirects(&home, "/near", 307, "/here").await;
    redirects(&home, "/far", 307, &format!("{}/there", away.uri())).await;
    answers(&home).await;
    answers(&away).await;
    let client = client_of(&[&home, &away]);
    for at in ["near", "far"] {
        let request = get(&format!("{}/{at}", home.uri()));
        let request = request.header("authorization", "Bearer s3cret").unwrap();
        let request = request.header("x-api-key", "s3cret").unwrap();
        let request = request.header("cookie", "s3cret=1").unwrap();
        client.send(request.header("accept", "text/x").unwrap()).await.unwrap();
    }
    let near = heard(&home).await.into_iter().find(|one| one.url.path() == "/here").unwrap();
    assert_eq!(near.headers["x-api-key"], "s3cret");
    let far = heard(&away).await.remove(0);
    assert_eq!(far.headers["accept"], "text/x");
    assert!(!format!("{:?}", far.headers).contains("s3cret"), "{:?}", far.headers);
}

#[tokio::test]
async fn a_redirect_may_turn_a_post_into_a_get() {
    let server = MockServer::start().await;
    let cases = [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")];
    for (status, _) in cases {
        redirects(&server, &format!("/{status}"), status, &format!("/to{status}")).await;
    }
    answers(&server).await;
    let client = client_of(&[&server]);
    for (status, becomes) in cases {
        let url = OpenUrl::parse(&format!("{}/{status}", server.uri())).unwrap();
        let request = OpenRequest::new(Method::Post, url).body("{}");
        client.send(request.header("content-type", "application/json").unwrap()).await.unwrap();
        let to = format!("/to{status}");
        let heard = heard(&server).await.into_iter().find(|one| one.url.path() == to).unwrap();
        assert_eq!(heard.method.as_str(), becomes, "{status}");
        let body: &[u8] = if becomes == "GET" { b"" } else { b"{}" };
        assert_eq!(heard.body, body, "{status}");
        assert_eq!(heard.headers.contains_key("content-type"), becomes == "POST", "{status}");
    }
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_an_answer() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(304);
    Mock::given(method("GET")).respond_with(answer).mount(&server).await;
    let answer = client_of(&[&server]).send(get(&server.uri())).await.unwrap();
    assert_eq!(answer.status, 304);
}

#[tokio::test]
async fn a_request_stays_within_its_origins() {
    let (first, second) = (MockServer::start().await, MockServer::start().await);
    Mock::given(path("/away"))
        .respond_with(ResponseTemplate::new(307).insert_header("location", second.uri()))
        .mount(&first)
        .await;
    Mock::given(path("/round"))
        .respond_with(ResponseTemplate::new(302).insert_header("location", "/end"))
        .mount(&first)
        .await;
    Mock::given(path("/end")).respond_with(ResponseTemplate::new(204)).mount(&first).await;
    let client = client_of(&[&first, &second]);
    let origins = Arc::new(BTreeSet::from([first.uri()]));
    let within = |url: String| get(&url).within(Arc::clone(&origins));
    let round = client.send(within(format!("{}/round", first.uri()))).await;
    assert_eq!(round.map(|answer| answer.status), Ok(204));
    let away = client.send(within(format!("{}/away", first.uri()))).await;
    assert_eq!(away, Err(HttpError::Refused(Refusal::Host)));
    assert_eq!(client.send(within(second.uri())).await, Err(HttpError::Refused(Refusal::Host)));
    assert!(second.received_requests().await.unwrap().is_empty());
}
