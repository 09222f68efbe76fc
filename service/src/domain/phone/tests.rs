use proptest::prelude::*;

use super::*;

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).unwrap_or_else(|e| panic!("{text:?} {e}"))
}

#[test]
fn separators_are_dropped() {
    for text in [
        "15551234567",
        "+1 (555) 123-4567",
        "1-555-123-4567",
        " +1.555.123.4567 ",
        "(+1) 555\u{A0}123\u{202F}4567",
        "+1 555\u{2011}123\u{2013}4567",
    ] {
        assert_eq!(number(text).as_str(), "15551234567", "{text:?}");
    }
}

#[test]
fn malformed_numbers_are_rejected_with_a_reason() {
    for (text, error) in [
        ("", PhoneError::Empty),
        (" + ", PhoneError::Empty),
        ("155512", PhoneError::Length { digits: 6 }),
        ("1555123456789012", PhoneError::Length { digits: 16 }),
        ("07700900123", PhoneError::LeadingZero),
        ("00447700900123", PhoneError::LeadingZero),
        ("+0 7700 900123", PhoneError::LeadingZero),
        ("+44 (0)7700 900123", PhoneError::TrunkZero),
        ("9995551234567", PhoneError::UnknownCountryCode),
        ("2105551234", PhoneError::UnknownCountryCode),
        ("1555CALLNOW", PhoneError::Letter),
        ("1555123456О", PhoneError::Letter),
        ("٩٦٦٥١٢٢٦٦٣٣٢", PhoneError::ForeignDigit),
        ("１５５５１２３４５６７", PhoneError::ForeignDigit),
        ("1555123²4567", PhoneError::ForeignDigit),
        ("15551234567\0", PhoneError::InvisibleCharacter),
        ("15551234567\n", PhoneError::InvisibleCharacter),
        ("\u{202E}76543215551", PhoneError::InvisibleCharacter),
        ("\u{202A}+15551234567\u{202C}", PhoneError::InvisibleCharacter),
        ("15551234567/8", PhoneError::UnexpectedCharacter),
        ("++15551234567", PhoneError::UnexpectedCharacter),
        ("1555+1234567", PhoneError::UnexpectedCharacter),
        ("US.13491208655302741918", PhoneError::UserId),
    ] {
        assert_eq!(PhoneNumber::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn assigned_country_codes_match_the_numbering_plans() {
    for prefix in 100..=999_u16 {
        let known = [prefix / 100, prefix / 10, prefix]
            .iter()
            .any(|code| phonenumber::metadata::DATABASE.by_code(code).is_some());
        let parsed = PhoneNumber::parse(&format!("{prefix}5551234"));
        // 379 is assigned to the Vatican but not in use.
        assert_eq!(parsed.is_ok(), known || prefix == 379, "{prefix}");
    }
}

/// Phone numbers, each with its other form if there is one.
const FORMS: [(&str, Option<&str>); 21] = [
    // Brazil: area codes whose WhatsApp ids keep the ninth digit, and area codes whose ids omit it.
    ("5511987654321", Some("551187654321")),
    ("5528999876543", Some("552899876543")),
    ("5547988887777", Some("554788887777")),
    ("558597123456", Some("5585997123456")),
    ("554761234567", Some("5547961234567")),
    // Brazil: landlines, and newer mobile numbers, which never had a short form.
    ("551133334444", None),
    ("554755556666", None),
    ("5511933334444", None),
    ("5547915556666", None),
    ("5511955556666", None),
    // Brazil: an unassigned area code, a wrong length, and no nine to omit.
    ("5510987654321", None),
    ("55119876543", None),
    ("5511887654321", None),
    // Mexico, and thirteen digits without the optional 1.
    ("525512345678", Some("5215512345678")),
    ("5218112345678", Some("528112345678")),
    ("5228112345678", None),
    // Argentina, and thirteen digits without the optional 9.
    ("541123456789", Some("5491123456789")),
    ("5493511234567", Some("543511234567")),
    ("5483511234567", None),
    // Other countries have a single form.
    ("15551234567", None),
    ("447700900123", None),
];

#[test]
fn match_keys_are_equal_exactly_for_forms_of_one_number() {
    let mut keys = std::collections::HashSet::new();
    for (text, other) in FORMS {
        let (given, other) = (number(text), other.map(number));
        assert_eq!(given.as_str(), text, "the number keeps its form");
        assert_eq!(given.variants().next(), other, "{text}");
        if let Some(other) = other {
            assert_eq!(other.variants().next(), Some(given), "{text}");
            assert_eq!(other.match_key(), given.match_key(), "{text}");
        }
        assert!(keys.insert(given.match_key()), "{text}");
    }
}

#[test]
fn match_keys_of_phones_and_user_ids_differ() {
    let id = WhatsAppUserId::parse("BR.5511987654321").unwrap();
    assert_eq!(id.match_key().as_str(), "uBR.5511987654321");
    assert_eq!(match_key_of("+55 11 8765-4321").unwrap().as_str(), "p5511987654321");
}

#[test]
fn user_ids() {
    let longest = format!("US.{}", "a".repeat(128));
    for text in ["US.13491208655302741918", "US.ENT.11815799212886844830", "DE.aB9", &longest] {
        assert_eq!(WhatsAppUserId::parse(text).unwrap().as_str(), text);
    }
    let too_long = format!("US.{}", "a".repeat(129));
    for text in [
        "", "US", "US.", "us.1", "USA.1", "US.ENT.", "US.1.2", "US.1 ", " US.1", "US.1-2", "ÜS.1",
        "US.é", &too_long,
    ] {
        assert_eq!(WhatsAppUserId::parse(text), Err(UserIdError::Malformed), "{text:?}");
    }
    assert_eq!(WhatsAppUserId::parse("+1 555 123 4567"), Err(UserIdError::PhoneNumber));
}

#[test]
fn classify_reports_validity_and_region() {
    let verdict = |text| classify(&number(text));
    let valid_in = |region: &str| PhoneVerdict { valid: true, region: Some(region.to_owned()) };
    assert_eq!(verdict("5511987654321"), valid_in("BR"));
    assert_eq!(verdict("447400123456"), valid_in("GB"));
    // Ofcom reserves this range for fiction, so no numbering plan contains it.
    assert!(!verdict("447700900123").valid);
    assert_eq!(verdict("80012345678"), PhoneVerdict { valid: true, region: None });
    assert!(!verdict("1555123").valid);
}

#[test]
fn debug_output_hides_numbers_and_ids() {
    let (phone, id) = (number("15551234567"), WhatsAppUserId::parse("US.134").unwrap());
    assert_eq!(
        format!("{phone:?} {id:?} {:?}", phone.match_key()),
        "PhoneNumber(..67) WhatsAppUserId(..) MatchKey(..)"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        if let Ok(number) = PhoneNumber::parse(&text) {
            prop_assert!(number.as_str().bytes().all(|b| b.is_ascii_digit()));
        }
        let _ = WhatsAppUserId::parse(&text);
    }

    #[test]
    fn errors_never_repeat_the_input(text in "[1-9A-Z/]{4,30}") {
        if let Err(error) = PhoneNumber::parse(&text) {
            prop_assert!(!error.to_string().contains(&text));
        }
    }

    #[test]
    fn digits_survive_and_variants_match(text in "(5[245][1-9]{2})?[1-9][0-9]{6,14}") {
        let Ok(number) = PhoneNumber::parse(&text) else { return Ok(()) };
        prop_assert_eq!(number.as_str(), &text);
        prop_assert_eq!(PhoneNumber::parse(&format!("+{number}")), Ok(number));
        for variant in number.variants() {
            prop_assert_ne!(variant, number);
            prop_assert_eq!(variant.match_key(), number.match_key());
            prop_assert_eq!(variant.variants().collect::<Vec<_>>(), vec![number]);
            prop_assert_eq!(PhoneNumber::parse(variant.as_str()), Ok(variant));
        }
    }

    #[test]
    fn numbers_are_ordered_like_their_text(a in "[1-9][0-9]{6,14}", b in "[1-9][0-9]{6,14}") {
        if let (Ok(x), Ok(y)) = (PhoneNumber::parse(&a), PhoneNumber::parse(&b)) {
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }
    }

    #[test]
    fn the_phonenumber_crate_does_not_panic(text in "[1-9][0-9]{6,14}") {
        if let Ok(number) = PhoneNumber::parse(&text) {
            let _ = classify(&number);
        }
    }
}

proptest! {
    #[test]
    fn integers_are_read_as_their_digits(number in prop_oneof![
        any::<u64>(),
        0..10_000_000_000_000_000_u64,
        (0_u32..17).prop_map(|zeros| 10_u64.pow(zeros)),
        (0_u32..17).prop_map(|nines| 10_u64.pow(nines) - 1),
    ]) {
        let of_text = match number {
            0 => Err(PhoneError::Empty),
            _ => PhoneNumber::parse(&number.to_string()),
        };
        prop_assert_eq!(PhoneNumber::from_integer(number), of_text);
    }
}

proptest! {
    /// However long: short ones are kept in another way.
    #[test]
    fn keys_are_their_text(a in "[a-zä:]{0,30}", b in "[a-zä:]{0,30}") {
        let key = |text: &String| MatchKey::from_stored(text.clone());
        prop_assert_eq!(key(&a).as_str().to_owned(), a.clone());
        prop_assert_eq!(key(&a).clone(), key(&a));
        prop_assert_eq!(key(&a) == key(&b), a == b);
        prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
        let user = WhatsAppUserId(b);
        prop_assert_eq!(user.match_key().as_str().to_owned(), format!("u{}", user.as_str()));
    }
}
