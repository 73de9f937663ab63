//! The server's side of the handshake (RFC 26).
//!
//! Between WELCOME and INITIATE it remembers no more of a client than the key of its cookie: what it needs to go on is
//! in the cookie, which the client brings back.

use crate::boxes::{MAC, SharedKey, are_equal, long_nonce, random_nonce, short_nonce};
use crate::keys::{KeyPair, PublicKey, SecretKey};
use crate::malformed;
use crate::traffic::{Speaker, Traffic};
use zeroize::Zeroizing;
use zmq_core::security::{Claim, Commands, Exchange, Progress, Terms};
use zmq_core::zmtp::ProtocolError;

const HELLO: &[u8] = b"\x05HELLO";
const INITIATE: &[u8] = b"\x08INITIATE";
const READY: &[u8] = b"\x05READY";
const ERROR: &[u8] = b"\x05ERROR";
const COOKIE: usize = 96;
const VOUCH: usize = 16 + MAC + 64;
/// The number of our READY; MESSAGEs go on from there.
const READY_NUMBER: u64 = 1;

/// In the letters of the RFC: S our long-term key, S' our key for this connection; C and C' those of the client.
pub(crate) struct ServerExchange {
    /// S.
    keys: KeyPair,
    terms: Terms,
    awaits: Awaits,
}

enum Awaits {
    Hello,
    /// The number of the HELLO, and the key that opens the cookie, once.
    Initiate {
        number: u64,
        cookie_key: SharedKey,
    },
    Verdict(Admitted),
    Nothing,
}

/// A client that has proved that it holds C.
struct Admitted {
    /// The key between C' and S'.
    key: SharedKey,
    /// The number of its INITIATE.
    number: u64,
    metadata: Vec<u8>,
}

impl ServerExchange {
    pub fn new(keys: KeyPair, terms: Terms) -> ServerExchange {
        ServerExchange { keys, terms, awaits: Awaits::Hello }
    }

    /// Reads C', and answers with S' and the cookie.
    fn receive_hello(&mut self, body: &[u8], commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        let hello = Hello::parse(body)?;
        let not_authentic = ProtocolError::NotAuthentic { command: "HELLO" };
        let key = SharedKey::between(self.keys.secret(), &hello.transient).ok_or(not_authentic.clone())?;
        let proof = key.opened(hello.proof, &short_nonce(b"CurveZMQHELLO---", hello.number));
        proof.filter(|content| content.iter().all(|byte| *byte == 0)).ok_or(not_authentic)?;

        let transient = SecretKey::generate().map_err(|_| ProtocolError::Exhausted { what: "randomness" })?;
        let cookie_key = SharedKey::random()?;
        let cookie = cookie(&cookie_key, &hello.transient, &transient)?;
        let nonce = random_nonce()?;
        let public = transient.public();
        let content = [&public.as_bytes()[..], &cookie].concat();
        let sealed = key.sealed(&content, &long_nonce(b"WELCOME-", &nonce));
        commands.send(&[b"\x07WELCOME", &nonce[..], &sealed].concat());
        self.awaits = Awaits::Initiate { number: hello.number, cookie_key };
        Ok(Progress::Pending)
    }

    /// Reads C and the vouch for it.
    fn receive_initiate(
        &mut self,
        body: &[u8],
        hello_number: u64,
        cookie_key: &SharedKey,
        commands: &mut Commands<'_>,
    ) -> Result<Progress, ProtocolError> {
        let not_authentic = || ProtocolError::NotAuthentic { command: "INITIATE" };
        let initiate = Initiate::parse(body)?;
        if initiate.number <= hello_number {
            return Err(ProtocolError::Replayed { command: "INITIATE" });
        }
        let (client_transient, transient) =
            open_cookie(cookie_key, initiate.cookie).ok_or_else(not_authentic)?;
        let key = SharedKey::between(&transient, &client_transient).ok_or_else(not_authentic)?;
        let nonce = short_nonce(b"CurveZMQINITIATE", initiate.number);
        let content = key.opened(initiate.sealed, &nonce).ok_or_else(not_authentic)?;
        let (client, rest) = content.split_first_chunk::<32>().ok_or_else(not_authentic)?;
        let (vouch, metadata) = rest.split_at_checked(VOUCH).ok_or_else(not_authentic)?;
        let client = PublicKey::from(*client);
        self.check_vouch(vouch, &client, &client_transient, &transient).ok_or_else(not_authentic)?;

        let admitted = Admitted { key, number: initiate.number, metadata: metadata.to_vec() };
        if !self.terms.judged {
            return Ok(self.complete(admitted, commands));
        }
        self.awaits = Awaits::Verdict(admitted);
        Ok(Progress::Judge(Box::new(Claim::new("CURVE", vec![client.as_bytes().to_vec()]))))
    }

