//! Who may come in: the security mechanism of a socket, and who judges its peers.

use crate::peer::Credentials;
use bytes::Bytes;
use std::fmt;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use zeroize::Zeroize;

pub use crate::zmtp::mechanism::{Commands, Exchange, Kind, Mechanism, Progress, Role, Seal, Terms};
pub use crate::zmtp::null::Null;
pub use crate::zmtp::plain::Plain;

/// Where a ZAP handler is bound (RFC 27).
pub const ZAP_ENDPOINT: &str = "inproc://zeromq.zap.01";

/// The security mechanism of a socket. Made from a [`Mechanism`]; the default is NULL.
#[derive(Clone)]
pub struct Security(Arc<dyn Mechanism>);

impl Security {
    /// The mechanism.
    pub fn mechanism(&self) -> &Arc<dyn Mechanism> {
        &self.0
    }

    /// Whether it is NULL: anybody who can connect may talk.
    pub fn is_null(&self) -> bool {
        self.0.name() == "NULL"
    }
}

impl Default for Security {
    fn default() -> Security {
        Security(Arc::new(Null))
    }
}

impl<M: Mechanism> From<M> for Security {
    fn from(mechanism: M) -> Security {
        Security(Arc::new(mechanism))
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Judges the peers of a socket, whatever its mechanism: by address, by user name and password, by public key.
///
/// It is asked once for each connection, before the peer is told that it may come in. Whatever goes wrong on the way
/// to its verdict keeps the peer out.
#[derive(Clone)]
pub struct Authenticator(pub(crate) Judge);

#[derive(Clone)]
pub(crate) enum Judge {
    Anyone,
    /// Whoever is bound to `inproc://zeromq.zap.01`; `absent` if nobody is.
    Zap {
        domain: Arc<str>,
        absent: Option<Box<Authenticator>>,
    },
    Function(Arc<dyn Fn(&Claim) -> Verdict + Send + Sync>),
}

impl Authenticator {
    /// Asks a function, which returns a [`Verdict`] or a `bool`. It is called on the thread that does the socket's
    /// input and output, so it must not block; a panic in it keeps the peer out.
    pub fn new<V: Into<Verdict>>(judge: impl Fn(&Claim) -> V + Send + Sync + 'static) -> Authenticator {
        Authenticator(Judge::Function(Arc::new(move |claim| judge(claim).into())))
    }

    /// Lets in everyone who keeps to the mechanism. With CURVE: the connection is encrypted, and the client may be
    /// anybody who knows the server's public key.
    pub fn anyone() -> Authenticator {
        Authenticator(Judge::Anyone)
    }

    /// Lets in who shows one of these user names with its password (PLAIN). The user name becomes the
    /// [user id](crate::Peer::user_id).
    pub fn passwords<U, P>(known: impl IntoIterator<Item = (U, P)>) -> Authenticator
    where
        U: AsRef<[u8]>,
        P: AsRef<[u8]>,
    {
        let known: Vec<(Vec<u8>, Vec<u8>)> = known
            .into_iter()
            .map(|(user, password)| (user.as_ref().to_vec(), password.as_ref().to_vec()))
            .collect();
        Authenticator::new(move |claim| {
            let (Some(username), Some(password)) = (claim.username(), claim.password()) else {
                return Verdict::deny();
            };
            // Each is compared, and as a whole, so that the time does not tell which are known.
            let found = known.iter().fold(false, |found, (user, secret)| {
                found | (equal_in_constant_time(user, username) & equal_in_constant_time(secret, password))
            });
            if found { Verdict::admit_as(String::from_utf8_lossy(username)) } else { Verdict::deny() }
        })
    }

    /// Lets in the holders of these public keys (CURVE). The key, in Z85, becomes the
    /// [user id](crate::Peer::user_id).
    pub fn keys<K: Into<[u8; 32]>>(known: impl IntoIterator<Item = K>) -> Authenticator {
        let known: Vec<[u8; 32]> = known.into_iter().map(Into::into).collect();
        Authenticator::new(move |claim| match claim.public_key() {
            Some(key) if known.contains(key) => {
                Verdict::admit_as(crate::z85::encode(key).unwrap_or_default())
            }
            _ => Verdict::deny(),
        })
    }

    /// Asks the ZAP handler (RFC 27): the REP or ROUTER socket of this context that is bound to
    /// `inproc://zeromq.zap.01` ([`ZAP_ENDPOINT`]), in `domain` (`ZMQ_ZAP_DOMAIN`). Nobody comes in while it is absent, and
    /// whoever it does not answer for until the handshake has taken too long stays out, as after an answer that is none.
    pub fn zap(domain: impl AsRef<str>) -> Authenticator {
        Authenticator(Judge::Zap { domain: domain.as_ref().into(), absent: None })
    }

    /// As [`zap`](Authenticator::zap), but if no handler is bound `absent` judges. With `Authenticator::anyone()` that is
    /// what libzmq does for CURVE unless `ZMQ_ZAP_ENFORCE_DOMAIN` is set.
    pub fn zap_or(domain: impl AsRef<str>, absent: Authenticator) -> Authenticator {
        Authenticator(Judge::Zap { domain: domain.as_ref().into(), absent: Some(Box::new(absent)) })
    }

    /// In which domain a ZAP handler is to be asked first.
    pub(crate) fn zap_domain(&self) -> Option<&str> {
        match &self.0 {
            Judge::Zap { domain, .. } => Some(domain),
            Judge::Anyone | Judge::Function(_) => None,
        }
    }

    /// The verdict, without a ZAP handler.
    pub(crate) fn judge(&self, claim: &Claim) -> Verdict {
        match &self.0 {
            Judge::Anyone => Verdict::admit(),
            Judge::Zap { absent: Some(absent), .. } => absent.judge(claim),
            Judge::Zap { absent: None, .. } => Verdict::fail(),
            Judge::Function(function) => {
                catch_unwind(AssertUnwindSafe(|| function(claim))).unwrap_or_else(|_| Verdict::fail())
            }
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Judge::Anyone => "Authenticator::anyone",
            Judge::Zap { .. } => "Authenticator::zap",
            Judge::Function(_) => "Authenticator",
        })
    }
}

/// What a peer says of itself, for an [`Authenticator`] to judge. The credentials are wiped when it is dropped.
pub struct Claim {
    mechanism: &'static str,
    credentials: Vec<Vec<u8>>,
    pub(crate) address: String,
    pub(crate) process: Option<Credentials>,
}

impl Claim {
    /// The claim of a mechanism; its credentials as ZAP carries them (RFC 27): none for NULL, user name and password
    /// for PLAIN, the public key for CURVE.
    pub fn new(mechanism: &'static str, credentials: Vec<Vec<u8>>) -> Claim {
        Claim { mechanism, credentials, address: String::new(), process: None }
    }

