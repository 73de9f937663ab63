//! What the fuzz targets do. Each module is one: `run` takes the fuzzer's bytes and panics if something does not
//! hold, `seeds` are inputs to begin with, made by our own encoder.

pub mod engines;
pub mod input;
pub mod transparent;
pub mod wire;

pub mod api;
pub mod curve;
pub mod endpoint;
pub mod greeting;
pub mod handshake;
pub mod keys;
pub mod metadata;
pub mod network;
pub mod options;
pub mod prefix_filter;
pub mod prefix_tree;
pub mod session;
pub mod subscriptions;
pub mod traffic;
pub mod zap;

/// A target: its name, what it does with an input, and what to begin with.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

macro_rules! targets {
    ($($name:ident)*) => {
        /// All of them.
        pub const TARGETS: &[Target] = &[$((stringify!($name), $name::run, $name::seeds)),*];
    };
}

targets! {
    greeting handshake curve zap metadata traffic subscriptions session endpoint network keys options prefix_tree
    prefix_filter api
}
