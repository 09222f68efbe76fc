//! The fold against the definition, evaluated naively; and the cases that once went wrong.

mod bounds;
mod cases;
mod coming_back;
mod late_carrying;
mod life;
mod more_cases;
mod naive;
mod properties;
mod story;

// For `naive`, which is compiled elsewhere, too.
use super::*;
use crate::domain::Time;
use crate::domain::consent::{ALL_SENDERS, MessageCategory, Source};
