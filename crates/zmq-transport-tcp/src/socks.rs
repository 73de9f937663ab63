//! Asking a SOCKS5 proxy for a connection (RFC 1928, RFC 1929), step by step as the stream is ready.

use crate::address::{Host, Place, Zone};
use std::io::{self, IoSlice};
use zmq_core::options::SocksProxy;
use zmq_core::transport::Stream;

const VERSION: u8 = 5;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

const NO_PASSWORD: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xFF;

/// The conversation with the proxy that comes before the peer's first byte.
pub(crate) struct Negotiation {
    proxy: SocksProxy,
    /// The host and port to ask for, as RFC 1928 writes them.
    destination: Vec<u8>,
    step: Step,
    request: Vec<u8>,
    written: usize,
    /// Read to the last byte and no further: the peer's may follow at once.
    reply: Vec<u8>,
}

/// Which request is on its way, or waits for its reply.
#[derive(Clone, Copy)]
enum Step {
    Methods,
    Password,
    Connect,
}

impl Negotiation {
    pub(crate) fn new(proxy: &SocksProxy, destination: &Place) -> io::Result<Negotiation> {
        let methods: &[u8] = if proxy.user().is_some() { &[PASSWORD, NO_PASSWORD] } else { &[NO_PASSWORD] };
        Ok(Negotiation {
            proxy: proxy.clone(),
            destination: encode(destination)
                .map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?,
            step: Step::Methods,
            request: [&[VERSION, methods.len() as u8], methods].concat(),
            written: 0,
            reply: Vec::new(),
        })
    }

