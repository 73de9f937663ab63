//! Tests of ZeroMQ in pure Rust against libzmq; see `tests/`. Nothing here is for use.
