//! The ZMTP engine as its owner sees it: bytes and messages in, bytes and events out, time as an argument.

mod common;
mod conversation;
mod damage;
mod fragmentation;
mod limits;
mod mechanism;
mod raw;
mod time;
mod versions;
