use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::EngineError;
use crate::port::StoreError;

/// Jobs that may wait for their commit; the next caller is told to come back later.
const QUEUE_MAX: usize = 8_192;
/// Rows of one commit, unless a single job alone has more.
const ROWS_MAX: usize = 256;

/// Jobs of a commit after which the next one waits for company.
const CROWD: usize = 8;
/// How long it waits at most.
const LINGER: Duration = Duration::from_millis(2);

type CommitFuture<R> = Pin<Box<dyn Future<Output = Result<Vec<R>, StoreError>> + Send>>;
type CommitFn<T, R> = dyn Fn(Vec<T>) -> CommitFuture<R> + Send + Sync;

/// Group commit: rows that arrive while a transaction runs share the next one.
///
/// A lone caller commits at once, a crowd shares and gathers for at most [`LINGER`]. The commit runs in a task of
/// its own, so that a caller who goes away does not tear the others' transaction.
pub(crate) struct Batcher<T, R> {
    shared: Arc<Shared<T, R>>,
}

struct Shared<T, R> {
    queue: Mutex<Queue<T, R>>,
    gathered: Notify,
    commit: Box<CommitFn<T, R>>,
}

struct Queue<T, R> {
    jobs: VecDeque<Job<T, R>>,
    draining: Draining,
    /// How many jobs the one who drains waits for, while it waits.
    expected: Option<usize>,
}

#[derive(PartialEq, Eq)]
enum Draining {
    Idle,
    Running,
}

struct Job<T, R> {
    rows: Vec<T>,
    done: oneshot::Sender<Result<Vec<R>, StoreError>>,
}

impl<T, R> Clone for Batcher<T, R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T, R> fmt::Debug for Batcher<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher").finish_non_exhaustive()
    }
}

impl<T: Clone + Send + 'static, R: Send + 'static> Batcher<T, R> {
    pub(crate) fn new<F, Fut>(commit: F) -> Self
    where
        F: Fn(Vec<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<R>, StoreError>> + Send + 'static,
    {
        let queue =
            Mutex::new(Queue { jobs: VecDeque::new(), draining: Draining::Idle, expected: None });
        let commit: Box<CommitFn<T, R>> = Box::new(move |rows| Box::pin(commit(rows)));
        Self { shared: Arc::new(Shared { queue, gathered: Notify::new(), commit }) }
    }

    /// Commits `rows` together, in order, with whatever else is waiting.
    pub(crate) async fn submit(&self, rows: Vec<T>) -> Result<Vec<R>, EngineError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let (done, answer) = oneshot::channel();
        if self.shared.push(Job { rows, done })? == Draining::Idle {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move { shared.drain().await });
        }
        let stopped = || StoreError::Unavailable("the commit was stopped".to_owned());
        Ok(answer.await.unwrap_or_else(|_| Err(stopped()))?)
    }
}

impl<T: Clone + Send + 'static, R: Send + 'static> Shared<T, R> {
    /// Queues a job and tells whether somebody was draining already.
    fn push(&self, job: Job<T, R>) -> Result<Draining, EngineError> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.jobs.len() >= QUEUE_MAX {
            return Err(EngineError::Overloaded);
        }
        queue.jobs.push_back(job);
        if queue.expected.is_some_and(|expected| queue.jobs.len() >= expected) {
            queue.expected = None;
            self.gathered.notify_one();
        }
        Ok(std::mem::replace(&mut queue.draining, Draining::Running))
    }

    async fn drain(&self) {
        // Callers that are ready to run join the first batch instead of waiting for the second.
        tokio::task::yield_now().await;
        let unfinished = Unfinished(self);
        while let Some(jobs) = self.next_batch() {
            let answered = jobs.len();
            self.commit_jobs(jobs).await;
            self.gather(answered).await;
        }
        // The queue said so itself when it ran empty.
        std::mem::forget(unfinished);
    }

    /// After a crowded commit, whoever was answered tends to come again at once: waits a moment for
    /// as many, so that those and the ones that came meanwhile share one commit instead of two.
    async fn gather(&self, answered: usize) {
        if answered < CROWD {
            return;
        }
        {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.expected = Some((answered + queue.jobs.len()).min(ROWS_MAX));
        }
        let gathered = tokio::time::timeout(LINGER, self.gathered.notified());
        // Without a crowd by then, those who came are enough.
        drop(gathered.await);
    }

    fn next_batch(&self) -> Option<Vec<Job<T, R>>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.expected = None;
        let mut rows = 0;
        let mut jobs = Vec::new();
        while let Some(job) = queue.jobs.front() {
            if !jobs.is_empty() && rows + job.rows.len() > ROWS_MAX {
                break;
            }
            rows += job.rows.len();
            jobs.extend(queue.jobs.pop_front());
        }
        if jobs.is_empty() {
            queue.draining = Draining::Idle;
            return None;
        }
        Some(jobs)
    }

    async fn commit_jobs(&self, jobs: Vec<Job<T, R>>) {
        let rows: Vec<T> = jobs.iter().flat_map(|job| job.rows.iter().cloned()).collect();
        match (self.commit)(rows).await {
            Ok(results) => hand_out(jobs, results),
            Err(error) if jobs.len() == 1 || matches!(error, StoreError::Unavailable(_)) => {
                for job in jobs {
                    let _ = job.done.send(Err(error.clone()));
                }
            }
            // One bad row must not take its neighbours down: each job on its own.
            Err(_) => {
                for job in jobs {
                    let result = (self.commit)(job.rows).await;
                    let _ = job.done.send(result);
                }
            }
        }
    }
}

