//! Cuts the body of a request into messages.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tonic::body::Body;

use super::super::admission::Client;
use super::super::memory::Charge;
use super::Messages;
use super::partial::Partial;
use crate::domain::error::{Error, Reason, Result};
use crate::grpc::methods::{Class, Method};

/// A flag, and the length in 32 bits.
pub(super) const PREFIX: usize = 5;
const COMPRESSED: u8 = 1;
/// Smaller messages are not counted: what they decode to is small, whatever is in
/// them. Checks are among them.
const SMALL_BYTES: usize = 1 << 10;
/// Bytes that an element is reckoned to take when it is decoded.
const ELEMENT_BYTES: usize = 256;
/// How many times its size a message may become when it is decompressed, after the
/// first [`SMALL_BYTES`]. Rows of contacts and numbers become 3 to 20 times larger.
const MAX_RATIO: usize = 100;
/// Compressed messages at least this large are decompressed on threads that give way to others.
const LARGE_COMPRESSED: usize = 8 << 10;
/// Health checks are small, and unfinished ones soon give their places back.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages of a stream whose memory is accounted for: handlers work on several.
const HELD: usize = 8;

/// Receives the messages of one request.
pub(super) struct Receiver {
    messages: Arc<Messages>,
    method: Method,
    body: Body,
    is_gzip: bool,
    /// What came after the last message, as it was received.
    rest: Bytes,
    /// The beginning of a message that came in several parts.
    partial: Partial,
    charge: Charge,
    /// The memory of messages that were passed on.
    held: VecDeque<Charge>,
}

impl Receiver {
    pub(super) fn new(
        messages: Arc<Messages>,
        method: Method,
        client: Option<Arc<Client>>,
        body: Body,
        is_gzip: bool,
    ) -> Self {
        let charge = Charge::new(Arc::clone(&messages.memory), client);
        let (rest, partial, held) = (Bytes::new(), Partial::default(), VecDeque::new());
        Self { messages, method, body, is_gzip, rest, partial, charge, held }
    }

    /// The message of a unary request, with what follows it, if anything does: the
    /// service inside refuses that.
    pub(super) async fn only(&mut self) -> Result<Bytes, Status> {
        let timeout = match self.method.class {
            Class::Health => HEALTH_TIMEOUT.min(self.messages.message_timeout),
            _ => self.messages.message_timeout,
        };
        let deadline = Instant::now() + timeout;
        let first = self.receive(Some(deadline), deadline).await?;
        let Some(message) = first else { return Ok(Bytes::new()) };
        if self.rest.is_empty() {
            self.receive_more(deadline).await?;
        }
        match self.rest.is_empty() {
            true => Ok(message),
            false => Ok([&message[..], &self.rest[..]].concat().into()),
        }
    }

    /// The memory of the message. None if it takes none.
    pub(super) fn into_charge(self) -> Option<Arc<Charge>> {
        (!self.charge.is_empty()).then(|| Arc::new(self.charge))
    }

