//! Lists: one page, all pages, or all items.

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
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins; none on the last one.
    pub next_page_token: Option<String>,
}

impl<T> IntoIterator for Page<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

/// All pages of a list, each read when it is asked for. Ends after the first error.
#[must_use = "streams do nothing until they are polled"]
pub struct Pages<T>(BoxStream<'static, Result<Page<T>>>);

/// All items of a list; pages are read as needed. Ends after the first error.
#[must_use = "streams do nothing until they are polled"]
pub struct Items<T> {
    pages: Pages<T>,
    read: VecDeque<T>,
}

impl<T: Send + 'static> Pages<T> {
    /// Reads pages with `fetch` from `token` on.
    pub(crate) fn new(
        token: String,
        fetch: impl Fn(String) -> BoxFuture<'static, Result<Page<T>>> + Send + 'static,
    ) -> Self {
        let pages = stream::try_unfold(Some((token, fetch)), async |state| {
            let Some((token, fetch)) = state else { return Ok(None) };
            let page = fetch(token.clone()).await?;
            let next = match &page.next_page_token {
                Some(next) if *next == token => {
                    return Err(Error::invalid_response("a page names itself as the next one"));
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
    /// The next page, or none behind the last one. The same as `StreamExt::next`.
    pub async fn next(&mut self) -> Option<Result<Page<T>>> {
        self.0.next().await
    }
}

impl<T: Unpin> Items<T> {
    /// The next item, or none behind the last one. The same as `StreamExt::next`.
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

/// Gives a list builder its page token and its streams.
macro_rules! paged {
    ($name:ident -> $item:ty) => {
        impl $name {
            /// Sets how many items a page has: 50 by default, at most 1000.
            pub fn page_size(mut self, size: u32) -> Self {
                self.0.message.page_size = i32::try_from(size).unwrap_or(i32::MAX);
                self
            }

            /// Begins at this page: the `next_page_token` of the page before. Everything else, the
            /// page size aside, has to be as it was then.
            pub fn page_token(mut self, token: impl Into<String>) -> Self {
                self.0.message.page_token = token.into();
                self
            }

            /// Reads all pages, from this one on. Each is a call with a deadline of its own.
            pub fn pages(self) -> $crate::paging::Pages<$item> {
                $crate::paging::Pages::new(self.0.message.page_token.clone(), move |token| {
                    self.clone().page_token(token).into_future()
                })
            }

            /// Reads all items, page by page.
            pub fn stream(self) -> $crate::paging::Items<$item> {
                self.pages().items()
            }
        }
    };
}

pub(crate) use paged;

/// A page from what a list answers.
pub(crate) fn page<P, T>(items: Vec<P>, next: String, convert: impl FnMut(P) -> T) -> Page<T> {
    Page {
        items: items.into_iter().map(convert).collect(),
        next_page_token: (!next.is_empty()).then_some(next),
    }
}
