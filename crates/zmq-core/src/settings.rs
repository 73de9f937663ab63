//! The options that an endpoint was made with, and what follows from them.

use crate::message::Message;
use crate::options::Options;
use crate::socket_type::SocketType;
use crate::subscriptions;
use crate::zmtp;
use std::sync::Arc;

/// What a socket, a listener or a connection goes by. It never changes; a socket whose options change has another one
/// from then on, and what was made before keeps its own.
pub(crate) struct Settings {
    pub(crate) options: Options,
    pub(crate) config: Arc<zmtp::Config>,
    socket_type: SocketType,
}

impl Settings {
    pub(crate) fn new(socket_type: SocketType, options: Options) -> Arc<Settings> {
        let config = Arc::new(zmtp::Config::new(socket_type, &options));
        Arc::new(Settings { options, config, socket_type })
    }

    /// What the socket is to receive of a peer that has come, before everything else.
    pub(crate) fn notice_of_arrival(&self) -> Option<Message> {
        let wanted = match self.socket_type {
            SocketType::Router => self.options.router_notify_connect,
            SocketType::Stream => self.options.stream_notify,
            _ => false,
        };
        wanted.then(|| Message::from(""))
    }

    /// What it is to receive of a peer that is gone, behind everything else.
    pub(crate) fn parting_messages(&self, accepted: bool, connected: bool) -> [Option<Message>; 2] {
        let options = &self.options;
        let notice = match self.socket_type {
            SocketType::Router => options.router_notify_disconnect,
            SocketType::Stream => options.stream_notify,
            _ => false,
        };
        let disconnected = options.disconnect_message.as_ref().filter(|_| accepted);
        let hiccup = options.hiccup_message.as_ref().filter(|_| connected);
        let parting = disconnected.or(hiccup);
        [notice.then(|| Message::from("")), parting.map(|parting| Message::from(parting.clone()))]
    }

    /// How many messages of a connection wait until the socket looks; 0 = any number.
    pub(crate) fn recv_hwm(&self) -> usize {
        match self.options.recv_hwm {
            0 => 0,
            hwm if self.socket_type.publishes() => hwm.max(subscriptions::ROOM),
            hwm => hwm,
        }
    }

    /// Whether what it sends is conflated. Subscriptions are not: each counts.
    pub(crate) fn conflates_outgoing(&self) -> bool {
        self.options.conflate && !self.socket_type.subscribes()
    }

    /// Whether what it receives is conflated.
    pub(crate) fn conflates_incoming(&self) -> bool {
        self.options.conflate && !self.socket_type.publishes()
    }

    /// Whether a connecting socket gets its pipe at once, to queue into, rather than when the peer is there. Types
    /// that must know their peer, or for which a queue without a peer means nothing, wait.
    pub(crate) fn attaches_early(&self) -> bool {
        use SocketType::{Dealer, Pair, Push, Req, Sub, XSub};
        match self.socket_type {
            Pair | Req | Dealer | Push | Sub | XSub => !self.options.immediate,
            _ => false,
        }
    }
}
