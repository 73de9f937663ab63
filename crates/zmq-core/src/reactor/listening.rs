//! A listener, and what to do when the system will not let us accept.

use super::Env;
use super::arrivals::{Arrivals, House, Seat};
use super::contained::contained;
use crate::endpoint::Endpoint;
use crate::monitor::Event;
use crate::settings::Settings;
use crate::transport::{Listener, Stream, is_not_allowed};
use mio::Interest;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections accepted, or sent away, in one turn.
const ACCEPTS: usize = 64;
/// After a failure (no descriptors left, say) there will be no new readiness event for those who wait already, so
/// the next attempt is made by timer: first after this...
const RETRY: Duration = Duration::from_millis(10);
/// ...and doubling up to this.
const RETRY_MAX: Duration = Duration::from_secs(1);

pub(super) struct Listening {
    endpoint: Endpoint,
    listener: Box<dyn Listener>,
    /// What its connections go by.
    settings: Arc<Settings>,
    arrivals: Arrivals,
    /// Accepted sessions that may still be in their handshake, oldest first; some may be gone, and their tokens have gone
    /// to others.
    waiting: VecDeque<usize>,
    retry_at: Option<Instant>,
    retry_after: Duration,
}

/// Who knocked.
pub(super) struct Accepted {
    pub(super) guests: Vec<(Box<dyn Stream>, Seat)>,
    /// More may wait.
    pub(super) again: bool,
}

impl Listening {
    pub(super) fn new(
        endpoint: Endpoint,
        mut listener: Box<dyn Listener>,
        settings: Arc<Settings>,
        token: usize,
        env: &Env,
    ) -> io::Result<Listening> {
        env.register(&mut listener, token, Interest::READABLE)?;
        env.emit(|| Event::Listening { endpoint: endpoint.clone() });
        Ok(Listening {
            endpoint,
            listener,
            settings,
            arrivals: Arrivals::new(env.now),
            waiting: VecDeque::new(),
            retry_at: None,
            retry_after: RETRY,
        })
    }

    pub(super) fn accept(&mut self, env: &Env) -> Accepted {
        self.retry_at = None;
        let mut guests = Vec::new();
        for _ in 0..ACCEPTS {
            match contained(|| self.listener.accept()).and_then(|accepted| accepted) {
                Ok(stream) => {
                    self.retry_after = RETRY;
                    guests.extend(self.seat(stream, env));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Accepted { guests, again: false };
                }
                // The peer gave up before we came; the next one may be fine.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if is_not_allowed(&error) => self.report(error.to_string(), env),
                Err(error) => {
                    self.report(error.to_string(), env);
                    self.retry_later(env);
                    return Accepted { guests, again: false };
                }
            }
        }
        Accepted { guests, again: true }
    }

    /// `None`: there are too many; the connection is closed before a byte is exchanged.
    fn seat(&mut self, stream: Box<dyn Stream>, env: &Env) -> Option<(Box<dyn Stream>, Seat)> {
        let costly = self.settings.config.security.mechanism().is_costly();
        let context = &env.shared.context;
        let house = House { seats: &context.seats, max_connections: context.max_connections };
        let peer = contained(|| stream.peer_address()).map_err(|panic| panic.to_string());
        let options = &self.settings.options;
        match peer.and_then(|peer| self.arrivals.admit(&peer, costly, options, &house, env.now)) {
            Ok(seat) => Some((stream, seat)),
            Err(refusal) => {
                self.report(refusal, env);
                None
            }
        }
    }

    fn report(&self, error: String, env: &Env) {
        env.emit(|| Event::AcceptFailed { endpoint: self.endpoint.clone(), error });
    }

    fn retry_later(&mut self, env: &Env) {
        self.retry_at = env.now.checked_add(self.retry_after);
        self.retry_after = (self.retry_after * 2).min(RETRY_MAX);
    }

    pub(super) fn close(mut self, env: &Env) {
        let _ = super::AsSource::deregister_with(&mut self.listener, &env.registry);
        drop(self.listener);
        env.emit(|| Event::ListenerClosed { endpoint: self.endpoint });
    }

    /// Whether the connection with this seat came in here.
    pub(super) fn let_in(&self, seat: &Seat) -> bool {
        self.arrivals.let_in(seat)
    }

    pub(super) fn take_waiting(&mut self) -> VecDeque<usize> {
        std::mem::take(&mut self.waiting)
    }

    pub(super) fn put_waiting(&mut self, waiting: VecDeque<usize>) {
        self.waiting = waiting;
    }

    pub(super) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.retry_at
    }
}
