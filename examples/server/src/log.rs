use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::LogFormat;

/// Starts the log on standard error. `RUST_LOG` says what is written; `info` unless given.
///
/// Does nothing when the process already logs.
pub(crate) fn start(format: LogFormat) {
    let level = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    let log = tracing_subscriber::fmt()
        .with_env_filter(level.from_env_lossy())
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(error, "the process already logs");
    }
}
