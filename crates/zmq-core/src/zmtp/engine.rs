//! The engine: which phase the connection is in, and who is asked in it.

use super::assembly::Assembly;
use super::command::{self, Command, PingContext};
use super::config::Config;
use super::decoder::{Body, Decoder};
use super::error::ProtocolError;
use super::frame::{self, COMMAND, Framing, Header};
use super::greeting::{Greeted, Greeting, signature};
use super::handshake::{Handshake, Step};
use super::identity::Identity;
use super::mechanism::{Kind, Seal};
use super::output::Output;
use super::sealed;
use super::timers::Timers;
use crate::message::{Frame, Message};
use crate::options::ZmtpVersion;
use crate::peer::Peer;
use crate::room::Room;
use crate::security::{Claim, Verdict};
use crate::socket_type::SocketType;
use bytes::Bytes;
use std::fmt;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the peer's bytes amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer says who it is; the socket's authenticator is to judge it, now or later, and
    /// [`Engine::decide`] takes the verdict. Comes at most once.
    Judge(Box<Claim>),
    /// The handshake is complete; comes once, before any message. The transport's part of the peer is empty.
    Ready(Box<Peer>),
    /// A whole message. A subscription is a message too: `01` and the topic, or `00` and the topic to cancel.
    Message(Message),
}

// An event is moved for each message.
const _: () = assert!(size_of::<Event>() <= 80 && size_of::<Result<Option<Event>, ProtocolError>>() <= 80);

/// The protocol side of one connection.
///
/// # Order of calls
/// * Input: [`next_event`](Engine::next_event) with what was read, until it returns `None`. While
///   [`body_to_fill`](Engine::body_to_fill) returns a place the stream may be read into that instead, followed by
///   [`body_filled`](Engine::body_filled) and `next_event`.
/// * Output: after any call, while [`output_len`](Engine::output_len) is not zero, write what
///   [`output`](Engine::output) shows and tell how much went by [`advance_output`](Engine::advance_output).
/// * Admission: after the event `Judge`, [`decide`](Engine::decide), at any later time.
/// * Messages: [`push`](Engine::push), once the event `Ready` came.
/// * Time: after any call the time at which [`handle_timeout`](Engine::handle_timeout) is due is
///   [`poll_timeout`](Engine::poll_timeout). It often moves to later; calling too early is harmless. What has arrived
///   by then should have been given to `next_event` before, or a peer is blamed for our own absence.
///
/// After an error the engine is closed: `next_event` and `handle_timeout` return
/// [`Closed`](ProtocolError::Closed), other calls do nothing, and the output that is left (it may end with an ERROR
/// command) is all that is ever sent.
pub struct Engine {
    config: Arc<Config>,
    phase: Phase,
    decoder: Decoder,
    assembly: Assembly,
    output: Output,
    timers: Timers,
    heartbeats: Heartbeats,
    /// The version that both sides speak, as far as the greeting has told.
    version: ZmtpVersion,
    subscriptions: Subscriptions,
}

enum Phase {
    Greeting(Greeting),
    /// The handshake of a mechanism.
    Handshake(Handshake),
    /// The handshake of versions before there were mechanisms.
    Identity(Identity),
    /// Ready, with a subscriber that does not say so: it gets everything, as if it had asked for it.
    Unasked,
    /// Ready; frames go as they are.
    Ready,
    /// Ready too; frames pass through the seal.
    Sealed(Box<dyn Seal>),
    /// STREAM: there is no protocol. What is read is a message, what is pushed is written. Ready once introduced.
    Raw {
        introduced: bool,
    },
    Closed,
}

/// The longest message that a STREAM makes of what was read, so that its pipe holds no more than libzmq's.
const RAW_UP_TO: usize = 8192;

/// How a subscription that is pushed leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subscriptions {
    /// As any other message. So it is for the types that do not subscribe.
    Messages,
    Commands,
    /// Not at all: the peer sends everything.
    Withheld,
}

/// Heartbeats that wait in the output, so that a peer that does not read cannot make it grow.
#[derive(Default)]
struct Heartbeats {
    /// The output position at which the last PING is taken.
    ping_end: u64,
    /// The output position at which the last PONG is taken.
    pong_end: u64,
    /// The PONG that follows then; a newer one replaces it.
    next_pong: Option<PingContext>,
}

