//! When and how calls are repeated. Only what is safe to repeat gets here.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder, Retryable};
use tokio::time::Instant;

use crate::error::{Error, Result};

/// How often and how fast a failed call is repeated.
///
/// Repeated are only errors that are [retryable](Error::is_retryable), and only calls that may run
/// twice without harm: reads, checks, and changes, which carry a `request_id` by which the server
/// recognises a replay. Creating and deleting a workspace are never repeated.
///
/// Pauses double from `initial_delay` to `max_delay`, each with up to as much again added at random
/// so that many clients do not come back at once. A delay the server asks for is added. No pause
/// reaches beyond the call's deadline: then the last error is returned at once.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    max_attempts: u32,
    initial_delay: Duration,
    max_delay: Duration,
}

impl RetryPolicy {
    /// The default for calls: 6 attempts, pauses from 50 ms to 2 s.
    pub const fn new() -> Self {
        Self {
            max_attempts: 6,
            initial_delay: Duration::from_millis(50),
            max_delay: Duration::from_secs(2),
        }
    }

    /// The default for streams: 10 attempts, pauses from 50 ms to 5 s. Together they outlast the
    /// restart of a server.
    pub const fn for_streams() -> Self {
        Self {
            max_attempts: 10,
            initial_delay: Duration::from_millis(50),
            max_delay: Duration::from_secs(5),
        }
    }

    /// Never repeats anything.
    pub const fn never() -> Self {
        Self { max_attempts: 1, ..Self::new() }
    }

    /// Sets how often a call is made at most, the first time included. For a stream it is the number
    /// of connections in a row that bring no progress. 0 means 1.
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Sets the pause before the second attempt.
    pub const fn initial_delay(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self
    }

    /// Sets the longest pause, before the random part.
    pub const fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    fn builder(&self) -> ExponentialBuilder {
        let repeats = self.max_attempts.saturating_sub(1);
        ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(self.initial_delay)
            .with_max_delay(self.max_delay)
            .with_max_times(usize::try_from(repeats).unwrap_or(usize::MAX))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// Repeats `attempt` while its error is retryable and the next one can begin before `deadline`.
pub(crate) async fn until<T, F>(
    deadline: Instant,
    policy: &RetryPolicy,
    attempt: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    attempt
        .retry(policy.builder())
        .when(Error::is_retryable)
        .adjust(|error, delay| {
            let delay = pause(error, delay?);
            let next = Instant::now().checked_add(delay)?;
            (next < deadline).then_some(delay)
        })
        .notify(|error, delay| tracing::debug!(%error, ?delay, "contacts.call.retried"))
        .await
}

/// A stream has no deadline; its caller shall know if the server asks for more than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Counts the connections of one stream that brought nothing.
pub(crate) struct Reconnects {
    policy: RetryPolicy,
    delays: ExponentialBackoff,
}

impl Reconnects {
    pub fn new(policy: RetryPolicy) -> Self {
        let delays = policy.builder().build();
        Self { policy, delays }
    }

    /// Something new arrived: failures before it no longer count.
    pub fn progress(&mut self) {
        self.delays = self.policy.builder().build();
    }

    /// Waits until the next attempt may begin; gives the error back if there is none.
    pub async fn wait(&mut self, error: Error) -> Result<()> {
        match self.delays.next() {
            Some(delay) if error.is_resumable() && pause(&error, delay) <= LONGEST_PAUSE => {
                let delay = pause(&error, delay);
                tracing::debug!(%error, ?delay, "contacts.stream.resumed");
                tokio::time::sleep(delay).await;
                Ok(())
            }
            _ => Err(error),
        }
    }
}

fn pause(error: &Error, delay: Duration) -> Duration {
    delay.saturating_add(error.retry_delay().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy::new().max_attempts(3).initial_delay(Duration::from_millis(10))
    }

    async fn attempts(error: Error, deadline: Duration) -> u32 {
        let mut made = 0;
        let outcome: Result<()> = until(Instant::now() + deadline, &policy(), || {
            made += 1;
            let error = error.clone();
            async move { Err(error) }
        })
        .await;
        assert!(outcome.is_err());
        made
    }

    #[tokio::test(start_paused = true)]
    async fn repeats_within_attempts_and_deadline() {
        let error = Error::unavailable("down");
        assert_eq!(attempts(error.clone(), Duration::from_secs(1)).await, 3);
        assert_eq!(attempts(error.clone(), Duration::from_millis(1)).await, 1);

        let later = error.edit(|inner| inner.retry_delay = Some(Duration::from_secs(5)));
        assert_eq!(attempts(later.clone(), Duration::from_secs(1)).await, 1);
        let began = Instant::now();
        assert_eq!(attempts(later, Duration::from_secs(60)).await, 3);
        assert!(began.elapsed() >= Duration::from_secs(10), "the server's delay is kept");
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_repeat_other_errors() {
        for kind in [crate::ErrorKind::DeadlineExceeded, crate::ErrorKind::Internal] {
            assert_eq!(attempts(Error::new(kind, ""), Duration::from_secs(1)).await, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn progress_renews_the_attempts_of_a_stream() {
        let mut reconnects = Reconnects::new(policy());
        for _ in 0..5 {
            assert!(reconnects.wait(Error::unavailable("")).await.is_ok());
            reconnects.progress();
        }
        assert!(reconnects.wait(Error::unavailable("")).await.is_ok());
        assert!(reconnects.wait(Error::unavailable("")).await.is_ok());
        assert!(reconnects.wait(Error::unavailable("")).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn no_server_can_ask_for_an_endless_pause() {
        let error = Error::unavailable("").edit(|inner| inner.retry_delay = Some(Duration::MAX));
        assert_eq!(attempts(error.clone(), Duration::from_secs(60)).await, 1);
        assert!(Reconnects::new(policy()).wait(error).await.is_err());
    }
}
