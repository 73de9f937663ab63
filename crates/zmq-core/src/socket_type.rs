//! The socket types of ZMTP and which of them may talk to each other.

use std::fmt;
use std::str::FromStr;

/// A socket type as ZMTP names it in the `Socket-Type` property (RFC 37).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketType {
    /// Exclusive pair (RFC 31).
    Pair,
    /// Publisher (RFC 29).
    Pub,
    /// Subscriber (RFC 29).
    Sub,
    /// Requester, lock-step (RFC 28).
    Req,
    /// Replier, lock-step (RFC 28).
    Rep,
    /// Asynchronous requester (RFC 28).
    Dealer,
    /// Asynchronous replier that addresses its peers (RFC 28).
    Router,
    /// Receiving end of a pipeline (RFC 30).
    Pull,
    /// Sending end of a pipeline (RFC 30).
    Push,
    /// Publisher that shows subscriptions to the application (RFC 29).
    XPub,
    /// Subscriber that sends subscriptions as messages (RFC 29).
    XSub,
    /// Bytes to and from programs that do not speak ZMTP.
    Stream,
}

impl SocketType {
    /// Every socket type that speaks ZMTP, in the order of libzmq's numbers (`ZMQ_PAIR` = 0 .. `ZMQ_XSUB` = 10). STREAM,
    /// the next, does not.
    pub const ALL: [SocketType; 11] = [
        SocketType::Pair,
        SocketType::Pub,
        SocketType::Sub,
        SocketType::Req,
        SocketType::Rep,
        SocketType::Dealer,
        SocketType::Router,
        SocketType::Pull,
        SocketType::Push,
        SocketType::XPub,
        SocketType::XSub,
    ];

    /// The name on the wire, upper case.
    pub const fn as_str(self) -> &'static str {
        match self {
            SocketType::Pair => "PAIR",
            SocketType::Pub => "PUB",
            SocketType::Sub => "SUB",
            SocketType::Req => "REQ",
            SocketType::Rep => "REP",
            SocketType::Dealer => "DEALER",
            SocketType::Router => "ROUTER",
            SocketType::Pull => "PULL",
            SocketType::Push => "PUSH",
            SocketType::XPub => "XPUB",
            SocketType::XSub => "XSUB",
            SocketType::Stream => "STREAM",
        }
    }

    /// The number libzmq gives this type (`zmq.h`).
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The type with libzmq's number `number`.
    pub fn from_number(number: u8) -> Option<SocketType> {
        Self::named().find(|kind| kind.number() == number)
    }

    fn named() -> impl Iterator<Item = SocketType> {
        Self::ALL.into_iter().chain([SocketType::Stream])
    }

    /// Whether a socket of this type may exchange messages with `peer` (the table of RFC 37).
    pub const fn is_compatible(self, peer: SocketType) -> bool {
        use SocketType::*;
        matches!(
            (self, peer),
            (Pair, Pair)
                | (Pub | XPub, Sub | XSub)
                | (Sub | XSub, Pub | XPub)
                | (Req, Rep | Router)
                | (Rep, Req | Dealer)
                | (Dealer, Rep | Dealer | Router)
                | (Router, Req | Dealer | Router)
                | (Push, Pull)
                | (Pull, Push)
        )
    }

    /// Whether this type subscribes (SUB, XSUB).
    pub const fn subscribes(self) -> bool {
        matches!(self, SocketType::Sub | SocketType::XSub)
    }

    /// Whether this type publishes (PUB, XPUB).
    pub const fn publishes(self) -> bool {
        matches!(self, SocketType::Pub | SocketType::XPub)
    }

    /// Whether READY carries the `Identity` property for this type (as libzmq does).
    pub const fn sends_identity(self) -> bool {
        matches!(self, SocketType::Req | SocketType::Dealer | SocketType::Router)
    }
}

impl fmt::Display for SocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a socket type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownSocketType;

impl fmt::Display for UnknownSocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the name of a ZeroMQ socket type (PAIR, PUB, SUB, REQ, REP, DEALER, ROUTER, PULL, PUSH, XPUB, XSUB, STREAM)")
    }
}

impl std::error::Error for UnknownSocketType {}

impl FromStr for SocketType {
    type Err = UnknownSocketType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::named().find(|kind| text.eq_ignore_ascii_case(kind.as_str())).ok_or(UnknownSocketType)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_round_trip() {
        for kind in SocketType::named() {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(kind.as_str().to_lowercase().parse(), Ok(kind));
            assert_eq!(SocketType::from_number(kind.number()), Some(kind));
        }
        assert_eq!("DISH".parse::<SocketType>(), Err(UnknownSocketType));
        assert_eq!(SocketType::from_number(11), Some(SocketType::Stream));
        assert_eq!(SocketType::from_number(12), None);
    }

    #[test]
    fn compatibility_is_symmetric() {
        for a in SocketType::named() {
            for b in SocketType::named() {
                assert_eq!(a.is_compatible(b), b.is_compatible(a), "{a} {b}");
            }
            assert!(!a.is_compatible(SocketType::Stream), "{a}");
        }
    }
}
