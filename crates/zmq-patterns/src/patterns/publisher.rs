//! PUB and XPUB: to everybody who subscribed (RFC 29).

use super::shown::{PeerKey, Shown};
use super::{cannot_receive, cannot_subscribe};
use crate::fair_queue::FairQueue;
use crate::fan_out::FanOut;
use crate::pattern::Pattern;
use crate::prefix_filter::{Cancelled, PrefixFilter, Subscribed};
use crate::typed::Published;
use std::sync::Arc;
use zmq_core::options::XPubVerbosity;
use zmq_core::subscriptions::{self, as_subscription, subscription};
use zmq_core::{
    Bundle, DisconnectReason, Message, Outlet, Peer, PipeEvent, PipeId, Result, SocketBase, SocketType,
};

/// To how many peers a message goes to be encoded once for all of them.
const BUNDLED_FROM: usize = 2;

/// The pattern of PUB and XPUB.
pub struct Publisher {
    incoming: FairQueue,
    outlets: FanOut,
    filter: PrefixFilter,
    /// What an XPUB shows to the application.
    shown: Shown,
    /// Whom the application received from last: its subscriptions are for this peer (`xpub_manual`).
    last_shown: Option<PeerKey>,
    /// Whom alone the next message is for (`xpub_manual_last_value`).
    next_only_to: Option<PeerKey>,
    /// The peers that the message at hand goes to; then those that the last one went to.
    matched: Vec<PipeId>,
    /// Whether `matched` is what the filter found last, and all of that.
    matched_is_whole: bool,
    /// What became of the last message.
    published: Published,
}

impl Default for Publisher {
    fn default() -> Self {
        Publisher {
            incoming: FairQueue::reporting(),
            outlets: FanOut::default(),
            filter: PrefixFilter::default(),
            shown: Shown::default(),
            last_shown: None,
            next_only_to: None,
            matched: Vec::new(),
            matched_is_whole: false,
            published: Published::default(),
        }
    }
}

impl Publisher {
    /// How many peers are subscribed to anything.
    pub(crate) fn subscribers(&mut self, base: &mut SocketBase) -> usize {
        self.follow_subscriptions(base);
        let filter = &self.filter;
        self.outlets.iter_mut().filter(|outlet| filter.held_by(outlet.id()).0 > 0).count()
    }

    /// What became of the last message.
    pub(crate) fn published(&self) -> Published {
        self.published
    }

    /// Takes in what the peers sent: subscriptions, and for an XPUB anything.
    fn follow_subscriptions(&mut self, base: &mut SocketBase) {
        let (mut message, mut count) = (Message::new(), 0);
        while let Some(peer) = self.incoming.receive(&mut message) {
            count += 1;
            match as_subscription(&message) {
                Some((true, topic)) => self.subscribe(topic, peer, base),
                Some((false, topic)) => self.cancel(topic, peer, base),
                _ if shows(base) => self.show(peer, std::mem::take(&mut message), base),
                _ => base.count_unread(),
            }
        }
        while let Some(peer) = self.incoming.take_finished() {
            self.forget(peer, base);
        }
        if count >= subscriptions::ROOM {
            // Somebody's pipe may have been full: more has arrived, and counts for the next message too.
            base.pump();
        }
    }

    fn subscribe(&mut self, topic: &[u8], peer: PipeId, base: &SocketBase) {
        if is_manual(base) {
            return self.show(peer, subscription(true, topic), base);
        }
        let subscribed = self.filter.subscribe(topic, peer);
        if self.exceeds(self.filter.held_by(peer), peer, base) {
            return;
        }
        let verbose = base.options().xpub_verbosity != XPubVerbosity::Changes;
        if shows(base) && (verbose || subscribed == Subscribed::First) {
            self.show(peer, subscription(true, topic), base);
        }
    }

    fn cancel(&mut self, topic: &[u8], peer: PipeId, base: &SocketBase) {
        if is_manual(base) {
            return self.show(peer, subscription(false, topic), base);
        }
        let cancelled = self.filter.cancel(topic, peer);
        let verbose = base.options().xpub_verbosity == XPubVerbosity::All && cancelled != Cancelled::Unknown;
        if shows(base) && (verbose || cancelled == Cancelled::Last) {
            self.show(peer, subscription(false, topic), base);
        }
    }

