#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| zmq_fuzz::prefix_filter::run(data));
