//! A stream and the protocol engine over it: pumps bytes into messages and messages into bytes.

use super::{AsSource, Env, Pump};
use crate::buffers::{self, READ_SIZE, WRITE_SIZE};
use crate::bundle::Bundle;
use crate::link::{Inlet, Outlet};
use crate::monitor::DisconnectReason;
use crate::peer::Peer;
use crate::security::{Claim, Verdict};
use crate::transport::Stream;
use crate::zmtp::{Config, Engine, Event, ProtocolError};
use mio::Interest;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Instant;

/// Bytes read, and batches written, in one turn of one connection, so that the others have theirs.
const READ_BUDGET: usize = 512 * 1024;
const WRITE_BUDGET: usize = 16;
/// Messages that are smaller on average are long in the making: a peer with a [head start](Stream::head_start) would only
/// sleep once more between one batch and the next.
const SMALL: u64 = 512;
/// A read asks for what the pipe has room for, or for so much: what waits for room would be in no cache any more.
const LEAST_READ: usize = 64 * 1024;
/// Slices given to one vectored write.
const SLICES: usize = 64;

pub(super) struct Connection {
    stream: Box<dyn Stream>,
    engine: Engine,
    token: usize,
    /// Readiness is edge-triggered: it holds until the system says `WouldBlock`.
    readable: bool,
    writable: bool,
    /// The peer closed its side, or an error waits: a short read then proves nothing.
    hung_up: bool,
    /// Whether the poll reports writability. Off most of the time: some systems report it with every read of the peer.
    awaits_writable: bool,
    /// Bytes that were read and wait for room in the pipe.
    backlog: Backlog,
    /// How many bytes a message had that came of late, about.
    size: usize,
    /// The pipe was full when it was last looked at: what has arrived may be unread.
    stalled: bool,
    /// Messages encoded into the engine's output and not yet written as a whole.
    in_output: u64,
    /// The system took less than there was when it was last written to.
    congested: bool,
    /// Why nothing more can be written. What the peer sent before is still read; then the connection ends.
    broken: Option<io::Error>,
}

/// What pumping in has come to.
pub(super) enum Input {
    /// Nothing is there now.
    Drained,
    /// More is there; others first.
    More,
    /// The pipe is full; its reader says when there is room.
    Stalled,
    /// The authenticator is to judge the peer.
    Judge(Box<Claim>),
    /// The handshake is complete.
    Ready(Box<Peer>),
}

impl Input {
    /// The engine lets no message through before the handshake is complete.
    fn of(event: Event) -> Option<Input> {
        match event {
            Event::Judge(claim) => Some(Input::Judge(claim)),
            Event::Ready(peer) => Some(Input::Ready(peer)),
            Event::Message(_) => None,
        }
    }
}

/// What pumping out has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Everything is written.
    Drained,
    /// The system takes no more now; the poll says when it does.
    Blocked,
    /// More is there; others first.
    More,
    /// Nothing more can be written; what has arrived is to be pumped in.
    Broken,
}

/// What throwing input away has come to.
pub(super) enum Discarded {
    /// Nothing is there now.
    Drained,
    /// More is there; others first.
    More,
    /// The peer has closed too.
    Ended,
}

/// Why a connection cannot go on.
pub(super) enum Fault {
    PeerClosed,
    Io(io::Error),
    Protocol(ProtocolError),
    /// The socket wants no more of the peer.
    Refused(DisconnectReason),
}

impl From<Fault> for DisconnectReason {
    fn from(fault: Fault) -> DisconnectReason {
        match fault {
            Fault::PeerClosed => DisconnectReason::PeerClosed,
            Fault::Io(error) => DisconnectReason::Io(error.to_string()),
            Fault::Protocol(error) => DisconnectReason::Protocol(error),
            Fault::Refused(reason) => reason,
        }
    }
}

