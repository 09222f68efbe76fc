//! Server streams that a client can resume: reading ahead, heartbeats, resume
//! tokens, and the message that ends a complete stream.

use std::time::Duration;

use contacts_proto::v1;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument;

use super::pages;
use super::tokens::Tokens;
use super::workspace_places::WorkspacePlace;
use crate::domain::Time;
use crate::domain::error::{Error, Result};
use crate::operations::token::Cursor;
use crate::runtime::off_worker;
use crate::telemetry::call;

/// A message ends at about so many bytes, even if it could have more items:
/// clients accept 4 MiB.
pub(super) const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// A heartbeat is sent after so long without a message.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Reads what a stream sends, part by part.
pub(super) trait Source: Send + 'static {
    /// What is read at once: a page of contacts, a group of duplicates.
    type Part: Send + 'static;

    /// How many parts are read ahead of the client.
    const READ_AHEAD: usize;

    /// Whether it sorts or compares so much for a part that it would hold a worker of the
    /// runtime for long.
    const IS_HEAVY: bool = false;

    /// The next part. None if there are no more.
    fn next_part(&mut self) -> impl Future<Output = Result<Option<Self::Part>>> + Send;
}

/// Makes messages of the parts.
pub(super) trait Encoder: Send + 'static {
    /// What the [`Source`] reads.
    type Part: Send + 'static;
    /// The items of one message.
    type Items: Send;
    /// The stream's response message.
    type Response: Send;

    /// Takes a part, after all items of the part before were encoded.
    fn push(&mut self, part: Self::Part);

    /// Encodes the next items of the part, at most `limit` of them, and returns
    /// them with the cursor behind the last and their number in its count. None
    /// if the part has no more.
    fn next_items(&mut self, limit: i64) -> Result<Option<(Self::Items, Cursor)>>;

    /// The response with an event.
    fn response(event: Event<Self::Items>, resume_token: String) -> Self::Response;
}

/// The events of a stream.
pub(super) enum Event<T> {
    Items(T),
    Heartbeat(v1::Heartbeat),
    End(v1::StreamEnd),
}

/// Decodes the limit of a stream. None means all items.
pub(super) fn decode_limit(limit: i64) -> Result<Option<i64>> {
    match limit {
        ..0 => Err(pages::negative("limit", "all")),
        0 => Ok(None),
        limit => Ok(Some(limit)),
    }
}

/// How far a stream has come, and where it ends.
pub(super) struct Progress {
    tokens: Tokens,
    /// Behind the last item sent. Its count is the number of items sent, those
    /// before a resumption included.
    cursor: Cursor,
    limit: Option<i64>,
}

impl Progress {
    /// Continues at a resume token; an empty one is the beginning, at `now`.
    pub(super) fn resume(
        tokens: Tokens,
        resume_token: &str,
        limit: Option<i64>,
        now: Time,
    ) -> Result<Self> {
        let beginning = || Cursor { asked_at: now, ..Cursor::default() };
        let cursor = tokens.open_resume(resume_token)?.unwrap_or_else(beginning);
        Ok(Self { tokens, cursor, limit })
    }

    /// Behind the last item that was sent.
    pub(super) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// How many items may still be sent.
    pub(super) fn remaining(&self) -> i64 {
        self.limit.map_or(i64::MAX, |limit| limit.saturating_sub(self.cursor.count).max(0))
    }

    fn advance(&mut self, sent: Cursor) {
        let Cursor { count, asked_at, .. } = self.cursor;
        self.cursor = Cursor { count: count.saturating_add(sent.count), asked_at, ..sent };
    }
}

/// Sends what `source` reads until it ends, the limit is reached or the server
/// drains. Keeps the place of its workspace for as long.
pub(super) fn stream<S: Source, E: Encoder<Part = S::Part>>(
    source: S,
    encoder: E,
    progress: Progress,
    place: WorkspacePlace,
    drain: CancellationToken,
) -> BoxStream<'static, Result<E::Response, Status>> {
    let parts = read_ahead(source);
    let state = StreamState { parts, encoder, progress, drain, ended: false, _place: place };
    stream::unfold(state, async |mut state| Some((state.next().await?, state))).boxed()
}

