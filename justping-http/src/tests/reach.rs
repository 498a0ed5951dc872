//! Servers of other protocols.

use std::net::SocketAddr;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Names, all_but_one};
use crate::guard::Judge;
use crate::reach::{find, reach};
use crate::{HttpError, Policy, Refusal, is_public};

fn policy() -> Policy {
    Policy { ports: vec![587], ..Policy::default() }
}

async fn found(names: Names, judge: Judge, host: &str) -> Result<Vec<SocketAddr>, HttpError> {
    find(&policy(), (judge, Arc::new(names)), host, 587).await
}

#[tokio::test]
async fn a_name_gives_the_addresses_that_may_be_connected_to() {
    let mixed: &[&[&str]] = &[&["10.0.0.1", "93.184.216.34", "169.254.169.254", "2606:4700::1111"]];
    let names = Names::default().with("mail.example", mixed);
    let wanted: [SocketAddr; 2] =
        ["93.184.216.34:587", "[2606:4700::1111]:587"].map(|at| at.parse().unwrap());
    assert_eq!(found(names, is_public, "mail.example").await, Ok(wanted.to_vec()));
    let names = Names::default().with("inside.example", &[&["10.0.0.1", "fd00::1"]]);
    let refused = found(names, is_public, "inside.example").await;
    assert_eq!(refused, Err(HttpError::Refused(Refusal::Address)));
    let nowhere = found(Names::default(), all_but_one, "nowhere.example").await;
    assert!(matches!(nowhere, Err(HttpError::Connect { .. })), "{nowhere:?}");
}

#[tokio::test]
async fn what_no_customer_may_reach_is_refused() {
    for (host, refusal) in [
        ("127.0.0.1", Refusal::Address),
        ("[::1]", Refusal::Address),
        ("169.254.169.254", Refusal::Address),
        ("2130706433", Refusal::Address),
        ("0x7f.1", Refusal::Address),
        ("[::ffff:10.0.0.1]", Refusal::Address),
        ("localhost", Refusal::LocalName),
        ("mail.internal", Refusal::LocalName),
        ("mailhost", Refusal::LocalName),
        ("", Refusal::Url),
        ("::1", Refusal::Url),
        ("mail.example/x", Refusal::Url),
        ("user@mail.example", Refusal::Url),
        ("mail.example:25", Refusal::Url),
        ("mail.example#", Refusal::Url),
        ("mail.example\r\n", Refusal::Url),
    ] {
        assert_eq!(policy().check_host(host, 587), Err(refusal), "{host:?}");
        assert_eq!(reach(&policy(), host, 587).await, Err(HttpError::Refused(refusal)), "{host:?}");
    }
    assert_eq!(policy().check_host("mail.example", 587), Ok(()));
    assert_eq!(policy().check_host("mail.example", 443), Err(Refusal::Port));
}

#[tokio::test]
async fn what_the_operator_allows_is_found_as_it_is() {
    let at: SocketAddr = "127.0.0.1:2525".parse().unwrap();
    let policy = Policy { except: vec![at], ..policy() };
    assert_eq!(reach(&policy, "127.0.0.1", 2525).await, Ok(vec![at]));
    let refused = reach(&policy, "127.0.0.1", 587).await;
    assert_eq!(refused, Err(HttpError::Refused(Refusal::Address)));
}

proptest! {
    #[test]
    fn any_host_is_judged(host in ".{0,60}", port: u16) {
        let _ = policy().check_host(&host, port);
    }
}