#[derive(Default)]
struct Backlog {
    /// Empty, or a buffer of the thread that read it.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Connection {
    /// Over a stream that is established and registered.
    pub(super) fn new(
        stream: Box<dyn Stream>,
        token: usize,
        awaits_writable: bool,
        config: &Arc<Config>,
        env: &Env,
    ) -> Connection {
        Connection {
            stream,
            engine: Engine::new(config.clone(), env.now),
            token,
            readable: true,
            writable: true,
            hung_up: false,
            awaits_writable,
            backlog: Backlog::default(),
            size: READ_SIZE,
            stalled: false,
            in_output: 0,
            congested: false,
            broken: None,
        }
    }

    /// Has the poll report readiness of a stream that was accepted.
    pub(super) fn register(&mut self, token: usize, env: &Env) -> io::Result<()> {
        env.register(&mut self.stream, token, Interest::READABLE)
    }

    pub(super) fn set_ready(&mut self, readable: bool, writable: bool, hung_up: bool) {
        self.readable |= readable;
        self.writable |= writable;
        self.hung_up |= hung_up;
    }

    /// Reads and decodes into `outlet`; before the handshake is complete there is none.
    pub(super) fn pump_in(&mut self, mut outlet: Option<&mut Outlet>, env: &Env) -> Result<Input, Fault> {
        let mut budget = READ_BUDGET;
        self.stalled = false;
        loop {
            if let Some(input) = self.decode(outlet.as_deref_mut(), env)? {
                self.stalled = matches!(input, Input::Stalled);
                return Ok(input);
            }
            if self.readable && budget == 0 {
                return Ok(Input::More);
            }
            let count = if self.readable { self.read(outlet.as_deref_mut(), env)? } else { 0 };
            if count == 0 {
                return self.broken.take().map_or(Ok(Input::Drained), |error| Err(Fault::Io(error)));
            }
            budget = budget.saturating_sub(count);
        }
    }

    /// Takes the authenticator's verdict; returns the peer if that completes the handshake.
    pub(super) fn decide(&mut self, verdict: Verdict, env: &Env) -> Result<Option<Box<Peer>>, Fault> {
        match self.engine.decide(verdict, env.now).map_err(Fault::Protocol)? {
            Some(Event::Ready(peer)) => Ok(Some(peer)),
            _ => Ok(None),
        }
    }

    /// Reads once, into the body that is arriving or into the backlog, which is empty. 0 = nothing is there.
    fn read(&mut self, outlet: Option<&mut Outlet>, env: &Env) -> Result<usize, Fault> {
        let (result, room) = match self.engine.body_to_fill() {
            Some(mut room) => {
                let offered = room.len();
                let result = self.stream.read_into(&mut room);
                if let Ok(count) = result {
                    self.engine.body_filled(count, env.now);
                }
                (result, offered)
            }
            None => {
                let mut buffer = buffers::take_read();
                let room = outlet.map_or(usize::MAX, Outlet::room);
                let wanted = room.saturating_mul(self.size).clamp(LEAST_READ, buffer.len());
                let result = self.stream.read(&mut buffer[..wanted]);
                let (room, end) = (wanted, *result.as_ref().unwrap_or(&0));
                self.backlog = Backlog { buffer, start: 0, end };
                (result, room)
            }
        };
        match result {
            Ok(0) => Err(Fault::PeerClosed),
            Ok(count) => {
                if count < room && self.stream.short_read_means_drained() && !self.hung_up {
                    self.readable = false;
                }
                env.shared.counters.io.bytes_received.add_shared(count as u64);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                self.backlog.give_back();
                Ok(0)
            }
            Err(error) => Err(Fault::Io(error)),
        }
    }

    /// Decodes the backlog. `None`: it is used up.
    fn decode(&mut self, mut outlet: Option<&mut Outlet>, env: &Env) -> Result<Option<Input>, Fault> {
        let Backlog { buffer, start, end } = std::mem::take(&mut self.backlog);
        let mut input = buffer.get(start..end).unwrap_or(&[]);
        let (length, before) = (input.len(), written(outlet.as_deref()));
        let result = decode_into(&mut self.engine, &mut input, outlet.as_deref_mut(), env);
        if let Some(size) = (length - input.len()).checked_div(written(outlet.as_deref()) - before) {
            self.size = size + 1;
        }
        self.backlog = Backlog { start: end - input.len(), end, buffer };
        if self.backlog.start == self.backlog.end {
            self.backlog.give_back();
        }
        result
    }

