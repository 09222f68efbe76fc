use super::*;

const WORKSPACE: &str = "acme";

fn event(n: u128) -> Entry {
    let fact = Fact {
        event_id: Uuid::from_u128(n),
        contact_id: (!n.is_multiple_of(3)).then(|| Uuid::from_u128(1000 + n)),
        kind: 2,
        categories: 7,
        changed_categories: 1,
        source: 1,
        wording_version: "v1".to_owned(),
        occurred_time: 5,
        record_time: 6,
        ..Fact::default()
    };
    let detail = Detail { salt: [n as u8; 16], match_key: format!("p{n}"), ..Detail::default() };
    let detail_hash = Some(detail.hash());
    Entry { fact, detail: Some(detail), detail_hash, ..Entry::default() }
}

/// Ten entries. The last one is an erasure of the details of the fourth and the sixth.
fn ledger() -> (Vec<Entry>, Head) {
    let mut head = Head::empty(WORKSPACE);
    let mut entries: Vec<_> = (1..=9).map(event).collect();
    let (id, contact_id) = (Uuid::from_u128(10), Uuid::from_u128(1004));
    entries.push(Entry::of_erasure(id, contact_id, vec![6, 4], Time::default()));
    entries.iter_mut().for_each(|entry| head.append(entry));
    entries[3].detail = None;
    entries[5].detail = None;
    (entries, head)
}

fn verify(entries: &[Entry], head: Head, expected: Option<Head>) -> Result<Head, IntegrityError> {
    let mut verifier = Verifier::new(WORKSPACE, expected);
    entries.iter().try_for_each(|entry| verifier.next(entry))?;
    verifier.finish(head)
}

#[test]
fn an_unmodified_ledger_verifies() {
    let (entries, head) = ledger();
    assert_eq!(verify(&entries, head, None), Ok(head));
    let early = Head { length: 5, hash: entries[4].hash.expect("sealed") };
    assert_eq!(verify(&entries, head, Some(early)), Ok(head));
    assert_eq!(verify(&[], Head::empty(WORKSPACE), None), Ok(Head::empty(WORKSPACE)));
    // It does not verify as the ledger of another workspace.
    let error = Verifier::new("other", None).next(&entries[0]).expect_err("another workspace");
    assert_eq!(error.damage, Damage::FactChanged);
}

#[test]
fn every_changed_field_is_detected_at_its_position() {
    type Change = fn(&mut Vec<Entry>);
    let changes: [(&str, Change, i64, Damage); 17] = [
        ("event_id", |e| e[2].fact.event_id = Uuid::from_u128(99), 3, Damage::FactChanged),
        ("contact_id", |e| e[1].fact.contact_id = None, 2, Damage::FactChanged),
        ("kind", |e| e[2].fact.kind = 3, 3, Damage::FactChanged),
        ("categories", |e| e[2].fact.categories = 3, 3, Damage::FactChanged),
        ("changed", |e| e[2].fact.changed_categories = 0, 3, Damage::FactChanged),
        ("source", |e| e[2].fact.source = 2, 3, Damage::FactChanged),
        ("wording", |e| e[2].fact.wording_version = "v2".to_owned(), 3, Damage::FactChanged),
        (
            "sender",
            |e| e[2].fact.sender_phone_number_id = Some(String::new()),
            3,
            Damage::FactChanged,
        ),
        ("occurred", |e| e[2].fact.occurred_time += 1, 3, Damage::FactChanged),
        ("recorded", |e| e[2].fact.record_time += 1, 3, Damage::FactChanged),
        ("expires", |e| e[2].fact.expire_time = Some(0), 3, Damage::FactChanged),
        (
            "erased",
            |e| e[9].fact.erased_positions = Some(Positions::of(vec![4])),
            10,
            Damage::FactChanged,
        ),
        (
            "key",
            |e| e[2].detail.as_mut().unwrap().match_key = "p9".to_owned(),
            3,
            Damage::DetailChanged,
        ),
        ("salt", |e| e[2].detail.as_mut().unwrap().salt = [0; 16], 3, Damage::DetailChanged),
        ("detail", |e| e[7].detail = None, 8, Damage::DetailMissing),
        ("restored", |e| e[5].detail = event(6).detail, 6, Damage::DetailRestored),
        ("unsealed", |e| e[6].hash = None, 7, Damage::Unsealed),
    ];
    for (what, change, position, damage) in changes {
        let (mut entries, head) = ledger();
        change(&mut entries);
        let error = verify(&entries, head, None).expect_err(what);
        assert_eq!((error.position, error.damage), (position, damage), "{what}");
    }
}

