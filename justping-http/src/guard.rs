//! The judgement on an open address.

use std::net::{IpAddr, SocketAddr};

use crate::destination::{Host, OpenUrl};
use crate::error::Refusal;
use crate::policy::Policy;

/// Says which addresses may be connected to.
pub(crate) type Judge = fn(IpAddr) -> bool;

/// Names of local networks, with all below them.
const LOCAL_NAMES: &[&str] = &[
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "home.arpa",
];

/// Judges all of an address but where its name leads.
pub(crate) fn check(policy: &Policy, judge: Judge, url: &OpenUrl) -> Result<(), Refusal> {
    let host = url.host();
    if let Host::Address(address) = host
        && policy.except.contains(&SocketAddr::new(address, url.port()))
    {
        return Ok(());
    }
    if !policy.ports.contains(&url.port()) {
        return Err(Refusal::Port);
    }
    if !policy.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|rule| matches(rule, url))) {
        return Err(Refusal::Host);
    }
    match host {
        Host::Address(address) if judge(address) => Ok(()),
        Host::Address(_) => Err(Refusal::Address),
        Host::Name(name) if is_local(name) => Err(Refusal::LocalName),
        Host::Name(_) => Ok(()),
    }
}

/// Public names have two labels at least.
fn is_local(name: &str) -> bool {
    !name.contains('.') || LOCAL_NAMES.iter().any(|local| is_below(name, local) || name == *local)
}

fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

fn matches(rule: &str, url: &OpenUrl) -> bool {
    let rule = rule.trim().to_ascii_lowercase();
    match (rule.strip_prefix("*."), url.host()) {
        (Some(parent), Host::Name(name)) => is_below(name, parent),
        (Some(_), Host::Address(_)) => false,
        (None, Host::Name(name)) => name == rule,
        (None, Host::Address(address)) => rule.parse() == Ok(address),
    }
}
