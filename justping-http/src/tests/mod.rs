mod address;
mod bounds;
mod configured;
mod header;
mod hostile;
mod reach;
mod redirect;
mod resolver;
mod script;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use wiremock::MockServer;

use crate::guard::Judge;
use crate::{OpenClient, OpenRequest, OpenUrl, Policy, is_public};

/// Resolves what it was told: each question takes the next answer, the last one stays.
#[derive(Default)]
pub(crate) struct Names {
    answers: HashMap<&'static str, Vec<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    pub(crate) fn with(mut self, name: &'static str, answers: &[&[&str]]) -> Self {
        let read = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        self.answers.insert(name, answers.iter().map(read).collect());
        self
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let mut asked = self.asked.lock().unwrap();
        let times = asked.iter().filter(|one| *one == name.as_str()).count();
        asked.push(name.as_str().to_owned());
        let answers = self.answers.get(name.as_str()).cloned().unwrap_or_default();
        let answer = answers.get(times).or(answers.last()).cloned();
        Box::pin(async move {
            let found: Vec<IpAddr> = answer.ok_or("no such name")?;
            Ok(Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

/// Counts one address of the machine itself as public, so that a real server can be reached by a
/// name; all its other addresses stay what they are.
pub(crate) fn all_but_one(ip: IpAddr) -> bool {
    ip.to_string() == "127.0.0.1" || is_public(ip)
}

pub(crate) fn client(policy: Policy, names: &Arc<Names>, judge: Judge) -> OpenClient {
    OpenClient::assemble(policy, Arc::<Names>::clone(names), judge)
}

/// The public web, and the ports of these servers.
pub(crate) fn ports_of(servers: &[&MockServer]) -> Policy {
    let ports = servers.iter().map(|server| server.address().port()).collect();
    Policy { ports, ..Policy::default() }
}

/// A client that may ask these servers by number, and nothing else of the machine.
pub(crate) fn client_of(servers: &[&MockServer]) -> OpenClient {
    let except = servers.iter().map(|server| *server.address()).collect();
    let policy = Policy { except, ..Policy::default() };
    client(policy, &Arc::default(), is_public)
}

pub(crate) fn get(url: &str) -> OpenRequest {
    OpenRequest::new(crate::Method::Get, OpenUrl::parse(url).unwrap())
}