    /// Encodes what `inlet` brings, and writes it.
    pub(super) fn pump_out(
        &mut self,
        mut inlet: Option<&mut Inlet>,
        pump: Pump,
        env: &Env,
    ) -> Result<Output, Fault> {
        for turn in 0..WRITE_BUDGET {
            if let Some(inlet) = inlet.as_deref_mut() {
                self.encode(inlet);
            }
            if pump == Pump::Room && self.is_ready() && self.engine.output_len() < WRITE_SIZE {
                return Ok(Output::More);
            }
            if self.engine.output_len() == 0 {
                self.finish_output(env)?;
                return Ok(Output::Drained);
            }
            let limit = if turn == 0 { self.head_start() } else { usize::MAX };
            let written = self.writable && self.write(limit, env);
            if self.broken.is_some() {
                return Ok(Output::Broken);
            }
            if !written {
                self.congested = true;
                self.await_writable(true, env)?;
                return Ok(Output::Blocked);
            }
        }
        Ok(Output::More)
    }

    /// How much to write first, so that the peer comes while the rest is written.
    fn head_start(&self) -> usize {
        let length = self.engine.output_len();
        if self.congested || (length as u64) < SMALL * self.in_output {
            return usize::MAX;
        }
        let head_start = self.stream.head_start().max(1);
        if length / 2 >= head_start { head_start } else { usize::MAX }
    }

    fn encode(&mut self, inlet: &mut Inlet) {
        if !self.engine.is_ready() || self.engine.output_len() >= WRITE_SIZE {
            return;
        }
        if self.engine.output_len() == 0 && inlet.has_message() {
            self.engine.lend_buffer(buffers::take_write());
        }
        while self.engine.output_len() < WRITE_SIZE {
            let read = inlet.read_all_of(|message| match message.as_bundle() {
                Some(bundle) => push_bundle(&mut self.engine, bundle),
                None => {
                    self.engine.push(message);
                    1
                }
            });
            let Some(count) = read else { return };
            self.in_output += count;
        }
    }

    /// Encodes messages that did not come through the pipe: subscriptions of a fresh connection, a probe.
    pub(super) fn push(&mut self, message: &crate::Message) {
        self.engine.push(message);
    }

    /// So many messages came through the pipe and are encoded in another form.
    pub(super) fn count_encoded(&mut self, messages: u64) {
        self.in_output += messages;
    }

    /// Writes `limit` bytes at most, once. `false`: the system takes nothing now, or never again.
    fn write(&mut self, limit: usize, env: &Env) -> bool {
        let result = if self.engine.output_is_copied() {
            self.write_pieces::<1>(limit)
        } else {
            self.write_pieces::<SLICES>(limit)
        };
        let error = match result {
            Ok(0) => io::ErrorKind::WriteZero.into(),
            Ok(written) => {
                self.engine.advance_output(written);
                env.shared.counters.io.bytes_sent.add_shared(written as u64);
                if self.engine.output_len() == 0 {
                    env.shared.counters.io.delivered.add_shared(std::mem::take(&mut self.in_output));
                }
                return true;
            }
            Err(error) => error,
        };
        self.writable = false;
        if error.kind() != io::ErrorKind::WouldBlock {
            self.broken = Some(error);
            // The event that would say so may be among those that were seen already.
            self.readable = true;
        }
        false
    }

