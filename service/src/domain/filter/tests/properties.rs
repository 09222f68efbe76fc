//! Properties that hold for every text and every filter.

use proptest::prelude::*;
use strum::VariantArray;

use super::*;
use crate::domain::consent::MessageCategory;

fn text_field() -> impl Strategy<Value = Field> {
    prop_oneof![
        Just(Field::FirstName),
        Just(Field::LastName),
        Just(Field::Email),
        attribute("state", AttributeType::String),
    ]
}

fn time_field() -> impl Strategy<Value = Field> {
    prop_oneof![
        Just(Field::CreateTime),
        Just(Field::UpdateTime),
        (category(), prop::sample::select(vec![ConsentTime::Said, ConsentTime::Ends]))
            .prop_map(|(category, time)| Field::Consent(category, time)),
        attribute("last_order", AttributeType::Timestamp),
    ]
}

fn category() -> impl Strategy<Value = MessageCategory> {
    prop::sample::select(MessageCategory::ALL.to_vec())
}

fn attribute(id: &str, attribute_type: AttributeType) -> Just<Field> {
    Just(Field::Attribute { id: id.to_owned(), attribute_type })
}

fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec!['"', '\'', '\\', '*', '%', '_', ' ', '(', '-']);
    let any = any::<char>().prop_filter("a control character", |c| !c.is_control());
    prop::collection::vec(prop_oneof![special, any], 1..12)
        .prop_map(|chars| chars.into_iter().collect())
}

fn number() -> impl Strategy<Value = f64> {
    let wide = any::<f64>().prop_filter("not finite", |number| number.is_finite());
    prop_oneof![wide, (-1000..1000).prop_map(f64::from)].prop_map(|number| number + 0.0)
}

fn microseconds() -> impl Strategy<Value = DateTime<Utc>> {
    let (first, last) = (time("0001-01-01T00:00:00Z"), time("9999-12-31T00:00:00Z"));
    let any = first.timestamp_micros()..last.timestamp_micros();
    let midnight = (-700_000_i64..2_900_000).prop_map(|day| day * 86_400_000_000);
    prop_oneof![any, midnight].prop_map(|at| DateTime::from_timestamp_micros(at).unwrap())
}

fn typed() -> impl Strategy<Value = (Field, Value)> {
    prop_oneof![
        (text_field(), text().prop_map(Value::Text)),
        (Just(Field::PhoneNumber), "1[0-9]{6,14}".prop_map(Value::Text)),
        (attribute("score", AttributeType::Number), number().prop_map(Value::Number)),
        (time_field(), microseconds().prop_map(Value::Time)),
    ]
}

fn predicate() -> impl Strategy<Value = Predicate> {
    use CompareOp::{Eq, Ge, Gt, Le, Lt, Ne};
    let any_op = || prop::sample::select(vec![Eq, Ne, Lt, Le, Gt, Ge]);
    let equality = || prop::sample::select(vec![Eq, Ne]);
    let tier = || attribute("tier", AttributeType::Enum);
    let option = prop::sample::select(OPTIONS.to_vec()).prop_map(|o| Value::Text(o.to_owned()));
    let statuses = vec![OptInStatus::NotAsked, OptInStatus::OptedIn, OptInStatus::OptedOut];
    let tag = prop::sample::select(TAGS.to_vec()).prop_map(str::to_owned);
    let tags = prop::sample::subsequence(TAGS.map(str::to_owned).to_vec(), 2..4);
    prop_oneof![
        tag.prop_map(Predicate::HasTag),
        tags.prop_map(Predicate::HasTagIn),
        Just(Predicate::HasAnyTag),
        (category(), prop::sample::subsequence(statuses, 1..=3))
            .prop_map(|(category, any_of)| Predicate::OptIn { category, any_of }),
        (category(), any::<bool>())
            .prop_map(|(category, allows)| Predicate::Sendable { category, allows }),
        (category(), prop::sample::subsequence(Source::VARIANTS.to_vec(), 1..=8))
            .prop_map(|(category, any_of)| Predicate::ConsentSource { category, any_of }),
        (typed(), any_op()).prop_map(|((field, value), op)| Predicate::Compare {
            field,
            op,
            value
        }),
        (tier(), equality(), option).prop_map(|(field, op, value)| Predicate::Compare {
            field,
            op,
            value
        }),
        (attribute("vip_member", AttributeType::Boolean), equality(), any::<bool>()).prop_map(
            |(field, op, value)| Predicate::Compare { field, op, value: Value::Bool(value) }
        ),
        (text_field(), text()).prop_map(|(field, prefix)| Predicate::Prefix { field, prefix }),
        "[0-9]{1,15}".prop_map(|prefix| Predicate::Prefix { field: Field::PhoneNumber, prefix }),
        (text_field(), prop::collection::btree_set(text(), 2..5)).prop_map(|(field, texts)| {
            Predicate::In { field, values: texts.into_iter().map(Value::Text).collect() }
        }),
        (time_field(), prop::collection::btree_set(microseconds(), 2..5)).prop_map(
            |(field, times)| {
                Predicate::In { field, values: times.into_iter().map(Value::Time).collect() }
            }
        ),
        typed().prop_map(|(field, _)| Predicate::IsSet(field)),
        tier().prop_map(Predicate::IsSet),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    predicate().prop_map(Expr::Is).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::and),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::or),
            inner.prop_map(Expr::negate),
        ]
    })
}