impl Engine {
    /// The engine of a new connection. The time for the handshake runs from `now`; the first bytes of the greeting
    /// are in the output. For a STREAM there is neither: the first event is `Ready`, without input.
    pub fn new(config: Arc<Config>, now: Instant) -> Engine {
        let mut output = Output::default();
        let phase = if config.socket_type == SocketType::Stream {
            Phase::Raw { introduced: false }
        } else {
            output.put(&signature(config.routing_id.len()));
            Phase::Greeting(Greeting::new())
        };
        Engine {
            phase,
            decoder: Decoder::default(),
            assembly: Assembly::new(config.max_message_size, config.max_frames),
            output,
            timers: Timers::new(&config, now),
            heartbeats: Heartbeats::default(),
            version: ZmtpVersion::V3_1,
            subscriptions: Subscriptions::Messages,
            config,
        }
    }

    /// Decodes the next event from `input` and moves `input` behind it. `None`: all input is consumed and more is
    /// needed; what is incomplete is kept inside.
    ///
    /// # Errors
    /// What the peer did wrong. The connection is to be closed, after an attempt to write the output that is left.
    #[inline]
    pub fn next_event(&mut self, input: &mut &[u8], now: Instant) -> Result<Option<Event>, ProtocolError> {
        if matches!(self.phase, Phase::Ready) && self.decoder.takes_short_cut() {
            if let Some((length, window, rest)) = frame::split_small_message(input) {
                if self.assembly.takes_single(usize::from(length)) {
                    *input = rest;
                    self.timers.received(now);
                    return Ok(Some(Event::Message(Message::from(Frame::copy_from_window(window, length)))));
                }
            } else if let Some((body, rest)) = frame::split_message(input) {
                if self.assembly.takes_single(body.len()) {
                    *input = rest;
                    self.timers.received(now);
                    return Ok(Some(Event::Message(copied(body))));
                }
            }
        }
        self.next_event_in_full(input, now)
    }

    #[inline(never)]
    fn next_event_in_full(
        &mut self,
        input: &mut &[u8],
        now: Instant,
    ) -> Result<Option<Event>, ProtocolError> {
        if !input.is_empty() {
            self.timers.received(now);
        }
        let event = self.dispatch(input, now);
        if let Err(fault) = &event {
            self.close(fault);
        }
        event
    }

    fn dispatch(&mut self, input: &mut &[u8], now: Instant) -> Result<Option<Event>, ProtocolError> {
        if let Phase::Greeting(_) = self.phase {
            if let Some(event) = self.read_greeting(input, now)? {
                return Ok(Some(event));
            }
        }
        match self.phase {
            Phase::Greeting(_) => Ok(None),
            Phase::Handshake(_) => self.read_handshake(input, now),
            Phase::Identity(_) => self.read_identity(input),
            Phase::Unasked => {
                self.phase = Phase::Ready;
                Ok(Some(Event::Message(subscription(1, b""))))
            }
            Phase::Ready => self.read_traffic(input),
            Phase::Sealed(_) => self.read_sealed_traffic(input),
            Phase::Raw { introduced } => Ok(self.read_raw(introduced, input)),
            Phase::Closed => Err(ProtocolError::Closed),
        }
    }

    fn read_greeting(&mut self, input: &mut &[u8], now: Instant) -> Result<Option<Event>, ProtocolError> {
        let Phase::Greeting(greeting) = &mut self.phase else { return Ok(None) };
        match greeting.receive(input, &self.config, &mut self.output)? {
            Some(Greeted::Current(version)) => return self.begin_handshake(version, now),
            Some(Greeted::Old { version, socket_type }) => self.begin_old_handshake(version, socket_type)?,
            Some(Greeted::Headless { header }) => self.begin_without_greeting(&header),
            None => {}
        }
        Ok(None)
    }

    fn begin_handshake(
        &mut self,
        version: ZmtpVersion,
        now: Instant,
    ) -> Result<Option<Event>, ProtocolError> {
        self.version = version;
        // RFC 37, pub-sub: commands since 3.1.
        if self.config.socket_type.subscribes() && version >= ZmtpVersion::V3_1 {
            self.subscriptions = Subscriptions::Commands;
        }
        let (handshake, step) = Handshake::start(&self.config, &mut self.output)?;
        self.phase = Phase::Handshake(handshake);
        Ok(self.settle(step, now))
    }

