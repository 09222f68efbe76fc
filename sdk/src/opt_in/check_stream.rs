use std::collections::VecDeque;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use contacts_proto::v1;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, Stream, StreamExt};

use crate::convert::{BatchRecipients, IntoProto, batch_result};
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::model::{BatchCheckResult, MessageCategory, Recipient};
use crate::pipeline::{Limits, Protocol, pipeline};
use crate::transport::{Incoming, Outgoing};

/// Builder of a stream of checks, returned by [`OptIn::check_stream`](crate::OptIn::check_stream).
///
/// A batch has up to 10 000 people, named by phone numbers as text, or by [`Recipient`]s. Several batches are sent ahead of their results, which
/// arrive in order. After a dropped connection, the batches without a result are sent again.
///
/// ```no_run
/// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
/// use contacts_sdk::MessageCategory;
/// use futures::stream;
///
/// let batches = stream::iter([vec!["15551234567".to_owned()], vec!["15557654321".to_owned()]]);
/// let mut checked = client.opt_in().check_stream(MessageCategory::Marketing).send(batches);
/// while let Some(batch) = checked.next().await {
///     for number in batch?.allowed() {
///         println!("send to {number}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a stream of checks does nothing until `send` is called"]
pub struct CheckOptInStream {
    handle: Handle,
    category: MessageCategory,
    sender_phone_number_id: String,
    in_flight: usize,
    response_timeout: Duration,
}

impl CheckOptInStream {
    pub(super) fn new(handle: &Handle, category: MessageCategory) -> Self {
        let response_timeout = handle.config().stream_idle_timeout;
        Self {
            handle: handle.clone(),
            category,
            sender_phone_number_id: String::new(),
            in_flight: 8,
            response_timeout,
        }
    }

    /// Sets Meta's id of the business's phone number that will send the message. In WhatsApp, a person
    /// can stop marketing from a single number. If not set, a stop for any number denies.
    pub fn sender_phone_number_id(mut self, id: impl Into<String>) -> Self {
        self.sender_phone_number_id = id.into();
        self
    }

    /// Sets how many batches may wait for a response, at least 1. Default: 8.
    pub fn max_in_flight(mut self, batches: usize) -> Self {
        self.in_flight = batches.max(1);
        self
    }

    /// Sets how long to wait for a response before the client reconnects. Overrides the client's
    /// [`stream_idle_timeout`](crate::ClientBuilder::stream_idle_timeout).
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Checks the batches of a stream, and returns a stream of batches with their results, in order. It
    /// makes progress only while it is polled.
    pub fn send<R>(self, batches: impl Stream<Item = Vec<R>> + Send + 'static) -> CheckStream<R>
    where
        R: Clone + Into<Recipient> + Send + Sync + 'static,
    {
        let limits = Limits {
            in_flight: self.in_flight,
            response_timeout: self.response_timeout,
            retry: self.handle.config().stream_retry.clone(),
        };
        let checks = CheckProtocol {
            handle: self.handle,
            category: self.category,
            sender_phone_number_id: self.sender_phone_number_id,
            recipients: PhantomData,
        };
        CheckStream(pipeline(checks, batches.boxed(), limits))
    }
}

/// A stream of batches with their results. Ends after the last batch or the first error; treat the
/// batches without a result as denied.
#[must_use = "streams do nothing until they are polled"]
pub struct CheckStream<R = String>(BoxStream<'static, Result<CheckedBatch<R>>>);

impl<R> CheckStream<R> {
    /// Returns the next batch, or `None` at the end. The same as `StreamExt::next`.
    pub async fn next(&mut self) -> Option<Result<CheckedBatch<R>>> {
        self.0.next().await
    }
}

impl<R> Stream for CheckStream<R> {
    type Item = Result<CheckedBatch<R>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

/// A batch of recipients with its results.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedBatch<R = String> {
    /// The recipients of the batch, as they were passed.
    pub recipients: Vec<R>,
    /// The results, in the order of the recipients.
    pub results: BatchCheckResult,
}

impl<R> CheckedBatch<R> {
    /// The recipients that may be messaged.
    pub fn allowed(&self) -> impl Iterator<Item = &R> {
        self.results.allowed_indexes().map(|index| &self.recipients[index])
    }
}

struct CheckProtocol<R> {
    handle: Handle,
    category: MessageCategory,
    sender_phone_number_id: String,
    recipients: PhantomData<fn(R)>,
}

impl<R: Clone + Into<Recipient> + Send + Sync + 'static> Protocol for CheckProtocol<R> {
    type Item = Vec<R>;
    type Request = v1::CheckOptInStreamRequest;
    type Response = v1::CheckOptInStreamResponse;
    type Output = CheckedBatch<R>;

    fn is_idempotent(&self) -> bool {
        true
    }

    fn preface(&self) -> Option<Self::Request> {
        None
    }

    fn request(&self, batch: &mut Vec<R>) -> Self::Request {
        let BatchRecipients { phones, phone_numbers, recipients } =
            batch.iter().cloned().map(Into::into).collect();
        v1::CheckOptInStreamRequest {
            workspace_id: self.handle.workspace_id(),
            phones,
            phone_numbers,
            recipients,
            category: self.category.into_proto(),
            sender_phone_number_id: self.sender_phone_number_id.clone(),
        }
    }

    fn open(
        &self,
        requests: Outgoing<Self::Request>,
        open_timeout: Duration,
    ) -> BoxFuture<'static, Result<Incoming<Self::Response>>> {
        self.handle.transport().check_opt_in_stream(requests, open_timeout)
    }

    fn complete(
        &self,
        pending: &mut VecDeque<Vec<R>>,
        response: Self::Response,
    ) -> Result<CheckedBatch<R>> {
        let recipients = pending
            .pop_front()
            .ok_or_else(|| Error::invalid_response("a response to a batch that was not sent"))?;
        let results = batch_result(
            recipients.len(),
            &response.decisions,
            &response.reasons,
            response.check_time,
        )?;
        Ok(CheckedBatch { recipients, results })
    }

    fn fail(&self, error: Error, _: &VecDeque<Vec<R>>) -> Error {
        error.edit(|inner| inner.incomplete = true)
    }
}
