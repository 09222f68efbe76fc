//! Statements that can permit: read whole, or not at all.

use super::Fault;
use super::action::{Action, Identity};
use super::fields::{message_id, permission_phone, permission_time, permission_user};
use super::json::Object;
use crate::domain::phone::WhatsAppUserId;

/// The previous user id and the new one.
type UserIds = (Option<WhatsAppUserId>, Option<WhatsAppUserId>);

/// An action that can permit, or which field forbids it.
pub(super) type ActionResult = Result<Action, (&'static str, Fault)>;

/// The person allows marketing again.
pub(super) fn resume(item: &Object, sender: Option<&str>) -> ActionResult {
    let phone = permission_phone(item, "wa_id").map_err(at("wa_id"))?;
    let user = permission_user(item, "user_id").map_err(at("user_id"))?;
    let parent = permission_user(item, "parent_user_id").map_err(at("parent_user_id"))?;
    let users = user.into_iter().chain(parent).map(Identity::User);
    let identities: Vec<_> = phone.map(Identity::Phone).into_iter().chain(users).collect();
    if identities.is_empty() {
        return Err(("wa_id", Fault::Missing));
    }
    let occurred_time = permission_time(item).map_err(at("timestamp"))?;
    // Without a sender it would lift the stops of all.
    let sender = sender.ok_or(("", Fault::UnknownSender))?;
    Ok(Action::PlatformResume {
        sender_phone_number_id: sender.to_owned(),
        identities,
        occurred_time,
    })
}

/// The phone number changed: `from` is the old one, `wa_id` (before v12 `new_wa_id`) the new one.
pub(super) fn number_changed(item: &Object, system: &Object) -> ActionResult {
    let from = permission_phone(item, "from").map_err(at("from"))?;
    let customer = permission_phone(system, "customer").map_err(at("system.customer"))?;
    let old_phone = agreed(from, customer, "system.customer")?;
    let wa_id = permission_phone(system, "wa_id").map_err(at("system.wa_id"))?;
    let new_wa_id = permission_phone(system, "new_wa_id").map_err(at("system.new_wa_id"))?;
    let new_phone_number =
        agreed(wa_id, new_wa_id, "system.new_wa_id")?.ok_or(("system.wa_id", Fault::Missing))?;
    if old_phone.is_some_and(|old| old.match_key() == new_phone_number.match_key()) {
        return Err(("system.wa_id", Fault::Contradictory));
    }
    let (previous, new_user_id) = user_ids(system, "previous_user_id", "user_id")?;
    let old: Vec<_> =
        old_phone.map(Identity::Phone).into_iter().chain(previous.map(Identity::User)).collect();
    if old.is_empty() {
        return Err(("from", Fault::Missing));
    }
    Ok(Action::NumberChanged {
        old,
        new_phone_number,
        new_user_id,
        occurred_time: permission_time(item).map_err(at("timestamp"))?,
        message_id: message_id(item),
    })
}

/// The user id changed. `from` is not read: Meta does not say whether it is the old number.
pub(super) fn user_id_changed(item: &Object, system: &Object) -> ActionResult {
    changed_id(item, system, "previous_user_id", "user_id")
}

/// A user id changed, or a parent one.
pub(super) fn changed_id(
    item: &Object,
    system: &Object,
    previous_field: &'static str,
    new_field: &'static str,
) -> ActionResult {
    let (previous, new) = user_ids(system, previous_field, new_field)?;
    Ok(Action::UserIdChanged {
        previous: previous.ok_or((in_system(previous_field), Fault::Missing))?,
        new: new.ok_or((in_system(new_field), Fault::Missing))?,
        phone_number: permission_phone(system, "wa_id").map_err(at("system.wa_id"))?,
        occurred_time: permission_time(item).map_err(at("timestamp"))?,
        message_id: message_id(item),
    })
}

/// The user ids before and after; two different ones.
fn user_ids(
    system: &Object,
    previous_field: &'static str,
    new_field: &'static str,
) -> Result<UserIds, (&'static str, Fault)> {
    let previous =
        permission_user(system, previous_field).map_err(at(in_system(previous_field)))?;
    let new = permission_user(system, new_field).map_err(at(in_system(new_field)))?;
    if new.is_some() && new == previous {
        return Err((in_system(new_field), Fault::Contradictory));
    }
    Ok((previous, new))
}

fn in_system(field: &'static str) -> &'static str {
    match field {
        "previous_user_id" => "system.previous_user_id",
        "user_id" => "system.user_id",
        "previous_parent_user_id" => "system.previous_parent_user_id",
        _ => "system.parent_user_id",
    }
}

/// One value out of two fields that mean the same.
fn agreed<T: PartialEq>(
    one: Option<T>,
    other: Option<T>,
    field: &'static str,
) -> Result<Option<T>, (&'static str, Fault)> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err((field, Fault::Contradictory)),
        (one, other) => Ok(one.or(other)),
    }
}

fn at(field: &'static str) -> impl Fn(Fault) -> (&'static str, Fault) {
    move |fault| (field, fault)
}
