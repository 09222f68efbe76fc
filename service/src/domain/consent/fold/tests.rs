//! The fold against the definition, evaluated naively; and the cases that once went wrong.

mod bounds;
mod cases;
mod life;
mod more_cases;
mod naive;
mod properties;
mod story;
