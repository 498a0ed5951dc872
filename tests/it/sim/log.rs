use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};

/// Lines that a failure shows.
const TAIL_MAX: usize = 80;

/// Whether lines are printed while they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Echo {
    Quiet,
    Aloud,
}

/// What happened, line by line: a digest of all of it and the end in words.
#[derive(Debug)]
pub(super) struct Log {
    digest: DefaultHasher,
    tail: VecDeque<String>,
    echo: Echo,
}

impl Log {
    pub(super) fn new(echo: Echo) -> Self {
        Self { digest: DefaultHasher::new(), tail: VecDeque::new(), echo }
    }

    pub(super) fn write(&mut self, line: String) {
        self.digest.write(line.as_bytes());
        self.digest.write_u8(b'\n');
        if self.echo == Echo::Aloud {
            println!("{line}");
        }
        if self.tail.len() >= TAIL_MAX {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    /// The same for the same lines in the same order.
    pub(super) fn hash(&self) -> u64 {
        self.digest.finish()
    }

    pub(super) fn tail(&self) -> String {
        self.tail.iter().map(|line| format!("  {line}\n")).collect()
    }
}
