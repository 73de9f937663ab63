//! Passing messages between two sockets.

use crate::any::AnySocket;
use crate::poller::Poller;
use std::time::Duration;
use zmq_core::{Error, Frame, Message, Result, SocketType};

/// Messages passed in one direction before the other is looked at (libzmq's `proxy_burst_size`).
const BURST: usize = 1000;
/// How long one direction waits for room before the other, and the control, are looked at again.
const PATIENCE: Duration = Duration::from_millis(20);

const FRONTEND: usize = 0;
const BACKEND: usize = 1;
const CONTROL: usize = 2;

/// Passes every message from one socket to the other and back, until the context is shut down: ROUTER and DEALER make
/// a request broker, XSUB and XPUB a forwarder, PULL and PUSH a streamer (`zmq_proxy`).
///
/// # Errors
/// [`Error::Terminated`] when the context is shut down; [`Error::Interrupted`] if the frontend is
/// [`interruptible`](zmq_core::Options::interruptible), and not while a message waits for room; others if a socket cannot pass what it is given.
pub fn proxy(frontend: &mut AnySocket, backend: &mut AnySocket) -> Result<()> {
    Proxy::new(frontend, backend, None).run(None)
}

/// As [`proxy`](fn@proxy), and sends a copy of each message to `capture` (PUB, PUSH, DEALER or PAIR), which does not
/// hold the others up: copies that it cannot take are dropped.
///
/// # Errors
/// As [`proxy`](fn@proxy).
pub fn proxy_with_capture(
    frontend: &mut AnySocket,
    backend: &mut AnySocket,
    capture: &mut AnySocket,
) -> Result<()> {
    Proxy::new(frontend, backend, Some(capture)).run(None)
}

/// As [`proxy_with_capture`], and does what it is told over `control` (`zmq_proxy_steerable`), a PAIR, DEALER, PULL,
/// SUB or REP socket. A command is a message of one frame:
///
/// | command | what it does | reply over REP |
/// | --- | --- | --- |
/// | `PAUSE` | messages stay where they are, in the sockets' queues | empty |
/// | `RESUME` | they are passed again | empty |
/// | `TERMINATE` | the proxy returns `Ok` | empty |
/// | `STATISTICS` | nothing | eight frames, over PAIR and DEALER too |
///
/// Each of the eight frames is a 64-bit number in the byte order of the machine: of the frontend the messages received,
/// the bytes of them, the messages sent, the bytes of them; then the same of the backend. Anything else is ignored, and
/// answered over REP with a frame that names the four commands.
///
/// # Errors
/// As [`proxy`](fn@proxy), and [`Error::InvalidOption`] for a control socket of another type.
pub fn proxy_steerable(
    frontend: &mut AnySocket,
    backend: &mut AnySocket,
    capture: Option<&mut AnySocket>,
    control: &mut AnySocket,
) -> Result<()> {
    check_control(control)?;
    Proxy::new(frontend, backend, capture).run(Some(control))
}

/// As [`proxy_steerable`], with `control` if there is one; and nothing is passed on before `capture` has taken its copy, as
/// libzmq does it: a capture socket that is full, or has no peer, holds the others up.
///
/// # Errors
/// As [`proxy_steerable`].
pub fn proxy_waiting_for_capture(
    frontend: &mut AnySocket,
    backend: &mut AnySocket,
    capture: &mut AnySocket,
    control: Option<&mut AnySocket>,
) -> Result<()> {
    if let Some(control) = &control {
        check_control(control)?;
    }
    Proxy { capture_waits: true, ..Proxy::new(frontend, backend, Some(capture)) }.run(control)
}

fn check_control(control: &AnySocket) -> Result<()> {
    use SocketType::{Dealer, Pair, Pull, Rep, Sub};
    let kind = control.socket_type();
    if !matches!(kind, Pair | Dealer | Pull | Sub | Rep) {
        let reason = format!("a proxy is steered over PAIR, DEALER, PULL, SUB or REP, not over {kind}");
        return Err(Error::InvalidOption { option: "control", reason });
    }
    Ok(())
}

struct Proxy<'a> {
    frontend: Side<'a>,
    backend: Side<'a>,
    capture: Option<&'a mut AnySocket>,
    /// Whether copies wait until the capture socket takes them.
    capture_waits: bool,
    state: State,
}

struct Side<'a> {
    socket: &'a mut AnySocket,
    /// What was received here and waits for room at the other side.
    held: Option<Message>,
    received: Traffic,
    sent: Traffic,
}

#[derive(Default)]
struct Traffic {
    messages: u64,
    bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    Paused,
    Terminated,
}

