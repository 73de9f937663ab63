//! The client's side of the handshake (RFC 26).

use crate::boxes::{MAC, SharedKey, long_nonce, random_nonce, short_nonce};
use crate::keys::{KeyPair, PublicKey};
use crate::malformed;
use crate::traffic::{Speaker, Traffic};
use zmq_core::security::{Commands, Exchange, Progress, Terms};
use zmq_core::zmtp::ProtocolError;

const HELLO: &[u8] = b"\x05HELLO\x01\x00";
const WELCOME: &[u8] = b"\x07WELCOME";
const READY: &[u8] = b"\x05READY";
const ERROR: &[u8] = b"\x05ERROR";
/// The numbers of our commands; MESSAGEs go on from there.
const HELLO_NUMBER: u64 = 1;
const INITIATE_NUMBER: u64 = 2;

/// In the letters of the RFC: C our long-term key, C' our key for this connection; S and S' those of the server.
pub(crate) struct ClientExchange {
    /// C.
    keys: KeyPair,
    /// S.
    server: PublicKey,
    metadata: Vec<u8>,
    awaits: Awaits,
}

enum Awaits {
    Start,
    /// C', and the key between C' and S.
    Welcome {
        transient: KeyPair,
        key: SharedKey,
    },
    /// The key between C' and S'.
    Ready {
        key: SharedKey,
    },
    Nothing,
}

impl ClientExchange {
    pub fn new(keys: KeyPair, server: PublicKey, terms: Terms) -> ClientExchange {
        ClientExchange { keys, server, metadata: terms.metadata, awaits: Awaits::Start }
    }

    /// Reads S' and the cookie, and answers with INITIATE.
    fn receive_welcome(
        &mut self,
        body: &[u8],
        transient: &KeyPair,
        key: &SharedKey,
        commands: &mut Commands<'_>,
    ) -> Result<SharedKey, ProtocolError> {
        let not_authentic = ProtocolError::NotAuthentic { command: "WELCOME" };
        let (nonce, sealed) = body
            .get(WELCOME.len()..)
            .and_then(<[u8]>::split_first_chunk::<16>)
            .filter(|(_, sealed)| sealed.len() == MAC + 32 + 96)
            .ok_or(malformed("WELCOME", "it is not 168 bytes long"))?;
        let content = key.opened(sealed, &long_nonce(b"WELCOME-", nonce)).ok_or(not_authentic.clone())?;
        let (server_transient, cookie) = content.split_first_chunk::<32>().ok_or(not_authentic.clone())?;
        let server_transient = PublicKey::from(*server_transient);
        let key = SharedKey::between(transient.secret(), &server_transient).ok_or(not_authentic)?;
        let vouch = self.vouch(transient, &server_transient)?;
        let initiate = [self.keys.public().as_bytes(), &vouch[..], &self.metadata].concat();
        let sealed = key.sealed(&initiate, &short_nonce(b"CurveZMQINITIATE", INITIATE_NUMBER));
        commands.send(&[b"\x08INITIATE", cookie, &INITIATE_NUMBER.to_be_bytes(), &sealed].concat());
        Ok(key)
    }

    /// That the holder of C is who uses C' to talk to S: a box with both, from C to S'.
    fn vouch(&self, transient: &KeyPair, server_transient: &PublicKey) -> Result<Vec<u8>, ProtocolError> {
        let key = SharedKey::between(self.keys.secret(), server_transient)
            .ok_or(ProtocolError::NotAuthentic { command: "WELCOME" })?;
        let nonce = random_nonce()?;
        let content = [*transient.public().as_bytes(), *self.server.as_bytes()].concat();
        Ok([&nonce[..], &key.sealed(&content, &long_nonce(b"VOUCH---", &nonce))].concat())
    }
}

impl Exchange for ClientExchange {
    fn start(&mut self, commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        let transient = KeyPair::generate().map_err(|_| ProtocolError::Exhausted { what: "randomness" })?;
        let key = SharedKey::between(transient.secret(), &self.server).ok_or(ProtocolError::UnusableKey)?;
        let proof = key.sealed(&[0; 64], &short_nonce(b"CurveZMQHELLO---", HELLO_NUMBER));
        let public = transient.public();
        let fields = [HELLO, &[0; 72], public.as_bytes(), &HELLO_NUMBER.to_be_bytes(), &proof];
        commands.send(&fields.concat());
        self.awaits = Awaits::Welcome { transient, key };
        Ok(Progress::Pending)
    }

    fn receive(&mut self, body: &[u8], commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        if body.starts_with(ERROR) {
            return Err(ProtocolError::refused(body));
        }
        match std::mem::replace(&mut self.awaits, Awaits::Nothing) {
            Awaits::Welcome { transient, key } if body.starts_with(WELCOME) => {
                let key = self.receive_welcome(body, &transient, &key, commands)?;
                self.awaits = Awaits::Ready { key };
                Ok(Progress::Pending)
            }
            Awaits::Ready { key } if body.starts_with(READY) => receive_ready(body, key),
            _ => Err(ProtocolError::unexpected(body)),
        }
    }

    fn admitted(&mut self, _: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        Ok(Progress::Pending)
    }
}

fn receive_ready(body: &[u8], key: SharedKey) -> Result<Progress, ProtocolError> {
    let (number, sealed) = body
        .get(READY.len()..)
        .and_then(<[u8]>::split_first_chunk::<8>)
        .filter(|(_, sealed)| sealed.len() >= MAC)
        .ok_or(malformed("READY", "it is shorter than 30 bytes"))?;
    let number = u64::from_be_bytes(*number);
    let metadata = key
        .opened(sealed, &short_nonce(b"CurveZMQREADY---", number))
        .ok_or(ProtocolError::NotAuthentic { command: "READY" })?;
    let traffic = Traffic::new(key, Speaker::Client, INITIATE_NUMBER, number);
    Ok(Progress::Complete { metadata: metadata.to_vec(), seal: Some(Box::new(traffic)) })
}
