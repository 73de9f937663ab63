//! SUB and XSUB: what publishers send, filtered (RFC 29).

use super::cannot_send;
use crate::fair_queue::FairQueue;
use crate::fan_out::FanOut;
use crate::pattern::Pattern;
use std::sync::Arc;
use zmq_core::prefix_tree::Recent;
use zmq_core::subscriptions::{Removal, Subscriptions, as_subscription, subscription};
use zmq_core::{Message, Peer, PipeEvent, Result, SocketBase, SocketType};

/// The pattern of SUB and XSUB.
#[derive(Default)]
pub struct Subscriber {
    incoming: FairQueue,
    publishers: FanOut,
    /// The subscriptions as they were changed last, to look at without a lock. `None`: there have been none.
    filter: Option<Arc<Subscriptions>>,
    /// For which messages the filter says what it said of the last one, and what that was.
    recent: Recent,
    matched: bool,
    /// A message that passed the filter when it was asked whether there is one.
    next: Option<Message>,
}

impl Subscriber {
    /// Adds a subscription, and tells the publishers, of a repeated one too: a verbose XPUB shows each.
    pub(crate) fn subscribe(&mut self, topic: &[u8], base: &mut SocketBase) {
        self.change(base, topic, true, |subscriptions| {
            subscriptions.add(topic);
            true
        });
    }

    /// Takes a subscription back, and tells the publishers if it was the last of its topic. `false`: there is none.
    pub(crate) fn unsubscribe(&mut self, topic: &[u8], base: &mut SocketBase) -> bool {
        let mut known = true;
        self.change(base, topic, false, |subscriptions| match subscriptions.remove(topic) {
            Removal::Last => true,
            Removal::StillHeld => false,
            Removal::Unknown => {
                known = false;
                false
            }
        });
        known
    }

    /// Changes the subscriptions, and sends the change to every publisher if `change` says so. All under the lock
    /// under which a fresh connection sends what there is, so that each publisher gets each change once.
    fn change(
        &mut self,
        base: &mut SocketBase,
        topic: &[u8],
        subscribe: bool,
        change: impl FnOnce(&mut Subscriptions) -> bool,
    ) {
        let (mut news, mut sent) = (Vec::new(), 0);
        self.filter = None;
        self.recent.forget();
        let mut subscriptions = base.subscriptions();
        base.take_events(&mut news);
        let (fresh, others): (Vec<_>, Vec<_>) =
            news.into_iter().partition(|event| matches!(event, PipeEvent::Outlet(..)));
        for event in fresh {
            if let PipeEvent::Outlet(outlet, _) = event {
                self.publishers.attach(*outlet);
            }
        }
        if change(Arc::make_mut(&mut subscriptions)) {
            let message = subscription(subscribe, topic);
            sent = message.size() * self.publishers.send_to_all(&message);
        }
        self.filter = Some(subscriptions.clone());
        drop(subscriptions);
        for event in others {
            self.handle(event, base);
        }
        if sent > 0 {
            base.after_send(sent);
        }
    }

    #[inline]
    fn passes(&mut self, message: &Message, base: &SocketBase) -> bool {
        base.socket_type() != SocketType::Sub
            || self.matches(message.body()) != base.options().invert_matching
    }

    #[inline]
    fn matches(&mut self, topic: &[u8]) -> bool {
        if !self.recent.covers(topic) {
            let Some(filter) = &self.filter else { return false };
            self.matched = filter.matches(topic);
            filter.note(topic, &mut self.recent);
        }
        self.matched
    }

    /// Puts the next message that is subscribed to into `into`. `false`: there is none.
    #[inline]
    fn receive_matching(&mut self, into: &mut Message, base: &mut SocketBase) -> bool {
        while self.incoming.receive(into).is_some() {
            if self.passes(into, base) {
                return true;
            }
            base.count_unread();
        }
        false
    }
}

impl Pattern for Subscriber {
    fn handle(&mut self, event: PipeEvent, _: &mut SocketBase) {
        match event {
            PipeEvent::Outlet(outlet, _) => self.publishers.attach(*outlet),
            PipeEvent::Closed(id) => drop(self.publishers.detach(id)),
            PipeEvent::Inlet(inlet, peer) => self.incoming.attach(*inlet, peer),
            PipeEvent::Up(id, peer) => self.incoming.introduce(id, peer),
            PipeEvent::Readable(id) => self.incoming.activate(id),
            _ => {}
        }
    }

    /// XSUB: a message that begins with 1 or 0 is a subscription or its cancellation; any other goes to everybody, and
    /// is dropped for those that are full.
    fn try_send(&mut self, message: &mut Message, base: &mut SocketBase) -> Result<bool> {
        if base.socket_type() == SocketType::Sub {
            return Err(cannot_send(SocketType::Sub));
        }
        match as_subscription(message) {
            Some((true, topic)) => self.subscribe(topic, base),
            Some((false, topic)) => drop(self.unsubscribe(topic, base)),
            None => self.send_upstream(message, base),
        }
        Ok(true)
    }

    #[inline]
    fn try_receive(&mut self, into: &mut Message, base: &mut SocketBase) -> Result<bool> {
        match self.next.take() {
            Some(next) => {
                *into = next;
                Ok(true)
            }
            None => Ok(self.receive_matching(into, base)),
        }
    }

    fn can_send(&mut self, base: &mut SocketBase) -> bool {
        base.socket_type() == SocketType::XSub
    }

    fn can_receive(&mut self, base: &mut SocketBase) -> bool {
        let mut next = Message::new();
        if self.next.is_none() && self.receive_matching(&mut next, base) {
            self.next = Some(next);
        }
        self.next.is_some()
    }

    fn is_at_hand(&mut self) -> bool {
        self.next.is_some() || self.incoming.is_at_hand()
    }

    fn last_peer(&self) -> Option<&Arc<Peer>> {
        self.incoming.last_peer()
    }

    fn change_subscription(&mut self, topic: &[u8], add: bool, base: &mut SocketBase) -> Result<bool> {
        if add {
            self.subscribe(topic, base);
            return Ok(true);
        }
        Ok(self.unsubscribe(topic, base))
    }
}

/// XSUB.
impl Subscriber {
    fn send_upstream(&mut self, message: &Message, base: &mut SocketBase) {
        let mut sent = 0;
        for outlet in self.publishers.iter_mut() {
            if outlet.send(&mut message.clone()) {
                sent += message.size();
            } else {
                base.count_dropped_full();
            }
        }
        base.after_send(sent);
    }
}