/// Reads in a task of its own, until there are no more parts or the stream is
/// dropped. A source that waits here for a slow client holds no connection.
fn read_ahead<S: Source>(mut source: S) -> mpsc::Receiver<Result<Option<S::Part>>> {
    let (sender, parts) = mpsc::channel(S::READ_AHEAD);
    let reading = async move {
        // Nothing is read that would have to wait: clients that take nothing would keep that in memory.
        while let Ok(place) = sender.reserve().await {
            let part = tokio::select! {
                () = sender.closed() => return,
                part = source.next_part() => part,
            };
            let is_last = !matches!(part, Ok(Some(_)));
            place.send(part);
            if is_last {
                return;
            }
        }
    };
    match S::IS_HEAVY {
        true => tokio::spawn(call::carried(off_worker(reading)).in_current_span()),
        false => tokio::spawn(call::carried(reading).in_current_span()),
    };
    parts
}

/// A stream under way.
struct StreamState<E: Encoder> {
    parts: mpsc::Receiver<Result<Option<E::Part>>>,
    encoder: E,
    progress: Progress,
    drain: CancellationToken,
    ended: bool,
    _place: WorkspacePlace,
}

impl<E: Encoder> StreamState<E> {
    /// The next message. None after the end message or an error.
    async fn next(&mut self) -> Option<Result<E::Response, Status>> {
        if self.ended {
            return None;
        }
        let event = self.next_event().await;
        self.ended = !matches!(event, Ok(Event::Items(_) | Event::Heartbeat(_)));
        let resume_token = self.progress.tokens.seal(&self.progress.cursor);
        Some(event.map(|event| E::response(event, resume_token)).map_err(Status::from))
    }

    async fn next_event(&mut self) -> Result<Event<E::Items>> {
        loop {
            let limit = self.progress.remaining();
            if limit == 0 {
                return Ok(self.end(v1::StreamEndReason::Limit));
            }
            if self.drain.is_cancelled() {
                return Ok(self.end(v1::StreamEndReason::ServerDrain));
            }
            if let Some((items, sent)) = self.encoder.next_items(limit)? {
                self.progress.advance(sent);
                return Ok(Event::Items(items));
            }
            let part = tokio::select! {
                biased;
                () = self.drain.cancelled() => continue,
                part = self.parts.recv() => part,
                () = tokio::time::sleep(HEARTBEAT) => {
                    return Ok(Event::Heartbeat(v1::Heartbeat {}));
                }
            };
            // Without this, a panic of the reading task would pass for the end.
            let died = || Err(Error::internal("the reading task ended before its source"));
            match part.unwrap_or_else(died)? {
                Some(part) => self.encoder.push(part),
                None => return Ok(self.end(v1::StreamEndReason::Complete)),
            }
        }
    }