    /// Keeps what a peer sent until the application receives it.
    fn show(&mut self, peer: PipeId, message: Message, base: &SocketBase) {
        let Some(key) = self.incoming.get(peer).map(PeerKey::from) else { return };
        let waiting = self.shown.push(key, message);
        self.exceeds(waiting, peer, base);
    }

    /// Whether a peer has more than one may have; it is thrown out then, with all that is kept of it.
    fn exceeds(&mut self, (count, bytes): (usize, usize), peer: PipeId, base: &SocketBase) -> bool {
        let options = base.options();
        if count <= options.max_subscriptions && bytes <= options.max_subscription_bytes {
            return false;
        }
        let Some(inlet) = self.incoming.get(peer).filter(|inlet| !inlet.is_direct()) else { return false };
        self.shown.discard(PeerKey::from(inlet));
        self.outlets.detach(peer);
        if let Some(inlet) = self.incoming.detach(peer) {
            inlet.refuse(DisconnectReason::TooManySubscriptions { count, bytes });
        }
        self.forget(peer, base);
        true
    }

    /// The peer has left: nobody may hold its topics any more.
    fn forget(&mut self, peer: PipeId, base: &SocketBase) {
        let shows = shows(base);
        let shown = &mut self.shown;
        self.filter.remove_peer(peer, |topic, last| {
            if last && shows {
                shown.push_farewell(subscription(false, topic));
            }
        });
        if base.options().invert_matching && self.outlets.get_mut(peer).is_some() {
            self.filter.add_peer(peer);
        }
    }

    fn welcome(&self, outlet: &mut Outlet, base: &mut SocketBase) {
        if let Some(welcome) = base.options().xpub_welcome_message.clone() {
            let size = welcome.len();
            outlet.send_unbounded(Message::from(welcome));
            base.after_send(size);
        }
    }

    fn find_matches(&mut self, topic: &[u8], base: &SocketBase) {
        let inverted = base.options().invert_matching;
        let whole = !inverted && self.next_only_to.is_none();
        if std::mem::replace(&mut self.matched_is_whole, whole)
            && whole
            && self.filter.matches_as_before(topic)
        {
            return;
        }
        let matched = &mut self.matched;
        matched.clear();
        if inverted {
            self.filter.for_each_unmatched(topic, |peer| matched.push(peer));
        } else {
            self.filter.for_each_match(topic, |peer| matched.push(peer));
        }
        if let Some(only) = self.next_only_to.take() {
            let outlet = self.outlets.get_mut(only.id);
            let here = outlet.is_some_and(|outlet| outlet.serial() == only.serial);
            matched.retain(|peer| here && *peer == only.id);
        }
    }

    /// Whether somebody who must get the message has no room; asks them to report.
    fn somebody_is_full(&mut self) -> bool {
        let mut full = false;
        for peer in &self.matched {
            if let Some(outlet) = self.outlets.get_mut(*peer) {
                full |= !outlet.can_send() && outlet.wait_for_room();
            }
        }
        full
    }

    /// Sends it encoded once for all of them, if the socket runs ahead. `false`: each is to get a copy.
    #[inline]
    fn send_bundled(&mut self, message: &Message, size: usize, base: &SocketBase) -> bool {
        let count = self.matched.len();
        if count < BUNDLED_FROM || size > Bundle::LARGEST || !base.is_swept() {
            return false;
        }
        if self.outlets.add_to_bundle(&self.matched, message) {
            base.count_added(count);
        } else if !self.outlets.send_bundle(&self.matched, message) {
            return false;
        }
        self.published = Published { matched: count, dropped: 0 };
        true
    }

    /// The last one gets the message itself.
    fn send_copies(&mut self, message: &mut Message, base: &mut SocketBase) {
        let Some((last, others)) = self.matched.split_last() else { return };
        let mut dropped = 0;
        for peer in others {
            dropped += usize::from(!send_copy(&mut self.outlets, *peer, &mut message.clone(), base));
        }
        dropped += usize::from(!send_copy(&mut self.outlets, *last, message, base));
        self.published = Published { matched: self.matched.len(), dropped };
    }
}

