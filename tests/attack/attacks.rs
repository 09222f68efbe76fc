//! The attacks, by the numbers that the review gave them. Those that are missing are no calls of a client:
//! TLS to Postgres (7), a second process on the file or the file unlinked (14), a clock that jumps (15).

mod changes;
mod messages;
mod reads;
mod streams;

use std::time::Duration;

use clap::ValueEnum;

use super::Result;
use super::target::Target;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Attack {
    Nothing,
    FullDisk,
    Suggestions,
    GzipBombs,
    Gzip,
    IdleStreams,
    HalfCalls,
    HalfMessages,
    CancelledCounts,
    BulkEdit,
    Vacuum,
    StalledStreams,
    LargeContacts,
    Senders,
    Unread,
    GrpcStreams,
    Descriptors,
    Resets,
    CheckBatches,
    Checks,
    HeavyCpu,
}

impl Attack {
    /// Its number in the review.
    pub fn number(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::FullDisk => "1",
            Self::Suggestions => "2",
            Self::GzipBombs | Self::Gzip => "3",
            Self::IdleStreams | Self::HalfCalls => "4",
            Self::HalfMessages => "5",
            Self::CancelledCounts => "6",
            Self::BulkEdit | Self::Vacuum => "9",
            Self::StalledStreams | Self::LargeContacts | Self::Unread => "10",
            Self::Senders => "11",
            Self::GrpcStreams => "12",
            Self::Descriptors => "13",
            Self::Resets | Self::CheckBatches | Self::Checks | Self::HeavyCpu => "16",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Nothing => "none, to compare with",
            Self::FullDisk => "disk full for the time of the attack",
            Self::Suggestions => "9 000 long tag names, then 10 000 that are almost the same",
            Self::GzipBombs => "3 messages of 2 million empty rows, 4 KB each when compressed",
            Self::Gzip => "messages of 4 MB, 14 KB each when compressed, 5 400 at a time",
            Self::IdleStreams => "2 100 streams of checks that check nothing",
            Self::HalfCalls => "2 700 checks and 2 700 opt-outs at a time, only their headers",
            Self::HalfMessages => "200 messages of 4 MiB that lack their last byte",
            Self::CancelledCounts => "20 slow counts at a time, cancelled after 100 ms",
            Self::BulkEdit => "a tag added to all contacts and removed, again and again",
            Self::Vacuum => "a restart after a contact was erased",
            Self::StalledStreams => "500 streams that nobody reads, on a connection that moves",
            Self::LargeContacts => "the same, of 2 000 contacts of 64 KB",
            Self::Senders => "one person stops the marketing of thousands of senders",
            Self::Unread => "12 000 checks whose answers nobody takes",
            Self::GrpcStreams => {
                "10 000 watches of health, 10 000 answers of reflection that nobody reads"
            }
            Self::Descriptors => "300 connections to a server with 128 file descriptors",
            Self::Resets => "opt-outs that are sent and given up at once, of six connections",
            Self::CheckBatches => "32 batches of 10 000 checks at a time",
            Self::Checks => "5 400 checks at a time, of six connections",
            Self::HeavyCpu => "batches of checks, upserts, webhooks, long filters and duplicates",
        }
    }

    /// Whether the database has many contacts.
    pub fn needs_contacts(self) -> bool {
        matches!(
            self,
            Self::CancelledCounts
                | Self::BulkEdit
                | Self::Vacuum
                | Self::StalledStreams
                | Self::CheckBatches
                | Self::HeavyCpu
        )
    }

    /// How many files the server may open, if fewer than it is given.
    pub fn open_files(self) -> Option<u32> {
        (self == Self::Descriptors).then_some(128)
    }

    /// What has to be there before.
    pub async fn prepare(self, target: &mut Target) -> Result {
        match self {
            Self::Suggestions => messages::create_tags(target).await,
            Self::BulkEdit => changes::create_tag(target).await,
            Self::Vacuum => changes::erase_and_restart(target).await,
            Self::LargeContacts => changes::create_large(target).await,
            Self::Senders => changes::create_person(target).await,
            _ => Ok(()),
        }
    }

    /// Attacks for that long, or until the first answer if that takes longer. What it has opened is closed
    /// afterwards.
    pub async fn run(self, target: &Target, time: Duration) -> Result {
        match self {
            Self::Nothing | Self::Vacuum => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Self::FullDisk => changes::fill_disk(target, time).await,
            Self::Suggestions => messages::suggestions(target, time).await,
            Self::GzipBombs => messages::gzip_bombs(target).await,
            Self::Gzip => messages::gzip(target, time).await,
            Self::IdleStreams => streams::idle(target, time).await,
            Self::HalfCalls => streams::half_calls(target, time).await,
            Self::HalfMessages => messages::unfinished(target, time).await,
            Self::CancelledCounts => reads::cancelled_counts(target, time).await,
            Self::BulkEdit => changes::edit_all(target, time).await,
            Self::StalledStreams | Self::LargeContacts => streams::stalled(target, time).await,
            Self::Senders => changes::senders(target, time).await,
            Self::Unread => streams::unread(target, time).await,
            Self::GrpcStreams => streams::watches(target, time).await,
            Self::Descriptors => streams::connections(target, time).await,
            Self::Resets => streams::resets(target, time).await,
            Self::CheckBatches => reads::check_batches(target, time).await,
            Self::Checks => streams::checks(target, time).await,
            Self::HeavyCpu => reads::heavy(target, time).await,
        }
    }
}
