//! A peer of before ZMTP 3: a STREAM socket that speaks 2.0 (RFC 15) or 1.0 (RFC 13) by hand.
//!
//! It connects or is connected to, and does as much as libzmq 3.x or 2.x would: no heartbeats, subscriptions as messages (2.0)
//! or none at all (1.0), envelopes kept by REP.

use std::collections::{BTreeMap, VecDeque};
use zmq_core::options::ZmtpVersion;
use zmq_core::{Context, Error, Frame, Message, Options, Result, SendError, SocketType, Stats};
use zmq_patterns::AnySocket;

/// No frame of a run is longer; a longer one was damaged.
const LONGEST: u64 = 1 << 20;
/// Signature, version and type, as the newer side sends them to a peer of 2.0.
const GREETING: usize = 12;

pub(crate) struct Old {
    pub(crate) socket: AnySocket,
    kind: SocketType,
    version: ZmtpVersion,
    topics: Vec<u8>,
    lines: BTreeMap<Vec<u8>, Line>,
    /// Messages that have come, and by which line.
    arrived: VecDeque<(Vec<u8>, Message)>,
    /// By which line the last message came that was received, and what stood before its body.
    last: (Vec<u8>, Vec<Frame>),
    /// What a REQ asked last: nothing else is its reply.
    question: Option<Message>,
    /// Counts the messages sent, so that the lines take turns.
    sent: u64,
    received: u64,
}

/// A connection.
#[derive(Default)]
struct Line {
    input: Vec<u8>,
    greeted: bool,
    identified: bool,
    /// It sends what is not ZMTP.
    damaged: bool,
    parts: Vec<Frame>,
    unsent: Vec<u8>,
}

impl Old {
    pub(crate) fn new(
        context: &Context,
        kind: SocketType,
        version: ZmtpVersion,
        topics: &[u8],
        options: &Options,
    ) -> Result<Old> {
        let mut options = options.clone();
        (options.send_hwm, options.recv_hwm) = (1_000, 1_000);
        let socket = AnySocket::new(context, SocketType::Stream, options)?;
        Ok(Old {
            socket,
            kind,
            version,
            topics: topics.to_vec(),
            lines: BTreeMap::new(),
            arrived: VecDeque::new(),
            last: Default::default(),
            question: None,
            sent: 0,
            received: 0,
        })
    }

    pub(crate) fn kind(&self) -> SocketType {
        self.kind
    }

    /// The name of the connection by which the last message came.
    pub(crate) fn last_line(&self) -> String {
        format!("{:?}", self.last.0)
    }

    /// What it has sent and received, in messages; what is queued, in whatever the STREAM has.
    pub(crate) fn counts(&mut self) -> Stats {
        let mut stats = self.socket.stats();
        let unsent = self.lines.values().filter(|line| !line.unsent.is_empty()).count();
        (stats.sent, stats.delivered, stats.received) = (self.sent, self.sent, self.received);
        stats.queued += unsent as u64;
        stats.unread += self.arrived.len() as u64;
        stats
    }

    pub(crate) fn try_recv(&mut self) -> Result<Message> {
        self.attend()?;
        while let Some((line, mut message)) = self.arrived.pop_front() {
            let mut envelope = Vec::new();
            if matches!(self.kind, SocketType::Req | SocketType::Rep) {
                while let Some(frame) = message.pop_front() {
                    let ends = frame.is_empty();
                    envelope.push(frame);
                    if ends {
                        break;
                    }
                }
            }
            if self.kind == SocketType::Req && self.question.as_ref() != Some(&message) {
                continue;
            }
            self.last = (line, envelope);
            self.received += 1;
            return Ok(message);
        }
        Err(Error::WouldBlock)
    }

    pub(crate) fn try_send(&mut self, message: Message) -> std::result::Result<(), SendError> {
        if let Err(error) = self.attend() {
            return Err(SendError { error, message });
        }
        let line = match self.kind {
            SocketType::Rep => Some(self.last.0.clone()),
            _ => {
                let has_room = |line: &&Line| line.identified && !line.damaged && line.unsent.is_empty();
                let able: Vec<_> = self.lines.iter().filter(|(_, line)| has_room(line)).collect();
                let turn = self.sent.checked_rem(able.len() as u64).unwrap_or(0) as usize;
                able.get(turn).map(|(name, _)| (*name).clone())
            }
        };
        let Some(line) = line else { return Err(SendError { error: Error::WouldBlock, message }) };
        let mut frames = match self.kind {
            SocketType::Req => vec![Frame::default()],
            SocketType::Rep => self.last.1.clone(),
            _ => Vec::new(),
        };
        frames.extend(message.frames().iter().cloned());
        let bytes = self.encode(&frames);
        let Some(state) = self.lines.get_mut(&line) else {
            return Err(SendError { error: Error::Unroutable { routing_id: line }, message });
        };
        state.unsent.extend(bytes);
        if self.kind == SocketType::Req {
            self.question = Some(message);
        }
        self.sent += 1;
        self.flush();
        Ok(())
    }

