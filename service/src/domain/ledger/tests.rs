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

/// Ten events; the details of the fourth and sixth were erased by the last.
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

fn verify(entries: &[Entry], head: Head, kept: Option<Head>) -> Result<Head, Broken> {
    let mut verifier = Verifier::new(WORKSPACE, kept);
    entries.iter().try_for_each(|entry| verifier.next(entry))?;
    verifier.finish(head)
}

#[test]
fn an_honest_ledger_verifies() {
    let (entries, head) = ledger();
    assert_eq!(verify(&entries, head, None), Ok(head));
    let early = Head { length: 5, hash: entries[4].hash.expect("sealed") };
    assert_eq!(verify(&entries, head, Some(early)), Ok(head));
    assert_eq!(verify(&[], Head::empty(WORKSPACE), None), Ok(Head::empty(WORKSPACE)));
    // Of another workspace it does not.
    let broken = Verifier::new("other", None).next(&entries[0]).expect_err("another's");
    assert_eq!(broken.damage, Damage::Fact);
}

#[test]
fn whatever_is_changed_is_found_where_it_is() {
    type Change = fn(&mut Vec<Entry>);
    let changes: [(&str, Change, i64, Damage); 17] = [
        ("event_id", |e| e[2].fact.event_id = Uuid::from_u128(99), 3, Damage::Fact),
        ("contact_id", |e| e[1].fact.contact_id = None, 2, Damage::Fact),
        ("kind", |e| e[2].fact.kind = 3, 3, Damage::Fact),
        ("categories", |e| e[2].fact.categories = 3, 3, Damage::Fact),
        ("changed", |e| e[2].fact.changed_categories = 0, 3, Damage::Fact),
        ("source", |e| e[2].fact.source = 2, 3, Damage::Fact),
        ("wording", |e| e[2].fact.wording_version = "v2".to_owned(), 3, Damage::Fact),
        ("sender", |e| e[2].fact.sender_phone_number_id = Some(String::new()), 3, Damage::Fact),
        ("occurred", |e| e[2].fact.occurred_time += 1, 3, Damage::Fact),
        ("recorded", |e| e[2].fact.record_time += 1, 3, Damage::Fact),
        ("expires", |e| e[2].fact.expire_time = Some(0), 3, Damage::Fact),
        ("erased", |e| e[9].fact.erased_positions = Some(Positions::of(vec![4])), 10, Damage::Fact),
        ("key", |e| e[2].detail.as_mut().unwrap().match_key = "p9".to_owned(), 3, Damage::Detail),
        ("salt", |e| e[2].detail.as_mut().unwrap().salt = [0; 16], 3, Damage::Detail),
        ("detail", |e| e[7].detail = None, 8, Damage::DetailMissing),
        ("restored", |e| e[5].detail = event(6).detail, 6, Damage::DetailBack),
        ("unsealed", |e| e[6].hash = None, 7, Damage::Unsealed),
    ];
    for (what, change, position, damage) in changes {
        let (mut entries, head) = ledger();
        change(&mut entries);
        let broken = verify(&entries, head, None).expect_err(what);
        assert_eq!((broken.position, broken.damage), (position, damage), "{what}");
    }
}

#[test]
fn whatever_is_gone_or_moved_is_found_where_it_was() {
    let broken = |entries: &[Entry], head, kept| {
        let broken = verify(entries, head, kept).expect_err("broken");
        (broken.position, broken.damage)
    };
    let (honest, head) = ledger();

    let mut entries = honest.clone();
    entries.remove(4);
    assert_eq!(broken(&entries, head, None), (5, Damage::Missing));
    // Closing the gap does not help.
    entries[4..].iter_mut().for_each(|entry| entry.position -= 1);
    assert_eq!(broken(&entries, head, None), (5, Damage::Fact));

    assert_eq!(broken(&honest[..7], head, None), (8, Damage::Truncated { length: 10 }));
    // Nor does moving the end of the ledger, for who kept the old one.
    let cut = Head { length: 7, hash: honest[6].hash.expect("sealed") };
    assert_eq!(
        verify(&honest[..3], Head { length: 3, ..cut }, None).map_err(|b| b.damage),
        Err(Damage::Head)
    );
    assert_eq!(broken(&honest[..7], cut, Some(head)), (8, Damage::Truncated { length: 10 }));
    assert_eq!(broken(&honest, cut, None), (10, Damage::Beyond));

    for as_rows in [true, false] {
        let mut entries = honest.clone();
        entries.swap(1, 4);
        let (a, b) = (entries[1].clone(), entries[4].clone());
        (entries[1].position, entries[4].position) = (2, 5);
        if !as_rows {
            (entries[1].hash, entries[4].hash) = (b.hash, a.hash);
        }
        assert_eq!(broken(&entries, head, None), (2, Damage::Fact));
        let mut verifier = Verifier::new(WORKSPACE, None);
        verifier.next(&entries[0]).expect("honest");
        assert!(verifier.are_swapped(&entries[1], &entries[4]));
        assert!(!verifier.are_swapped(&entries[1], &entries[5]));
    }
}

#[test]
fn a_ledger_written_anew_is_found_by_a_head_kept_elsewhere() {
    let (mut entries, head) = ledger();
    let mut forged = Head::empty(WORKSPACE);
    entries[2].fact.kind = 3;
    entries.iter_mut().for_each(|entry| forged.append(entry));
    assert_eq!(verify(&entries, forged, None), Ok(forged));
    let broken = verify(&entries, forged, Some(head)).expect_err("forged");
    assert_eq!((broken.position, broken.damage), (10, Damage::Rewritten));
}

#[test]
fn no_two_lists_of_fields_have_one_hash() {
    let detail = |wording: &str, url: &str| Detail {
        wording: wording.to_owned(),
        url: url.to_owned(),
        ..Detail::default()
    };
    assert_ne!(detail("ab", "").hash(), detail("a", "b").hash());
    assert_ne!(detail("a", "").hash(), detail("", "a").hash());
}

#[test]
fn a_head_is_read_as_it_is_printed() {
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
