//! A socket of ours, or a peer that is older than ours are.

use crate::old::Old;
use zmq_core::{Message, Monitor, Result, SendError, SocketType, Stats};
use zmq_patterns::AnySocket;

pub(crate) enum Player {
    Ours(AnySocket),
    Old(Box<Old>),
}

impl Player {
    /// The socket that does its input and output.
    pub(crate) fn socket(&mut self) -> &mut AnySocket {
        match self {
            Player::Ours(socket) => socket,
            Player::Old(old) => &mut old.socket,
        }
    }

    pub(crate) fn is_old(&self) -> bool {
        matches!(self, Player::Old(_))
    }

    pub(crate) fn kind(&self) -> SocketType {
        match self {
            Player::Ours(socket) => socket.socket_type(),
            Player::Old(old) => old.kind(),
        }
    }

    pub(crate) fn monitor(&mut self) -> Result<Monitor> {
        self.socket().monitor()
    }

    /// Does what a socket of ours does by itself while nobody receives.
    pub(crate) fn attend(&mut self) -> Result<()> {
        match self {
            Player::Ours(_) => Ok(()),
            Player::Old(old) => old.attend(),
        }
    }

    pub(crate) fn try_recv(&mut self) -> Result<Message> {
        match self {
            Player::Ours(socket) => socket.try_recv(),
            Player::Old(old) => old.try_recv(),
        }
    }

    pub(crate) fn try_send(&mut self, message: Message) -> std::result::Result<(), SendError> {
        match self {
            Player::Ours(socket) => socket.try_send(message),
            Player::Old(old) => old.try_send(message),
        }
    }

    /// The connection by which the last message came.
    pub(crate) fn last_connection(&mut self) -> Result<String> {
        Ok(match self {
            Player::Ours(socket) => {
                socket.last_peer()?.map_or_else(|| "unknown".to_owned(), |peer| peer.address.clone())
            }
            Player::Old(old) => old.last_line(),
        })
    }

    /// What was sent, delivered and received, counted in messages.
    pub(crate) fn counts(&mut self) -> Stats {
        match self {
            Player::Ours(socket) => socket.stats(),
            Player::Old(old) => old.counts(),
        }
    }
}