#[test]
fn removed_and_moved_entries_are_detected_at_their_position() {
    let error = |entries: &[Entry], head, expected| {
        let error = verify(entries, head, expected).expect_err("an error");
        (error.position, error.damage)
    };
    let (original, head) = ledger();

    let mut entries = original.clone();
    entries.remove(4);
    assert_eq!(error(&entries, head, None), (5, Damage::Missing));
    // Renumbering the entries after the gap does not hide it.
    entries[4..].iter_mut().for_each(|entry| entry.position -= 1);
    assert_eq!(error(&entries, head, None), (5, Damage::FactChanged));

    assert_eq!(error(&original[..7], head, None), (8, Damage::Truncated { length: 10 }));
    // A truncated ledger with a matching head is detected with a head kept elsewhere.
    let cut = Head { length: 7, hash: original[6].hash.expect("sealed") };
    assert_eq!(
        verify(&original[..3], Head { length: 3, ..cut }, None).map_err(|error| error.damage),
        Err(Damage::HeadMismatch)
    );
    assert_eq!(error(&original[..7], cut, Some(head)), (8, Damage::Truncated { length: 10 }));
    assert_eq!(error(&original, cut, None), (10, Damage::BeyondHead));

    for as_rows in [true, false] {
        let mut entries = original.clone();
        entries.swap(1, 4);
        let (a, b) = (entries[1].clone(), entries[4].clone());
        (entries[1].position, entries[4].position) = (2, 5);
        if !as_rows {
            (entries[1].hash, entries[4].hash) = (b.hash, a.hash);
        }
        assert_eq!(error(&entries, head, None), (2, Damage::FactChanged));
        let mut verifier = Verifier::new(WORKSPACE, None);
        verifier.next(&entries[0]).expect("the first entry is unmodified");
        assert!(verifier.are_swapped(&entries[1], &entries[4]));
        assert!(!verifier.are_swapped(&entries[1], &entries[5]));
    }
}

#[test]
fn a_rewritten_ledger_is_detected_with_a_head_kept_elsewhere() {
    let (mut entries, head) = ledger();
    let mut forged = Head::empty(WORKSPACE);
    entries[2].fact.kind = 3;
    entries.iter_mut().for_each(|entry| forged.append(entry));
    assert_eq!(verify(&entries, forged, None), Ok(forged));
    let error = verify(&entries, forged, Some(head)).expect_err("forged");
    assert_eq!((error.position, error.damage), (10, Damage::Rewritten));
}

#[test]
fn different_lists_of_fields_have_different_hashes() {
    let detail = |wording: &str, url: &str| Detail {
        wording: wording.to_owned(),
        url: url.to_owned(),
        ..Detail::default()
    };
    assert_ne!(detail("ab", "").hash(), detail("a", "b").hash());
    assert_ne!(detail("a", "").hash(), detail("", "a").hash());
}

#[test]
fn a_printed_head_can_be_parsed() {
    let (_, head) = ledger();
    assert_eq!(head.to_string().parse(), Ok(head));
    let hash = "0".repeat(64);
    for text in [
        "",
        "1",
        "1:",
        "x:00",
        &hash,
        &format!("-1:{hash}"),
        &format!("1:{hash}0"),
        &format!("1:é{}", &hash[2..]),
    ] {
        assert!(text.parse::<Head>().is_err(), "{text}");
    }
}
