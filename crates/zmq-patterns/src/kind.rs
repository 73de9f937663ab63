//! The socket types as types: markers for [`Socket`](crate::Socket).

use crate::fair_queue::FairQueue;
use crate::load_balance::LoadBalance;
use crate::pattern::Pattern;
use crate::patterns::{Duplex, Publisher, Replier, Requester, Silent, Subscriber};
use crate::router::RouterPattern;
use crate::socket::{CanReceive, CanSend, CanSplit, Kind, sealed};
use zmq_core::SocketType;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $pattern:ty, $($can:ident)*;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        impl sealed::Sealed for $name {
            type Pattern = $pattern;

            fn pattern() -> Self::Pattern {
                Default::default()
            }
        }

        impl Kind for $name {
            const TYPE: SocketType = SocketType::$name;
        }

        $(impl $can for $name {})*
    )*};
}

kinds! {
    /// Exclusive pair.
    Pair: Duplex<LoadBalance, FairQueue>, CanSend CanReceive;
    /// Publisher.
    Pub: Publisher, CanSend;
    /// Subscriber.
    Sub: Subscriber, CanReceive;
    /// Requester.
    Req: Requester, CanSend CanReceive;
    /// Replier.
    Rep: Replier, CanSend CanReceive;
    /// Asynchronous requester.
    Dealer: Duplex<LoadBalance, FairQueue>, CanSend CanReceive;
    /// Asynchronous replier that addresses its peers.
    Router: RouterPattern, CanSend CanReceive;
    /// Receiving end of a pipeline.
    Pull: Duplex<Silent, FairQueue>, CanReceive;
    /// Sending end of a pipeline.
    Push: Duplex<LoadBalance, Silent>, CanSend;
    /// Publisher that shows subscriptions.
    XPub: Publisher, CanSend CanReceive;
    /// Subscriber that sends subscriptions as messages.
    XSub: Subscriber, CanSend CanReceive;
    /// Bytes to and from programs that do not speak ZMTP; see [`Socket::close_peer`](crate::Socket::close_peer).
    Stream: RouterPattern, CanSend CanReceive;
}

impl CanSplit for Pair {
    fn parts(pattern: Self::Pattern) -> (LoadBalance, FairQueue) {
        (pattern.outgoing, pattern.incoming)
    }
}

impl CanSplit for Dealer {
    fn parts(pattern: Self::Pattern) -> (LoadBalance, FairQueue) {
        (pattern.outgoing, pattern.incoming)
    }
}

/// The pattern of a type that is known at run time only.
pub(crate) fn pattern_of(socket_type: SocketType) -> Box<dyn Pattern> {
    fn boxed<K: Kind>() -> Box<dyn Pattern> {
        Box::new(K::pattern())
    }
    match socket_type {
        SocketType::Pair => boxed::<Pair>(),
        SocketType::Pub => boxed::<Pub>(),
        SocketType::Sub => boxed::<Sub>(),
        SocketType::Req => boxed::<Req>(),
        SocketType::Rep => boxed::<Rep>(),
        SocketType::Dealer => boxed::<Dealer>(),
        SocketType::Router => boxed::<Router>(),
        SocketType::Pull => boxed::<Pull>(),
        SocketType::Push => boxed::<Push>(),
        SocketType::XPub => boxed::<XPub>(),
        SocketType::Stream => boxed::<Stream>(),
        // `SocketType` may grow; a type without a pattern cannot be asked for before it has one.
        _ => boxed::<XSub>(),
    }
}
