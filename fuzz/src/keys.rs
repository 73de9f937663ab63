//! Keys and certificates as text.

use crate::input::Input;
use std::path::Path;
use zmq_core::{Error, z85};
use zmq_curve::{Certificate, KeyPair, PublicKey, SecretKey};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let what = input.below(3);
    let rest = input.rest();
    let text = String::from_utf8_lossy(rest);
    match what {
        0 => encoding(rest, &text),
        1 => key(&text),
        _ => certificate(rest),
    }
}

fn encoding(bytes: &[u8], text: &str) {
    match z85::encode(bytes) {
        Some(encoded) => assert_eq!(z85::decode(&encoded).as_deref(), Some(bytes)),
        None => assert!(!bytes.len().is_multiple_of(4)),
    }
    if let Some(decoded) = z85::decode(text) {
        assert_eq!(z85::encode(&decoded).as_deref(), Some(text));
    }
}

fn key(text: &str) {
    match (text.parse::<PublicKey>(), text.parse::<SecretKey>()) {
        (Ok(public), Ok(secret)) => {
            assert_eq!(public.to_string(), text);
            assert_eq!(*secret.to_z85(), text);
            assert_eq!(KeyPair::from(secret.clone()).public(), secret.public());
        }
        (Err(public), Err(secret)) => [public, secret].into_iter().for_each(refused),
        _ => panic!("a key of one kind is none of the other"),
    }
}

/// What is read and written again is the same.
fn certificate(bytes: &[u8]) {
    let path = |what| std::env::temp_dir().join(format!("zmq-fuzz-{}-{what}", std::process::id()));
    let (read, written) = (path("read"), path("written"));
    write_again(bytes, &read, &written);
    drop((std::fs::remove_file(read), std::fs::remove_file(written)));
}

fn write_again(bytes: &[u8], read: &Path, written: &Path) {
    std::fs::write(read, bytes).expect("a file");
    let certificate = match Certificate::load(read) {
        Ok(certificate) => certificate,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    match certificate.save(written) {
        Ok(()) => {
            let again = Certificate::load(written).expect("it can be read again");
            assert_eq!(again.public(), certificate.public());
            assert_eq!(again.metadata(), certificate.metadata());
        }
        // A line of somebody else's that would not be read as it would be written.
        Err(error) => refused(error),
    }
}

fn refused(error: Error) {
    assert!(matches!(error, Error::InvalidOption { .. }), "{error:?}");
}

pub fn seeds() -> Vec<Vec<u8>> {
    let keys = KeyPair::from(SecretKey::from([7; 32]));
    let public = keys.public().to_string();
    let certificate = format!(
        "#   ZeroMQ CURVE Public Certificate\n\nmetadata\n    name = \"somebody\"\ncurve\n    public-key = \"{public}\"\n    \
         secret-key = \"{}\"\n",
        *keys.secret().to_z85()
    );
    let seed = |what: u8, text: &str| [&[what], text.as_bytes()].concat();
    vec![seed(0, "HelloWorld"), seed(0, &public), seed(1, &public), seed(1, "short"), seed(2, &certificate)]
}
