//! Asking a ZAP handler (RFC 27): one question about one peer, through a pipe of its own.
//!
//! The handler is a REP or ROUTER socket of this context, with a thread of its own. What goes wrong keeps the peer out:
//! nobody there, a socket that goes away, an answer that is none. An answer that never comes is the handshake's timeout.

use super::Env;
use crate::endpoint::Endpoint;
use crate::link::{Inlet, Outlet};
use crate::message::{Frame, Message};
use crate::security::{Admission, Claim, Verdict, ZAP_ENDPOINT};
use crate::transport::TransportKind;
use crate::zmtp::handshake::parse_metadata;
use std::net::SocketAddr;

const VERSION: &str = "1.0";
/// Each question has its own pipe, so one id is enough; libzmq's, too.
const REQUEST_ID: &str = "1";
/// Most bytes of metadata in an answer.
const MAX_METADATA: usize = 8 * 1024;

/// A question that waits for its answer. Dropping it withdraws it.
pub(super) struct Inquiry {
    answer: Inlet,
    /// Keeps the handler from taking the asker for gone.
    _question: Outlet,
}

impl Inquiry {
    /// Asks about a peer. `None`: there is no handler.
    pub fn start(claim: &Claim, domain: &str, routing_id: &[u8], token: usize, env: &Env) -> Option<Inquiry> {
        let endpoint: Endpoint = ZAP_ENDPOINT.parse().ok()?;
        let transport = env.shared.context.transport(&endpoint).ok()?;
        let TransportKind::Direct(transport) = transport.kind() else { return None };
        let handler = transport.bound(endpoint.address())?;
        let question = question(claim, domain, routing_id);
        let (question, answer) = handler.ask(question, (env.driver.clone(), token))?;
        Some(Inquiry { answer, _question: question })
    }

    /// What the handler says. `None`: nothing yet; the connection is pumped when it does.
    pub fn verdict(&mut self) -> Option<Verdict> {
        let mut answer = Message::new();
        if self.answer.receive(&mut answer) {
            return Some(verdict(&answer).unwrap_or_else(Verdict::fail));
        }
        self.answer.is_finished().then(Verdict::fail)
    }
}

fn question(claim: &Claim, domain: &str, routing_id: &[u8]) -> Message {
    let address = without_port(claim.address());
    let fixed: [&[u8]; 7] = [
        b"",
        VERSION.as_bytes(),
        REQUEST_ID.as_bytes(),
        domain.as_bytes(),
        address.as_bytes(),
        routing_id,
        claim.mechanism().as_bytes(),
    ];
    let credentials = claim.credentials().iter().map(Vec::as_slice);
    Message::from(fixed.into_iter().chain(credentials).map(Frame::from).collect::<Vec<_>>())
}

/// RFC 27 wants the IP address where there is one.
fn without_port(address: &str) -> String {
    address.parse::<SocketAddr>().map_or_else(|_| address.to_owned(), |address| address.ip().to_string())
}

/// `None`: the answer is none.
pub(crate) fn verdict(answer: &Message) -> Option<Verdict> {
    let [delimiter, version, id, status, _text, user_id, metadata] = answer.frames() else { return None };
    if !delimiter.is_empty()
        || version.as_bytes() != VERSION.as_bytes()
        || id.as_bytes() != REQUEST_ID.as_bytes()
    {
        return None;
    }
    match status.as_bytes() {
        b"200" => {
            let user_id = std::str::from_utf8(user_id.as_bytes()).ok()?.to_owned();
            let metadata = parse_metadata(metadata.as_bytes(), MAX_METADATA).ok()?;
            Some(Verdict(Ok(Admission { user_id, metadata })))
        }
        b"300" => Some(Verdict::try_later()),
        b"400" => Some(Verdict::deny()),
        b"500" => Some(Verdict::fail()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_as_the_rfc_has_them() {
        let mut claim = Claim::new("PLAIN", vec![b"ann".to_vec(), b"apple".to_vec()]);
        claim.address = "127.0.0.1:40000".to_owned();
        let expected = ["", "1.0", "1", "global", "127.0.0.1", "me", "PLAIN", "ann", "apple"];
        assert_eq!(question(&claim, "global", b"me"), Message::from(expected));
        assert_eq!(without_port("[::1]:80"), "::1");
        assert_eq!(without_port("/tmp/socket"), "/tmp/socket");
    }

    #[test]
    fn only_answers_of_the_right_form_count() {
        let answer = |frames: [&str; 7]| verdict(&Message::from(frames));
        let status = |status: &str| answer(["", "1.0", "1", status, "text", "ann", ""]);
        assert_eq!(status("200"), Some(Verdict::admit_as("ann")));
        assert_eq!(status("300"), Some(Verdict::try_later()));
        assert_eq!(status("400"), Some(Verdict::deny()));
        assert_eq!(status("500"), Some(Verdict::fail()));
        for bad in ["", "2", "20", "201", "2000", " 200", "OK"] {
            assert_eq!(status(bad), None, "{bad}");
        }
        assert_eq!(answer(["x", "1.0", "1", "200", "", "", ""]), None);
        assert_eq!(answer(["", "1.1", "1", "200", "", "", ""]), None);
        assert_eq!(answer(["", "1.0", "2", "200", "", "", ""]), None);
        assert_eq!(answer(["", "1.0", "1", "200", "", "", "\u{3}abc"]), None);
        assert_eq!(verdict(&Message::from(["", "1.0", "1", "200", "", ""])), None);
        assert_eq!(verdict(&Message::from(["", "1.0", "1", "200", "", "", "", ""])), None);
        assert_eq!(verdict(&Message::from("")), None);
        let noted = answer(["", "1.0", "1", "200", "", "", "\u{4}Role\0\0\0\u{5}admin"]);
        assert_eq!(noted, Some(Verdict::admit().with_property("Role", "admin")));
    }
}
