//! Which tests show what each bad input gets. A test is named by its file under `tests/tests`, without
//! `.rs`, and its function.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Number of the row, what it is about, and its tests.
#[rustfmt::skip]
const ROWS: [(usize, &str, &[&str]); 47] = [
    (1, "a message over the limit", &[
        "suite/overload nothing_is_kept_of_messages_over_the_limit",
    ]),
    (2, "a gzip bomb", &[
        "suite/overload elements_are_counted_before_they_are_decoded",
    ]),
    (3, "a compressed flag without an encoding", &[
        "suite/bad_inputs/transport rows_3_to_5_message_flags_are_validated",
    ]),
    (4, "an unknown encoding", &[
        "suite/bad_inputs/transport rows_3_to_5_message_flags_are_validated",
    ]),
    (5, "flag byte 7", &[
        "suite/bad_inputs/transport rows_3_to_5_message_flags_are_validated",
    ]),
    (6, "malformed protobuf, invalid UTF-8, deep nesting", &[
        "suite/bad_inputs/transport row_6_malformed_messages_do_not_panic",
        "suite/bad_inputs/transport row_6_message_nesting_is_limited",
        "suite/bad_inputs/transport row_6_frame_with_a_wrong_length_is_rejected",
        "suite/bad_inputs/transport row_6_unknown_fields_are_ignored",
    ]),
    (7, "announced messages that do not come", &[
        "suite/bad_inputs/transport row_7_announced_messages_that_do_not_come_are_cut",
        "suite/overload unfinished_message_is_cut",
        "suite/overload requests_under_way_have_a_budget_of_memory",
    ]),
    (8, "an unknown method, reflection when it is off", &[
        "suite/bad_inputs/transport row_8_unknown_method_is_unimplemented",
        "suite/bad_inputs/transport row_8_reflection_can_be_disabled",
    ]),
    (9, "metadata over 16 KiB", &[
        "suite/bad_inputs/transport row_9_too_much_metadata_is_refused_and_the_connection_lives",
    ]),
    (10, "floods of frames", &[
        "suite/bad_inputs/floods row_10_headers_without_an_end_close_the_connection",
        "suite/bad_inputs/floods row_10_rapid_resets_close_the_connection",
        "suite/bad_inputs/floods row_10_empty_frames_pings_and_settings_are_survived",
    ]),
    (11, "no preface, half a handshake, a byte at a time", &[
        "suite/tls row_11_slow_handshakes_are_cut",
        "../../service/src/grpc/connection closes_a_connection_without_preface",
    ]),
    (12, "no file descriptors left", &[
        "processes/descriptors checks_work_without_descriptors_on_sqlite",
        "processes/descriptors checks_work_without_descriptors_on_postgres",
        "processes/descriptors connections_leave_descriptors_for_the_database",
    ]),
    (13, "a reader with a zero window", &[
        "suite/overload stalled_streams_end_although_their_connection_moves",
        "suite/streams/slow_reader slow_reader_holds_no_database_connection",
    ]),
    (14, "an idle import, an import cut in a chunk", &[
        "suite/imports/connection idle_import_is_ended",
        "suite/imports/connection chunks_before_a_broken_connection_are_stored",
    ]),
    (15, "an expired or tiny deadline", &[
        "suite/deadlines row_15_every_kind_of_call_reports_an_expired_deadline",
        "suite/deadlines row_15_streams_end_at_their_deadline",
    ]),
    (16, "a missing, malformed, revoked or expired token", &[
        "suite/access/every_method row_16_every_method_needs_a_valid_token",
    ]),
    (17, "a missing scope, a foreign workspace", &[
        "suite/access/every_method row_17_every_method_needs_its_scope",
        "suite/access/every_method row_17_every_method_needs_a_right_to_its_workspace",
    ]),
    (18, "another workspace's ids and tokens", &[
        "suite/access/foreign_ids row_18_foreign_ids_reveal_and_change_nothing",
        "suite/bad_inputs/tokens row_36_token_of_another_workspace_is_rejected",
    ]),
    (19, "a certificate of another authority", &[
        "suite/tls row_19_clients_need_a_certificate_of_the_authority",
    ]),
    (20, "over quota, overloaded", &[
        "suite/overload one_workspace_leaves_room_for_others",
        "suite/overload idle_streams_take_no_places_of_checks_and_opt_outs",
    ]),
    (21, "numbers that are none", &[
        "suite/bad_inputs/phones row_21_malformed_phone_numbers_are_rejected_with_an_example",
        "suite/bad_inputs/phones row_21_leading_zero_is_not_repaired",
    ]),
    (22, "foreign digits, NUL, U+202E, a user id", &[
        "suite/bad_inputs/phones row_22_foreign_digits_and_invisible_characters_are_rejected",
        "suite/bad_inputs/phones row_22_user_id_is_not_a_phone_number",
    ]),
    (23, "separators", &[
        "suite/bad_inputs/phones row_23_separators_are_ignored",
    ]),
    (24, "the other form of a number", &[
        "suite/bad_inputs/phones row_24_contact_is_found_by_the_other_form",
    ]),
    (25, "NUL, text that is too long, combining marks", &[
        "suite/bad_inputs/texts row_25_nul_is_rejected_in_every_text",
        "suite/bad_inputs/texts row_25_long_text_and_excess_combining_marks_are_rejected",
    ]),
    (26, "malformed email addresses", &[
        "suite/bad_inputs/texts row_26_malformed_email_addresses_are_rejected",
    ]),
    (27, "names in all scripts", &[
        "suite/bad_inputs/texts row_27_names_in_all_scripts_round_trip_byte_for_byte",
    ]),
    (28, "line breaks and escapes", &[
        "suite/bad_inputs/texts row_28_line_breaks_and_escapes_are_data",
    ]),
    (29, "wrong attributes", &[
        "suite/bad_inputs/definitions row_29_value_of_the_wrong_type_reports_the_expected_type",
        "suite/bad_inputs/definitions row_29_numbers_must_be_finite",
        "suite/bad_inputs/definitions row_29_enum_value_must_be_an_option",
        "suite/bad_inputs/definitions row_29_unknown_excess_and_empty_attributes_are_rejected",
    ]),
    (30, "unknown tags", &[
        "suite/bad_inputs/definitions row_30_unknown_tag_suggests_a_similar_one",
    ]),
    (31, "reserved ids, names in use", &[
        "suite/bad_inputs/definitions row_31_ids_that_mean_consent_are_reserved",
        "suite/bad_inputs/definitions row_31_display_name_is_unique",
    ]),
    (32, "syntax of other languages", &[
        "suite/bad_inputs/queries row_32_sql_and_other_syntax_is_text_in_a_filter",
        "suite/bad_inputs/queries row_32_sql_and_other_syntax_is_text_in_a_search",
    ]),
    (33, "filters that are none", &[
        "suite/bad_inputs/queries row_33_invalid_filter_reports_the_column",
    ]),
    (34, "filters over a limit", &[
        "suite/bad_inputs/queries row_34_errors_state_the_limit",
    ]),
    (35, "orders and page sizes", &[
        "suite/bad_inputs/queries row_35_orders_and_page_sizes_are_validated",
    ]),
    (36, "forged and foreign tokens of lists", &[
        "suite/bad_inputs/tokens row_36_token_is_valid_for_its_own_list_only",
        "suite/bad_inputs/tokens row_36_damaged_token_is_rejected",
        "suite/bad_inputs/tokens row_36_token_of_another_workspace_is_rejected",
    ]),
    (37, "a request id used again", &[
        "suite/bad_inputs/semantics row_37_request_id_cannot_be_reused_for_another_request",
    ]),
    (38, "a stale etag", &[
        "suite/bad_inputs/semantics row_38_change_with_a_stale_etag_is_rejected",
    ]),
    (39, "phone numbers and consent in an update", &[
        "suite/bad_inputs/semantics row_39_update_cannot_change_phone_number_or_consent",
    ]),
    (40, "consent claimed for who opted out", &[
        "suite/bad_inputs/semantics row_40_claimed_consent_fails_for_opted_out_rows_only",
    ]),
    (41, "old and future opt-ins", &[
        "suite/bad_inputs/semantics row_41_old_statement_has_no_effect_and_a_future_opt_in_is_rejected",
    ]),
    (42, "an opt-in without a source", &[
        "suite/bad_inputs/semantics row_42_opt_in_needs_a_source",
    ]),
    (43, "checks of the unknown, erased, expired, malformed", &[
        "suite/bad_inputs/semantics row_43_every_doubtful_check_is_denied_with_a_reason",
    ]),
    (44, "another count than expected", &[
        "suite/bad_inputs/semantics row_44_tag_edit_with_another_count_changes_nothing",
    ]),
    (45, "deletions of the unknown, and again", &[
        "suite/bad_inputs/semantics row_45_retried_deletion_happens_once",
    ]),
    (46, "a database that is gone, locked, full, read-only, a standby", &[
        "processes/kill_postgres no_acknowledged_write_is_lost_and_calls_recover",
        "processes/sqlite_faults nothing_is_acknowledged_once_the_file_is_gone",
        "processes/sqlite_faults writes_recover_by_themselves_after_a_full_disk",
        "processes/standby no_check_is_answered_from_a_standby",
        "processes/drain readiness_knows_the_database",
    ]),
    (47, "damaged CSV files", &[
        "../../examples/src/csv_file lines_that_cannot_be_read_are_reported_and_the_others_are_read",
        "../../examples/src/csv_file a_file_without_phone_numbers_is_an_error",
        "../../examples/tests/run import_of_a_damaged_file_stores_the_rest",
    ]),
];

