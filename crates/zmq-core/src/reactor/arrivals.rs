//! Who may come in at a listener, by number: how many at once, and how many within a second, of one address and in all.

use crate::options::Options;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Counts connections: each holds a copy for as long as there is one.
#[derive(Default)]
pub(crate) struct Seats(Arc<()>);

/// The connections of one listener.
pub(super) struct Arrivals {
    seats: Seats,
    /// When the newcomers that are counted began to come.
    since: Instant,
    /// How many were let in since.
    total: u32,
    /// The same by where they come from.
    counts: HashMap<Origin, u32>,
}

/// The place of one connection at its listener, and in its context.
pub(super) struct Seat(Arc<()>, #[expect(dead_code, reason = "it is counted")] Arc<()>);

/// The limits of a context on all its listeners together.
pub(super) struct House<'a> {
    pub(super) seats: &'a Seats,
    pub(super) max_connections: usize,
}

#[derive(PartialEq, Eq, Hash)]
enum Origin {
    Address(IpAddr),
    /// Not over IP: all together.
    Local,
}

impl Seats {
    fn taken(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

impl Arrivals {
    pub(super) fn new(now: Instant) -> Arrivals {
        Arrivals { seats: Seats::default(), since: now, total: 0, counts: HashMap::new() }
    }

    /// Lets a connection from `peer` in, or says why not. `costly`: to answer it takes public-key cryptography.
    pub(super) fn admit(
        &mut self,
        peer: &str,
        costly: bool,
        options: &Options,
        house: &House<'_>,
        now: Instant,
    ) -> Result<Seat, String> {
        let limit = options.max_connections;
        if self.seats.taken() >= limit {
            return Err(format!("{peer}: there are {limit} connections already (option `max_connections`)"));
        }
        let limit = house.max_connections;
        if house.seats.taken() >= limit {
            return Err(format!(
                "{peer}: there are {limit} connections already in the whole context (its `max_connections`)"
            ));
        }
        if costly {
            self.count(peer, options, now)?;
        }
        Ok(Seat(self.seats.0.clone(), house.seats.0.clone()))
    }

    /// Whether the connection with this seat came in here.
    pub(super) fn let_in(&self, seat: &Seat) -> bool {
        Arc::ptr_eq(&self.seats.0, &seat.0)
    }

    /// Counts one more within this second, unless that is one too many. What is kept is forgotten every second.
    fn count(&mut self, peer: &str, options: &Options, now: Instant) -> Result<(), String> {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.total, self.counts) = (now, 0, HashMap::new());
        }
        let limit = options.max_total_handshakes_per_second;
        if self.total >= limit {
            return Err(format!(
                "{peer}: more than {limit} handshakes within a second (option `max_total_handshakes_per_second`)"
            ));
        }
        let (limit, count) =
            (options.max_handshakes_per_second, self.counts.entry(Origin::of(peer)).or_default());
        if *count >= limit {
            return Err(format!(
                "{peer}: more than {limit} handshakes from there within a second (option `max_handshakes_per_second`)"
            ));
        }
        *count += 1;
        self.total += 1;
        Ok(())
    }
}

impl Origin {
    /// Of IPv6 only the network: a host has as many addresses there as it likes.
    fn of(peer: &str) -> Origin {
        match peer.parse::<SocketAddr>().map(|address| address.ip().to_canonical()) {
            Ok(IpAddr::V6(address)) => {
                Origin::Address(IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()))
            }
            Ok(address) => Origin::Address(address),
            Err(_) => Origin::Local,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn options(max_connections: usize, max_handshakes_per_second: u32) -> Options {
        Options { max_connections, max_handshakes_per_second, ..Options::default() }
    }

    fn house(seats: &Seats) -> House<'_> {
        House { seats, max_connections: usize::MAX }
    }