    /// ZMTP 2.0 (RFC 15): identities, then messages, some of which are subscriptions.
    fn begin_old_handshake(&mut self, version: ZmtpVersion, theirs: u8) -> Result<(), ProtocolError> {
        let identity = Identity::of_type(version, theirs, self.config.socket_type)?;
        self.use_framing(version, &[]);
        self.output.put_frame(0, &self.config.routing_id);
        self.phase = Phase::Identity(identity);
        Ok(())
    }

    /// ZMTP 1.0 (RFC 13): to this peer our signature was the header of a frame with our identity.
    fn begin_without_greeting(&mut self, header: &[u8]) {
        self.use_framing(ZmtpVersion::V1_0, header);
        self.output.put(&self.config.routing_id);
        if self.config.socket_type.subscribes() {
            self.subscriptions = Subscriptions::Withheld;
        }
        self.phase = Phase::Identity(Identity::of_unknown_type(ZmtpVersion::V1_0));
    }

    /// `begun` are bytes of the first frame that were read before the version was known.
    fn use_framing(&mut self, version: ZmtpVersion, begun: &[u8]) {
        let framing = Framing::of(version);
        self.version = version;
        self.decoder = Decoder::new(framing, begun);
        self.output.set_framing(framing);
    }

    fn read_handshake(&mut self, input: &mut &[u8], now: Instant) -> Result<Option<Event>, ProtocolError> {
        while let Some((_, body)) = self.next_frame(input)? {
            let Phase::Handshake(handshake) = &mut self.phase else { break };
            let step = handshake.receive(&body, &self.config, &mut self.output)?;
            if let Some(event) = self.settle(step, now) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn read_identity(&mut self, input: &mut &[u8]) -> Result<Option<Event>, ProtocolError> {
        let Some((_, body)) = self.next_frame(input)? else { return Ok(None) };
        let Phase::Identity(identity) = &self.phase else { return Ok(None) };
        let peer = identity.peer(&body);
        // Only a peer of unknown type had no greeting, and no way to subscribe.
        let asks = peer.socket_type.is_some() || !self.config.socket_type.publishes();
        self.phase = if asks { Phase::Ready } else { Phase::Unasked };
        self.timers.ready_without_heartbeats();
        Ok(Some(Event::Ready(Box::new(peer))))
    }

    /// The authenticator's verdict on the claim of the event `Judge`; otherwise it does nothing.
    ///
    /// # Errors
    /// [`Denied`](ProtocolError::Denied), if the verdict is that; as for [`next_event`](Engine::next_event).
    pub fn decide(&mut self, verdict: Verdict, now: Instant) -> Result<Option<Event>, ProtocolError> {
        let Phase::Handshake(handshake) = &mut self.phase else { return Ok(None) };
        match handshake.decide(verdict, &self.config, &mut self.output) {
            Ok(step) => Ok(self.settle(step, now)),
            Err(fault) => {
                self.close(&fault);
                Err(fault)
            }
        }
    }

    fn settle(&mut self, step: Step, now: Instant) -> Option<Event> {
        match step {
            Step::Pending => None,
            Step::Judge(claim) => Some(Event::Judge(claim)),
            Step::Complete(mut peer, seal) => {
                peer.zmtp = Some(self.version);
                self.phase = seal.map_or(Phase::Ready, Phase::Sealed);
                self.timers.ready(&self.config, now);
                Some(Event::Ready(peer))
            }
        }
    }

    fn read_traffic(&mut self, input: &mut &[u8]) -> Result<Option<Event>, ProtocolError> {
        if let Some(message) = self.take_whole_parts(input) {
            return Ok(Some(Event::Message(message)));
        }
        while let Some((header, body)) = self.next_frame(input)? {
            let message = if header.command {
                self.take_command(&body)?
            } else {
                self.assembly.add(into_frame(body), header.more)
            };
            if let Some(message) = message {
                return Ok(Some(Event::Message(message)));
            }
        }
        Ok(None)
    }

    /// Parts that are whole, as most are; returns the message if the last is among them.
    fn take_whole_parts(&mut self, input: &mut &[u8]) -> Option<Message> {
        while self.decoder.takes_short_cut() {
            let message = if let Some((more, length, window, rest)) = frame::split_small_part(input) {
                if !self.assembly.takes_part(length.into()) {
                    break;
                }
                *input = rest;
                self.assembly.add(Frame::copy_from_window(window, length), more)
            } else {
                let Some((more, body, rest)) = frame::split_part(input) else { break };
                if !self.assembly.takes_part(body.len()) {
                    break;
                }
                *input = rest;
                self.add_copied(body, more)
            };
            if message.is_some() {
                return message;
            }
        }
        None
    }

    /// Not inlined, so that the way of small parts is.
    #[inline(never)]
    fn add_copied(&mut self, body: &[u8], more: bool) -> Option<Message> {
        self.assembly.add(Frame::copy_from(body), more)
    }

    fn read_sealed_traffic(&mut self, input: &mut &[u8]) -> Result<Option<Event>, ProtocolError> {
        while let Some((_, body)) = self.next_frame(input)? {
            let Phase::Sealed(seal) = &mut self.phase else { break };
            let (kind, content) = sealed::open(&mut **seal, body)?;
            let (more, command) = (kind == Kind::Part, kind == Kind::Command);
            self.assembly.admit(&Header { more, command, length: content.len() as u64 })?;
            let message = if command {
                self.take_command(content.as_bytes())?
            } else {
                self.assembly.add(content, more)
            };
            if let Some(message) = message {
                return Ok(Some(Event::Message(message)));
            }
        }
        Ok(None)
    }

    /// STREAM: whatever was read is a message.
    fn read_raw(&mut self, introduced: bool, input: &mut &[u8]) -> Option<Event> {
        if !introduced {
            self.phase = Phase::Raw { introduced: true };
            self.timers.ready_without_heartbeats();
            return Some(Event::Ready(Box::default()));
        }
        let (chunk, rest) = input.split_at(input.len().min(RAW_UP_TO));
        *input = rest;
        (!chunk.is_empty()).then(|| Event::Message(Message::from(Frame::copy_from(chunk))))
    }

    /// The next frame, refused by its header if it may not come.
    fn next_frame<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<(Header, Body<'a>)>, ProtocolError> {
        if self.decoder.is_in_body() {
            return Ok(self.decoder.continue_body(input));
        }
        let Some(header) = self.decoder.read_header(input)? else { return Ok(None) };
        let length = self.admit(&header)?;
        Ok(self.decoder.start_body(header, length, input))
    }

    fn admit(&mut self, header: &Header) -> Result<usize, ProtocolError> {
        match &mut self.phase {
            Phase::Handshake(handshake) => handshake.admit(header, &self.config)?,
            Phase::Identity(_) => Identity::admit(header)?,
            Phase::Greeting(_) | Phase::Unasked | Phase::Ready | Phase::Raw { .. } | Phase::Closed => {
                self.assembly.admit(header)?
            }
            Phase::Sealed(seal) => self.assembly.admit_sealed(header, seal.overhead())?,
        }
        let size = header.length;
        usize::try_from(size).map_err(|_| ProtocolError::MessageTooLarge { size, limit: usize::MAX as u64 })
    }

    /// Acts on a command of a connection that is ready; some are messages to the socket.
    fn take_command(&mut self, body: &[u8]) -> Result<Option<Message>, ProtocolError> {
        let publishes = self.config.socket_type.publishes();
        match Command::parse(body)? {
            Command::Subscribe(topic) if publishes => return Ok(Some(subscription(1, topic))),
            Command::Cancel(topic) if publishes => return Ok(Some(subscription(0, topic))),
            Command::Ping { ttl, context } => {
                self.timers.count_ping(&self.config)?;
                self.answer_ping(ttl, context);
            }
            // Of use to others (JOIN, LEAVE), or too late (READY, ERROR): ignored, as libzmq does.
            _ => {}
        }
        Ok(None)
    }

    fn answer_ping(&mut self, ttl: Option<Duration>, context: PingContext) {
        self.timers.set_peer_ttl(ttl);
        self.heartbeats.next_pong = Some(context);
        self.put_next_pong();
    }

    /// Appends the PONG that waits, unless one is in the output already.
    fn put_next_pong(&mut self) {
        if self.output.position() < self.heartbeats.pong_end {
            return;
        }
        if let Some(context) = self.heartbeats.next_pong.take() {
            self.put_command(&command::pong(&context), &[]);
            self.heartbeats.pong_end = self.output.end();
        }
    }

    /// Appends a PING, unless one is in the output already.
    fn put_ping(&mut self) {
        if self.output.position() >= self.heartbeats.ping_end {
            self.put_command(&command::ping(self.config.heartbeat_ttl), &[]);
            self.heartbeats.ping_end = self.output.end();
        }
    }

    /// Where the stream may be read into while a large body arrives: it saves a copy. There is more room as bytes
    /// arrive, so ask again after each read. `None`: read elsewhere and call [`next_event`](Engine::next_event).
    ///
    /// Everything that was read before must have been given to `next_event`.
    pub fn body_to_fill(&mut self) -> Option<Room<'_>> {
        self.decoder.body_to_fill()
    }

    /// `count` bytes were read into [`body_to_fill`](Engine::body_to_fill). If they complete the message,
    /// `next_event` with empty input returns it.
    pub fn body_filled(&mut self, count: usize, now: Instant) {
        if count > 0 {
            self.timers.received(now);
        }
    }

    /// Encodes a message into the output. Does nothing with a message without frames, or before `Ready`.
    ///
    /// A subscription (SUB or XSUB, one frame that starts with 0 or 1) leaves in the form that the peer's version
    /// knows, and not at all if it knows none.
    #[inline]
    pub fn push(&mut self, message: &Message) {
        let as_it_is = self.subscriptions == Subscriptions::Messages;
        if as_it_is && matches!(self.phase, Phase::Ready | Phase::Unasked) {
            self.output.put_message(message);
        } else if self.is_ready() {
            self.push_in_full(message);
        }
    }

    /// As [`push`](Engine::push), of each message in `frames`, as ZMTP 2.0 and later lay them out.
    pub(crate) fn push_encoded(&mut self, frames: &Bytes) {
        let as_it_is = self.subscriptions == Subscriptions::Messages;
        let whole = as_it_is
            && matches!(self.phase, Phase::Ready | Phase::Unasked)
            && self.output.put_encoded(frames.clone());
        if !whole {
            frame::messages(frames).for_each(|message| self.push(&message));
        }
    }

    #[inline(never)]
    fn push_in_full(&mut self, message: &Message) {
        if self.subscriptions != Subscriptions::Messages {
            let (name, topic) = match (message.frames(), message.body().split_first()) {
                ([_], Some((1, topic))) => (command::SUBSCRIBE, topic),
                ([_], Some((0, topic))) => (command::CANCEL, topic),
                _ => return self.put_message(message),
            };
            if self.subscriptions == Subscriptions::Commands {
                self.put_command(name, topic);
            }
            return;
        }
        self.put_message(message);
    }

    fn put_message(&mut self, message: &Message) {
        match &mut self.phase {
            Phase::Sealed(seal) => {
                let sealed = self.output.put_sealed_message(&mut **seal, message);
                self.close_unless(sealed);
            }
            Phase::Raw { .. } => message.frames().iter().for_each(|frame| self.output.put_body(frame)),
            _ => self.output.put_message(message),
        }
    }

    /// Appends a command with a body of two pieces.
    fn put_command(&mut self, name: &[u8], data: &[u8]) {
        match &mut self.phase {
            Phase::Sealed(seal) => {
                let sealed = self.output.put_sealed(&mut **seal, Kind::Command, name, data);
                self.close_unless(sealed);
            }
            _ => self.output.put_pieces(COMMAND, name, data),
        }
    }

    fn close_unless(&mut self, sealed: Result<(), ProtocolError>) {
        if let Err(fault) = sealed {
            self.close(&fault);
        }
    }

    /// The number of bytes that wait to be written.
    #[inline]
    pub fn output_len(&self) -> usize {
        self.output.len()
    }

    /// Fills `slices` with the bytes that wait, in order; returns how many slices it used. There may be more than
    /// fits.
    pub fn output<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.output_up_to(usize::MAX, slices)
    }