    /// Takes in what has come, and sends on what could not be sent.
    pub(crate) fn attend(&mut self) -> Result<()> {
        loop {
            match self.socket.try_recv() {
                Ok(mut message) => {
                    let (Some(name), Some(bytes)) = (message.pop_front(), message.pop_front()) else {
                        continue;
                    };
                    self.take(name.to_vec(), bytes.as_bytes());
                }
                Err(Error::WouldBlock) => break,
                Err(error) => return Err(error),
            }
        }
        self.flush();
        Ok(())
    }

    fn take(&mut self, name: Vec<u8>, bytes: &[u8]) {
        if bytes.is_empty() {
            // A peer has come, or has gone.
            if self.lines.remove(&name).is_none() {
                let unsent = self.opening();
                self.lines.insert(name, Line { unsent, ..Line::default() });
            }
            return;
        }
        let version = self.version;
        let Some(line) = self.lines.get_mut(&name).filter(|line| !line.damaged) else { return };
        line.input.extend_from_slice(bytes);
        while let Some(message) = line.next_message(version) {
            self.arrived.push_back((name.clone(), message));
        }
    }

    /// What it sends before anything else: a greeting, an identity without a name, and its subscriptions.
    fn opening(&self) -> Vec<u8> {
        if self.version == ZmtpVersion::V1_0 {
            return self.encode(&[Frame::default()]);
        }
        let mut bytes = vec![0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 1, self.kind.number()];
        bytes.extend(self.encode(&[Frame::default()]));
        for topic in &self.topics {
            bytes.extend(self.encode(&[Frame::from(vec![1, *topic])]));
        }
        bytes
    }

    fn encode(&self, frames: &[Frame]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, frame) in frames.iter().enumerate() {
            let more = u8::from(number + 1 < frames.len());
            let (body, length) = (frame.as_bytes(), frame.len() as u64);
            match (self.version, u8::try_from(length)) {
                // RFC 13: the length counts the flags.
                (ZmtpVersion::V1_0, Ok(length)) if length < 254 => bytes.extend([length + 1, more]),
                (ZmtpVersion::V1_0, _) => {
                    bytes.push(0xFF);
                    bytes.extend((length + 1).to_be_bytes());
                    bytes.push(more);
                }
                // RFC 15.
                (_, Ok(length)) => bytes.extend([more, length]),
                (_, Err(_)) => {
                    bytes.push(more | 2);
                    bytes.extend(length.to_be_bytes());
                }
            }
            bytes.extend_from_slice(body);
        }
        bytes
    }

    fn flush(&mut self) {
        let mut gone = Vec::new();
        for (name, line) in self.lines.iter_mut().filter(|(_, line)| !line.unsent.is_empty()) {
            let message = Message::from(vec![Frame::from(&name[..]), Frame::from(&line.unsent[..])]);
            match self.socket.try_send(message) {
                Ok(()) => line.unsent.clear(),
                Err(refused) if matches!(refused.error, Error::WouldBlock) => {}
                Err(_) => gone.push(name.clone()),
            }
        }
        for name in gone {
            // Its end is on the way; what is queued for it is lost, as what is under way is.
            if let Some(line) = self.lines.get_mut(&name) {
                line.unsent.clear();
                line.damaged = true;
            }
        }
    }
}

impl Line {
    fn next_message(&mut self, version: ZmtpVersion) -> Option<Message> {
        if version != ZmtpVersion::V1_0 && !self.greeted {
            if self.input.len() < GREETING {
                return None;
            }
            self.input.drain(..GREETING);
            self.greeted = true;
        }
        while let Some((more, body)) = self.next_frame(version) {
            // The signature of a newer peer is the header of a frame of 1.0 that has its name.
            if !std::mem::replace(&mut self.identified, true) {
                continue;
            }
            self.parts.push(Frame::from(body));
            if !more {
                return Some(Message::from(std::mem::take(&mut self.parts)));
            }
        }
        None
    }

    /// The first frame, if it is whole: whether more follow, and its body.
    fn next_frame(&mut self, version: ZmtpVersion) -> Option<(bool, Vec<u8>)> {
        let long = |bytes: &[u8]| Some(u64::from_be_bytes(*bytes.first_chunk()?));
        let (header, flags, length) = match (version, *self.input.first()?) {
            (ZmtpVersion::V1_0, 0xFF) => (10, *self.input.get(9)?, long(&self.input[1..])?.checked_sub(1)),
            (ZmtpVersion::V1_0, length) => (2, *self.input.get(1)?, u64::from(length).checked_sub(1)),
            (_, flags) if flags & 2 != 0 => (9, flags, long(&self.input[1..])),
            (_, flags) => (2, flags, self.input.get(1).copied().map(u64::from)),
        };
        let needs_more = length.is_none() && version != ZmtpVersion::V1_0;
        let Some(length) = length.filter(|length| *length <= LONGEST) else {
            self.damaged = !needs_more;
            return None;
        };
        let end = header + length as usize;
        if self.input.len() < end {
            return None;
        }
        let body = self.input[header..end].to_vec();
        self.input.drain(..end);
        Some((flags & 1 == 1, body))
    }
}
