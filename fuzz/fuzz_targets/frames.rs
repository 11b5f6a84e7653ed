#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(zerok_testkit::fuzz::frames(data)));
