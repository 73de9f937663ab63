//! SUB and XSUB: what publishers send, filtered (RFC 29).

use super::NO_SEND;
use crate::fair_queue::FairQueue;
use crate::fan_out::FanOut;
use crate::pattern::{Pattern, Refused};
use zmq_core::subscriptions::{Removal, Subscriptions};
use zmq_core::{Error, Frame, Message, Outlet, PipeEvent, Result, SocketBase, SocketType};

/// The pattern of SUB and XSUB.
#[derive(Default)]
pub struct Subscriber {
    incoming: FairQueue,
    publishers: FanOut,
    /// A message that passed the filter and was not taken yet.
    next: Option<Message>,
}

impl Subscriber {
    /// Adds a subscription, and tells the publishers if it is the first of its topic.
    pub(crate) fn subscribe(&mut self, topic: &[u8], base: &mut SocketBase) {
        self.change(base, topic, 1, |subscriptions| subscriptions.add(topic));
    }

    /// Takes a subscription back, and tells the publishers if it was the last of its topic. `false`: there is none.
    pub(crate) fn unsubscribe(&mut self, topic: &[u8], base: &mut SocketBase) -> bool {
        let mut known = true;
        self.change(base, topic, 0, |subscriptions| match subscriptions.remove(topic) {
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
        mark: u8,
        change: impl FnOnce(&mut Subscriptions) -> bool,
    ) {
        let (mut news, mut sent) = (Vec::new(), 0);
        let mut subscriptions = base.subscriptions();
        base.take_events(&mut news);
        let (fresh, others): (Vec<_>, Vec<_>) =
            news.into_iter().partition(|event| matches!(event, PipeEvent::Outlet(..)));
        for event in fresh {
            if let PipeEvent::Outlet(outlet, _) = event {
                self.introduce(outlet, &subscriptions);
            }
        }
        if change(&mut subscriptions) {
            let message = subscription(mark, topic);
            sent = message.size() * self.publishers.send_to_all(&message);
        }
        drop(subscriptions);
        for event in others {
            self.handle(event, base);
        }
        if sent > 0 {
            base.after_send(sent);
        }
    }

    /// Takes a publisher in. One of this process is sent what there is; a connection sees to that itself.
    fn introduce(&mut self, mut outlet: Outlet, subscriptions: &Subscriptions) {
        if outlet.is_direct() {
            for topic in subscriptions.topics() {
                outlet.send_unbounded(subscription(1, &topic));
            }
        }
        self.publishers.attach(outlet);
    }

    fn passes(message: &Message, base: &SocketBase) -> bool {
        base.socket_type() != SocketType::Sub
            || base.subscriptions().matches(message.body()) != base.options().invert_matching
    }

    /// The next message that is subscribed to.
    fn fill(&mut self, base: &mut SocketBase) {
        while self.next.is_none() {
            let Some((_, message)) = self.incoming.receive() else { return };
            if Subscriber::passes(&message, base) {
                self.next = Some(message);
            } else {
                base.count_unread();
            }
        }
    }
}

/// A subscription, or its cancellation, as pipes carry it.
fn subscription(mark: u8, topic: &[u8]) -> Message {
    let mut body = Vec::with_capacity(topic.len() + 1);
    body.push(mark);
    body.extend_from_slice(topic);
    Message::from(Frame::from(body))
}

impl Pattern for Subscriber {
    fn handle(&mut self, event: PipeEvent, base: &mut SocketBase) {
        match event {
            PipeEvent::Outlet(outlet, _) => self.introduce(outlet, &base.subscriptions()),
            PipeEvent::Closed(id) => drop(self.publishers.detach(id)),
            PipeEvent::Inlet(inlet, _) => self.incoming.attach(inlet),
            PipeEvent::Readable(id) => self.incoming.activate(id),
            _ => {}
        }
    }

    /// XSUB: a message that begins with 1 or 0 is a subscription or its cancellation; any other goes to everybody, and
    /// is dropped for those that are full.
    fn try_send(&mut self, message: Message, base: &mut SocketBase) -> Result<(), Refused> {
        if base.socket_type() == SocketType::Sub {
            return Err(Refused::failed(Error::State { hint: NO_SEND }, message));
        }
        match (message.len(), message.body().split_first()) {
            (1, Some((1, topic))) => self.subscribe_always(topic, base),
            (1, Some((0, topic))) => {
                self.unsubscribe(topic, base);
            }
            _ => self.send_upstream(&message, base),
        }
        Ok(())
    }

    #[inline]
    fn try_receive(&mut self, base: &mut SocketBase) -> Result<Option<Message>> {
        self.fill(base);
        Ok(self.next.take())
    }

    fn can_send(&mut self, base: &mut SocketBase) -> bool {
        base.socket_type() == SocketType::XSub
    }

    fn can_receive(&mut self, base: &mut SocketBase) -> bool {
        self.fill(base);
        self.next.is_some()
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
    /// An XSUB passes on every subscription, so that a verbose XPUB behind it sees each.
    fn subscribe_always(&mut self, topic: &[u8], base: &mut SocketBase) {
        self.change(base, topic, 1, |subscriptions| {
            subscriptions.add(topic);
            true
        });
    }

    fn send_upstream(&mut self, message: &Message, base: &mut SocketBase) {
        let mut sent = 0;
        for outlet in self.publishers.iter_mut() {
            if outlet.send(message.clone()).is_ok() {
                sent += message.size();
            } else {
                base.count_dropped_full();
            }
        }
        base.after_send(sent);
    }
}