/// Random sequences of valid tokens, which get further into the parser than arbitrary strings do.
fn tokens() -> impl Strategy<Value = Vec<&'static str>> {
    let mut pieces: Vec<_> = "tags opt_in first_name phone_number create_time attributes.score \
        attributes.state attributes.tier attributes.vip_member attributes.last_order attributes. \
        state vip OPTED_IN Gold true null 2026-01-31 -1.5e3 = != < >= : IN ( ) ( ) , AND OR NOT - \
        sendable.marketing sendable. consent.utility.time consent.marketing.source WEB_FORM now \
        now-30d now+ 30d * and \\ é \"*Zxqv\" 'Zxqv@1' \"Zxqv*\" +Zxqv 7Zxqv"
        .split_ascii_whitespace()
        .collect();
    pieces.extend([" "; 6]);
    prop::collection::vec(prop::sample::select(pieces), 0..14)
}

fn well_formed(written: &str) {
    match compile(written, &definitions(), now()) {
        Ok(None) => assert!(written.trim().is_empty()),
        Ok(Some(expr)) => {
            let again = compile(&expr.to_string(), &definitions(), now());
            assert_eq!(again, Ok(Some(expr)), "{written}");
        }
        Err(error) => {
            assert!((1..=written.chars().count() + 1).contains(&error.column), "{error}");
            assert!(error.message.len() < 600, "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_compiles_or_is_rejected(written in any::<String>()) {
        well_formed(&written);
    }

    #[test]
    fn any_literal_compiles_or_is_rejected(literal in any::<String>()) {
        well_formed(&format!("first_name = {literal}"));
        well_formed(&format!("first_name = \"{literal}\" AND create_time > '{literal}'"));
    }

    #[test]
    fn any_number_compiles_with_its_forms(numbers in prop::collection::vec("5[245][0-9]{5,11}", 1..4)) {
        well_formed(&format!("phone_number IN ({})", numbers.join(", ")));
        well_formed(&format!("NOT phone_number = {}", numbers.join(" AND phone_number != ")));
    }

    #[test]
    fn any_tokens_compile_or_are_rejected(tokens in tokens()) {
        well_formed(&tokens.concat());
    }

    #[test]
    fn errors_do_not_repeat_literals(tokens in tokens()) {
        let written = tokens.join(" ");
        if let Err(error) = compile(&written, &definitions(), now()) {
            prop_assert!(!error.message.contains("Zxqv"), "{}: {}", written, error);
        }
    }

    #[test]
    fn canonical_text_compiles_to_an_equal_filter(expr in expr()) {
        prop_assert_eq!(compile(&expr.to_string(), &definitions(), now()), Ok(Some(expr)));
    }
}
