//! A real mail server for tests, of this crate and of programs that stand on it: aiosmtpd, installed on
//! first use below the folder of builds. A machine that cannot have it is a test that fails.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by a panic: this module is test code that other programs can call"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mail_parser::{Message, MessageParser};
use serde::Deserialize;

/// The versions that the tests were written with.
const PACKAGES: [&str; 2] = ["aiosmtpd==1.4.6", "trustme>=1.2,<2"];
/// What the server does.
const SCRIPT: &str = include_str!("mail_server.py");
/// How long one waits for a mail that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the server encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all.
    None,
    /// After STARTTLS, without which it takes nothing.
    Starttls,
    /// From the beginning.
    Tls,
}

/// A mail server on this machine that ends with the test. How it behaves is said by what is written
/// before the `@` of a recipient: `rcpt.550.5.1.1` replies so to the address, `data.451.4.3.0` to the mail
/// itself; `die.rcpt` and `die.data` end the server there.
#[derive(Debug)]
pub struct MailServer {
    child: Mutex<Child>,
    address: SocketAddr,
    authority: String,
    mails: Mutex<Receiver<TakenMail>>,
}

/// A mail that the server took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenMail {
    /// Whom its envelope says it is from.
    pub from: String,
    /// Whom its envelope says it is for.
    pub to: Vec<String>,
    /// Whether it came encrypted.
    pub encrypted: bool,
    /// Who had signed in; empty for nobody.
    pub user: String,
    /// The mail.
    pub raw: Vec<u8>,
}

impl TakenMail {
    /// The mail, read.
    pub fn parsed(&self) -> Message<'_> {
        MessageParser::default().parse(&self.raw).unwrap()
    }

    /// The text of a header as it was written, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = String::from_utf8_lossy(&self.raw).replace("\r\n ", " ");
        let head = head.split("\r\n\r\n").next()?;
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

impl MailServer {
    /// Starts a server that everybody may send by.
    pub fn open() -> Self {
        Self::start(Encryption::None, None)
    }

    /// Starts a server; with a user and a password, only who signs in with them may send.
    pub fn start(encryption: Encryption, user: Option<(&str, &str)>) -> Self {
        let encryption = match encryption {
            Encryption::None => "none",
            Encryption::Starttls => "starttls",
            Encryption::Tls => "tls",
        };
        let (user, password) = user.unwrap_or_default();
        let mut child = Command::new(installed().join("bin/python"))
            .args(["-c", SCRIPT, encryption, user, password])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap_or_else(|| panic!("the mail server ended")).unwrap();
        let first: Opened = serde_json::from_str(&first).unwrap();
        let (teller, mails) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if teller.send(taken(&line)).is_err() {
                    return;
                }
            }
        });
        Self {
            child: Mutex::new(child),
            address: SocketAddr::from(([127, 0, 0, 1], first.port)),
            authority: first.authority,
            mails: Mutex::new(mails),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of whoever vouches for it, in PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The next mail it took; waits for it.
    pub fn next(&self) -> TakenMail {
        self.mails.lock().unwrap().recv_timeout(PATIENCE).unwrap()
    }

    /// The mails it took that nobody looked at yet.
    pub fn rest(&self) -> Vec<TakenMail> {
        self.mails.lock().unwrap().try_iter().collect()
    }

    /// Ends it at once.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What the server says first.
#[derive(Deserialize)]
struct Opened {
    port: u16,
    authority: String,
}

/// What it says of a mail.
#[derive(Deserialize)]
struct Told {
    from: String,
    to: Vec<String>,
    encrypted: bool,
    user: String,
    raw: String,
}

fn taken(line: &str) -> TakenMail {
    let Told { from, to, encrypted, user, raw } = serde_json::from_str(line).unwrap();
    TakenMail { from, to, encrypted, user, raw: BASE64_STANDARD.decode(raw).unwrap() }
}

/// The folder of the installation, made whole or not at all, by one process at a time.
fn installed() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| {
        let builds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp");
        fs::create_dir_all(&builds).unwrap();
        let door = File::create(builds.join("aiosmtpd.lock")).unwrap();
        door.lock().unwrap();
        let home = builds.join("aiosmtpd");
        let finished = home.join("finished");
        if !finished.exists() {
            let _ = fs::remove_dir_all(&home);
            done(Command::new("python3").args(["-m", "venv"]).arg(&home));
            let mut pip = Command::new(home.join("bin/python"));
            done(pip.args(["-m", "pip", "install", "--quiet"]).args(PACKAGES));
            fs::write(finished, b"").unwrap();
        }
        home
    })
}

#[track_caller]
fn done(command: &mut Command) {
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
}
