//! What `zmq_msg_gets` says of the peer that a message is from.

use crate::lock;
use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};
use zmq::Peer;

/// The answers given so far. A pointer to one of them is good for as long as its peer is held, as by the message that was
/// asked.
static ANSWERS: Mutex<Option<HashMap<usize, Answers>>> = Mutex::new(None);

struct Answers {
    peer: Weak<Peer>,
    given: Vec<(String, Box<CString>)>,
}

/// A property, as a text that lives as long as `peer`; `None`: it has none of this name.
pub(crate) fn find(peer: &Arc<Peer>, name: &str) -> Option<*const c_char> {
    let mut answers = lock(&ANSWERS);
    let answers = answers.get_or_insert_default();
    let key = Arc::as_ptr(peer).addr();
    let known = answers.get(&key).is_some_and(|known| known.peer.strong_count() > 0);
    if !known {
        // Nobody can hold an answer about a peer that nobody holds.
        answers.retain(|_, known| known.peer.strong_count() > 0);
        answers.insert(key, Answers { peer: Arc::downgrade(peer), given: Vec::new() });
    }
    let given = &mut answers.get_mut(&key)?.given;
    if let Some((_, answer)) = given.iter().find(|(known, _)| known == name) {
        return Some(answer.as_ptr());
    }
    // As C would read it.
    let mut text = value(peer, name)?;
    text.truncate(text.iter().position(|byte| *byte == 0).unwrap_or(text.len()));
    let answer = Box::new(CString::new(text).ok()?);
    let pointer = answer.as_ptr();
    given.push((name.to_owned(), answer));
    Some(pointer)
}

fn value(peer: &Peer, name: &str) -> Option<Vec<u8>> {
    match name {
        "Socket-Type" => peer.socket_type.map(|socket_type| socket_type.as_str().into()),
        "Routing-Id" => Some(peer.routing_id.to_vec()).filter(|id| !id.is_empty()),
        "Peer-Address" => Some(address(peer).into_bytes()),
        "User-Id" => Some(peer.user_id.clone().into_bytes()).filter(|id| !id.is_empty()),
        _ => peer.property(name).map(|value| value.to_vec()),
    }
}

/// Without the port; for a process on this machine with what the kernel knows of it.
fn address(peer: &Peer) -> String {
    match (&peer.credentials, peer.address.parse::<SocketAddr>()) {
        (Some(known), _) => {
            format!("localhost:{}:{}:{}", known.uid, known.gid, known.pid.unwrap_or_default())
        }
        (None, Ok(address)) => address.ip().to_string(),
        (None, Err(_)) => peer.address.clone(),
    }
}
