//! The fold against the definition, evaluated naively; and the cases that once went wrong.

mod cases;
mod life;
mod naive;
mod properties;