    fn write_pieces<const PIECES: usize>(&mut self, limit: usize) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let count = self.engine.output_up_to(limit, &mut slices);
        self.stream.write_vectored(&slices[..count])
    }

    fn finish_output(&mut self, env: &Env) -> Result<(), Fault> {
        self.congested = false;
        if self.in_output > 0 {
            // Subscriptions that this peer needs not hear of: there was nothing to write.
            env.shared.counters.io.delivered.add_shared(std::mem::take(&mut self.in_output));
        }
        if let Some(buffer) = self.engine.reclaim_buffer() {
            buffers::give_write(buffer);
        }
        self.await_writable(false, env)
    }

    fn await_writable(&mut self, wanted: bool, env: &Env) -> Result<(), Fault> {
        if wanted == self.awaits_writable {
            return Ok(());
        }
        self.awaits_writable = wanted;
        let interest = if wanted { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        env.reregister(&mut self.stream, self.token, interest).map_err(Fault::Io)
    }

    /// Tries once to write what is left: the reason why the connection is closed, for the peer.
    pub(super) fn write_farewell(&mut self, env: &Env) {
        if self.engine.output_len() > 0 && self.writable {
            self.write(usize::MAX, env);
        }
    }

    /// Tells the peer that nothing follows. `true`: everything it sent was read and it has closed too.
    pub(super) fn shutdown(&mut self) {
        let _ = self.stream.shutdown_write();
    }

    /// Reads and throws away, after [`shutdown`](Connection::shutdown); no more at once than of messages.
    pub(super) fn discard_input(&mut self) -> Discarded {
        let mut buffer = buffers::take_read();
        let mut budget = READ_BUDGET;
        let discarded = loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break Discarded::Ended,
                Ok(_) if budget == 0 => break Discarded::More,
                Ok(count) => budget = budget.saturating_sub(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Discarded::Drained,
                Err(_) => break Discarded::Ended,
            }
        };
        buffers::give_read(buffer);
        discarded
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), Fault> {
        if self.stalled {
            self.engine.send_ping(now);
            return Ok(());
        }
        self.engine.handle_timeout(now).map_err(Fault::Protocol)
    }

    pub(super) fn close(mut self, env: &Env) {
        self.backlog.give_back();
        let _ = self.stream.deregister_with(&env.registry);
    }

    /// While what has arrived waits for room in the pipe it is we who keep the peer waiting: it is blamed for nothing, but
    /// hears that we are here.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.stalled { self.engine.poll_ping() } else { self.engine.poll_timeout() }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.engine.is_ready()
    }

    /// Whether messages wait until the system takes more.
    pub(super) fn is_congested(&self) -> bool {
        self.congested
    }

    /// Messages that are encoded and not written.
    pub(super) fn in_output(&self) -> u64 {
        self.in_output
    }

    pub(super) fn stream(&self) -> &dyn Stream {
        &*self.stream
    }
}

impl Backlog {
    fn give_back(&mut self) {
        if !self.buffer.is_empty() {
            buffers::give_read(std::mem::take(&mut self.buffer));
        }
        (self.start, self.end) = (0, 0);
    }
}

/// Returns how many messages there are in it.
#[cold]
fn push_bundle(engine: &mut Engine, bundle: &Bundle) -> u64 {
    let (encoded, count) = bundle.seal();
    engine.push_encoded(&encoded);
    count as u64
}

fn written(outlet: Option<&Outlet>) -> usize {
    outlet.map_or(0, |outlet| outlet.written() as usize)
}

/// Decodes `input` into the pipe. `None`: it is used up.
fn decode_into(
    engine: &mut Engine,
    input: &mut &[u8],
    outlet: Option<&mut Outlet>,
    env: &Env,
) -> Result<Option<Input>, Fault> {
    let Some(outlet) = outlet else {
        return engine
            .next_event(input, env.now)
            .map(|event| event.and_then(Input::of))
            .map_err(Fault::Protocol);
    };
    let result = loop {
        if !outlet.can_send() && !outlet.is_closed() {
            outlet.flush();
            if outlet.wait_for_room() {
                break Ok(Some(Input::Stalled));
            }
        }
        match engine.next_event(input, env.now) {
            Ok(Some(Event::Message(message))) => {
                if outlet.enqueue(message).is_err() {
                    // The socket no longer receives (it is gone, or lets this connection go): nobody will miss it.
                    env.shared.counters.io.unread.add_shared(1);
                }
            }
            Ok(Some(event)) => break Ok(Input::of(event)),
            Ok(None) => break Ok(None),
            Err(error) => break Err(Fault::Protocol(error)),
        }
    };
    outlet.flush();
    result
}

impl Pump {
    /// Whether a connection whose pipe is empty goes to sleep.
    pub(super) fn sleeps(self) -> bool {
        self == Pump::Drain
    }
}
