//! The real server as a process of its own: started, asked, killed, started again.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// How long a start may take, builds of the machine's other work included.
const START_MAX: Duration = Duration::from_secs(60);
/// Whichever port is free: the server says which one it took.
pub(crate) const ANY_PORT: u16 = 0;

/// A running server.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    client: reqwest::Client,
    pub base: String,
    /// The key that the first start printed.
    pub api_key: Option<String>,
}

impl Process {
    /// Starts the server on a folder and a port and waits until it says that it is ready.
    pub(crate) async fn start(data: &Path, port: u16, env: &[(&str, &str)]) -> Self {
        Self::spawn(data, port, env).ready().await
    }

    /// Starts the server and waits for nothing.
    pub(crate) fn spawn(data: &Path, port: u16, env: &[(&str, &str)]) -> Starting {
        let mut child = Command::new(env!("CARGO_BIN_EXE_justping-server"))
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .arg("--data-dir")
            .arg(data)
            .env("RUST_LOG", "warn")
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the server starts");
        let (said, lines) = mpsc::unbounded_channel();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in output.map_while(Result::ok) {
                // It goes on reading when nobody listens any more, or the server would be stuck.
                let _ = said.send(line);
            }
        });
        let process = Self { child, client: client(), base: String::new(), api_key: None };
        Starting { process, lines }
    }

    /// Whether it says that it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        let answer = self.client.get(format!("{}/readyz", self.base)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    async fn ready(&mut self) {
        let started = Instant::now();
        loop {
            if self.is_ready().await {
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

    fn signal(&self, name: &str) {
        let told = Command::new("kill").arg(name).arg(self.child.id().to_string()).status();
        assert!(told.expect("kill is installed").success());
    }

    /// SIGSTOP: it does nothing any more, and does not know.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT: it goes on as if no time had passed.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// SIGTERM: an orderly end. Tells how it ended and how long it took.
    pub(crate) fn terminate(mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        self.signal("-TERM");
        (self.child.wait().expect("the server ends"), started.elapsed())
    }

    /// SIGKILL: no goodbye, no flush.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the server is killed");
        self.child.wait().expect("the server is gone");
    }
}

/// A server that is not there yet.
#[derive(Debug)]
pub(crate) struct Starting {
    process: Process,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Starting {
    /// Waits until the server says that it is ready.
    pub(crate) async fn ready(mut self) -> Process {
        self.listening().await;
        self.process.ready().await;
        self.process
    }

    /// Waits until it says where it listens; a key that it has to show it shows before.
    async fn listening(&mut self) {
        let Self { process, lines } = self;
        let said = async {
            while let Some(line) = lines.recv().await {
                if let Some(key) = line.split_whitespace().find(|word| word.starts_with("jp_")) {
                    process.api_key = Some(key.to_owned());
                }
                if let Some((_, url)) = line.split_once("is running: ") {
                    url.clone_into(&mut process.base);
                    return;
                }
            }
            panic!("the server ended at once: {:?}", process.child.wait());
        };
        let said = tokio::time::timeout(START_MAX, said).await;
        said.expect("the server says where it listens");
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