impl<'a> Proxy<'a> {
    fn new(
        frontend: &'a mut AnySocket,
        backend: &'a mut AnySocket,
        capture: Option<&'a mut AnySocket>,
    ) -> Proxy<'a> {
        let (frontend, backend) = (Side::new(frontend), Side::new(backend));
        Proxy { frontend, backend, capture, capture_waits: false, state: State::Active }
    }

    fn run(mut self, mut control: Option<&mut AnySocket>) -> Result<()> {
        let mut poller = Poller::new()?;
        poller.set_interruptible(self.frontend.socket.is_interruptible());
        poller.add(self.frontend.socket, FRONTEND)?;
        poller.add(self.backend.socket, BACKEND)?;
        if let Some(control) = control.as_deref_mut() {
            poller.add(control, CONTROL)?;
        }
        while self.state != State::Terminated {
            let mut readable = [false; 3];
            let events = match self.state {
                State::Active => {
                    let holds = self.frontend.held.is_some() || self.backend.held.is_some();
                    poller.wait(holds.then_some(Duration::ZERO))?
                }
                _ => poller.wait_for(None, |event| event.key() == CONTROL && event.is_readable())?,
            };
            for event in events {
                readable[event.key()] = event.is_readable();
            }
            if let Some(control) = control.as_deref_mut().filter(|_| readable[CONTROL]) {
                self.obey(control)?;
            }
            if self.state == State::Active {
                self.pass(readable[FRONTEND], readable[BACKEND])?;
            }
        }
        Ok(())
    }

    fn pass(&mut self, from_front: bool, from_back: bool) -> Result<()> {
        let (front, back, waits) = (&mut self.frontend, &mut self.backend, self.capture_waits);
        if from_front || front.held.is_some() {
            pass(front, back, self.capture.as_deref_mut(), waits)?;
        }
        if from_back || back.held.is_some() {
            pass(back, front, self.capture.as_deref_mut(), waits)?;
        }
        Ok(())
    }

    /// Does what one command says.
    fn obey(&mut self, control: &mut AnySocket) -> Result<()> {
        let command = match control.try_recv() {
            Ok(command) => command,
            Err(Error::WouldBlock) => return Ok(()),
            Err(error) => return Err(error),
        };
        let (state, reply) = match (command.len(), command.body()) {
            (1, b"PAUSE") => (State::Paused, Message::from("")),
            (1, b"RESUME") => (State::Active, Message::from("")),
            (1, b"TERMINATE") => (State::Terminated, Message::from("")),
            (1, b"STATISTICS") => {
                if matches!(control.socket_type(), SocketType::Pair | SocketType::Dealer) {
                    // Who does not read has no use for it.
                    let _ = control.try_send(self.statistics());
                }
                (self.state, self.statistics())
            }
            _ => (self.state, Message::from("the commands are PAUSE, RESUME, TERMINATE and STATISTICS")),
        };
        self.state = state;
        if control.socket_type() == SocketType::Rep {
            // It never waits; what it cannot send, nobody waits for.
            let _ = control.try_send(reply);
        }
        Ok(())
    }

    fn statistics(&self) -> Message {
        let (front, back) = (&self.frontend, &self.backend);
        let frames = [&front.received, &front.sent, &back.received, &back.sent]
            .into_iter()
            .flat_map(|traffic| [traffic.messages, traffic.bytes])
            .map(|number| Frame::from(number.to_ne_bytes().as_slice()));
        Message::from(frames.collect::<Vec<_>>())
    }
}

impl<'a> Side<'a> {
    fn new(socket: &'a mut AnySocket) -> Side<'a> {
        Side { socket, held: None, received: Traffic::default(), sent: Traffic::default() }
    }

    /// The next message to pass on.
    fn next(&mut self) -> Result<Option<Message>> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        match self.socket.try_recv() {
            Ok(message) => {
                self.received.count(message.size());
                Ok(Some(message))
            }
            Err(Error::WouldBlock) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Traffic {
    fn count(&mut self, size: usize) {
        self.messages += 1;
        self.bytes += size as u64;
    }
}

/// Passes what is there; if there is no room at the other side, waits a moment and keeps the message for the next time.
fn pass(
    from: &mut Side<'_>,
    to: &mut Side<'_>,
    mut capture: Option<&mut AnySocket>,
    waits: bool,
) -> Result<()> {
    for _ in 0..BURST {
        let again = from.held.is_some();
        let Some(message) = from.next()? else { return Ok(()) };
        if let Some(capture) = capture.as_deref_mut().filter(|_| !again) {
            give_copy(capture, message.clone(), waits)?;
        }
        let size = message.size();
        match to.socket.send_timeout(message, PATIENCE) {
            Ok(()) => to.sent.count(size),
            Err(failed) if matches!(failed.error, Error::Timeout { .. } | Error::Interrupted) => {
                from.held = Some(failed.message);
                return Ok(());
            }
            // The peer it was meant for has gone.
            Err(failed) if matches!(failed.error, Error::Unroutable { .. }) => {}
            Err(failed) => return Err(failed.error),
        }
    }
    Ok(())
}

/// Hands a copy to the capture socket.
fn give_copy(capture: &mut AnySocket, mut copy: Message, waits: bool) -> Result<()> {
    if !waits {
        let _ = capture.try_send(copy);
        return Ok(());
    }
    loop {
        match capture.send(copy) {
            // What was received would be lost if the proxy ended here.
            Err(failed) if matches!(failed.error, Error::Interrupted) => copy = failed.message,
            Err(failed) if matches!(failed.error, Error::Terminated | Error::Forked) => {
                return Err(failed.error);
            }
            _ => return Ok(()),
        }
    }
}