/// Whether the application decides which subscriptions count.
fn is_manual(base: &SocketBase) -> bool {
    shows(base) && (base.options().xpub_manual || base.options().xpub_manual_last_value)
}

/// Whether the application sees subscriptions and what subscribers send.
fn shows(base: &SocketBase) -> bool {
    base.socket_type() == SocketType::XPub
}

/// Writes before it drops. `false`: dropped.
#[inline]
fn send_copy(outlets: &mut FanOut, peer: PipeId, message: &mut Message, base: &mut SocketBase) -> bool {
    let Some(outlet) = outlets.get_mut(peer) else { return false };
    if outlet.send(message) {
        return true;
    }
    base.pump();
    let sent = outlet.send(message);
    if !sent {
        base.count_dropped_full();
    }
    sent
}

impl Pattern for Publisher {
    fn handle(&mut self, event: PipeEvent, base: &mut SocketBase) {
        match event {
            PipeEvent::Outlet(mut outlet, _) => {
                if base.options().invert_matching {
                    self.filter.add_peer(outlet.id());
                }
                self.welcome(&mut outlet, base);
                self.outlets.attach(*outlet);
            }
            PipeEvent::Closed(id) => drop(self.outlets.detach(id)),
            PipeEvent::Inlet(inlet, peer) => {
                self.incoming.attach(*inlet, peer);
                self.follow_subscriptions(base);
            }
            PipeEvent::Readable(id) => {
                self.incoming.activate(id);
                self.follow_subscriptions(base);
            }
            _ => {}
        }
    }

    fn try_send(&mut self, message: &mut Message, base: &mut SocketBase) -> Result<bool> {
        self.published = Published::default();
        self.find_matches(message.body(), base);
        if self.matched.is_empty() {
            return Ok(true);
        }
        let size = message.size();
        if !self.send_bundled(message, size, base) {
            self.outlets.unbundle();
            if base.options().xpub_nodrop && self.somebody_is_full() {
                base.pump();
                if self.somebody_is_full() {
                    return Ok(false);
                }
            }
            self.send_copies(message, base);
        }
        // A batch is what one connection writes at once: all of them fill at the same time.
        base.after_send(size);
        Ok(true)
    }

    fn try_receive(&mut self, into: &mut Message, base: &mut SocketBase) -> Result<bool> {
        if !shows(base) {
            return Err(cannot_receive(base.socket_type()));
        }
        let Some((peer, message)) = self.shown.pop() else { return Ok(false) };
        self.last_shown = peer;
        *into = message;
        Ok(true)
    }

    fn can_send(&mut self, _: &mut SocketBase) -> bool {
        true
    }

    fn can_receive(&mut self, _: &mut SocketBase) -> bool {
        !self.shown.is_empty()
    }

    fn is_at_hand(&mut self) -> bool {
        !self.shown.is_empty()
    }

    fn last_peer(&self) -> Option<&Arc<Peer>> {
        let PeerKey { id, serial } = self.last_shown?;
        self.incoming.peer(id, Some(serial))
    }

    /// With `xpub_manual`: for the peer that the application received from last.
    fn change_subscription(&mut self, topic: &[u8], add: bool, base: &mut SocketBase) -> Result<bool> {
        if !is_manual(base) {
            return Err(cannot_subscribe(base.socket_type()));
        }
        let here = |peer: &PeerKey| {
            self.outlets.get_mut(peer.id).is_some_and(|outlet| outlet.serial() == peer.serial)
        };
        let Some(key) = self.last_shown.filter(here) else { return Ok(false) };
        let peer = key.id;
        if add {
            self.filter.subscribe(topic, peer);
            self.next_only_to = base.options().xpub_manual_last_value.then_some(key);
            return Ok(true);
        }
        Ok(self.filter.cancel(topic, peer) != Cancelled::Unknown)
    }
}
