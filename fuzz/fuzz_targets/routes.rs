#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pinlake_fuzz::routes::check(data));