    #[test]
    fn a_context_counts_the_guests_of_all_its_listeners() {
        let (now, seats, options) = (Instant::now(), Seats::default(), options(2, 1));
        let house = House { seats: &seats, max_connections: 3 };
        let mut listeners = [0; 2].map(|_| Arrivals::new(now));
        let mut admit = |at: usize| listeners[at].admit("10.0.0.1:1", false, &options, &house, now);
        let mut guests = [0, 1, 0].map(|at| admit(at).unwrap()).into_iter();
        let refusal = admit(1).err().unwrap();
        assert!(refusal.contains("3 connections") && refusal.contains("context"), "{refusal}");
        drop(guests.next());
        assert!(admit(1).is_ok());
    }

    #[test]
    fn a_seat_is_free_again_when_its_connection_is_gone() {
        let now = Instant::now();
        let (mut arrivals, options, seats) = (Arrivals::new(now), options(2, 1), Seats::default());
        let mut admit = || arrivals.admit("10.0.0.1:1", false, &options, &house(&seats), now);
        let (one, two) = (admit().unwrap(), admit().unwrap());
        let refusal = admit().err().unwrap();
        assert!(refusal.contains("10.0.0.1:1") && refusal.contains("max_connections"), "{refusal}");
        drop(one);
        let three = admit().unwrap();
        assert!(admit().is_err());
        assert!(arrivals.let_in(&two) && arrivals.let_in(&three));
        assert!(!Arrivals::new(now).let_in(&two), "it is the guest of another listener");
    }

    #[test]
    fn each_address_has_its_handshakes_every_second() {
        let start = Instant::now();
        let (mut arrivals, options, seats) = (Arrivals::new(start), options(usize::MAX, 2), Seats::default());
        let mut admits = |peer: &str, millis: u64| {
            let now = start + Duration::from_millis(millis);
            arrivals.admit(peer, true, &options, &house(&seats), now).is_ok()
        };
        assert!(admits("10.0.0.1:1", 0) && admits("10.0.0.1:2", 1));
        assert!(!admits("10.0.0.1:3", 2) && !admits("[::ffff:10.0.0.1]:4", 999));
        assert!(admits("10.0.0.2:1", 999));
        // Of IPv6 it is the network that counts; of what is no address there is one.
        assert!(admits("[2001:db8::1]:1", 999) && admits("[2001:db8::2]:1", 999));
        assert!(!admits("[2001:db8::3]:1", 999) && admits("[2001:db8:0:1::1]:1", 999));
        assert!(admits("/run/socket", 999) && admits("@name", 999) && !admits("/run/other", 999));
        assert!(admits("10.0.0.1:5", 1000) && admits("/run/socket", 1000));
    }

    #[test]
    fn all_addresses_together_have_a_number_too() {
        let start = Instant::now();
        let options = Options { max_total_handshakes_per_second: 3, ..options(usize::MAX, 2) };
        let (mut arrivals, seats) = (Arrivals::new(start), Seats::default());
        let mut admit = |peer: &str, millis: u64| {
            let now = start + Duration::from_millis(millis);
            arrivals.admit(peer, true, &options, &house(&seats), now).map(drop)
        };
        for _ in 0..2 {
            assert!(admit("10.0.0.1:1", 0).is_ok());
        }
        // Who is refused for its own number takes nothing from the others.
        assert!(admit("10.0.0.1:1", 0).unwrap_err().contains("`max_handshakes_per_second`"));
        assert!(admit("10.0.0.2:1", 999).is_ok());
        for peer in ["10.0.0.2:1", "10.0.0.3:1", "/run/socket"] {
            assert!(admit(peer, 999).unwrap_err().contains("`max_total_handshakes_per_second`"));
        }
        assert!(admit("10.0.0.3:1", 1000).is_ok());
    }

    #[test]
    fn cheap_handshakes_are_not_counted() {
        let now = Instant::now();
        let options = Options { max_total_handshakes_per_second: 1, ..options(usize::MAX, 1) };
        let (mut arrivals, seats) = (Arrivals::new(now), Seats::default());
        assert!((0..10).all(|_| arrivals.admit("10.0.0.1:1", false, &options, &house(&seats), now).is_ok()));
    }
}