    /// The next message of a stream. None at its end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        self.held.push_back(self.charge.take());
        if self.held.len() > HELD {
            self.held.pop_front();
        }
        self.receive(None, Instant::now() + self.messages.idle_timeout).await
    }

    /// The next message. It has to be there by `deadline`; without one, has to begin by
    /// `idle`, and to be there within the message timeout after that. None at the end of
    /// the body.
    async fn receive(
        &mut self,
        mut deadline: Option<Instant>,
        idle: Instant,
    ) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(self.check(message).await?));
            }
            let has_begun = !self.partial.is_empty();
            if has_begun && deadline.is_none() {
                deadline = Some(Instant::now() + self.messages.message_timeout);
            }
            let limit = deadline.unwrap_or(idle);
            let frame = timeout_at(limit, self.body.frame()).await.map_err(|_| match deadline {
                Some(_) => unfinished(),
                None => self.idle(),
            })?;
            let Some(frame) = frame else {
                // The decoder refuses what is left, if anything is.
                let left = self.partial.take();
                return Ok(Some(left).filter(|left| !left.is_empty()));
            };
            // Trailers mean nothing in a request.
            if let Ok(data) = frame?.into_data() {
                self.rest = data;
            }
        }
    }

    /// Takes a message of what was received, if it is whole; otherwise keeps what
    /// there is of it.
    fn take(&mut self) -> Result<Option<Bytes>> {
        if self.partial.is_empty() {
            match self.size(&self.rest)? {
                Some(size) if size <= self.rest.len() => return Ok(Some(self.rest.split_to(size))),
                _ => {}
            }
        }
        // First the prefix, which tells how much more.
        for _ in 0..2 {
            let wanted = self.size(self.partial.head())?.unwrap_or(PREFIX);
            let missing = wanted.saturating_sub(self.partial.len()).min(self.rest.len());
            if missing > 0 {
                self.charge.grow(missing)?;
                self.partial.extend(&self.rest.split_to(missing));
            }
        }
        match self.size(self.partial.head())? {
            Some(size) if size == self.partial.len() => Ok(Some(self.partial.take())),
            _ => Ok(None),
        }
    }

    /// The size of the message that begins here, with its prefix. None if it is not
    /// known yet.
    fn size(&self, received: &[u8]) -> Result<Option<usize>> {
        let Some(&[_, a, b, c, d]) = received.first_chunk::<PREFIX>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        match length <= self.max_bytes() {
            true => Ok(Some(PREFIX + length)),
            false => Err(self.too_large()),
        }
    }

    fn max_bytes(&self) -> usize {
        self.messages.max_bytes.min(self.method.limits.bytes)
    }

    /// Decompresses a message, and counts its elements.
    async fn check(&mut self, message: Bytes) -> Result<Bytes> {
        let message = match message.first() {
            Some(&COMPRESSED) if self.is_gzip => self.decompress(message).await?,
            _ => message,
        };
        if message.len() > SMALL_BYTES {
            let Method { request, limits, .. } = self.method;
            let schema = self.messages.methods.schema();
            let elements = schema.count(request, &message[PREFIX..], limits.elements)?;
            self.charge.grow(elements * ELEMENT_BYTES)?;
        }
        Ok(message)
    }

    async fn decompress(&mut self, message: Bytes) -> Result<Bytes> {
        let by_ratio = SMALL_BYTES + (message.len() - PREFIX).saturating_mul(MAX_RATIO);
        let limit = self.max_bytes().min(by_ratio);
        let size = decompressed_size(&message[PREFIX..]).ok_or_else(no_gzip)?;
        if size > limit {
            return Err(self.too_large());
        }
        // Before it takes the memory: many may wait for their turn to go on afterwards.
        self.charge.grow(size)?;
        let is_large = message.len() >= LARGE_COMPRESSED;
        let decompress = move || decompress(&message[PREFIX..], size);
        let decompressed = match is_large {
            true => {
                let _turn = self.messages.decompressing.acquire().await.map_err(Error::internal)?;
                self.messages.background.begin(decompress).await?
            }
            false => decompress(),
        };
        Ok(decompressed.ok_or_else(no_gzip)?.into())
    }

    fn too_large(&self) -> Error {
        let limit = self.max_bytes();
        let message = format!(
            "a message of this method has at most {limit} bytes, and at most {MAX_RATIO} times its \
             compressed size; send less at once"
        );
        Error::new(Reason::MessageTooLarge, message).with_metadata("limit", limit.to_string())
    }

    /// Waits for the end of the body, or for data after the message.
    async fn receive_more(&mut self, deadline: Instant) -> Result<(), Status> {
        while self.rest.is_empty() && !self.body.is_end_stream() {
            let frame = timeout_at(deadline, self.body.frame()).await.map_err(|_| unfinished())?;
            let Some(frame) = frame else { break };
            self.rest = frame?.into_data().unwrap_or_default();
        }
        Ok(())
    }

    fn idle(&self) -> Error {
        let seconds = self.messages.idle_timeout.as_secs();
        let message = format!(
            "nothing arrived for {seconds} s; what was answered is done: go on in a new stream"
        );
        Error::new(Reason::StreamIdle, message).with_metadata("idle_seconds", seconds.to_string())
    }
}

fn unfinished() -> Error {
    Error::new(Reason::DeadlineExceeded, "the request did not arrive whole in the time it has")
}

fn no_gzip() -> Error {
    let message = "a message is not gzip, as grpc-encoding says it is";
    Error::invalid(Reason::InvalidArgument, "grpc-encoding", message)
}

/// The size that is said at the end of what is compressed. None if that does not begin like gzip.
fn decompressed_size(compressed: &[u8]) -> Option<usize> {
    compressed.strip_prefix(&[0x1f, 0x8b])?;
    usize::try_from(u32::from_le_bytes(*compressed.last_chunk()?)).ok()
}

/// Decompresses a message of this size, behind the prefix of an uncompressed message. None if it
/// is another.
fn decompress(compressed: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(PREFIX + size);
    message.push(0);
    message.extend_from_slice(&u32::try_from(size).ok()?.to_be_bytes());
    message.resize(PREFIX + size, 0);
    let mut decoder = GzDecoder::new(compressed);
    decoder.read_exact(&mut message[PREFIX..]).ok()?;
    // Also compares the checksum.
    (decoder.read(&mut [0]).ok()? == 0).then_some(message)
}