    /// Goes on as far as the stream lets it. `true`: what follows is between us and the peer.
    pub(crate) fn advance(&mut self, stream: &mut dyn Stream) -> io::Result<bool> {
        match self.converse(stream) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => {
                let proxy = self.proxy.address();
                Err(io::Error::new(error.kind(), format!("the SOCKS proxy {proxy}: {error}")))
            }
        }
    }

    fn converse(&mut self, stream: &mut dyn Stream) -> io::Result<()> {
        loop {
            self.write(stream)?;
            self.read(stream)?;
            let Some(next) = self.judge()? else { return Ok(()) };
            self.request = match next {
                Step::Methods => Vec::new(),
                Step::Password => self.password(),
                Step::Connect => [&[VERSION, CONNECT, 0], self.destination.as_slice()].concat(),
            };
            self.step = next;
            self.written = 0;
            self.reply.clear();
        }
    }

    fn write(&mut self, stream: &mut dyn Stream) -> io::Result<()> {
        while let Some(rest) = self.request.get(self.written..).filter(|rest| !rest.is_empty()) {
            match stream.write_vectored(&[IoSlice::new(rest)])? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => self.written += count,
            }
        }
        Ok(())
    }

    fn read(&mut self, stream: &mut dyn Stream) -> io::Result<()> {
        let mut buffer = [0; 262];
        loop {
            let missing = self.reply_length()?.saturating_sub(self.reply.len());
            if missing == 0 {
                return Ok(());
            }
            let room = buffer.get_mut(..missing).unwrap_or_default();
            match stream.read(room)? {
                0 => {
                    let reason = "it closed the connection before it had answered";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
                }
                count => self.reply.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// How long the reply is, as far as its first bytes tell: at least so much is read.
    fn reply_length(&self) -> io::Result<usize> {
        if let Step::Methods | Step::Password = self.step {
            return Ok(2);
        }
        match *self.reply.as_slice() {
            // A refusal need not name an address, and what is not SOCKS5 need not end.
            [version, code, ..] if version != VERSION || code != 0 => Ok(2),
            // The address begins at 4 and is followed by two bytes of port.
            [_, _, _, IPV4, ..] => Ok(4 + 4 + 2),
            [_, _, _, IPV6, ..] => Ok(4 + 16 + 2),
            [_, _, _, NAME, length, ..] => Ok(4 + 1 + usize::from(length) + 2),
            [_, _, _, _, _, ..] => Err(nonsense()),
            _ => Ok(5),
        }
    }

    /// What follows the reply; `None`: nothing.
    fn judge(&self) -> io::Result<Option<Step>> {
        let (version, answer) = match *self.reply.as_slice() {
            [version, answer, ..] => (version, answer),
            _ => return Err(nonsense()),
        };
        match (self.step, version, answer) {
            (Step::Methods, VERSION, NO_PASSWORD) => Ok(Some(Step::Connect)),
            (Step::Methods, VERSION, PASSWORD) if self.proxy.user().is_some() => Ok(Some(Step::Password)),
            (Step::Methods, VERSION, NO_METHOD) => Err(denied(if self.proxy.user().is_some() {
                "it takes no user name and password; see what it does take"
            } else {
                "it wants more than to be asked; give SocksProxy a user name and a password"
            })),
            // RFC 1929, its own version.
            (Step::Password, 1, 0) => Ok(Some(Step::Connect)),
            (Step::Password, 1, _) => Err(denied("it refuses this user name and password")),
            (Step::Connect, VERSION, 0) => Ok(None),
            (Step::Connect, VERSION, code) => Err(refusal(code)),
            _ => Err(nonsense()),
        }
    }

    fn password(&self) -> Vec<u8> {
        let (name, password) = self.proxy.user().unwrap_or_default();
        let (name, password) = (name.as_bytes(), password.as_bytes());
        [&[1, name.len() as u8], name, &[password.len() as u8], password].concat()
    }
}

/// A destination as RFC 1928 writes it; the error says why a proxy cannot be asked for it.
pub(crate) fn encode(place: &Place) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match &place.host {
        Host::V4(ip) => {
            bytes.push(IPV4);
            bytes.extend(ip.octets());
        }
        Host::V6(ip, Zone::None) => {
            bytes.push(IPV6);
            bytes.extend(ip.octets());
        }
        Host::V6(..) => return Err("a zone has no meaning for a SOCKS proxy; leave it away".to_owned()),
        Host::Name(name) => {
            let length = u8::try_from(name.len())
                .map_err(|_| "a SOCKS proxy takes names of at most 255 bytes".to_owned())?;
            bytes.extend([NAME, length]);
            bytes.extend(name.as_bytes());
        }
        Host::Any => return Err("the host `*` is for bind; connect needs an address or a name".to_owned()),
    }
    bytes.extend(place.port.to_be_bytes());
    Ok(bytes)
}

/// RFC 1928, section 6.
fn refusal(code: u8) -> io::Error {
    use io::ErrorKind::{
        ConnectionRefused, HostUnreachable, NetworkUnreachable, Other, PermissionDenied, TimedOut,
    };
    let (kind, reason) = match code {
        1 => (Other, "it failed"),
        2 => (PermissionDenied, "its rules do not allow this connection"),
        3 => (NetworkUnreachable, "it cannot reach the network"),
        4 => (HostUnreachable, "it cannot reach the host, or does not know its name"),
        5 => (ConnectionRefused, "nobody listens there"),
        6 => (TimedOut, "the connection took it too long"),
        7 => (Other, "it does not make connections"),
        8 => (Other, "it does not know this kind of address"),
        _ => return io::Error::other(format!("it refuses, with the unknown code {code}")),
    };
    io::Error::new(kind, reason)
}

fn denied(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, reason)
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what it says is not SOCKS5; check its address")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::parse_connect;

    fn encoded(address: &str) -> Result<Vec<u8>, String> {
        encode(&parse_connect(address, true).expect(address).destination)
    }

    #[test]
    fn each_kind_of_destination_is_written_as_the_rfc_says() {
        assert_eq!(encoded("1.2.3.4:258"), Ok(vec![1, 1, 2, 3, 4, 1, 2]));
        assert_eq!(encoded("a.example:1"), Ok(b"\x03\x09a.example\x00\x01".to_vec()));
        let mut v6 = vec![4];
        v6.extend([0; 15]);
        v6.extend([1, 0, 9]);
        assert_eq!(encoded("[::1]:9"), Ok(v6));
    }

    #[test]
    fn what_no_proxy_understands_is_refused() {
        assert!(encoded("[fe80::1%2]:9").expect_err("zone").contains("zone"));
        assert!(encoded(&format!("{}:9", "a".repeat(256))).expect_err("name").contains("255 bytes"));
        assert!(encoded(&format!("{}:9", "a".repeat(255))).is_ok());
    }
}
