//! Fuzz target: see `virga_fuzz_bodies::around`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virga_fuzz_bodies::around(data));
