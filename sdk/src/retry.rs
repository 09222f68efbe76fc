//! Retries of calls, and reconnects of streams. Callers use it only for what is safe to repeat.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder, Retryable};
use tokio::time::Instant;

use crate::error::{Error, Result};

/// How often, and after which delays, a failed call is retried.
///
/// Only [retryable](Error::is_retryable) errors are retried, and only calls that may run twice without
/// harm: reads, checks, and changes. A change has a `request_id`, by which the server recognises a
/// repetition. The creation and deletion of workspaces are never retried.
///
/// The delay doubles from `initial_delay` to `max_delay`. A random part of up to the same length is
/// added, so that many clients do not retry at the same time, and so is the delay that the server asks
/// for. If a delay would pass the call's deadline, the last error is returned at once.
///
/// ```
/// use std::time::Duration;
///
/// use contacts_sdk::RetryPolicy;
///
/// let policy = RetryPolicy::new().max_attempts(3).max_delay(Duration::from_millis(500));
/// ```
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    max_attempts: u32,
    initial_delay: Duration,
    max_delay: Duration,
}

impl RetryPolicy {
    /// The default for calls: 6 attempts, delays from 50 ms to 2 s.
    pub const fn new() -> Self {
        Self {
            max_attempts: 6,
            initial_delay: Duration::from_millis(50),
            max_delay: Duration::from_secs(2),
        }
    }

    /// The default for streams: 10 attempts, delays from 50 ms to 5 s. Together, the delays are longer
    /// than the restart of a server.
    pub const fn for_streams() -> Self {
        Self {
            max_attempts: 10,
            initial_delay: Duration::from_millis(50),
            max_delay: Duration::from_secs(5),
        }
    }

    /// No retries.
    pub const fn never() -> Self {
        Self { max_attempts: 1, ..Self::new() }
    }

    /// Sets the maximum number of attempts, including the first. For a stream, it is the number of
    /// consecutive connections without progress. 0 means 1.
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Sets the delay before the second attempt, without the random part.
    pub const fn initial_delay(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self
    }

    /// Sets the maximum delay, without the random part.
    pub const fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    fn builder(&self) -> ExponentialBuilder {
        let retries = self.max_attempts.saturating_sub(1);
        ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(self.initial_delay)
            .with_max_delay(self.max_delay)
            .with_max_times(usize::try_from(retries).unwrap_or(usize::MAX))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// Retries `attempt` while its error is retryable and the next one can start before `deadline`.
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
            let delay = total_delay(error, delay?);
            let next = Instant::now().checked_add(delay)?;
            (next < deadline).then_some(delay)
        })
        .notify(|error, delay| tracing::debug!(%error, ?delay, "contacts.call.retried"))
        .await
}

/// A stream has no deadline. If the server asks for a longer delay, the stream fails instead, so that
/// its caller learns of it.
const MAX_SERVER_DELAY: Duration = Duration::from_secs(60);

/// Counts the consecutive connections of a stream without progress.
pub(crate) struct Reconnects {
    policy: RetryPolicy,
    delays: ExponentialBackoff,
}

impl Reconnects {
    pub fn new(policy: RetryPolicy) -> Self {
        let delays = policy.builder().build();
        Self { policy, delays }
    }

    /// Resets the count: something new arrived.
    pub fn progress(&mut self) {
        self.delays = self.policy.builder().build();
    }

    /// Waits until the next attempt may start, or returns the error if there is none.
    pub async fn wait(&mut self, error: Error) -> Result<()> {
        match self.delays.next() {
            Some(delay)
                if error.is_resumable() && total_delay(&error, delay) <= MAX_SERVER_DELAY =>
            {
                let delay = total_delay(&error, delay);
                tracing::debug!(%error, ?delay, "contacts.stream.resumed");
                tokio::time::sleep(delay).await;
                Ok(())
            }
            _ => Err(error),
        }
    }
}

fn total_delay(error: &Error, delay: Duration) -> Duration {
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
    async fn retries_stop_at_the_attempt_limit_and_the_deadline() {
        let error = Error::unavailable("down");
        assert_eq!(attempts(error.clone(), Duration::from_secs(1)).await, 3);
        assert_eq!(attempts(error.clone(), Duration::from_millis(1)).await, 1);

        let later = error.edit(|inner| inner.retry_delay = Some(Duration::from_secs(5)));
        assert_eq!(attempts(later.clone(), Duration::from_secs(1)).await, 1);
        let began = Instant::now();
        assert_eq!(attempts(later, Duration::from_secs(60)).await, 3);
        assert!(began.elapsed() >= Duration::from_secs(10), "the server's delay is respected");
    }

    #[tokio::test(start_paused = true)]
    async fn other_errors_are_not_retried() {
        for kind in [crate::ErrorKind::DeadlineExceeded, crate::ErrorKind::Internal] {
            assert_eq!(attempts(Error::new(kind, ""), Duration::from_secs(1)).await, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn progress_resets_the_attempts_of_a_stream() {
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
    async fn an_endless_delay_from_the_server_fails_at_once() {
        let error = Error::unavailable("").edit(|inner| inner.retry_delay = Some(Duration::MAX));
        assert_eq!(attempts(error.clone(), Duration::from_secs(60)).await, 1);
        assert!(Reconnects::new(policy()).wait(error).await.is_err());
    }
}