    /// The name of the mechanism: "NULL", "PLAIN", "CURVE" or that of your own.
    pub fn mechanism(&self) -> &str {
        self.mechanism
    }

    /// The peer's address as the transport writes it: `127.0.0.1:40000` for tcp.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The process at the other end, where the transport can tell (ipc).
    pub fn process(&self) -> Option<Credentials> {
        self.process
    }

    /// The user name (PLAIN).
    pub fn username(&self) -> Option<&[u8]> {
        self.credential("PLAIN", 0)
    }

    /// The password (PLAIN).
    pub fn password(&self) -> Option<&[u8]> {
        self.credential("PLAIN", 1)
    }

    /// The client's long-term public key, which it has proved to hold (CURVE).
    pub fn public_key(&self) -> Option<&[u8; 32]> {
        self.credential("CURVE", 0)?.try_into().ok()
    }

    /// Everything the mechanism has, as ZAP carries it.
    pub fn credentials(&self) -> &[Vec<u8>] {
        &self.credentials
    }

    fn credential(&self, mechanism: &str, index: usize) -> Option<&[u8]> {
        self.credentials.get(index).filter(|_| self.mechanism == mechanism).map(Vec::as_slice)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.credentials.zeroize();
    }
}

impl fmt::Debug for Claim {
    /// Without the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("mechanism", &self.mechanism)
            .field("address", &self.address)
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Claim {
    fn eq(&self, other: &Claim) -> bool {
        (self.mechanism, &self.credentials, &self.address)
            == (other.mechanism, &other.credentials, &other.address)
    }
}

impl Eq for Claim {}

impl Clone for Claim {
    fn clone(&self) -> Claim {
        Claim {
            mechanism: self.mechanism,
            credentials: self.credentials.clone(),
            address: self.address.clone(),
            process: self.process,
        }
    }
}

/// What an [`Authenticator`] says of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict(pub(crate) std::result::Result<Admission, u16>);

/// What is noted of a peer that is let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) user_id: String,
    pub(crate) metadata: Vec<(String, Bytes)>,
}

impl Verdict {
    /// It may come in (status 200 in RFC 27).
    pub fn admit() -> Verdict {
        Verdict(Ok(Admission::default()))
    }

    /// It may come in, and is known as `user_id` ([`Peer::user_id`](crate::Peer::user_id)).
    pub fn admit_as(user_id: impl Into<String>) -> Verdict {
        Verdict(Ok(Admission { user_id: user_id.into(), metadata: Vec::new() }))
    }

