//! A listener, and what to do when the system will not let us accept.

use super::Env;
use crate::endpoint::Endpoint;
use crate::monitor::Event;
use crate::transport::{Listener, Stream, is_not_allowed};
use mio::Interest;
use std::collections::VecDeque;
use std::io;
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
    /// Accepted sessions that may still be in their handshake, oldest first.
    waiting: VecDeque<usize>,
    retry_at: Option<Instant>,
    retry_after: Duration,
}

/// Who knocked.
pub(super) struct Accepted {
    pub(super) streams: Vec<Box<dyn Stream>>,
    /// More may wait.
    pub(super) again: bool,
}

impl Listening {
    pub(super) fn new(
        endpoint: Endpoint,
        mut listener: Box<dyn Listener>,
        token: usize,
        env: &Env,
    ) -> io::Result<Listening> {
        env.register(&mut listener, token, Interest::READABLE)?;
        env.emit(|| Event::Listening { endpoint: endpoint.clone() });
        Ok(Listening { endpoint, listener, waiting: VecDeque::new(), retry_at: None, retry_after: RETRY })
    }

    pub(super) fn accept(&mut self, env: &Env) -> Accepted {
        self.retry_at = None;
        let mut streams = Vec::new();
        for _ in 0..ACCEPTS {
            match self.listener.accept() {
                Ok(stream) => {
                    self.retry_after = RETRY;
                    streams.push(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Accepted { streams, again: false };
                }
                // The peer gave up before we came; the next one may be fine.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if is_not_allowed(&error) => self.report(&error, env),
                Err(error) => {
                    self.report(&error, env);
                    self.retry_later(env);
                    return Accepted { streams, again: false };
                }
            }
        }
        Accepted { streams, again: true }
    }

    fn report(&self, error: &io::Error, env: &Env) {
        env.emit(|| Event::AcceptFailed { endpoint: self.endpoint.clone(), error: error.to_string() });
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

    pub(super) fn take_waiting(&mut self) -> VecDeque<usize> {
        std::mem::take(&mut self.waiting)
    }

    pub(super) fn put_waiting(&mut self, waiting: VecDeque<usize>) {
        self.waiting = waiting;
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.retry_at
    }
}