/// Lets the next caller drain again when a commit died half-way: those who waited for it are told
/// that it was stopped, and nobody after them hangs.
struct Unfinished<'a, T, R>(&'a Shared<T, R>);

impl<T, R> Drop for Unfinished<'_, T, R> {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.draining = Draining::Idle;
        queue.jobs.clear();
    }
}

/// Gives each job as many results as it had rows, in order.
fn hand_out<T, R>(jobs: Vec<Job<T, R>>, results: Vec<R>) {
    let mut results = results.into_iter();
    for job in jobs {
        let own: Vec<R> = results.by_ref().take(job.rows.len()).collect();
        let complete = own.len() == job.rows.len();
        let short = || StoreError::Corrupt("the store answered too few rows".to_owned());
        let _ = job.done.send(if complete { Ok(own) } else { Err(short()) });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use super::*;

    fn doubler(sizes: &Arc<StdMutex<Vec<usize>>>) -> Batcher<u32, u32> {
        let sizes = Arc::clone(sizes);
        Batcher::new(move |rows: Vec<u32>| {
            sizes.lock().unwrap().push(rows.len());
            async move {
                tokio::task::yield_now().await;
                if rows.contains(&13) {
                    return Err(StoreError::Conflict("thirteen"));
                }
                Ok(rows.into_iter().map(|n| n * 2).collect())
            }
        })
    }

    #[tokio::test]
    async fn a_crowd_shares_commits_and_each_gets_its_own_answer() {
        let sizes = Arc::new(StdMutex::new(Vec::new()));
        let batcher = doubler(&sizes);
        let mut tasks = tokio::task::JoinSet::new();
        for n in 20..120u32 {
            let batcher = batcher.clone();
            tasks.spawn(async move { (n, batcher.submit(vec![n, n + 1000]).await) });
        }
        while let Some(done) = tasks.join_next().await {
            let (n, answer) = done.unwrap();
            assert_eq!(answer, Ok(vec![n * 2, n * 2 + 2000]));
        }
        assert!(sizes.lock().unwrap().len() < 50, "{sizes:?}");
    }

    /// Commits the first batch only when told to, the others at once.
    fn gated(sizes: &Arc<StdMutex<Vec<usize>>>, gate: &Arc<Notify>) -> Batcher<u32, u32> {
        let (sizes, gate) = (Arc::clone(sizes), Arc::clone(gate));
        Batcher::new(move |rows: Vec<u32>| {
            let is_first = sizes.lock().unwrap().is_empty();
            sizes.lock().unwrap().push(rows.len());
            let gate = Arc::clone(&gate);
            async move {
                if is_first {
                    gate.notified().await;
                }
                Ok(rows)
            }
        })
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_come_again_share_the_commit_of_those_who_waited() {
        let (sizes, gate) = (Arc::default(), Arc::new(Notify::new()));
        let batcher = gated(&sizes, &gate);
        let mut clients = tokio::task::JoinSet::new();
        let mut come = |number: u32| {
            let batcher = batcher.clone();
            clients.spawn(async move {
                for _ in 0..2 {
                    batcher.submit(vec![number]).await.unwrap();
                }
            });
        };
        (0..8).for_each(&mut come);
        while sizes.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        (8..16).for_each(&mut come);
        tokio::task::yield_now().await;
        gate.notify_one();
        while clients.join_next().await.is_some() {}
        assert_eq!(sizes.lock().unwrap().as_slice(), [8, 16, 8]);
    }

    #[tokio::test]
    async fn a_bad_row_fails_alone() {
        let batcher = doubler(&Arc::default());
        let (good, bad, also_good) = tokio::join!(
            batcher.submit(vec![1]),
            batcher.submit(vec![13]),
            batcher.submit(vec![3])
        );
        assert_eq!(good, Ok(vec![2]));
        assert_eq!(bad, Err(EngineError::Store(StoreError::Conflict("thirteen"))));
        assert_eq!(also_good, Ok(vec![6]));
    }
}
