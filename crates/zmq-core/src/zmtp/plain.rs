//! The PLAIN mechanism (RFC 24): a user name and a password, in clear text.
//!
//! ```text
//!  client                                  server
//!  HELLO user name, password ------------>  the authenticator judges
//!                      <------------ WELCOME
//!  INITIATE metadata -------------------->
//!                      <------------ READY metadata
//! ```

use super::command::{Command, malformed, split_name};
use super::error::ProtocolError;
use super::mechanism::{Commands, Exchange, Mechanism, Progress, Role, Terms};
use crate::error::{Error, Result};
use crate::security::Claim;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The mechanism PLAIN (RFC 24): the client shows a user name and a password. Both travel in clear text, so peers on
/// other machines are refused unless [`over_networks`](Plain::over_networks) says otherwise; CURVE is for them.
#[derive(Clone)]
pub struct Plain {
    side: Side,
    over_networks: bool,
}

#[derive(Clone)]
enum Side {
    /// The HELLO that proves who we are.
    Client(Arc<Zeroizing<Vec<u8>>>),
    Server,
}

impl Plain {
    /// The client's side (`ZMQ_PLAIN_USERNAME`, `ZMQ_PLAIN_PASSWORD`).
    ///
    /// # Errors
    /// [`Error::InvalidOption`] if either has more than 255 bytes.
    pub fn client(username: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Result<Plain> {
        let mut hello = Zeroizing::new(Vec::with_capacity(6 + 2 * 256));
        hello.extend_from_slice(b"\x05HELLO");
        for (option, field) in [("username", username.as_ref()), ("password", password.as_ref())] {
            let Ok(length) = u8::try_from(field.len()) else {
                let reason = "PLAIN allows at most 255 bytes (RFC 24)".to_owned();
                return Err(Error::InvalidOption { option, reason });
            };
            hello.push(length);
            hello.extend_from_slice(field);
        }
        Ok(Plain { side: Side::Client(Arc::new(hello)), over_networks: false })
    }

    /// The server's side (`ZMQ_PLAIN_SERVER`). The socket must have an authenticator, which says who may come in.
    pub fn server() -> Plain {
        Plain { side: Side::Server, over_networks: false }
    }

    /// Allows peers on other machines, over a network that is private by other means (a VPN, a tunnel): whoever is on the
    /// way can read the password. libzmq always allows them.
    pub fn over_networks(self) -> Plain {
        Plain { over_networks: true, ..self }
    }
}

impl fmt::Debug for Plain {
    /// Without the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plain({:?})", self.role())
    }
}

impl Mechanism for Plain {
    fn name(&self) -> &'static str {
        "PLAIN"
    }

    fn role(&self) -> Role {
        match self.side {
            Side::Client(_) => Role::Client,
            Side::Server => Role::Server,
        }
    }

    fn shows_credentials(&self) -> bool {
        !self.over_networks
    }

    fn exchange(&self, terms: Terms) -> Box<dyn Exchange> {
        match &self.side {
            Side::Client(hello) => Box::new(Client {
                hello: hello.clone(),
                metadata: terms.metadata,
                awaits: ClientAwaits::Welcome,
            }),
            Side::Server => Box::new(Server { metadata: terms.metadata, awaits: ServerAwaits::Hello }),
        }
    }
}

/// What libzmq's PLAIN server sends instead of `\x05ERROR`: in C the escape takes the E for its third digit.
const LIBZMQ_ERROR: &[u8] = b"\x5ERROR";

struct Client {
    hello: Arc<Zeroizing<Vec<u8>>>,
    metadata: Vec<u8>,
    awaits: ClientAwaits,
}

enum ClientAwaits {
    Welcome,
    Ready,
}

impl Exchange for Client {
    fn start(&mut self, commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        commands.send(&self.hello);
        Ok(Progress::Pending)
    }

    fn receive(&mut self, body: &[u8], commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        if let Some(data) = body.strip_prefix(LIBZMQ_ERROR) {
            return Err(ProtocolError::refused(&[b"\x05ERROR", data].concat()));
        }
        match (&self.awaits, Command::parse(body)?) {
            (ClientAwaits::Welcome, Command::Other(b"WELCOME")) => {
                if body.len() > b"\x07WELCOME".len() {
                    return Err(malformed("WELCOME", "it has data"));
                }
                commands.send(&[b"\x08INITIATE", &self.metadata[..]].concat());
                self.awaits = ClientAwaits::Ready;
                Ok(Progress::Pending)
            }
            (ClientAwaits::Ready, Command::Ready(metadata)) => {
                Ok(Progress::Complete { metadata: metadata.to_vec(), seal: None })
            }
            (_, Command::Error(_)) => Err(ProtocolError::refused(body)),
            _ => Err(ProtocolError::unexpected(body)),
        }
    }

    fn admitted(&mut self, _: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        Ok(Progress::Pending)
    }
}

struct Server {
    metadata: Vec<u8>,
    awaits: ServerAwaits,
}

enum ServerAwaits {
    Hello,
    Verdict,
    Initiate,
}

impl Exchange for Server {
    fn start(&mut self, _: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        Ok(Progress::Pending)
    }

    fn receive(&mut self, body: &[u8], commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        match (&self.awaits, Command::parse(body)?) {
            (ServerAwaits::Hello, Command::Other(b"HELLO")) => {
                let (username, password) = credentials(body)?;
                self.awaits = ServerAwaits::Verdict;
                let credentials = vec![username.to_vec(), password.to_vec()];
                Ok(Progress::Judge(Box::new(Claim::new("PLAIN", credentials))))
            }
            (ServerAwaits::Initiate, Command::Other(b"INITIATE")) => {
                commands.send(&[b"\x05READY", &self.metadata[..]].concat());
                let metadata = body.strip_prefix(b"\x08INITIATE").unwrap_or_default().to_vec();
                Ok(Progress::Complete { metadata, seal: None })
            }
            (_, Command::Error(_)) => Err(ProtocolError::refused(body)),
            _ => Err(ProtocolError::unexpected(body)),
        }
    }

    fn admitted(&mut self, commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        commands.send(b"\x07WELCOME");
        self.awaits = ServerAwaits::Initiate;
        Ok(Progress::Pending)
    }
}

/// The user name and the password in a HELLO.
fn credentials(body: &[u8]) -> Result<(&[u8], &[u8]), ProtocolError> {
    let cut_off = || malformed("HELLO", "its user name or password is cut off");
    let data = body.strip_prefix(b"\x05HELLO").ok_or_else(cut_off)?;
    let (username, rest) = split_field(data).ok_or_else(cut_off)?;
    let (password, rest) = split_field(rest).ok_or_else(cut_off)?;
    if rest.is_empty() {
        Ok((username, password))
    } else {
        Err(malformed("HELLO", "it has more than two fields"))
    }
}

/// A field that may be empty, and what follows it.
fn split_field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match bytes {
        [0, rest @ ..] => Some((&[], rest)),
        _ => split_name(bytes),
    }
}