    fn end(&self, reason: v1::StreamEndReason) -> Event<E::Items> {
        let delivered_count = self.progress.cursor.count;
        Event::End(v1::StreamEnd { delivered_count, reason: reason.into() })
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tonic::Code;

    use super::*;
    use crate::domain::error::Reason;
    use crate::grpc::workspace_places::WorkspacePlaces;

    /// What the source of a test does after the parts 1, 2 and 3.
    enum After {
        NoMore,
        Fail,
        Panic,
        Hang,
    }

    struct Numbers {
        last: i64,
        after: After,
    }

    impl Source for Numbers {
        type Part = i64;

        const READ_AHEAD: usize = 1;

        async fn next_part(&mut self) -> Result<Option<i64>> {
            if self.last < 3 {
                self.last += 1;
                return Ok(Some(self.last));
            }
            match self.after {
                After::NoMore => Ok(None),
                After::Fail => Err(Error::new(Reason::DatabaseUnavailable, "down")),
                After::Panic => panic!("in the source"),
                After::Hang => pending().await,
            }
        }
    }

    #[derive(Default)]
    struct Texts(Option<i64>);

    impl Encoder for Texts {
        type Part = i64;
        type Items = i64;
        type Response = (String, String);

        fn push(&mut self, part: i64) {
            self.0 = Some(part);
        }

        fn next_items(&mut self, _: i64) -> Result<Option<(i64, Cursor)>> {
            let next = self.0.take();
            Ok(next.map(|n| (n, Cursor { text: n.to_string(), count: 1, ..Cursor::default() })))
        }

        fn response(event: Event<i64>, resume_token: String) -> (String, String) {
            let text = match event {
                Event::Items(number) => number.to_string(),
                Event::Heartbeat(_) => "heartbeat".to_owned(),
                Event::End(end) => format!("{:?} {}", end.reason(), end.delivered_count),
            };
            (text, resume_token)
        }
    }

    fn tokens() -> Tokens {
        Tokens::new([7; 32], ["StreamNumbers"])
    }

    fn open(
        after: After,
        resume_token: &str,
        limit: Option<i64>,
        drain: &CancellationToken,
    ) -> BoxStream<'static, Result<(String, String), Status>> {
        let progress =
            Progress::resume(tokens(), resume_token, limit, Time::default()).expect("a token");
        let last = progress.cursor().text.parse().unwrap_or(0);
        let place = WorkspacePlaces::new(1).enter("").expect("a place");
        stream(Numbers { last, after }, Texts::default(), progress, place, drain.clone())
    }

    /// Reads a stream to its end: the messages, and the code of its error.
    async fn read(
        mut stream: BoxStream<'static, Result<(String, String), Status>>,
    ) -> (Vec<String>, Option<Code>) {
        let mut texts = Vec::new();
        while let Some(message) = stream.next().await {
            match message {
                Ok((text, _)) => texts.push(text),
                Err(status) => {
                    assert!(stream.next().await.is_none(), "an error ends the stream");
                    return (texts, Some(status.code()));
                }
            }
        }
        (texts, None)
    }

    #[tokio::test]
    async fn ends_with_the_reason_and_the_number_of_items() {
        let drain = CancellationToken::new();
        let complete = open(After::NoMore, "", None, &drain);
        assert_eq!(read(complete).await.0, ["1", "2", "3", "Complete 3"]);
        let limited = open(After::NoMore, "", Some(2), &drain);
        assert_eq!(read(limited).await.0, ["1", "2", "Limit 2"]);
        drain.cancel();
        let drained = open(After::NoMore, "", None, &drain);
        assert_eq!(read(drained).await.0, ["ServerDrain 0"]);
    }

    #[tokio::test]
    async fn resumes_behind_the_last_message() {
        let drain = CancellationToken::new();
        let mut first = open(After::NoMore, "", Some(3), &drain);
        let (text, token) = first.next().await.expect("a message").expect("an event");
        assert_eq!(text, "1");
        let resumed = open(After::NoMore, &token, Some(3), &drain);
        assert_eq!(read(resumed).await.0, ["2", "3", "Limit 3"]);
    }

    #[tokio::test]
    async fn a_failed_read_is_not_the_end() {
        let drain = CancellationToken::new();
        let failed = open(After::Fail, "", None, &drain);
        assert_eq!(read(failed).await.1, Some(Code::Unavailable));
        let panicked = open(After::Panic, "", None, &drain);
        assert_eq!(read(panicked).await.1, Some(Code::Internal));
    }

    #[tokio::test(start_paused = true)]
    async fn sends_heartbeats_while_it_waits_and_ends_when_the_server_drains() {
        let drain = CancellationToken::new();
        let mut waiting = open(After::Hang, "", None, &drain);
        let mut texts = Vec::new();
        for _ in 0..5 {
            let message = waiting.next().await.expect("a message");
            texts.push(message.expect("an event").0);
        }
        assert_eq!(texts, ["1", "2", "3", "heartbeat", "heartbeat"]);
        drain.cancel();
        assert_eq!(read(waiting).await.0, ["ServerDrain 3"]);
    }
}