    /// Adds a property to what is known of a peer that may come in ([`Peer::property`](crate::Peer::property)).
    pub fn with_property(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Verdict {
        if let Ok(admission) = &mut self.0 {
            admission.metadata.push((name.into(), value.into()));
        }
        self
    }

    /// It may not come in, and is told so (status 400 in RFC 27).
    pub fn deny() -> Verdict {
        Verdict(Err(400))
    }

    /// Not now: the connection is closed without a word, and the peer may try again (status 300 in RFC 27).
    pub fn try_later() -> Verdict {
        Verdict(Err(300))
    }

    /// No verdict could be reached; the peer is kept out, and told so (status 500 in RFC 27).
    pub fn fail() -> Verdict {
        Verdict(Err(500))
    }

    /// Whether the peer may come in.
    pub fn admits(&self) -> bool {
        self.0.is_ok()
    }

    /// The status code of RFC 27: 200, 300, 400 or 500.
    pub fn status(&self) -> u16 {
        self.0.as_ref().err().copied().unwrap_or(200)
    }
}

/// `true` lets the peer in, `false` [denies](Verdict::deny).
impl From<bool> for Verdict {
    fn from(admit: bool) -> Verdict {
        if admit { Verdict::admit() } else { Verdict::deny() }
    }
}

/// Compares in a time that depends on neither of them; both have at most 255 bytes, the rest does not count.
fn equal_in_constant_time(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (fixed(one), fixed(other));
    let difference = one.iter().zip(&other).fold(0, |all, (a, b)| all | black_box(a ^ b));
    black_box(difference) == 0
}

/// The bytes and their length in a field of fixed width.
fn fixed(bytes: &[u8]) -> [u8; 257] {
    let mut field = [0; 257];
    for (place, byte) in field.iter_mut().zip(bytes.iter().take(255)) {
        *place = *byte;
    }
    let [.., high, low] = &mut field;
    [*high, *low] = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(username: &str, password: &str) -> Claim {
        Claim::new("PLAIN", vec![username.into(), password.into()])
    }

    #[test]
    fn passwords_must_fit_their_user() {
        let judge = Authenticator::passwords([("ann", "apple"), ("bob", ""), ("long", &"x".repeat(255))]);
        assert_eq!(judge.judge(&plain("ann", "apple")), Verdict::admit_as("ann"));
        assert_eq!(judge.judge(&plain("bob", "")), Verdict::admit_as("bob"));
        assert!(judge.judge(&plain("long", &"x".repeat(255))).admits());
        for (user, password) in [
            ("ann", ""),
            ("ann", "appl"),
            ("ann", "apple\0"),
            ("bob", "apple"),
            ("", "apple"),
            ("ann\0", "apple"),
        ] {
            assert_eq!(judge.judge(&plain(user, password)), Verdict::deny(), "{user} {password}");
        }
        assert_eq!(judge.judge(&Claim::new("NULL", Vec::new())), Verdict::deny());
        assert_eq!(judge.judge(&Claim::new("PLAIN", vec![b"ann".to_vec()])), Verdict::deny());
        assert_eq!(
            judge.judge(&Claim::new("CURVE", vec![b"ann".to_vec(), b"apple".to_vec()])),
            Verdict::deny()
        );
    }

    #[test]
    fn only_known_keys_are_let_in() {
        let judge = Authenticator::keys([[1; 32], [2; 32]]);
        let claim = |key: &[u8]| Claim::new("CURVE", vec![key.to_vec()]);
        assert!(judge.judge(&claim(&[2; 32])).admits());
        for unknown in [&[3; 32][..], &[1; 31], &[1; 33], &[]] {
            assert_eq!(judge.judge(&claim(unknown)), Verdict::deny());
        }
        assert_eq!(judge.judge(&Claim::new("PLAIN", vec![vec![1; 32]])), Verdict::deny());
        assert_eq!(Authenticator::keys::<[u8; 32]>([]).judge(&claim(&[0; 32])), Verdict::deny());
    }

    #[test]
    fn a_panic_keeps_the_peer_out() {
        let judge = Authenticator::new(|claim: &Claim| -> bool { panic!("about {}", claim.mechanism()) });
        assert_eq!(judge.judge(&plain("", "")), Verdict::fail());
    }

    #[test]
    fn credentials_are_not_shown() {
        let shown = format!("{:?}", plain("ann", "apple"));
        assert!(!shown.contains("ann") && !shown.contains("apple") && shown.contains("PLAIN"), "{shown}");
    }

    #[test]
    fn verdicts_have_the_codes_of_the_rfc() {
        let all = [Verdict::admit(), Verdict::try_later(), Verdict::deny(), Verdict::fail()];
        assert_eq!(all.map(|verdict| verdict.status()), [200, 300, 400, 500]);
        assert_eq!((Verdict::from(true), Verdict::from(false)), (Verdict::admit(), Verdict::deny()));
    }
}
