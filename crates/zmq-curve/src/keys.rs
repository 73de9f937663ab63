//! Long-term keys, as bytes and in Z85 (RFC 32).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use x25519_dalek::{PublicKey as Point, StaticSecret};
use zeroize::Zeroizing;
use zmq_core::{Error, Result, z85};

/// A public key: says whom one talks to. Shown and read in Z85, 40 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for PublicKey {
    fn from(bytes: [u8; 32]) -> PublicKey {
        PublicKey(bytes)
    }
}

impl From<PublicKey> for [u8; 32] {
    fn from(key: PublicKey) -> [u8; 32] {
        key.0
    }
}

/// Reads Z85.
impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<PublicKey> {
        Ok(PublicKey(*parse("public key", text)?))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&z85::encode(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A secret key: says who one is. Wiped from memory when its last clone is dropped, and never shown.
#[derive(Clone)]
pub struct SecretKey(Arc<Zeroizing<[u8; 32]>>);

impl SecretKey {
    /// A fresh one.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no randomness to give.
    pub fn generate() -> Result<SecretKey> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|error| Error::io("generating a key", error.into()))?;
        Ok(SecretKey(Arc::new(bytes)))
    }

    /// The public key that belongs to it (`zmq_curve_public`).
    pub fn public(&self) -> PublicKey {
        PublicKey(Point::from(&StaticSecret::from(**self.0)).to_bytes())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// In Z85, 40 characters; wiped when dropped.
    pub fn to_z85(&self) -> Zeroizing<String> {
        Zeroizing::new(z85::encode(self.as_bytes()).unwrap_or_default())
    }
}

impl From<[u8; 32]> for SecretKey {
    fn from(bytes: [u8; 32]) -> SecretKey {
        SecretKey(Arc::new(Zeroizing::new(bytes)))
    }
}

/// Reads Z85.
impl FromStr for SecretKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<SecretKey> {
        Ok(SecretKey(Arc::new(parse("secret key", text)?)))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

/// A secret key and the public key that belongs to it.
#[derive(Clone)]
pub struct KeyPair {
    secret: SecretKey,
    public: PublicKey,
}

impl KeyPair {
    /// A fresh pair (`zmq_curve_keypair`).
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no randomness to give.
    pub fn generate() -> Result<KeyPair> {
        SecretKey::generate().map(KeyPair::from)
    }

    /// The public key, to be told to others.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The secret key, to be kept.
    pub fn secret(&self) -> &SecretKey {
        &self.secret
    }
}

impl From<SecretKey> for KeyPair {
    fn from(secret: SecretKey) -> KeyPair {
        KeyPair { public: secret.public(), secret }
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.public)
    }
}

fn parse(option: &'static str, text: &str) -> Result<Zeroizing<[u8; 32]>> {
    let bytes = z85::decode(text).map(Zeroizing::new);
    let key = bytes.and_then(|bytes| bytes.as_slice().try_into().ok()).map(Zeroizing::new);
    key.ok_or_else(|| Error::InvalidOption {
        option,
        reason: "a key in Z85 has 40 characters of its alphabet".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_shown() {
        let pair = KeyPair::generate().unwrap();
        assert_eq!(pair.public().to_string().len(), 40);
        assert_eq!(pair.public().to_string().parse::<PublicKey>(), Ok(pair.public()));
        let secret: SecretKey = pair.secret().to_z85().parse().unwrap();
        assert_eq!(secret.as_bytes(), pair.secret().as_bytes());
        assert_eq!(KeyPair::from(secret).public(), pair.public());
        assert_ne!(KeyPair::generate().unwrap().public(), pair.public());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "HelloWorld", &"0".repeat(39), &"0".repeat(41), &"0".repeat(45), &"#".repeat(40)] {
            assert!(matches!(
                text.parse::<PublicKey>(),
                Err(Error::InvalidOption { option: "public key", .. })
            ));
            assert!(text.parse::<SecretKey>().is_err());
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let pair = KeyPair::generate().unwrap();
        let shown = format!("{pair:?} {:?} {:?}", pair.secret(), crate::Curve::server(&pair));
        assert!(!shown.contains(pair.secret().to_z85().as_str()));
        assert!(shown.contains(&pair.public().to_string()));
    }
}
