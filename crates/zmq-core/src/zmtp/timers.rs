//! The deadlines of a connection. Time comes as an argument; nothing here knows a clock.

use super::config::Config;
use super::error::ProtocolError;
use std::time::{Duration, Instant};

/// When something is due.
pub(super) struct Timers {
    /// `None` once the handshake is complete, or if it may take for ever.
    handshake_deadline: Option<Instant>,
    next_ping: Option<Instant>,
    /// When bytes last arrived.
    last_received: Instant,
    /// When a PING was sent after which nothing arrived.
    unanswered_since: Option<Instant>,
    /// How long the peer told us to wait for its next sign of life.
    peer_ttl: Option<Duration>,
    /// When the PINGs that are counted began to arrive, and how many it were since.
    pings: (Instant, u32),
}

impl Timers {
    pub fn new(config: &Config, now: Instant) -> Timers {
        Timers {
            handshake_deadline: config.handshake_timeout.and_then(|timeout| now.checked_add(timeout)),
            next_ping: None,
            last_received: now,
            unanswered_since: None,
            peer_ttl: None,
            pings: (now, 0),
        }
    }

    /// The handshake is complete: heartbeats begin.
    pub fn ready(&mut self, config: &Config, now: Instant) {
        self.handshake_deadline = None;
        self.schedule_ping(config, now);
    }

    /// The handshake is complete, with a peer that knows no heartbeats.
    pub fn ready_without_heartbeats(&mut self) {
        self.handshake_deadline = None;
    }

    /// Something arrived. Any traffic is a sign of life, as in libzmq.
    #[inline]
    pub fn received(&mut self, now: Instant) {
        self.last_received = now;
        self.unanswered_since = None;
    }

    /// A PING is what arrived last; they are counted by the second.
    pub fn count_ping(&mut self, config: &Config) -> Result<(), ProtocolError> {
        let (since, count) = &mut self.pings;
        if self.last_received.saturating_duration_since(*since) >= Duration::from_secs(1) {
            self.pings = (self.last_received, 1);
            return Ok(());
        }
        *count = count.saturating_add(1);
        if *count > config.max_pings_per_second {
            return Err(ProtocolError::TooManyPings { limit: config.max_pings_per_second });
        }
        Ok(())
    }

    /// The peer's PING says how long its silence may last; `None`: for ever.
    pub fn set_peer_ttl(&mut self, ttl: Option<Duration>) {
        self.peer_ttl = ttl;
    }

    /// When [`expire`](Timers::expire) has something to do.
    pub fn next(&self, config: &Config) -> Option<Instant> {
        let all =
            [self.handshake_deadline, self.next_ping, self.answer_deadline(config), self.life_deadline()];
        all.into_iter().flatten().min()
    }

    /// Does what is due at `now`; whether that is a PING. However late it comes, it is one PING.
    pub fn expire(&mut self, config: &Config, now: Instant) -> Result<bool, ProtocolError> {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if is_due(self.handshake_deadline) {
            let after = config.handshake_timeout.unwrap_or_default();
            return Err(ProtocolError::HandshakeTimeout { after });
        }
        if is_due(self.answer_deadline(config)) {
            return Err(ProtocolError::HeartbeatTimeout {
                after: answer_timeout(config).unwrap_or_default(),
            });
        }
        if is_due(self.life_deadline()) {
            return Err(ProtocolError::TimeToLiveExpired { after: self.peer_ttl.unwrap_or_default() });
        }
        let ping = is_due(self.next_ping);
        if ping {
            self.schedule_ping(config, now);
            self.unanswered_since.get_or_insert(now);
        }
        Ok(ping)
    }

    /// Nothing will ever be due again.
    pub fn stop(&mut self) {
        self.handshake_deadline = None;
        self.next_ping = None;
        self.unanswered_since = None;
        self.peer_ttl = None;
    }

    fn schedule_ping(&mut self, config: &Config, now: Instant) {
        self.next_ping = config.heartbeat_interval.and_then(|interval| now.checked_add(interval));
    }

    fn answer_deadline(&self, config: &Config) -> Option<Instant> {
        self.unanswered_since?.checked_add(answer_timeout(config)?)
    }

    fn life_deadline(&self) -> Option<Instant> {
        self.last_received.checked_add(self.peer_ttl?)
    }
}

fn answer_timeout(config: &Config) -> Option<Duration> {
    config.heartbeat_timeout.or(config.heartbeat_interval)
}
