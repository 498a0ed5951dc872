use std::time::Duration;

use justping::model::{ChannelKind, UnknownPolicy};
use justping::port::{AiError, Capabilities, Rate, SendError};

use super::chance::Chance;
use super::gate::Luck;

/// How bad one seed's world is. Every seed turns other faults on, so that each is met alone, with
/// some others, and with all.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) steps: u64,
    pub(super) processes: usize,
    pub(super) contacts: u64,
    /// Store calls that fail before or after their commit, in a thousand.
    store_faults: u64,
    /// Store calls whose answer is late, in a thousand.
    slow_answers: u64,
    /// Sends that do not simply work, in a hundred.
    send_faults: u64,
    /// Answers of the model that do not simply come, in a hundred.
    model_faults: u64,
    /// News that comes twice, in a hundred.
    pub(super) duplicates: u64,
    /// Steps at which a process dies, in a thousand.
    pub(super) deaths: u64,
    /// Steps at which a process is asked to stop, in a thousand.
    pub(super) restarts: u64,
    /// Steps at which a member does something, in a thousand.
    pub(super) members: u64,
    /// Steps at which time leaps by minutes, in a thousand.
    pub(super) leaps: u64,
    /// Steps at which time leaps by hours, in a thousand.
    pub(super) ages: u64,
    /// Steps at which a contact writes, in a thousand.
    pub(super) writes: u64,
    pub(super) shops: [ShopPlan; 2],
}

/// What the channel of one business is like.
#[derive(Debug, Clone)]
pub(super) struct ShopPlan {
    pub(super) policy: UnknownPolicy,
    /// Whether the provider takes a message only once under its key.
    pub(super) honours_keys: bool,
    pub(super) capabilities: Capabilities,
}

/// What becomes of a store call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreFault {
    None,
    /// Fails, and nothing happened.
    Before,
    /// Happened, but the answer is lost.
    After,
    /// Happened, and the answer comes when the simulation lets it.
    Late,
}

/// What a provider does with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SendFault {
    /// Takes it.
    None,
    /// Takes it and answers later.
    Late,
    /// Takes it; the answer is lost.
    TakenUnknown,
    /// Takes it and never answers.
    TakenSilent,
    /// Never gets it, and nobody hears of that.
    Silent,
    /// Does not take it and says why.
    Refused(SendError),
}

/// What a model does with a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ModelFault {
    None,
    /// Answers later.
    Late,
    /// Never answers.
    Silent,
    Refused(AiError),
}

impl Plan {
    pub(super) fn of(seed: u64, steps: u64) -> Self {
        let chance = Chance::new(seed);
        let shop = |policy| shop(&chance, policy);
        Self {
            shops: [shop(UnknownPolicy::AtMostOnce), shop(UnknownPolicy::AtLeastOnce)],
            seed,
            steps,
            processes: chance.pick(&[1, 2, 2, 3]),
            contacts: chance.pick(&[1, 2, 4]),
            store_faults: chance.pick(&[0, 0, 20, 80]),
            slow_answers: chance.pick(&[0, 30, 150]),
            send_faults: chance.pick(&[0, 15, 50]),
            model_faults: chance.pick(&[0, 20, 60]),
            duplicates: chance.pick(&[0, 20, 60]),
            deaths: chance.pick(&[0, 5, 15]),
            restarts: chance.pick(&[0, 0, 4]),
            members: chance.pick(&[0, 15, 40]),
            leaps: chance.pick(&[0, 5, 20]),
            ages: chance.pick(&[0, 0, 5]),
            writes: chance.pick(&[30, 60, 120]),
        }
    }

    pub(super) fn store_fault(&self, luck: &Luck) -> StoreFault {
        let roll = luck.chance.below(1_000);
        let (faults, late) = (self.store_faults, self.slow_answers);
        match roll {
            roll if roll < faults / 2 => StoreFault::Before,
            roll if roll < faults => StoreFault::After,
            roll if roll < faults + late => StoreFault::Late,
            _ => StoreFault::None,
        }
    }

    pub(super) fn send_fault(&self, luck: &Luck) -> SendFault {
        let chance = &luck.chance;
        if !chance.percent(self.send_faults) {
            return if chance.percent(20) { SendFault::Late } else { SendFault::None };
        }
        let code = Some("4711".to_owned());
        let after = Some(Duration::from_secs(1 + chance.below(30)));
        let busy = |after| SendError::Retry { after, detail: "busy".to_owned() };
        match chance.below(12) {
            0 | 1 => SendFault::TakenUnknown,
            2 => SendFault::TakenSilent,
            3 | 4 => SendFault::Silent,
            5 | 6 => SendFault::Refused(busy(None)),
            7 => SendFault::Refused(busy(after)),
            8 | 9 => SendFault::Refused(SendError::RateLimited { after }),
            10 => SendFault::Refused(SendError::InvalidRecipient { code }),
            _ => SendFault::Refused(SendError::Rejected { code, reason: "no".to_owned() }),
        }
    }

    pub(super) fn model_fault(&self, luck: &Luck) -> ModelFault {
        let chance = &luck.chance;
        if !chance.percent(self.model_faults) {
            return ModelFault::None;
        }
        match chance.below(4) {
            0 => ModelFault::Silent,
            1 => ModelFault::Refused(AiError::TooLong),
            _ => ModelFault::Late,
        }
    }

    /// The weather clears: from now on everything works.
    pub(super) fn calm(&self) -> Self {
        Self {
            store_faults: 0,
            slow_answers: 0,
            send_faults: 0,
            model_faults: 0,
            duplicates: 0,
            ..Self::of(self.seed, self.steps)
        }
    }
}

fn shop(chance: &Chance, policy: UnknownPolicy) -> ShopPlan {
    let capabilities = Capabilities {
        kind: ChannelKind::MEMORY,
        service_window: chance.percent(30),
        templates: true,
        echoes_key: chance.percent(60),
        text_max: 4_096,
        buttons_max: 3,
        button_title_max: 20,
        list_rows_max: 10,
        list_title_max: 24,
        list_description_max: 72,
        interactive_text_max: 1_024,
        option_id_max: 256,
        rate: chance
            .pick(&[Rate { per_second: 1_000, burst: 1_000 }, Rate { per_second: 2, burst: 2 }]),
    };
    ShopPlan { policy, honours_keys: chance.percent(50), capabilities }
}
