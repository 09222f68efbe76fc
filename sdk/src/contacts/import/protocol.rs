//! The messages of an import.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use contacts_proto::v1::{self, import_contacts_request::Message};
use futures_util::future::BoxFuture;

use super::chunks::Chunk;
use crate::convert::{FromProto, IntoProto};
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::model::{ChunkResult, ImportOptions, OnConflict};
use crate::pipeline::Protocol;
use crate::transport::{Incoming, Outgoing};

pub(super) struct ImportProtocol {
    handle: Handle,
    options: v1::ImportOptions,
    is_idempotent: bool,
}

impl ImportProtocol {
    pub fn new(handle: Handle, options: ImportOptions) -> Self {
        let is_idempotent = options.on_conflict != OnConflict::Fail;
        Self { handle, options: options.into_proto(), is_idempotent }
    }

    fn message(&self, message: Message) -> v1::ImportContactsRequest {
        let workspace_id = self.handle.workspace_id();
        v1::ImportContactsRequest { workspace_id, message: Some(message) }
    }
}

impl Protocol for ImportProtocol {
    type Item = Chunk;
    type Request = v1::ImportContactsRequest;
    type Response = v1::ImportContactsResponse;
    type Output = ChunkResult;

    fn is_idempotent(&self) -> bool {
        self.is_idempotent
    }

    fn preface(&self) -> Option<Self::Request> {
        Some(self.message(Message::Options(self.options.clone())))
    }

    fn request(&self, chunk: &mut Chunk) -> Self::Request {
        let rows = match self.is_idempotent {
            true => chunk.rows.clone(),
            false => std::mem::take(&mut chunk.rows),
        };
        self.message(Message::Chunk(v1::ImportChunk { chunk_id: chunk_id(chunk), rows }))
    }

    fn open(
        &self,
        requests: Outgoing<Self::Request>,
        open_timeout: Duration,
    ) -> BoxFuture<'static, Result<Incoming<Self::Response>>> {
        self.handle.transport().import_contacts(requests, open_timeout)
    }

    fn complete(
        &self,
        pending: &mut VecDeque<Chunk>,
        response: Self::Response,
    ) -> Result<ChunkResult> {
        let index = pending.iter().position(|chunk| chunk_id(chunk) == response.chunk_id);
        let Some(chunk) = index.and_then(|index| pending.remove(index)) else {
            return Err(Error::invalid_response("a response to a chunk that was not sent"));
        };
        Ok(ChunkResult::from_proto(response).of_rows(chunk.first_row, chunk.row_count))
    }

    fn fail(&self, error: Error, pending: &VecDeque<Chunk>) -> Error {
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
