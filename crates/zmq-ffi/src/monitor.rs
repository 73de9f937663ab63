//! What happens to a socket's connections, as frames on a PAIR.

use crate::context::Settings;
use crate::error::{Errno, Result};
use nix::libc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use zmq::{
    AnySocket, Context, DisconnectReason, Event, Frame, Message, Monitor, MonitorStopper, Options,
    ProtocolError, SocketType,
};

const CONNECTED: u16 = 0x1;
const CONNECT_DELAYED: u16 = 0x2;
const CONNECT_RETRIED: u16 = 0x4;
const LISTENING: u16 = 0x8;
const ACCEPTED: u16 = 0x20;
const ACCEPT_FAILED: u16 = 0x40;
const CLOSED: u16 = 0x80;
const DISCONNECTED: u16 = 0x200;
const STOPPED: u16 = 0x400;
const FAILED_NO_DETAIL: u16 = 0x800;
const SUCCEEDED: u16 = 0x1000;
const FAILED_PROTOCOL: u16 = 0x2000;
const FAILED_AUTH: u16 = 0x4000;

/// The value of events whose value is a descriptor in libzmq: here they are not shown.
const NO_DESCRIPTOR: u32 = u32::MAX;

/// How often it is looked whether somebody has stopped what nobody receives.
const PATIENCE: Duration = Duration::from_millis(100);

/// A thread that passes events on, until this is dropped.
pub(crate) struct Monitoring {
    stopper: MonitorStopper,
    stopped: Arc<AtomicBool>,
}

impl Monitoring {
    pub(crate) fn start(
        context: &Context,
        settings: &Settings,
        monitor: Monitor,
        endpoint: &str,
        events: u16,
    ) -> Result<(Monitoring, JoinHandle<()>)> {
        if !endpoint.starts_with("inproc://") {
            return Err(Errno::EPROTONOSUPPORT);
        }
        let mut options = Options::default();
        options.linger = Some(Duration::ZERO);
        let mut pair = AnySocket::new(context, SocketType::Pair, options)?;
        pair.bind(endpoint)?;
        let (stopper, stopped) = (monitor.stopper(), Arc::new(AtomicBool::new(false)));
        let noticed = stopped.clone();
        let pass = move || pass_on(monitor, pair, events, &noticed);
        Ok((Monitoring { stopper, stopped }, settings.start_thread("zmq-monitor", pass)?))
    }
}

impl Drop for Monitoring {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        self.stopper.stop();
    }
}

fn pass_on(monitor: Monitor, mut to: AnySocket, wanted: u16, stopped: &AtomicBool) {
    for event in monitor {
        for (number, value, endpoint) in numbers(&event) {
            if number & wanted == 0 {
                continue;
            }
            if send(&mut to, frames(number, value, &endpoint), stopped).is_err() {
                return;
            }
        }
    }
    if wanted & STOPPED != 0 {
        let _ = to.try_send(frames(STOPPED, 0, ""));
    }
}

/// Waits for whoever is to receive it, unless nobody wants it any more.
fn send(to: &mut AnySocket, mut message: Message, stopped: &AtomicBool) -> zmq::Result<()> {
    loop {
        let waits = if stopped.load(Ordering::Acquire) { Duration::ZERO } else { PATIENCE };
        match to.send_timeout(message, waits) {
            Ok(()) => return Ok(()),
            Err(failed) if !failed.error.is_temporary() => return Err(failed.error),
            Err(_) if waits.is_zero() => return Ok(()),
            Err(failed) => message = failed.message,
        }
    }
}

/// The first version: the event and its value in the order of the machine, then the endpoint.
fn frames(number: u16, value: u32, endpoint: &str) -> Message {
    let mut head = number.to_ne_bytes().to_vec();
    head.extend(value.to_ne_bytes());
    Message::from([Frame::from(head), Frame::from(endpoint)])
}

