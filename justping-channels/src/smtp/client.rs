//! The dialogue with a mail server (RFC 5321).

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use justping_core::port::SendError;
use justping_http::{HttpError, Policy, reach};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::time::Instant;

use super::config::{Checked, Security};
use super::error::{Stage, after_data, before_data};
use super::map::Letter;

/// How long a connection may take to open, encryption and authentication included.
const OPEN_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a server may take for one command before the mail itself.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may take to answer for the mail itself.
const DATA_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an idle connection is kept for the next mail. Short: servers close them soon, and close
/// many at once.
const IDLE: Duration = Duration::from_secs(20);
/// Idle connections that are kept.
const IDLE_MAX: usize = 4;

/// A mail server, as a channel knows it.
pub(super) struct Server {
    sender: Checked,
    policy: Policy,
    roots: Vec<Certificate>,
    hello: ClientId,
    tls: OnceLock<TlsParameters>,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl Server {
    pub(super) fn new(sender: Checked, policy: Policy, roots: Vec<Certificate>) -> Self {
        let hello = ClientId::Domain(sender.from.domain().to_owned());
        let (tls, idle) = (OnceLock::new(), Mutex::default());
        Self { sender, policy, roots, hello, tls, idle }
    }

    pub(super) fn sender(&self) -> &Checked {
        &self.sender
    }

    /// Hands a mail over, once.
    pub(super) async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let mut connection = match self.kept().await {
            Some(kept) => kept,
            None => self.open().await?,
        };
        let sent = self.speak(&mut connection, letter).await;
        match &sent {
            Ok(()) => self.keep(connection),
            Err(_) => close(connection),
        }
        sent
    }

    /// Signs in and says good-bye.
    pub(super) async fn look(&self) -> Result<(), SendError> {
        let connection = self.open().await?;
        self.keep(connection);
        Ok(())
    }

    async fn speak(
        &self,
        connection: &mut AsyncSmtpConnection,
        letter: &Letter,
    ) -> Result<(), SendError> {
        let parameters = parameters(connection, letter, self.sender.from.as_ref())?;
        let sender = Mail::new(Some(self.sender.from.clone()), parameters);
        step(Stage::Sender, connection.command(sender)).await?;
        let recipient = Rcpt::new(letter.to.clone(), Vec::new());
        step(Stage::Recipient, connection.command(recipient)).await?;
        step(Stage::Data, connection.command(Data)).await?;
        // From here on the mail may have been taken whatever is heard.
        match tokio::time::timeout(DATA_TIMEOUT, connection.message(&letter.bytes)).await {
            Ok(answer) => answer.map(drop).map_err(|error| after_data(&error)),
            Err(_) => Err(SendError::Unknown { detail: "the server does not answer".to_owned() }),
        }
    }

    /// An idle connection that still lives.
    async fn kept(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.idle().pop()?;
            if since.elapsed() > IDLE {
                close(connection);
                continue;
            }
            if tokio::time::timeout(COMMAND_TIMEOUT, connection.test_connected()).await == Ok(true)
            {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle();
        if idle.len() < IDLE_MAX {
            idle.push((connection, Instant::now()));
        } else {
            close(connection);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(AsyncSmtpConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a connection to one of the addresses that the host may have, encrypted as the settings say
    /// and to a server that proves to be the host.
    async fn open(&self) -> Result<AsyncSmtpConnection, SendError> {
        let opened = tokio::time::timeout(OPEN_TIMEOUT, self.connect()).await;
        opened.unwrap_or_else(|_| Err(retry("the server does not answer")))
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let (host, port) = (&self.sender.host, self.sender.port);
        let mut last = retry("the server has no address");
        for address in reach(&self.policy, host, port).await.map_err(unreachable)? {
            match self.connect_to(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect_to(&self, address: SocketAddr) -> Result<AsyncSmtpConnection, SendError> {
        let hello = |error: SmtpError| before_data(Stage::Hello, &error);
        let whole = match self.sender.security {
            Security::Tls => Some(self.tls()?),
            Security::Starttls | Security::None => None,
        };
        let patience = Some(COMMAND_TIMEOUT);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, patience, &self.hello, whole, None)
                .await
                .map_err(hello)?;
        if self.sender.security == Security::Starttls {
            connection.starttls(self.tls()?, &self.hello).await.map_err(hello)?;
        }
        if let Some(credentials) = &self.sender.credentials {
            let signed = connection.auth(DEFAULT_MECHANISMS, credentials).await;
            signed.map_err(|error| before_data(Stage::Auth, &error))?;
        }
        Ok(connection)
    }

    /// What a server is asked to prove; the first time, the machine's root certificates are read.
    fn tls(&self) -> Result<TlsParameters, SendError> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls.clone());
        }
        let host = self.sender.host.trim_start_matches('[').trim_end_matches(']');
        let mut builder = TlsParameters::builder(host.to_owned());
        for root in &self.roots {
            builder = builder.add_root_certificate(root.clone());
        }
        let tls = builder.build().map_err(|error| retry(&error.to_string()))?;
        Ok(self.tls.get_or_init(|| tls).clone())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked { host, port, security, .. } = &self.sender;
        let mut shown = f.debug_struct("Server");
        shown.field("host", host).field("port", port).field("security", security);
        shown.finish_non_exhaustive()
    }
}

/// What the server has to be able to do for this mail.
fn parameters(
    connection: &AsyncSmtpConnection,
    letter: &Letter,
    from: &str,
) -> Result<Vec<MailParameter>, SendError> {
    let mut parameters = Vec::new();
    let needs = |extension, what: &str| {
        let reason = format!("the server does not take {what}");
        let code = Some("unfit".to_owned());
        let has = connection.server_info().supports_feature(extension);
        if has { Ok(()) } else { Err(SendError::Rejected { code, reason }) }
    };
    let to: &str = letter.to.as_ref();
    if !to.is_ascii() || !from.is_ascii() {
        needs(Extension::SmtpUtfEight, "addresses of this script")?;
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !letter.bytes.is_ascii() {
        needs(Extension::EightBitMime, "mails of eight bits")?;
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(parameters)
}

/// One command before the mail itself: without an answer, nothing has left.
async fn step<T>(
    stage: Stage,
    command: impl Future<Output = Result<T, SmtpError>>,
) -> Result<(), SendError> {
    match tokio::time::timeout(COMMAND_TIMEOUT, command).await {
        Ok(answer) => answer.map(drop).map_err(|error| before_data(stage, &error)),
        Err(_) => Err(retry("the server does not answer")),
    }
}

/// Lets a connection go. Nobody waits for the server's good-bye.
fn close(connection: AsyncSmtpConnection) {
    drop(connection);
}

fn unreachable(error: HttpError) -> SendError {
    match error {
        HttpError::Refused(refusal) => SendError::Rejected {
            code: Some(refusal.code().to_owned()),
            reason: refusal.to_string(),
        },
        other => retry(&other.to_string()),
    }
}

fn retry(detail: &str) -> SendError {
    SendError::Retry { after: None, detail: detail.to_owned() }
}
