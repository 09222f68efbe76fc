//! See `contacts_service::fuzzing::webhook`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| contacts_service::fuzzing::webhook(data));
