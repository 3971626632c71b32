//! Fuzz target: see `virga_fuzz_bodies::sources`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virga_fuzz_bodies::sources(data));
