use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use bytes::Bytes;
use contacts_proto::v1;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};

use super::super::resuming::Resuming;
use super::batch::{SegmentBatch, decode};
use crate::error::Result;
use crate::model::Contact;

/// A stream of the batches of a segment. Ends after the last batch or the first error.
#[must_use = "streams do nothing until they are polled"]
pub struct SegmentBatches(BoxStream<'static, Result<SegmentBatch>>);

/// A stream of the contacts of a segment. Ends after the last contact or the first error.
///
/// It has no resume tokens, because the server sends them only between batches. To resume after a
/// restart, use [`SegmentBatches`].
#[must_use = "streams do nothing until they are polled"]
pub struct ContactStream {
    batches: SegmentBatches,
    read: vec::IntoIter<Bytes>,
    failed: bool,
}

impl SegmentBatches {
    pub(super) fn new(segment: Resuming<v1::StreamContactsRequest>) -> Self {
        let batches = stream::try_unfold(segment, async |mut segment| {
            let batch = segment.next().await?;
            Ok(batch.map(|(contacts, token)| (SegmentBatch::new(contacts, token), segment)))
        });
        Self(batches.boxed())
    }

    pub(super) fn empty() -> Self {
        Self(stream::empty().boxed())
    }

    /// Returns the next batch, or `None` at the end. The same as `StreamExt::next`.
    pub async fn next(&mut self) -> Option<Result<SegmentBatch>> {
        self.0.next().await
    }
}

impl ContactStream {
    pub(super) fn new(batches: SegmentBatches) -> Self {
        Self { batches, read: Vec::new().into_iter(), failed: false }
    }

    /// Returns the next contact, or `None` at the end. The same as `StreamExt::next`.
    pub async fn next(&mut self) -> Option<Result<Contact>> {
        StreamExt::next(self).await
    }
}

impl Stream for SegmentBatches {
    type Item = Result<SegmentBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl Stream for ContactStream {
    type Item = Result<Contact>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.failed {
                return Poll::Ready(None);
            }
            if let Some(encoded) = self.read.next() {
                let contact = decode(encoded);
                self.failed = contact.is_err();
                return Poll::Ready(Some(contact));
            }
            match ready!(self.batches.poll_next_unpin(cx)) {
                Some(Ok(batch)) => self.read = batch.into_encoded(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}