    /// That the holder of C vouches for C', and means us.
    fn check_vouch(
        &self,
        vouch: &[u8],
        client: &PublicKey,
        client_transient: &PublicKey,
        transient: &SecretKey,
    ) -> Option<()> {
        let (nonce, sealed) = vouch.split_first_chunk::<16>()?;
        let key = SharedKey::between(transient, client)?;
        let content = key.opened(sealed, &long_nonce(b"VOUCH---", nonce))?;
        let ours = self.keys.public();
        let expected = [*client_transient.as_bytes(), *ours.as_bytes()].concat();
        are_equal(&content, &expected).then_some(())
    }

    fn complete(&self, admitted: Admitted, commands: &mut Commands<'_>) -> Progress {
        let Admitted { key, number, metadata } = admitted;
        let sealed = key.sealed(&self.terms.metadata, &short_nonce(b"CurveZMQREADY---", READY_NUMBER));
        commands.send(&[READY, &READY_NUMBER.to_be_bytes(), &sealed].concat());
        let traffic = Traffic::new(key, Speaker::Server, READY_NUMBER, number);
        Progress::Complete { metadata, seal: Some(Box::new(traffic)) }
    }
}

impl Exchange for ServerExchange {
    fn start(&mut self, _: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        Ok(Progress::Pending)
    }

    fn receive(&mut self, body: &[u8], commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        if body.starts_with(ERROR) {
            return Err(ProtocolError::refused(body));
        }
        match std::mem::replace(&mut self.awaits, Awaits::Nothing) {
            Awaits::Hello if body.starts_with(HELLO) => self.receive_hello(body, commands),
            Awaits::Initiate { number, cookie_key } if body.starts_with(INITIATE) => {
                self.receive_initiate(body, number, &cookie_key, commands)
            }
            _ => Err(ProtocolError::unexpected(body)),
        }
    }

    fn admitted(&mut self, commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        match std::mem::replace(&mut self.awaits, Awaits::Nothing) {
            Awaits::Verdict(admitted) => Ok(self.complete(admitted, commands)),
            _ => Ok(Progress::Pending),
        }
    }
}

struct Hello<'a> {
    transient: PublicKey,
    number: u64,
    proof: &'a [u8],
}

impl Hello<'_> {
    fn parse(body: &[u8]) -> Result<Hello<'_>, ProtocolError> {
        let fields = body.get(HELLO.len()..).filter(|fields| fields.len() == 194);
        let fields = fields.ok_or(malformed("HELLO", "it is not 200 bytes long"))?;
        let ([1, 0], rest) = fields.split_first_chunk::<2>().unwrap_or((&[0, 0], &[])) else {
            return Err(malformed("HELLO", "its version is not 1.0"));
        };
        let (padding, rest) = rest.split_at_checked(72).unwrap_or_default();
        if padding.iter().any(|byte| *byte != 0) {
            return Err(malformed("HELLO", "its padding is not zero"));
        }
        let cut_off = || malformed("HELLO", "it is cut off");
        let (transient, rest) = rest.split_first_chunk::<32>().ok_or_else(cut_off)?;
        let (number, proof) = rest.split_first_chunk::<8>().ok_or_else(cut_off)?;
        Ok(Hello { transient: PublicKey::from(*transient), number: u64::from_be_bytes(*number), proof })
    }
}

struct Initiate<'a> {
    cookie: &'a [u8],
    number: u64,
    sealed: &'a [u8],
}

impl Initiate<'_> {
    fn parse(body: &[u8]) -> Result<Initiate<'_>, ProtocolError> {
        let short = || malformed("INITIATE", "it is shorter than 257 bytes");
        let (cookie, rest) =
            body.get(INITIATE.len()..).and_then(|rest| rest.split_at_checked(COOKIE)).ok_or_else(short)?;
        let (number, sealed) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        if sealed.len() < MAC + 32 + VOUCH {
            return Err(short());
        }
        Ok(Initiate { cookie, number: u64::from_be_bytes(*number), sealed })
    }
}

/// C' and s', for us alone.
fn cookie(
    key: &SharedKey,
    client_transient: &PublicKey,
    transient: &SecretKey,
) -> Result<Vec<u8>, ProtocolError> {
    let nonce = random_nonce()?;
    let content = Zeroizing::new([*client_transient.as_bytes(), *transient.as_bytes()].concat());
    Ok([&nonce[..], &key.sealed(&content, &long_nonce(b"COOKIE--", &nonce))].concat())
}

fn open_cookie(key: &SharedKey, cookie: &[u8]) -> Option<(PublicKey, SecretKey)> {
    let (nonce, sealed) = cookie.split_first_chunk::<16>()?;
    let content = key.opened(sealed, &long_nonce(b"COOKIE--", nonce))?;
    let (client_transient, rest) = content.split_first_chunk::<32>()?;
    let (transient, _) = rest.split_first_chunk::<32>()?;
    Some((PublicKey::from(*client_transient), SecretKey::from(*transient)))
}
