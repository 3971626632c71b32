//! Fuzz target: see `virga_fuzz_bodies::yaml_front`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virga_fuzz_bodies::yaml_front(data));