    /// As [`output`](Engine::output), with no more than the first `limit` bytes.
    pub fn output_up_to<'a>(&'a self, limit: usize, slices: &mut [IoSlice<'a>]) -> usize {
        self.output.slices(limit, slices)
    }

    /// Whether all of the output lies in one piece.
    pub fn output_is_copied(&self) -> bool {
        self.output.is_copied()
    }

    /// The first `count` bytes of the output were written.
    pub fn advance_output(&mut self, count: usize) {
        self.output.advance(count);
        if self.heartbeats.next_pong.is_some() && self.is_ready() {
            self.put_next_pong();
        }
    }

    /// Lends a buffer for the output, best before pushing. It is given back at once if the engine has a lent one.
    pub fn lend_buffer(&mut self, buffer: Vec<u8>) -> Option<Vec<u8>> {
        self.output.lend(buffer)
    }

    /// Gives the lent buffer back, empty, once all output is taken; the engine then holds none.
    pub fn reclaim_buffer(&mut self) -> Option<Vec<u8>> {
        self.output.reclaim()
    }

    /// Whether the handshake is complete and messages may be pushed.
    #[inline]
    pub fn is_ready(&self) -> bool {
        matches!(
            self.phase,
            Phase::Ready | Phase::Unasked | Phase::Sealed(_) | Phase::Raw { introduced: true }
        )
    }

