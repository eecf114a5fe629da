#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gptlab_fuzz::settings(data));
