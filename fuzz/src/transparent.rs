//! A mechanism whose seal hides nothing, so that a fuzzer reaches what lies behind one: a sealed body is what it is,
//! a count, and its content.

use zmq_core::security::{Commands, Exchange, Kind, Mechanism, Progress, Role, Seal, Terms};
use zmq_core::zmtp::ProtocolError;

#[derive(Debug)]
pub struct Transparent;

impl Mechanism for Transparent {
    fn name(&self) -> &'static str {
        "TRANSPARENT"
    }

    fn role(&self) -> Role {
        Role::Equal
    }

    fn exchange(&self, terms: Terms) -> Box<dyn Exchange> {
        Box::new(Opening { terms, theirs: None })
    }
}

/// Both send their properties; who judges, only to whom it lets in.
struct Opening {
    terms: Terms,
    theirs: Option<Vec<u8>>,
}

const OPEN: &[u8] = b"\x04OPEN";

fn refused(problem: &'static str) -> ProtocolError {
    ProtocolError::MalformedCommand { command: "OPEN", problem }
}

impl Exchange for Opening {
    fn start(&mut self, commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        if !self.terms.judged {
            commands.send(&[OPEN, &self.terms.metadata].concat());
        }
        Ok(Progress::Pending)
    }

    fn receive(&mut self, command: &[u8], _: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        if command.starts_with(b"\x05ERROR") {
            return Err(ProtocolError::RefusedByPeer { reason: "an ERROR".into() });
        }
        let metadata = command.strip_prefix(OPEN).ok_or(refused("another command"))?;
        if self.theirs.replace(metadata.to_vec()).is_some() {
            return Err(refused("it comes twice"));
        }
        match self.terms.judged {
            true => Ok(Progress::Judge(Box::new(zmq_core::security::Claim::new("TRANSPARENT", Vec::new())))),
            false => self.complete(),
        }
    }

    fn admitted(&mut self, commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        commands.send(&[OPEN, &self.terms.metadata].concat());
        self.complete()
    }
}

impl Opening {
    fn complete(&self) -> Result<Progress, ProtocolError> {
        let metadata = self.theirs.clone().ok_or(refused("it has not come"))?;
        Ok(Progress::Complete { metadata, seal: Some(Box::new(Glass::default())) })
    }
}

#[derive(Default)]
struct Glass {
    sealed: u8,
    opened: u8,
}

const KINDS: [Kind; 3] = [Kind::LastPart, Kind::Part, Kind::Command];

impl Seal for Glass {
    fn overhead(&self) -> usize {
        2
    }

    fn seal(
        &mut self,
        kind: Kind,
        prefix: &[u8],
        content: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), ProtocolError> {
        let number = KINDS.iter().position(|known| *known == kind).ok_or(refused("a new kind"))?;
        buffer.extend_from_slice(&[number as u8, self.sealed]);
        self.sealed = self.sealed.wrapping_add(1);
        buffer.extend_from_slice(prefix);
        buffer.extend_from_slice(content);
        Ok(())
    }

    fn open(&mut self, body: &mut [u8]) -> Result<Kind, ProtocolError> {
        let [kind, count, ..] = body else { return Err(refused("a short body")) };
        if *count != self.opened {
            return Err(refused("out of order"));
        }
        self.opened = self.opened.wrapping_add(1);
        KINDS.get(usize::from(*kind)).copied().ok_or(refused("an unknown kind"))
    }
}
