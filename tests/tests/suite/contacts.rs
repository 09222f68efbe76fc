//! ContactService: the calls about one contact, and BatchGetContacts.

mod batch_get;
mod create;
mod delete;
mod update;
mod update_mask;
