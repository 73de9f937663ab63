//! The cryptography of NaCl, as CURVE needs it: shared keys, boxes, randomness.

use crate::keys::{PublicKey, SecretKey};
use dryoc::classic::crypto_box::{
    crypto_box_detached_afternm_inplace, crypto_box_open_detached_afternm_inplace,
};
use dryoc::classic::crypto_core::crypto_core_hsalsa20;
use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey as Point, StaticSecret};
use zeroize::Zeroizing;
use zmq_core::zmtp::ProtocolError;

/// By how much a box is longer than what is in it.
pub(crate) const MAC: usize = 16;

/// A nonce: what makes each box under a key different. Never used twice with the same key.
pub(crate) type Nonce = [u8; 24];

/// The nonce of a command that is numbered.
pub(crate) fn short_nonce(prefix: &[u8; 16], number: u64) -> Nonce {
    joined(prefix, &number.to_be_bytes())
}

/// The nonce of a box with a random part.
pub(crate) fn long_nonce(prefix: &[u8; 8], random: &[u8; 16]) -> Nonce {
    joined(prefix, random)
}

fn joined(prefix: &[u8], rest: &[u8]) -> Nonce {
    let mut nonce = [0; 24];
    for (place, byte) in nonce.iter_mut().zip(prefix.iter().chain(rest)) {
        *place = *byte;
    }
    nonce
}

/// The key of boxes between the holders of two secret keys, or of boxes that we open ourselves.
pub(crate) struct SharedKey(Zeroizing<[u8; 32]>);

impl SharedKey {
    /// The key that a holder of `ours` shares with the holder of `theirs` (`crypto_box_beforenm`). `None`: theirs is one
    /// of the few points that lead to the same key whatever ours is.
    pub fn between(ours: &SecretKey, theirs: &PublicKey) -> Option<SharedKey> {
        let shared = StaticSecret::from(*ours.as_bytes()).diffie_hellman(&Point::from(*theirs.as_bytes()));
        if !shared.was_contributory() {
            return None;
        }
        let mut key = SharedKey(Zeroizing::default());
        crypto_core_hsalsa20(&mut key.0, &[0; 16], shared.as_bytes(), None);
        Some(key)
    }

    /// A key that nobody else knows.
    pub fn random() -> Result<SharedKey, ProtocolError> {
        let mut key = SharedKey(Zeroizing::default());
        fill_random(&mut *key.0)?;
        Ok(key)
    }

    /// Encrypts `content` in place; returns what proves that it is unaltered.
    pub fn seal(&self, content: &mut [u8], nonce: &Nonce) -> [u8; MAC] {
        let mut mac = [0; MAC];
        crypto_box_detached_afternm_inplace(content, &mut mac, nonce, &self.0);
        mac
    }

    /// A box with `content` in it.
    pub fn sealed(&self, content: &[u8], nonce: &Nonce) -> Vec<u8> {
        let mut sealed = [&[0; MAC], content].concat();
        if let Some((place, content)) = sealed.split_first_chunk_mut::<MAC>() {
            *place = self.seal(content, nonce);
        }
        sealed
    }

    /// Decrypts a box in place; its content is what follows its first [`MAC`] bytes. `None`: it was not sealed with this
    /// key and nonce, or was altered; it is as it was.
    #[must_use]
    pub fn open<'a>(&self, sealed: &'a mut [u8], nonce: &Nonce) -> Option<&'a mut [u8]> {
        let (mac, content) = sealed.split_first_chunk_mut::<MAC>()?;
        crypto_box_open_detached_afternm_inplace(content, mac, nonce, &self.0).ok()?;
        Some(content)
    }

    /// The content of a box, which stays as it is.
    pub fn opened(&self, sealed: &[u8], nonce: &Nonce) -> Option<Zeroizing<Vec<u8>>> {
        let mut copy = Zeroizing::new(sealed.to_vec());
        self.open(&mut copy, nonce)?;
        copy.drain(..MAC);
        Some(copy)
    }
}

/// Whether two values are the same, in a time that does not tell where they differ.
pub(crate) fn are_equal(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// Fills `bytes` with randomness of the system.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), ProtocolError> {
    getrandom::fill(bytes).map_err(|_| ProtocolError::Exhausted { what: "randomness from the system" })
}

