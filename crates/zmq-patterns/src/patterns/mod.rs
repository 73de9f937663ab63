//! The socket types, each a composition of the strategies.

mod duplex;
mod publisher;
mod reply;
mod request;
mod shown;
mod subscriber;

use zmq_core::{Error, SocketType};

pub(crate) use duplex::{Duplex, Silent};
pub(crate) use publisher::Publisher;
pub(crate) use reply::Replier;
pub(crate) use request::Requester;
pub(crate) use subscriber::Subscriber;

/// What a call says that the type system keeps from typed sockets: which type it is, and what it would have to be.
pub(crate) fn cannot_receive(socket_type: SocketType) -> Error {
    Error::State {
        hint: match socket_type {
            SocketType::Push => "a PUSH socket only sends; to get answers use DEALER, REQ or PAIR",
            SocketType::Pub => "a PUB socket only sends; to see subscriptions use XPUB",
            _ => "this socket only sends",
        },
    }
}

/// The same for sending.
pub(crate) fn cannot_send(socket_type: SocketType) -> Error {
    Error::State {
        hint: match socket_type {
            SocketType::Pull => {
                "a PULL socket only receives; to answer who sends to you use ROUTER, REP or DEALER"
            }
            SocketType::Sub => "a SUB socket only receives; to send to the publisher use XSUB",
            _ => "this socket only receives",
        },
    }
}

/// The same for subscriptions.
pub(crate) fn cannot_subscribe(socket_type: SocketType) -> Error {
    Error::State {
        hint: match socket_type {
            SocketType::Pair => "a PAIR socket does not subscribe; SUB and XSUB do",
            SocketType::Pub => "a PUB socket does not subscribe; SUB and XSUB do",
            SocketType::Req => "a REQ socket does not subscribe; SUB and XSUB do",
            SocketType::Rep => "a REP socket does not subscribe; SUB and XSUB do",
            SocketType::Dealer => "a DEALER socket does not subscribe; SUB and XSUB do",
            SocketType::Router => "a ROUTER socket does not subscribe; SUB and XSUB do",
            SocketType::Stream => "a STREAM socket does not subscribe; SUB and XSUB do",
            SocketType::Pull => "a PULL socket does not subscribe; SUB and XSUB do",
            SocketType::Push => "a PUSH socket does not subscribe; SUB and XSUB do",
            SocketType::XPub => {
                "an XPUB socket subscribes only for its peers, with `xpub_manual`; SUB and XSUB do"
            }
            _ => "only SUB and XSUB sockets subscribe",
        },
    }
}
