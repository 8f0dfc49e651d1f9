#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kit_fuzz::engine::fuzzing::sdp_fragment(input));
