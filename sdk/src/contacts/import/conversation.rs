//! What an import says to the server and makes of the answers.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use contacts_proto::v1::{self, import_contacts_request::Message};
use futures_util::future::BoxFuture;

use super::chunks::Chunk;
use crate::client::ContactsClient;
use crate::convert::{FromProto, IntoProto};
use crate::error::{Error, Result};
use crate::model::{ChunkResult, ImportOptions, OnConflict};
use crate::pipeline::Conversation;
use crate::transport::{Incoming, Outgoing};

pub(super) struct Import {
    client: ContactsClient,
    options: v1::ImportOptions,
    may_repeat: bool,
}

impl Import {
    pub fn new(client: ContactsClient, options: ImportOptions) -> Self {
        let may_repeat = options.on_conflict != OnConflict::Fail;
        Self { client, options: options.into_proto(), may_repeat }
    }

    fn say(&self, message: Message) -> v1::ImportContactsRequest {
        let workspace_id = self.client.workspace().to_owned();
        v1::ImportContactsRequest { workspace_id, message: Some(message) }
    }
}

impl Conversation for Import {
    type Unit = Chunk;
    type Request = v1::ImportContactsRequest;
    type Answer = v1::ImportContactsResponse;
    type Output = ChunkResult;

    fn may_repeat(&self) -> bool {
        self.may_repeat
    }

    fn greeting(&self) -> Option<Self::Request> {
        Some(self.say(Message::Options(self.options.clone())))
    }

    fn request(&self, chunk: &mut Chunk) -> Self::Request {
        let rows = match self.may_repeat {
            true => chunk.rows.clone(),
            false => std::mem::take(&mut chunk.rows),
        };
        self.say(Message::Chunk(v1::ImportChunk { chunk_id: chunk_id(chunk), rows }))
    }

    fn open(
        &self,
        requests: Outgoing<Self::Request>,
        patience: Duration,
    ) -> BoxFuture<'static, Result<Incoming<Self::Answer>>> {
        self.client.transport().import_contacts(requests, patience)
    }

    fn settle(&self, pending: &mut VecDeque<Chunk>, answer: Self::Answer) -> Result<ChunkResult> {
        let answered = pending.iter().position(|chunk| chunk_id(chunk) == answer.chunk_id);
        let Some(chunk) = answered.and_then(|index| pending.remove(index)) else {
            return Err(Error::invalid_response("the answer to a chunk that was not sent"));
        };
        Ok(ChunkResult::from_proto(answer).of_rows(chunk.first_row, chunk.row_count))
    }

    fn lose(&self, error: Error, pending: &VecDeque<Chunk>) -> Error {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for chunk in pending {
            let end = chunk.first_row + chunk.row_count;
            match ranges.last_mut() {
                Some(last) if last.end == chunk.first_row => last.end = end,
                _ => ranges.push(chunk.first_row..end),
            }
        }
        error.edit(|inner| {
            inner.incomplete = true;
            inner.unacknowledged_rows = ranges;
        })
    }
}

fn chunk_id(chunk: &Chunk) -> String {
    format!("row-{}", chunk.first_row)
}
