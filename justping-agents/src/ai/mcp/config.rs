//! What to talk to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use justping_core::port::{TOOL_NAME_SEPARATOR, is_tool_name};
use justping_http::OpenClient;

/// The longest wait for any answer of a server, unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Most characters of a server's name.
const NAME_MAX_CHARS: usize = 24;

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct McpConfig {
    /// Begins the names of its tools: lowercase letters, digits and `_`.
    pub name: String,
    /// Where it is.
    pub place: McpPlace,
    /// The only tools that may be used, by the server's own names; `None` is all.
    pub allow: Option<BTreeSet<String>>,
    /// The longest wait for any answer.
    pub timeout: Duration,
}

/// Where a server is. What is shown of it are names only: headers and environments hold secrets.
#[derive(Clone)]
pub enum McpPlace {
    /// A program of this machine, spoken to by standard input and output. For operators only:
    /// whoever may write this runs programs.
    Program {
        /// The program.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// All of its environment.
        environment: BTreeMap<String, String>,
    },
    /// A web address, asked through the guarded client ("streamable HTTP").
    Http {
        /// The address.
        url: String,
        /// Headers of every request, such as `authorization`.
        headers: Vec<(String, String)>,
        /// The client, with what it allows.
        client: OpenClient,
    },
}

impl fmt::Debug for McpPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { program, environment, .. } => f
                .debug_struct("Program")
                .field("program", program)
                .field("environment", &environment.keys())
                .finish_non_exhaustive(),
            Self::Http { url, headers, .. } => f
                .debug_struct("Http")
                .field("url", url)
                .field("headers", &headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
                .finish_non_exhaustive(),
        }
    }
}

/// A configuration that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum McpConfigError {
    /// The name is not one.
    #[error("a server's name is 1 to 24 lowercase letters, digits or `_`")]
    Name,
    /// The address is not one that may be asked.
    #[error("the address cannot be asked: {0}")]
    Url(String),
    /// A header is not one that may be sent.
    #[error("the header `{0}` cannot be sent")]
    Header(String),
}

impl McpConfigError {
    /// Where it is in the settings of a tool, as a JSON pointer.
    pub fn path(&self) -> String {
        match self {
            Self::Name => "/name".to_owned(),
            Self::Url(_) => "/settings/url".to_owned(),
            Self::Header(name) => format!("/settings/headers/{name}"),
        }
    }
}

impl McpConfig {
    /// A server at a place, all of whose tools may be used.
    pub fn new(name: impl Into<String>, place: McpPlace) -> Self {
        Self { name: name.into(), place, allow: None, timeout: TIMEOUT }
    }

    /// Only these tools may be used, by the server's own names.
    #[must_use]
    pub fn allowing(self, tools: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { allow: Some(tools.into_iter().map(Into::into).collect()), ..self }
    }

    pub(in crate::ai) fn check(&self) -> Result<(), McpConfigError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let chars = self.name.chars().count();
        if !(1..=NAME_MAX_CHARS).contains(&chars) || !self.name.chars().all(plain) {
            return Err(McpConfigError::Name);
        }
        if let McpPlace::Http { url, headers, client } = &self.place {
            let judged = justping_http::OpenUrl::parse(url)
                .and_then(|url| client.policy().check(&url))
                .map_err(|error| McpConfigError::Url(error.to_string()));
            judged?;
            for (name, _) in headers {
                justping_http::check_header(name)
                    .map_err(|_| McpConfigError::Header(name.clone()))?;
            }
        }
        Ok(())
    }

    /// The name of a tool as models see it; `None` for one that no provider takes.
    pub(super) fn tool_name(&self, tool: &str) -> Option<String> {
        let name = format!("{}{TOOL_NAME_SEPARATOR}{tool}", self.name);
        let fits = is_tool_name(&name);
        if !fits {
            tracing::warn!(tool, server = self.name, "a tool has a name that no model takes");
        }
        fits.then_some(name)
    }

    /// The server's own name of a tool.
    pub(super) fn own_name<'t>(&self, tool: &'t str) -> &'t str {
        let rest = tool.strip_prefix(self.name.as_str());
        rest.and_then(|rest| rest.strip_prefix(TOOL_NAME_SEPARATOR)).unwrap_or(tool)
    }
}

#[cfg(test)]
mod tests {
    use justping_http::Policy;

    use super::*;

    fn program(name: &str) -> McpConfig {
        let (arguments, environment) = (Vec::new(), BTreeMap::new());
        McpConfig::new(name, McpPlace::Program { program: "x".to_owned(), arguments, environment })
    }

    #[test]
    fn names_are_plain_and_tools_carry_them() {
        for name in ["", "CRM", "a b", "é", "a_name_of_more_than_24_characters"] {
            assert_eq!(program(name).check(), Err(McpConfigError::Name), "{name}");
        }
        let crm = program("crm");
        assert_eq!(crm.check(), Ok(()));
        assert_eq!(crm.tool_name("find-order").as_deref(), Some("crm__find-order"));
        assert_eq!(crm.tool_name("find order"), None);
        assert_eq!(crm.tool_name(&"x".repeat(60)), None);
        assert_eq!(crm.own_name("crm__find-order"), "find-order");
    }

    #[test]
    fn secrets_are_not_shown() {
        let (arguments, environment) = (
            vec!["--token=s3cret".to_owned()],
            BTreeMap::from([("KEY".to_owned(), "s3cret".to_owned())]),
        );
        let place = McpPlace::Program { program: "x".to_owned(), arguments, environment };
        let shown = format!("{:?}", McpConfig::new("a", place));
        assert!(shown.contains("KEY") && !shown.contains("s3cret"), "{shown}");
        let client = OpenClient::new(Policy::default());
        let headers = vec![("x-key".to_owned(), "s3cret".to_owned())];
        let url = "https://mcp.example/mcp".to_owned();
        let shown = format!("{:?}", McpConfig::new("a", McpPlace::Http { url, headers, client }));
        assert!(shown.contains("x-key") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn addresses_that_may_not_be_asked_are_refused() {
        let at = |url: &str, header: &str| {
            let client = OpenClient::new(Policy::default());
            let headers = vec![(header.to_owned(), "x".to_owned())];
            McpConfig::new("a", McpPlace::Http { url: url.to_owned(), headers, client }).check()
        };
        assert_eq!(at("https://mcp.example/mcp", "authorization"), Ok(()));
        for url in ["http://127.0.0.1:9/mcp", "file:///etc/passwd", "nowhere"] {
            assert!(matches!(at(url, "x-a"), Err(McpConfigError::Url(_))), "{url}");
        }
        let refused = at("https://mcp.example/mcp", "proxy-authorization");
        assert!(matches!(refused, Err(McpConfigError::Header(_))), "{refused:?}");
    }
}
