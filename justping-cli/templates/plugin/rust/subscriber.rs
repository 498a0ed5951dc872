//! A subscriber: hears what happens.

use justping_plugin::{Fact, Failure, Subscriber, log};

struct Listen;

impl Subscriber for Listen {
    const INTERESTS: &'static [&'static str] = &["conversation.*"];

    fn handle(facts: &[Fact]) -> Result<(), Failure> {
        for Fact { name, id, .. } in facts {
            log::info(format!("{name} {id}"));
        }
        Ok(())
    }
}

justping_plugin::export_subscriber!(Listen);
