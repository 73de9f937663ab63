//! `FUZZ_TARGET=session FUZZ_INPUT=file cargo test --test replay`: a finding, without fuzzer and sanitizer.

#[test]
fn replay() {
    let (Ok(target), Ok(path)) = (std::env::var("FUZZ_TARGET"), std::env::var("FUZZ_INPUT")) else { return };
    let (_, run, _) = zmq_fuzz::TARGETS.iter().find(|(name, ..)| *name == target).expect("a target");
    run(&std::fs::read(path).expect("an input"));
}
