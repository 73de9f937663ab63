//! The NULL mechanism (RFC 37): one READY each way, both at once as libzmq does it.

use super::command::Command;
use super::error::ProtocolError;
use super::mechanism::{Commands, Exchange, Mechanism, Progress, Role, Terms};
use crate::security::Claim;

/// No security: whoever can reach the socket may talk to it, unless an authenticator judges by address.
#[derive(Clone, Copy, Debug, Default)]
pub struct Null;

impl Mechanism for Null {
    fn name(&self) -> &'static str {
        "NULL"
    }

    fn role(&self) -> Role {
        Role::Equal
    }

    fn exchange(&self, terms: Terms) -> Box<dyn Exchange> {
        Box::new(NullExchange { terms, admitted: false, theirs: None })
    }
}

struct NullExchange {
    terms: Terms,
    /// Our READY is sent.
    admitted: bool,
    /// The properties in the peer's READY, which may come before we admit it.
    theirs: Option<Vec<u8>>,
}

impl Exchange for NullExchange {
    fn start(&mut self, commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        if self.terms.judged {
            return Ok(Progress::Judge(Box::new(Claim::new("NULL", Vec::new()))));
        }
        self.admitted(commands)
    }

    fn receive(&mut self, body: &[u8], _: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        match Command::parse(body)? {
            Command::Ready(metadata) if self.theirs.is_none() => {
                self.theirs = Some(metadata.to_vec());
                Ok(self.progress())
            }
            Command::Error(_) => Err(ProtocolError::refused(body)),
            _ => Err(ProtocolError::unexpected(body)),
        }
    }

    fn admitted(&mut self, commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        commands.send(&[b"\x05READY", &self.terms.metadata[..]].concat());
        self.admitted = true;
        Ok(self.progress())
    }
}

impl NullExchange {
    fn progress(&mut self) -> Progress {
        match self.theirs.take_if(|_| self.admitted) {
            Some(metadata) => Progress::Complete { metadata, seal: None },
            None => Progress::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(judged: bool) -> (Box<dyn Exchange>, Vec<Vec<u8>>, Progress) {
        let mut output = Vec::new();
        let mut exchange = Null.exchange(Terms::new(b"ours".to_vec(), judged));
        let progress = exchange.start(&mut Commands::new(&mut output)).expect("a start");
        (exchange, output, progress)
    }

    #[test]
    fn ready_goes_out_at_once_and_the_peers_completes() {
        let (mut exchange, mut output, progress) = started(false);
        assert!(matches!(progress, Progress::Pending));
        assert_eq!(output, [b"\x05READYours"]);
        let progress = exchange.receive(b"\x05READYtheirs", &mut Commands::new(&mut output));
        let Ok(Progress::Complete { metadata, seal: None }) = progress else { panic!("not complete") };
        assert_eq!(metadata, b"theirs");
    }

    #[test]
    fn who_is_judged_is_told_nothing_before() {
        let (mut exchange, mut output, progress) = started(true);
        assert!(matches!(progress, Progress::Judge(claim) if claim.mechanism() == "NULL"));
        let progress = exchange.receive(b"\x05READYtheirs", &mut Commands::new(&mut output));
        assert!(matches!(progress, Ok(Progress::Pending)));
        assert!(output.is_empty());
        let twice = exchange.receive(b"\x05READYtheirs", &mut Commands::new(&mut output)).err();
        assert_eq!(twice, Some(ProtocolError::UnexpectedCommand { name: "READY".into() }));
        let progress = exchange.admitted(&mut Commands::new(&mut output));
        assert!(matches!(progress, Ok(Progress::Complete { seal: None, .. })));
        assert_eq!(output, [b"\x05READYours"]);
    }

    #[test]
    fn other_commands_end_the_handshake() {
        let receive = |body: &[u8]| {
            let (mut exchange, mut output, _) = started(false);
            exchange.receive(body, &mut Commands::new(&mut output)).err()
        };
        assert_eq!(
            receive(b"\x05ERROR\x0DNot allowed\r\n"),
            Some(ProtocolError::RefusedByPeer { reason: r"Not allowed\r\n".into() })
        );
        assert_eq!(receive(b"\x05HELLO"), Some(ProtocolError::UnexpectedCommand { name: "HELLO".into() }));
        assert_eq!(receive(b"\x04PING\0\0"), Some(ProtocolError::UnexpectedCommand { name: "PING".into() }));
        assert!(matches!(receive(b"\x05ERROR"), Some(ProtocolError::MalformedCommand { .. })));
        assert!(matches!(receive(b""), Some(ProtocolError::MalformedCommand { .. })));
    }
}
