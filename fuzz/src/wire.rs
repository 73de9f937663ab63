//! Frames made of an input, most of them well-formed, so that what stands behind the framing is reached.

use crate::input::{Input, with_length};
use zmq_core::options::ZmtpVersion;

const NAMES: [&str; 14] = [
    "PING",
    "PONG",
    "SUBSCRIBE",
    "CANCEL",
    "READY",
    "ERROR",
    "JOIN",
    "LEAVE",
    "HELLO",
    "WELCOME",
    "INITIATE",
    "MESSAGE",
    "OPEN",
    "",
];

const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// What an input says is sent next.
const RAW: u8 = 0;
const PART: u8 = 1;
const WHOLE: u8 = 2;
const COMMAND_OF: u8 = 3;
const ANY_COMMAND: u8 = 4;
const LONG_FORM: u8 = 5;
const CLAIM: u8 = 6;
const LARGE: u8 = 7;

/// All frames that the rest of the input asks for, in the form that `version` has.
pub fn frames(input: &mut Input<'_>, version: ZmtpVersion) -> Vec<u8> {
    let mut stream = Vec::new();
    while !input.is_empty() && stream.len() < 50_000 {
        match input.byte() % 8 {
            RAW => stream.extend_from_slice(input.bytes()),
            PART => frame(&mut stream, version, 1, input.bytes()),
            WHOLE => frame(&mut stream, version, 0, input.bytes()),
            COMMAND_OF => {
                let name = input.pick(&NAMES);
                frame(&mut stream, version, COMMAND, &command(name, input.bytes()));
            }
            ANY_COMMAND => frame(&mut stream, version, COMMAND, input.bytes()),
            LONG_FORM => {
                let (flags, body) = (input.byte(), input.bytes());
                long_frame(&mut stream, version, flags, body.len() as u64, body);
            }
            CLAIM => {
                let (flags, length) = (input.byte(), input.large());
                long_frame(&mut stream, version, flags, length, input.bytes());
            }
            _ => {
                let (flags, body) = (input.byte(), vec![input.byte(); usize::from(input.number()) / 2]);
                frame(&mut stream, version, flags & 5, &body);
            }
        }
    }
    stream
}

/// A frame in its shortest form.
pub fn frame(stream: &mut Vec<u8>, version: ZmtpVersion, flags: u8, body: &[u8]) {
    match (version, u8::try_from(body.len())) {
        (ZmtpVersion::V1_0, Ok(length)) if length < 254 => stream.extend_from_slice(&[length + 1, flags]),
        (ZmtpVersion::V1_0, _) | (_, Err(_)) => {
            return long_frame(stream, version, flags, body.len() as u64, body);
        }
        (_, Ok(length)) => stream.extend_from_slice(&[flags, length]),
    }
    stream.extend_from_slice(body);
}

fn long_frame(stream: &mut Vec<u8>, version: ZmtpVersion, flags: u8, length: u64, body: &[u8]) {
    match version {
        ZmtpVersion::V1_0 => {
            stream.push(0xFF);
            stream.extend_from_slice(&length.wrapping_add(1).to_be_bytes());
            stream.push(flags);
        }
        _ => {
            stream.push(flags | LONG);
            stream.extend_from_slice(&length.to_be_bytes());
        }
    }
    stream.extend_from_slice(body);
}

pub fn command(name: &str, data: &[u8]) -> Vec<u8> {
    [&[name.len() as u8], name.as_bytes(), data].concat()
}

/// Choices that [`frames`] makes a little of everything of.
pub fn traffic() -> Vec<u8> {
    let mut choices = Vec::new();
    for (what, body) in [
        (PART, &b"first"[..]),
        (PART, b""),
        (WHOLE, &[7; 70]),
        (WHOLE, &[8; 300]),
        (WHOLE, b"\x01topic"),
        (ANY_COMMAND, b"\x04PING\0\x0Acontext"),
        (ANY_COMMAND, b"\x09SUBSCRIBEtopic"),
        (ANY_COMMAND, b"\x06CANCELtopic"),
        (RAW, b"\0\x03raw"),
    ] {
        choices.extend([&[what], &with_length(body)[..]].concat());
    }
    choices.extend([LONG_FORM, 0, 3, b'a', b'b', b'c', LARGE, 0, 9, 0x90, 0]);
    choices.extend([&[COMMAND_OF, 1, 0, CLAIM, 1], &(1_u64 << 40).to_be_bytes()[..], &[3, 1, 2, 3]].concat());
    choices
}
