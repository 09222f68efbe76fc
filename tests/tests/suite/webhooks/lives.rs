//! Random lives, told by webhooks in any order and more than once.

use std::collections::BTreeMap;

use super::*;
use contacts_tests::{apply, on_each_store, phone};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const LIVES: usize = 12;
/// The first second of a life.
const BEGIN: u64 = 150;

/// What happens to one of two persons.
#[derive(Clone, Debug)]
enum Happening {
    /// Stop or resume, under the phone number, the user id or both, of one of two senders.
    Preference { stop: bool, by_phone: bool, by_user: bool, other_sender: bool },
    /// The stop word.
    Word,
    /// A message with both ids.
    Message,
    /// A new number, with a new user id.
    Move,
}

fn happening(moves: bool) -> impl Strategy<Value = Happening> {
    let preference =
        (any::<bool>(), 0..3_u8, any::<bool>()).prop_map(|(stop, by, other_sender)| {
            let (by_phone, by_user) = (by != 1, by != 0);
            Happening::Preference { stop, by_phone, by_user, other_sender }
        });
    let weight = u32::from(moves) * 3;
    prop_oneof![
        5 => preference,
        1 => Just(Happening::Word),
        2 => Just(Happening::Message),
        weight => Just(Happening::Move),
    ]
}

/// Each with the person, and in which order it is told, twice.
fn life(moves: bool) -> impl Strategy<Value = (Vec<(usize, Happening)>, Vec<usize>)> {
    prop::collection::vec((0..2_usize, happening(moves)), 1..9).prop_flat_map(|happened| {
        let twice: Vec<_> = (0..happened.len()).chain(0..happened.len()).collect();
        (Just(happened), Just(twice).prop_shuffle())
    })
}

/// The ids that a person has after some moves.
fn ids(person: usize, moves: usize) -> (String, String) {
    (phone(person * 100 + moves), format!("US.{person}x{moves}"))
}

/// One webhook for each happening, in their order.
fn told(happened: &[(usize, Happening)]) -> Vec<Value> {
    let mut moves = [0, 0];
    let begin = ago(BEGIN);
    let tell = |(index, (person, happening)): (usize, &(usize, Happening))| {
        let at = begin + 3 * index as u64;
        let (phone, user) = ids(*person, moves[*person]);
        match happening {
            Happening::Preference { stop, by_phone, by_user, other_sender } => {
                let value = if *stop { "stop" } else { "resume" };
                let (phone, user) = (by_phone.then_some(&*phone), by_user.then_some(&*user));
                let item = preference(value, phone, user, at);
                let mut change = change("user_preferences", item);
                if *other_sender {
                    change["value"]["metadata"]["phone_number_id"] = json!(OTHER_SENDER);
                }
                change
            }
            Happening::Word => change("messages", text(&phone, "STOP", at)),
            Happening::Message => pair(&phone, &user, at),
            Happening::Move => {
                moves[*person] += 1;
                let (new, new_user) = ids(*person, moves[*person]);
                number_changed(&phone, &new, Some((&user, &new_user)), at)
            }
        }
    };
    happened.iter().enumerate().map(tell).map(|change| webhook([change])).collect()
}

/// The answers of all checks of everybody, in a new workspace with the two contacts.
async fn live(
    app: &TestApp,
    name: &str,
    webhooks: impl IntoIterator<Item = &Value>,
) -> BTreeMap<(String, &'static str), CheckReason> {
    app.workspaces().create(name).await.expect("a workspace");
    app.workspaces().update(name).stop_words(["stop"]).await.expect("a workspace");
    let client = app.client().with_workspace(name);
    for person in 0..2 {
        let (phone, user) = ids(person, 0);
        let contact = NewContact::new().phone(phone).whatsapp_user_id(user);
        let contact = client.contacts().create(contact).await.expect("a contact");
        let agreed = client.opt_in().record_opt_in(&contact, OptInSource::WebForm);
        agreed.occurred_time(time(ago(3600))).await.expect("an opt-in");
    }
    make_older(app, name).await;
    for webhook in webhooks {
        client.webhooks().ingest(webhook.to_string()).await.expect("a webhook");
    }
    let mut answers = BTreeMap::new();
    for (person, moves) in (0..2).flat_map(|person| (0..9).map(move |moves| (person, moves))) {
        let (phone, user) = ids(person, moves);
        for (name, recipient) in [(phone.clone(), phone_id(&phone)), (user.clone(), user_id(&user))]
        {
            for sender in [SENDER, OTHER_SENDER, ""] {
                let check = client.opt_in().check(recipient.clone(), MARKETING);
                let check = check.sender_phone_number_id(sender).await.expect("a check");
                answers.insert((name.clone(), sender), check.reason);
            }
        }
    }
    answers
}

/// What people say counts by its time.
#[apply(on_each_store!)]
async fn statements_in_any_order_and_twice_end_in_the_same_consent(app: TestApp) {
    let mut runner = TestRunner::deterministic();
    let mut allowed = 0;
    for n in 0..LIVES {
        let (happened, order) = life(false).new_tree(&mut runner).expect("a life").current();
        let webhooks = told(&happened);
        let once = live(&app, &format!("a{n}"), &webhooks).await;
        let often = live(&app, &format!("b{n}"), order.iter().map(|at| &webhooks[*at])).await;
        assert_eq!(once, often, "{happened:?} told as {order:?}");
        allowed += once.values().filter(|reason| **reason == CheckReason::OptedIn).count();
    }
    assert!(allowed > LIVES, "{allowed}");
}

/// Changes of numbers told in another order may leave somebody unasked, but allow nobody else.
#[apply(on_each_store!)]
async fn moves_in_any_order_and_twice_allow_nobody_else(app: TestApp) {
    let mut runner = TestRunner::deterministic();
    let (mut same, mut allowed) = (0, 0);
    for n in 0..LIVES {
        let (happened, order) = life(true).new_tree(&mut runner).expect("a life").current();
        let webhooks = told(&happened);
        let once = live(&app, &format!("a{n}"), &webhooks).await;
        let often = live(&app, &format!("b{n}"), order.iter().map(|at| &webhooks[*at])).await;
        for (who, reason) in &often {
            let may = |reason: CheckReason| reason == CheckReason::OptedIn;
            assert!(
                !may(*reason) || may(once[who]),
                "{who:?} {:?}: {happened:?} told as {order:?}",
                once[who]
            );
        }
        same += usize::from(once == often);
        allowed += once.values().filter(|reason| **reason == CheckReason::OptedIn).count();
        // In their order, twice each, they end the same.
        let twice = webhooks.iter().flat_map(|webhook| [webhook, webhook]);
        assert_eq!(once, live(&app, &format!("c{n}"), twice).await, "{happened:?}");
    }
    assert!(same > 0 && allowed > LIVES, "{same} {allowed}");
}
