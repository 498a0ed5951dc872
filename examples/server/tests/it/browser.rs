//! A visitor talks with the demo agent in a real browser, through a crash of the server.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{Process, client, free_port};

const WAIT_MAX: Duration = Duration::from_secs(30);

/// A headless Chromium, spoken to by the W3C WebDriver protocol.
struct Browser {
    driver: Child,
    client: reqwest::Client,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect(
                "chromedriver is installed (Debian: chromium-driver); the test command does it",
            );
        let profile = tempfile::tempdir().unwrap();
        let client = client();
        let base = format!("http://127.0.0.1:{port}");
        let started = Instant::now();
        while client.get(format!("{base}/status")).send().await.is_err() {
            assert!(started.elapsed() < WAIT_MAX, "chromedriver does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut arguments = vec![format!("--user-data-dir={}", profile.path().display())];
        arguments.extend(
            [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ]
            .map(str::to_owned),
        );
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
        }}});
        let answer = client.post(format!("{base}/session")).json(&wanted).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let session = format!("{base}/session/{id}");
        Self { driver, client, session, _profile: profile }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/{path}", self.session);
        let answer = self.client.post(url).json(&body).send().await.unwrap();
        let status = answer.status();
        let value: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {value}");
        value["value"].clone()
    }

    async fn open(&self, url: &str) {
        self.post("url", json!({"url": url})).await;
    }

    async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({"script": script, "args": []})).await
    }

    async fn element(&self, selector: &str) -> String {
        let found = json!({"using": "css selector", "value": selector});
        let value = self.post("element", found).await;
        value.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.post(&format!("element/{element}/click"), json!({})).await;
    }

    async fn write(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.post(&format!("element/{element}/value"), json!({"text": text})).await;
    }

    /// Waits until a script returns something true.
    async fn until(&self, what: &str, script: &str) -> Value {
        let started = Instant::now();
        loop {
            let value = self.run(script).await;
            if !matches!(value, Value::Null | Value::Bool(false)) {
                return value;
            }
            if started.elapsed() > WAIT_MAX {
                let page = self.run("return document.body.innerText").await;
                panic!("waited in vain for {what}; the page says {page}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn bubbles(&self, direction: &str) -> Vec<String> {
        let script = format!(
            "return [...document.querySelectorAll('[data-testid=\"chat-bubble\"]\
             [data-direction=\"{direction}\"]')].map(b => b.innerText)"
        );
        let value = self.run(&script).await;
        value.as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect()
    }

    async fn until_said(&self, direction: &str, text: &str) {
        let script = format!(
            "return [...document.querySelectorAll('[data-testid=\"chat-bubble\"]\
             [data-direction=\"{direction}\"]')].some(b => b.innerText.includes('{text}'))"
        );
        self.until(text, &script).await;
    }

    async fn say(&self, text: &str) {
        self.write("[data-testid=\"chat-input\"]", text).await;
        self.click("[data-testid=\"chat-send\"]").await;
    }

    async fn until_online(&self) {
        let state = "return document.querySelector('[data-testid=\"chat-status\"]')?.dataset.state \
                     === 'online'";
        self.until("the connection", state).await;
    }
}

impl Drop for Browser {
    /// The driver's whole group: killed alone, it would leave the browser behind.
    fn drop(&mut self) {
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.driver.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_talks_with_the_demo_agent_through_a_crash() {
    let data = tempfile::tempdir().unwrap();
    let port = free_port();
    let env = [("JUSTPING_TURN_LEASE_MS", "300"), ("JUSTPING_POLL_MS", "50")];
    let mut server = Process::start(data.path(), port, &env).await;
    assert!(server.api_key.is_some(), "the first start prints a key");
    let browser = Browser::start().await;
    browser.open(&format!("{}/", server.base)).await;
    browser.until_online().await;

    browser.say("hello").await;
    browser.until_said("inbound", "hello").await;
    let count = "return document.querySelectorAll('[data-testid=\"chat-bubble\"]\
                 [data-direction=\"outbound\"]').length > 0";
    browser.until("the greeting", count).await;

    // The server dies and comes back: the thread is still there and goes on.
    server.kill();
    let offline = "return document.querySelector('[data-testid=\"chat-status\"]').dataset.state \
                   !== 'online'";
    browser.until("the loss of the connection", offline).await;
    browser.say("Ada").await;
    let server = Process::start(data.path(), port, &env).await;
    assert!(server.api_key.is_none(), "the key is printed once");
    browser.until_online().await;
    browser.until_said("outbound", "Ada").await;
    assert_eq!(browser.bubbles("inbound").await.len(), 2, "nothing is shown or sent twice");

    // A choice offered by the agent is a button; pressing it is answered.
    browser
        .until("options", "return !!document.querySelector('[data-testid=\"chat-option\"]')")
        .await;
    let before = browser.bubbles("outbound").await.len();
    browser.click("[data-testid=\"chat-option\"]").await;
    let more = format!(
        "return document.querySelectorAll('[data-testid=\"chat-bubble\"]\
         [data-direction=\"outbound\"]').length > {before}"
    );
    browser.until("the answer to the choice", &more).await;

    // Another tab of the same visitor sees the same thread.
    let thread = browser.bubbles("outbound").await;
    browser.open(&format!("{}/", server.base)).await;
    browser.until_online().await;
    browser.until("the thread", &more).await;
    assert_eq!(browser.bubbles("outbound").await, thread);
}
