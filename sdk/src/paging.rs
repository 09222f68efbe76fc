//! Lists: a single page, a stream of pages, or a stream of items.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};

use crate::error::{Error, Result};

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// The token of the next page. `None` on the last page.
    pub next_page_token: Option<String>,
}

impl<T> IntoIterator for Page<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

/// A stream of all pages of a list. Reads a page when it is polled. Ends after the first error.
#[must_use = "streams do nothing until they are polled"]
pub struct Pages<T>(BoxStream<'static, Result<Page<T>>>);

/// A stream of all items of a list. Reads pages as needed. Ends after the first error.
#[must_use = "streams do nothing until they are polled"]
pub struct Items<T> {
    pages: Pages<T>,
    read: VecDeque<T>,
}

impl<T: Send + 'static> Pages<T> {
    /// Reads pages with `fetch`, starting at `token`.
    pub(crate) fn new(
        token: String,
        fetch: impl Fn(String) -> BoxFuture<'static, Result<Page<T>>> + Send + 'static,
    ) -> Self {
        let pages = stream::try_unfold(Some((token, fetch)), async |state| {
            let Some((token, fetch)) = state else { return Ok(None) };
            let page = fetch(token.clone()).await?;
            let next = match &page.next_page_token {
                Some(next) if *next == token => {
                    return Err(Error::invalid_response(
                        "the token of the next page is the token of this page",
                    ));
                }
                Some(next) => Some((next.clone(), fetch)),
                None => None,
            };
            Ok(Some((page, next)))
        });
        Self(pages.boxed())
    }

    pub(crate) fn items(self) -> Items<T> {
        Items { pages: self, read: VecDeque::new() }
    }
}

impl<T> Pages<T> {
    /// Returns the next page, or `None` at the end. The same as `StreamExt::next`.
    pub async fn next(&mut self) -> Option<Result<Page<T>>> {
        self.0.next().await
    }
}

impl<T: Unpin> Items<T> {
    /// Returns the next item, or `None` at the end. The same as `StreamExt::next`.
    pub async fn next(&mut self) -> Option<Result<T>> {
        StreamExt::next(self).await
    }
}

impl<T> Stream for Pages<T> {
    type Item = Result<Page<T>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl<T: Unpin> Stream for Items<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.read.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            match ready!(self.pages.poll_next_unpin(cx)) {
                Some(Ok(page)) => self.read = page.items.into(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// Adds the paging parameters and the streams to a list builder.
macro_rules! paged {
    ($name:ident -> $item:ty) => {
        impl $name {
            /// Sets the number of items per page, at most 1000. Default: 50.
            pub fn page_size(mut self, size: u32) -> Self {
                self.0.message.page_size = i32::try_from(size).unwrap_or(i32::MAX);
                self
            }

            /// Starts at the page that follows the one with this `next_page_token`. All other
            /// parameters except the page size must be unchanged.
            pub fn page_token(mut self, token: impl Into<String>) -> Self {
                self.0.message.page_token = token.into();
                self
            }

            /// Streams this page and all that follow. Each page is a call with its own deadline.
            pub fn pages(self) -> $crate::paging::Pages<$item> {
                $crate::paging::Pages::new(self.0.message.page_token.clone(), move |token| {
                    self.clone().page_token(token).into_future()
                })
            }

            /// Streams the items of this page and of all that follow.
            pub fn stream(self) -> $crate::paging::Items<$item> {
                self.pages().items()
            }
        }
    };
}

pub(crate) use paged;

/// The page that a list response contains.
pub(crate) fn page<P, T>(items: Vec<P>, next: String, convert: impl FnMut(P) -> T) -> Page<T> {
    Page {
        items: items.into_iter().map(convert).collect(),
        next_page_token: (!next.is_empty()).then_some(next),
    }
}