/// Sixteen random bytes, for a nonce.
pub(crate) fn random_nonce() -> Result<[u8; 16], ProtocolError> {
    let mut bytes = [0; 16];
    fill_random(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_box::aead::AeadInPlace;
    use crypto_box::{SalsaBox, SecretKey as OtherSecretKey};
    use proptest::prelude::*;

    // The running example of "Cryptography in NaCl" (D. J. Bernstein, 2009), which is that of NaCl's tests too.
    const ALICE: &str = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
    const ALICE_PUBLIC: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    const BOB: &str = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
    const BOB_PUBLIC: &str = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
    const FIRST_KEY: &str = "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389";
    const NONCE: &str = "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37";
    const CONTENT: &str = "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d4\
        5e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb\
        48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705";
    const BOX: &str = "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a\
        c0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfea\
        bd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5";

    fn hex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    fn array<const N: usize>(text: &str) -> [u8; N] {
        hex(text).try_into().unwrap()
    }

    #[test]
    fn the_vectors_of_nacl() {
        let (alice, bob) = (SecretKey::from(array(ALICE)), SecretKey::from(array(BOB)));
        assert_eq!(alice.public(), PublicKey::from(array(ALICE_PUBLIC)));
        assert_eq!(bob.public(), PublicKey::from(array(BOB_PUBLIC)));
        let key = SharedKey::between(&alice, &bob.public()).unwrap();
        assert_eq!(*key.0, array(FIRST_KEY));
        assert_eq!(*SharedKey::between(&bob, &alice.public()).unwrap().0, array(FIRST_KEY));
        assert_eq!(key.sealed(&hex(CONTENT), &array(NONCE)), hex(BOX));
        assert_eq!(**key.opened(&hex(BOX), &array(NONCE)).unwrap(), hex(CONTENT));
    }

    #[test]
    fn nothing_altered_opens() {
        let key = SharedKey(Zeroizing::new(array(FIRST_KEY)));
        let nonce = array(NONCE);
        let whole = hex(BOX);
        for index in 0..whole.len() {
            for bit in 0..8 {
                let mut altered = whole.clone();
                altered[index] ^= 1 << bit;
                let before = altered.clone();
                assert!(key.open(&mut altered, &nonce).is_none());
                assert_eq!(altered, before, "a box that does not open is left as it is");
            }
            assert!(key.opened(&whole[..index], &nonce).is_none());
        }
        for index in 0..24 {
            let mut other = nonce;
            other[index] ^= 1;
            assert!(key.opened(&whole, &other).is_none());
        }
        assert!(SharedKey(Zeroizing::new([1; 32])).opened(&whole, &nonce).is_none());
    }

    #[test]
    fn points_that_lead_nowhere_are_refused() {
        let ours = SecretKey::from(array(ALICE));
        let small_orders = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        for point in small_orders {
            assert!(SharedKey::between(&ours, &PublicKey::from(array(point))).is_none(), "{point}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

        /// Ours, and those of a crate that was audited, are the same: for each length up to where the vector code has all
        /// its cases, and some beyond.
        #[test]
        fn boxes_are_those_of_an_audited_crate(
            ours: [u8; 32],
            theirs: [u8; 32],
            nonce: [u8; 24],
            length in prop_oneof![0..2600_usize, 60_000..70_000_usize],
            seed: u8,
        ) {
            let content: Vec<u8> = (0..length).map(|index| (index * 31) as u8 ^ seed).collect();
            let theirs = SecretKey::from(theirs).public();
            let key = SharedKey::between(&SecretKey::from(ours), &theirs).unwrap();
            let sealed = key.sealed(&content, &nonce);

            let other = SalsaBox::new(&(*theirs.as_bytes()).into(), &OtherSecretKey::from(ours));
            let mut expected = content.clone();
            let mac = other.encrypt_in_place_detached(&nonce.into(), b"", &mut expected).unwrap();
            prop_assert!(sealed == [&mac[..], &expected[..]].concat());
            prop_assert!(**key.opened(&sealed, &nonce).unwrap() == content);
        }
    }
}
