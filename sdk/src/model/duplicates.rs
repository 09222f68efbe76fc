/// Why contacts look like one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DuplicateReason {
    /// The same email address, whatever the case of its letters.
    SameEmail,
    /// The same name, and phone numbers with the same last 8 digits.
    SameNameSimilarNumber,
    /// One that this version of the crate does not know, or none (0).
    Unknown(i32),
}
