/// What the contacts of a [`DuplicateGroup`](crate::DuplicateGroup) have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DuplicateReason {
    /// The same email address, ignoring the case of a-z.
    SameEmail,
    /// The same name, and phone numbers with the same last 8 digits.
    SameNameSimilarNumber,
    /// A value that this version of the crate does not know, or 0 for none.
    Unknown(i32),
}