/// Whether a source file has a test with this name, and not only a function.
fn has_test(source: &str, name: &str) -> bool {
    const ATTRIBUTES: [&str; 3] = ["#[test]", "#[tokio::test", "#[apply(on_each_store!)]"];
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let of_test = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('))
    };
    lines.iter().enumerate().any(|(at, line)| {
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        let is_test =
            above.clone().any(|line| ATTRIBUTES.iter().any(|test| line.starts_with(test)));
        of_test(line) && is_test && !above.clone().any(|line| line.starts_with("#[ignore"))
    })
}

#[test]
fn every_row_is_shown_by_tests_that_exist() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for (index, (number, about, names)) in ROWS.iter().enumerate() {
        assert_eq!(*number, index + 1, "{about}");
        assert!(!names.is_empty(), "row {number}, {about}");
        for test in *names {
            let (file, name) = test.split_once(' ').expect("a file and a function");
            let path = tests.join(file).with_extension("rs");
            let source = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{}", path.display()));
            assert!(has_test(&source, name), "row {number}, {about}: no test {test}");
        }
    }
}

#[test]
fn every_test_named_after_a_row_is_in_the_map() {
    let named: BTreeSet<_> = ROWS.iter().flat_map(|(_, _, names)| *names).copied().collect();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/bad_inputs");
    for file in fs::read_dir(tests).expect("a folder") {
        let path = file.expect("a file").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        for line in fs::read_to_string(&path).expect("a source").lines() {
            let Some(name) =
                line.strip_prefix("async fn row").and_then(|rest| rest.split('(').next())
            else {
                continue;
            };
            let test = format!("suite/bad_inputs/{stem} row{name}");
            assert!(named.contains(test.as_str()), "{test} is in no row");
        }
    }
}
