/// The order of a list of contacts. Converts into the text that
/// [`ListContacts::order_by`](crate::request::ListContacts::order_by) takes.
///
/// Names are compared without regard to case and accents. Contacts without a name come last.
///
/// ```
/// use contacts_sdk::OrderBy;
///
/// assert_eq!(String::from(OrderBy::LAST_NAME.descending()), "last_name desc");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct OrderBy {
    field: &'static str,
    descending: bool,
}

impl OrderBy {
    /// By time of creation, the default.
    pub const CREATE_TIME: Self = Self::ascending("create_time");
    /// By first name.
    pub const FIRST_NAME: Self = Self::ascending("first_name");
    /// By last name.
    pub const LAST_NAME: Self = Self::ascending("last_name");

    const fn ascending(field: &'static str) -> Self {
        Self { field, descending: false }
    }

    /// Reverses the order: newest first, Z before A.
    pub const fn descending(self) -> Self {
        Self { descending: true, ..self }
    }
}

impl From<OrderBy> for String {
    fn from(order: OrderBy) -> Self {
        let direction = if order.descending { " desc" } else { "" };
        format!("{}{direction}", order.field)
    }
}
