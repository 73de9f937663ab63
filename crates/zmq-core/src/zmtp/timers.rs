//! The deadlines of a connection. Time comes as an argument; nothing here knows a clock.

use super::config::Config;
use super::error::ProtocolError;
use std::time::{Duration, Instant};

/// A thread may be that late because others had work to do.
const LOAD: Duration = Duration::from_secs(1);

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

    /// When [`take_ping`](Timers::take_ping) has something to do.
    pub fn next_ping(&self) -> Option<Instant> {
        self.next_ping
    }

    /// Whether a PING is due at `now`, of which nobody will look for the answer.
    pub fn take_ping(&mut self, config: &Config, now: Instant) -> bool {
        let due = self.next_ping.is_some_and(|at| at <= now);
        if due {
            self.schedule_ping(config, now);
        }
        due
    }

    /// Does what is due at `now`; whether that is a PING. However late it comes, it is one PING.
    pub fn expire(&mut self, config: &Config, now: Instant) -> Result<bool, ProtocolError> {
        self.forgive(config, now);
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
        let ping = self.take_ping(config, now);
        if ping {
            self.unanswered_since.get_or_insert(now);
        }
        Ok(ping)
    }

    /// Who finds a deadline passed for as long again as the peer had time was away itself (suspended, stopped): what
    /// it has missed is not the peer's fault. The peer has its time once more.
    fn forgive(&mut self, config: &Config, now: Instant) {
        let long_ago = |deadline: Option<Instant>, time: Option<Duration>| {
            let late = deadline.map_or(Duration::ZERO, |deadline| now.saturating_duration_since(deadline));
            time.is_some_and(|time| late >= time.max(LOAD))
        };
        if long_ago(self.handshake_deadline, config.handshake_timeout) {
            self.handshake_deadline = config.handshake_timeout.and_then(|timeout| now.checked_add(timeout));
        }
        if long_ago(self.answer_deadline(config), answer_timeout(config)) {
            self.unanswered_since = Some(now);
        }
        if long_ago(self.life_deadline(), self.peer_ttl) {
            self.last_received = now;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, SocketType};

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    fn config() -> Config {
        let options = Options {
            handshake_timeout: Some(5 * SECOND),
            heartbeat_interval: Some(2 * SECOND),
            heartbeat_timeout: Some(3 * SECOND),
            ..Options::default()
        };
        Config::new(SocketType::Dealer, &options)
    }

    /// What `timers` say when they are looked at `late` after what is due next.
    fn look(timers: &mut Timers, late: Duration) -> (Instant, Result<bool, ProtocolError>) {
        let now = timers.next(&config()).unwrap() + late;
        (now, timers.expire(&config(), now))
    }

    #[test]
    fn a_handshake_is_forgiven_what_we_slept_through() {
        let start = Instant::now();
        let mut timers = Timers::new(&config(), start);
        for _ in 0..3 {
            let (now, result) = look(&mut timers, HOUR);
            assert_eq!(result, Ok(false));
            assert_eq!(timers.next(&config()), Some(now + 5 * SECOND));
        }
        let (_, result) = look(&mut timers, 4 * SECOND);
        assert_eq!(result, Err(ProtocolError::HandshakeTimeout { after: 5 * SECOND }));
    }

    #[test]
    fn a_peer_is_forgiven_its_silence_while_we_slept() {
        let start = Instant::now();
        let mut timers = Timers::new(&config(), start);
        timers.ready(&config(), start);
        assert_eq!(look(&mut timers, Duration::ZERO).1, Ok(true), "a PING, which waits for an answer");
        let (now, result) = look(&mut timers, HOUR);
        assert_eq!(result, Ok(true), "one more, not as many as there would have been");
        assert_eq!(timers.expire(&config(), now), Ok(false));
        assert_eq!(look(&mut timers, Duration::ZERO).1, Ok(true));
        let (at, result) = look(&mut timers, Duration::ZERO);
        assert_eq!(result, Err(ProtocolError::HeartbeatTimeout { after: 3 * SECOND }));
        assert_eq!(at, now + 3 * SECOND);
    }

    #[test]
    fn a_time_to_live_is_forgiven_what_we_slept_through() {
        let start = Instant::now();
        let silent = Config { heartbeat_interval: None, ..config() };
        let mut timers = Timers::new(&silent, start);
        timers.ready(&silent, start);
        timers.set_peer_ttl(Some(SECOND / 10));
        assert_eq!(timers.expire(&silent, start + HOUR), Ok(false));
        assert_eq!(timers.next(&silent), Some(start + HOUR + SECOND / 10));
        let result = timers.expire(&silent, start + HOUR + SECOND);
        assert_eq!(result, Err(ProtocolError::TimeToLiveExpired { after: SECOND / 10 }));
    }

    #[test]
    fn no_time_at_all_is_not_given_again_and_again() {
        let none = Config { handshake_timeout: Some(Duration::ZERO), ..config() };
        let start = Instant::now();
        let result = Timers::new(&none, start).expire(&none, start + HOUR);
        assert_eq!(result, Err(ProtocolError::HandshakeTimeout { after: Duration::ZERO }));
    }
}