    /// When [`handle_timeout`](Engine::handle_timeout) is due, as things stand.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next(&self.config)
    }

    /// Does what is due at `now`: sends a PING, or finds that the peer took too long.
    ///
    /// # Errors
    /// The handshake is not complete in time, or the peer is silent; as for [`next_event`](Engine::next_event).
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ProtocolError> {
        if let Phase::Closed = self.phase {
            return Err(ProtocolError::Closed);
        }
        match self.timers.expire(&self.config, now) {
            Ok(true) => self.put_ping(),
            Ok(false) => {}
            Err(fault) => {
                self.close(&fault);
                return Err(fault);
            }
        }
        Ok(())
    }

    /// When [`send_ping`](Engine::send_ping) is due: instead of [`poll_timeout`](Engine::poll_timeout) while what
    /// has arrived is left unread.
    pub fn poll_ping(&self) -> Option<Instant> {
        self.timers.next_ping()
    }

    /// Sends a PING if one is due at `now`, and expects nothing of the peer: its answer is left unread.
    pub fn send_ping(&mut self, now: Instant) {
        if self.timers.take_ping(&self.config, now) {
            self.put_ping();
        }
    }

    /// Ends everything but the output, and tells the peer why if it is waiting to be told.
    fn close(&mut self, fault: &ProtocolError) {
        if let (Phase::Handshake(_), Some(reason)) = (&self.phase, fault.reason_for_peer()) {
            self.output.put_frame(COMMAND, &command::error(reason));
        }
        self.phase = Phase::Closed;
        self.decoder = Decoder::default();
        self.assembly.clear();
        self.timers.stop();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Greeting(_) => "greeting",
            Phase::Handshake(_) | Phase::Identity(_) => "handshake",
            Phase::Unasked | Phase::Ready | Phase::Sealed(_) => "ready",
            Phase::Raw { .. } => "raw",
            Phase::Closed => "closed",
        };
        f.debug_struct("Engine")
            .field("socket_type", &self.config.socket_type)
            .field("phase", &phase)
            .field("output_len", &self.output_len())
            .finish_non_exhaustive()
    }
}

fn into_frame(body: Body<'_>) -> Frame {
    match body {
        Body::Borrowed(bytes) => Frame::copy_from(bytes),
        Body::Owned(bytes) => Frame::from_own(bytes),
    }
}

/// A subscription as sockets see it, whatever form it came in.
fn subscription(kind: u8, topic: &[u8]) -> Message {
    Message::from(Frame::from([&[kind], topic].concat()))
}

/// Not inlined, so that the way of small messages is.
#[inline(never)]
fn copied(body: &[u8]) -> Message {
    Message::from(body)
}