/// What libzmq would report, in order.
fn numbers(event: &Event) -> Vec<(u16, u32, String)> {
    let delayed = |endpoint: &str| {
        // The system never connects a tcp socket at once.
        let delayed = (CONNECT_DELAYED, libc::EINPROGRESS as u32, endpoint.to_owned());
        endpoint.starts_with("tcp://").then_some(delayed)
    };
    let one = |number, value, endpoint: &dyn ToString| vec![(number, value, endpoint.to_string())];
    let events = match event {
        Event::Listening { endpoint } => one(LISTENING, NO_DESCRIPTOR, endpoint),
        Event::ListenerClosed { endpoint } => one(CLOSED, NO_DESCRIPTOR, endpoint),
        Event::Accepted { endpoint, .. } => one(ACCEPTED, NO_DESCRIPTOR, endpoint),
        Event::AcceptFailed { endpoint, .. } => one(ACCEPT_FAILED, libc::EACCES as u32, endpoint),
        Event::ConnectRetried { endpoint, after, .. } => {
            let after = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
            let endpoint = endpoint.to_string();
            let mut events: Vec<_> = delayed(&endpoint).into_iter().collect();
            events.push((CLOSED, NO_DESCRIPTOR, endpoint.clone()));
            events.push((CONNECT_RETRIED, after, endpoint));
            events
        }
        Event::Connected { endpoint, .. } => {
            let endpoint = endpoint.to_string();
            let mut events: Vec<_> = delayed(&endpoint).into_iter().collect();
            events.push((CONNECTED, NO_DESCRIPTOR, endpoint));
            events
        }
        Event::HandshakeSucceeded { endpoint, .. } => one(SUCCEEDED, 0, endpoint),
        Event::HandshakeFailed { endpoint, reason, .. } => {
            let (number, value) = failure(reason);
            one(number, value, endpoint)
        }
        // libzmq tells of connections that the peer ended, or an error.
        Event::Disconnected { reason: DisconnectReason::Closed, .. } => Vec::new(),
        Event::Disconnected { endpoint, .. } => one(DISCONNECTED, NO_DESCRIPTOR, endpoint),
        _ => Vec::new(),
    };
    // libzmq reports nothing of what is in the process.
    events.into_iter().filter(|(_, _, endpoint)| !endpoint.starts_with("inproc://")).collect()
}

/// The event, and its value.
fn failure(reason: &DisconnectReason) -> (u16, u32) {
    use ProtocolError as Fault;
    const ZMTP: u32 = 0x1000_0000;
    let DisconnectReason::Protocol(fault) = reason else {
        return (FAILED_NO_DETAIL, libc::ECONNRESET as u32);
    };
    let value = match fault {
        Fault::Denied { status } => return (FAILED_AUTH, u32::from(*status)),
        Fault::RefusedByPeer { reason } => match reason.parse() {
            Ok(status @ (300 | 400 | 500)) => return (FAILED_AUTH, status),
            _ => return (FAILED_NO_DETAIL, libc::EPROTO as u32),
        },
        fault if fault.is_timeout() => return (FAILED_NO_DETAIL, libc::ETIMEDOUT as u32),
        Fault::UnexpectedCommand { .. } | Fault::MessageInHandshake => ZMTP + 1,
        Fault::Replayed { .. } => ZMTP + 2,
        Fault::UnusableKey => ZMTP + 3,
        Fault::MalformedCommand { command, .. } => match *command {
            "HELLO" => ZMTP + 0x13,
            "INITIATE" => ZMTP + 0x14,
            "ERROR" => ZMTP + 0x15,
            "READY" => ZMTP + 0x16,
            "WELCOME" => ZMTP + 0x17,
            "MESSAGE" => ZMTP + 0x12,
            _ => ZMTP + 0x11,
        },
        Fault::DuplicateProperty { .. }
        | Fault::MetadataTooLarge { .. }
        | Fault::IncompatibleSocketType { .. }
        | Fault::UnknownSocketType { .. } => ZMTP + 0x18,
        Fault::NotAuthentic { .. } => 0x1100_0001,
        Fault::MechanismMismatch { .. } | Fault::RoleMismatch => 0x1100_0002,
        _ => ZMTP,
    };
    (FAILED_PROTOCOL, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tcp_connection_is_delayed_first() {
        let endpoint: zmq::Endpoint = "tcp://127.0.0.1:5555".parse().unwrap();
        let retried =
            Event::ConnectRetried { endpoint, after: Duration::from_millis(70), error: String::new() };
        let numbers: Vec<_> =
            numbers(&retried).into_iter().map(|(number, value, _)| (number, value)).collect();
        let expected =
            [(CONNECT_DELAYED, libc::EINPROGRESS as u32), (CLOSED, NO_DESCRIPTOR), (CONNECT_RETRIED, 70)];
        assert_eq!(numbers, expected);
    }

    #[test]
    fn what_we_close_ourselves_is_no_disconnection() {
        let endpoint: zmq::Endpoint = "tcp://127.0.0.1:5555".parse().unwrap();
        let count = |reason| {
            numbers(&Event::Disconnected { endpoint: endpoint.clone(), peer: zmq::Peer::default(), reason })
                .len()
        };
        assert_eq!(count(DisconnectReason::Closed), 0);
        assert_eq!(count(DisconnectReason::PeerClosed), 1);
    }

    #[test]
    fn denials_show_their_status() {
        let denied = |fault| failure(&DisconnectReason::Protocol(fault));
        assert_eq!(denied(ProtocolError::Denied { status: 400 }), (FAILED_AUTH, 400));
        assert_eq!(denied(ProtocolError::RefusedByPeer { reason: "300".into() }), (FAILED_AUTH, 300));
        assert_eq!(denied(ProtocolError::RoleMismatch), (FAILED_PROTOCOL, 0x1100_0002));
        assert_eq!(failure(&DisconnectReason::PeerClosed).0, FAILED_NO_DETAIL);
    }
}
