//! `reply-e2e`: webhooks at a fixed rate, each answered by the flow of three nodes; the time from
//! the moment a webhook was due until its reply reached the mock of the Graph API.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::figure::{Figure, Ledger, place};
use crate::load;
use crate::payload;
use crate::process::Meter;
use crate::system::{Role, Running, System, World};

/// How long the last replies may take.
const SETTLE_MAX: Duration = Duration::from_secs(20);
/// How often it is asked whether they came.
const LOOK: Duration = Duration::from_millis(5);

pub(super) async fn run(world: &World, ledger: &mut Ledger, run: usize) -> Outcome<()> {
    for system in world.systems() {
        let ground = world.ground(system).await?;
        let running = world.start(system, &ground, Role::All).await?;
        world.graph.forget();
        let mut first = 0;
        for rate in world.scale.reply_rates.iter().copied() {
            first = one(world, ledger, run, (system, &running), (rate, first)).await?;
        }
    }
    Ok(())
}

/// Measures one rate with the messages from number `first` on; gives the number after the last.
async fn one(
    world: &World,
    ledger: &mut Ledger,
    run: usize,
    (system, running): (System, &Running),
    (rate, first): (usize, usize),
) -> Outcome<usize> {
    let mut figure = Figure::new("reply-e2e", format!("{rate} a second"), system.name(), run);
    let end = first + rate * (1 + world.scale.reply_s);
    let request = |number| payload::request(&running.address, &running.routes, number);
    // The first second warms up.
    let warm = (first..first + rate).map(request).collect::<Outcome<_>>()?;
    let requests = (first + rate..end).map(request).collect::<Outcome<Vec<_>>>()?;
    load::open(&running.address, warm, rate, Instant::now()).await?.complete()?;
    replied(world, first..first + rate).await;
    let (meter, begun) = (Meter::start(&running.watched)?, Instant::now());
    let answers = load::open(&running.address, requests, rate, begun).await?.complete()?;
    let replies = replied(world, first + rate..end).await;
    figure.cpu_s = meter.stop()?;
    (figure.items, figure.wall_s) = (answers.good, answers.wall_s);
    let delay = |(at, reply): (usize, &Option<Instant>)| {
        let due = begun + load::due(at, rate);
        reply.map(|reply| reply.saturating_duration_since(due).as_secs_f64() * 1e3)
    };
    figure.delays(replies.iter().enumerate().filter_map(delay).collect());
    let mut acks = answers.delays_ms;
    acks.sort_by(f64::total_cmp);
    for (name, share) in [("ack_p50_ms", 0.5), ("ack_p99_ms", 0.99)] {
        figure.more.insert(name, place(&acks, share).unwrap_or(0.0));
    }
    let missing = replies.iter().filter(|reply| reply.is_none()).count();
    figure.more.insert("missing", missing as f64);
    if missing > 0 {
        let (system, all, wait) = (system.name(), replies.len(), SETTLE_MAX.as_secs());
        ledger.note(format!(
            "reply-e2e, {rate} a second, {system}, run {run}: {missing} of {all} replies had not \
             come {wait} s after the last webhook; their delays are not among the figures."
        ));
    }
    ledger.put(figure);
    Ok(end)
}

/// When the reply to each message came, after a bounded wait for all of them.
async fn replied(world: &World, messages: std::ops::Range<usize>) -> Vec<Option<Instant>> {
    let begun = Instant::now();
    loop {
        let replies: Vec<_> = messages.clone().map(|one| world.graph.arrived(one)).collect();
        if replies.iter().all(Option::is_some) || begun.elapsed() > SETTLE_MAX {
            return replies;
        }
        tokio::time::sleep(LOOK).await;
    }
}
