//! `justping flow …`. One file a command.

mod import;
mod lint;
mod outline;
mod replay;
mod show;
mod simulate;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use justping::agents::Flows;
use justping::agents::fetch::ScriptedFetcher;
use justping::agents::import::Format;
use justping::memory::ScriptedAi;

pub(crate) use self::lint::described;
pub(crate) use self::simulate::{FLOWS_MAX, documents, tell, trouble};
use crate::{Answer, Trouble};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Looks flows over. Ends with 1 when one of them has an error.
    Lint {
        /// Documents, JSON or YAML.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Kinds of channels, such as whatsapp,sms: says what each shows otherwise.
        #[arg(long, value_delimiter = ',')]
        channels: Vec<String>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows a flow as an outline.
    Show {
        /// A document, JSON or YAML.
        file: PathBuf,
        /// Prints a Mermaid flowchart instead.
        #[arg(long)]
        mermaid: bool,
    },
    /// Plays scenarios against the flows they name. Ends with 1 when one of them fails.
    Simulate {
        /// Scenarios, YAML or JSON.
        #[arg(required = true)]
        scenarios: Vec<PathBuf>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        people: People,
    },
    /// Reads a flow of another system. Prints the document; what was lost goes to standard error.
    Import {
        /// A Typebot export, a Twilio Studio flow or a FLOIP container.
        file: PathBuf,
        /// What wrote it; found out unless given.
        #[arg(long, value_enum)]
        from: Option<From>,
        /// Prints document and report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Runs a recorded session again and compares every byte. Ends with 1 at a difference.
    Replay {
        /// A record: what `GET /api/v1/sessions/{id}/record` answers.
        record: PathBuf,
    },
}

/// Who plays contacts and judges where a scenario has no answers for them. Whatever else a flow asks
/// is answered by the scenario.
#[derive(Debug, Default, Args)]
pub(crate) struct People {
    /// A model that plays contacts and judges, of an OpenAI-compatible API. What they say goes there.
    #[arg(long, value_name = "MODEL")]
    people_model: Option<String>,
    /// Where that API is.
    #[arg(
        long,
        env = "JUSTPING_OPENAI_BASE_URL",
        value_name = "URL",
        default_value = "https://api.openai.com/v1"
    )]
    people_url: String,
    /// The key for it; better given by environment, where other users do not see it.
    #[arg(long, env = "JUSTPING_OPENAI_API_KEY", value_name = "KEY", hide_env_values = true)]
    people_key: Option<String>,
}

/// What wrote a flow.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum From {
    Typebot,
    Twilio,
    Floip,
}

impl From {
    fn format(self) -> Format {
        match self {
            Self::Typebot => Format::Typebot,
            Self::Twilio => Format::Twilio,
            Self::Floip => Format::Floip,
        }
    }
}

pub(crate) fn run(command: &Command) -> Result<Answer, Trouble> {
    match command {
        Command::Lint { files, channels, json } => lint::run(files, channels, *json),
        Command::Show { file, mermaid } => show::run(file, *mermaid),
        Command::Simulate { scenarios, json, people } => simulate::run(scenarios, *json, people),
        Command::Import { file, from, json } => import::run(file, from.map(From::format), *json),
        Command::Replay { record } => replay::run(record),
    }
}

/// Every node of the library. Those that would ask models or servers are there, and ask nobody.
fn flows() -> Flows {
    Flows::new().with_ai(Arc::new(ScriptedAi::new())).with_http(Arc::new(ScriptedFetcher::new()))
}
