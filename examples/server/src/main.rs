//! The reference server of JustPing.

use std::io::Write;
use std::process::ExitCode;

use justping_server::config::Config;
use justping_server::run;

fn main() -> ExitCode {
    let ended = Config::load().map_err(run::RunError::from).and_then(run::run);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to report a broken standard error to.
            drop(writeln!(std::io::stderr(), "justping-server: {error}"));
            ExitCode::FAILURE
        }
    }
}
