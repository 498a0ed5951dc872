//! The real server as a process of its own: started, asked, killed, started again.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a start may take, builds of the machine's other work included.
const START_MAX: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub base: String,
    /// The key that the first start printed.
    pub api_key: Option<String>,
}

impl Process {
    /// Starts the server on a folder and a port and waits until it says that it is ready.
    pub(crate) async fn start(data: &Path, port: u16, env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_justping-server"))
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .arg("--data-dir")
            .arg(data)
            .envs(env.iter().copied())
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the server starts");
        let (found, key) = std::sync::mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(key) = line.split_whitespace().find(|word| word.starts_with("jp_")) {
                    let _ = found.send(key.to_owned());
                }
            }
        });
        let mut process = Self { child, base: format!("http://127.0.0.1:{port}"), api_key: None };
        process.ready().await;
        process.api_key = key.try_recv().ok();
        process
    }

    async fn ready(&mut self) {
        let client = client();
        let started = Instant::now();
        loop {
            let answer = client.get(format!("{}/readyz", self.base)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server ended at once: {status}");
            }
            assert!(started.elapsed() < START_MAX, "the server did not become ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Memory it occupies, in KiB, as the kernel counts it.
    pub(crate) fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the kernel tells");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("a number")
    }

    /// SIGTERM: an orderly end. Tells how it ended and how long it took.
    pub(crate) fn terminate(mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        let told = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(told.expect("kill is installed").success());
        (self.child.wait().expect("the server ends"), started.elapsed())
    }

    /// SIGKILL: no goodbye, no flush.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the server is killed");
        self.child.wait().expect("the server is gone");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody uses now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An HTTP client. The server's own TLS is not in this process, so the tests choose it themselves.
pub(crate) fn client() -> reqwest::Client {
    // Whichever test comes first chooses; all choose the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::new()
}
