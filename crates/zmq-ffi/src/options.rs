//! The options of a socket, by libzmq's numbers, with libzmq's defaults and ranges.

use crate::context;
use crate::error::{Errno, Result};
use std::collections::BTreeMap;
use std::ffi::c_int;
use std::net::IpAddr;
use std::time::Duration;
use zmq::curve::{Curve, KeyPair, PublicKey, SecretKey};
use zmq::options::{Network, SocksProxy, XPubVerbosity, ZmtpVersion};
use zmq::security::{Authenticator, Plain, Security};
use zmq::{Bytes, Options, SocketType, z85};

/// The numbers of `zmq.h` that more than one place needs.
pub(crate) mod number {
    use std::ffi::c_int;

    pub(crate) const AFFINITY: c_int = 4;
    pub(crate) const ROUTING_ID: c_int = 5;
    pub(crate) const SUBSCRIBE: c_int = 6;
    pub(crate) const UNSUBSCRIBE: c_int = 7;
    pub(crate) const RCVMORE: c_int = 13;
    pub(crate) const FD: c_int = 14;
    pub(crate) const EVENTS: c_int = 15;
    pub(crate) const TYPE: c_int = 16;
    pub(crate) const LINGER: c_int = 17;
    pub(crate) const MAXMSGSIZE: c_int = 22;
    pub(crate) const LAST_ENDPOINT: c_int = 32;
    pub(crate) const TCP_ACCEPT_FILTER: c_int = 38;
    pub(crate) const XPUB_VERBOSE: c_int = 40;
    pub(crate) const ROUTER_RAW: c_int = 41;
    pub(crate) const IPV6: c_int = 42;
    pub(crate) const IPV4ONLY: c_int = 31;
    pub(crate) const MECHANISM: c_int = 43;
    pub(crate) const PLAIN_SERVER: c_int = 44;
    pub(crate) const PLAIN_USERNAME: c_int = 45;
    pub(crate) const PLAIN_PASSWORD: c_int = 46;
    pub(crate) const CURVE_SERVER: c_int = 47;
    pub(crate) const CURVE_PUBLICKEY: c_int = 48;
    pub(crate) const CURVE_SECRETKEY: c_int = 49;
    pub(crate) const CURVE_SERVERKEY: c_int = 50;
    pub(crate) const ZAP_DOMAIN: c_int = 55;
    pub(crate) const IPC_FILTER_PID: c_int = 58;
    pub(crate) const IPC_FILTER_UID: c_int = 59;
    pub(crate) const IPC_FILTER_GID: c_int = 60;
    pub(crate) const CONNECT_ROUTING_ID: c_int = 61;
    pub(crate) const SOCKS_PROXY: c_int = 68;
    pub(crate) const XPUB_WELCOME_MSG: c_int = 72;
    pub(crate) const INVERT_MATCHING: c_int = 74;
    pub(crate) const HEARTBEAT_TTL: c_int = 76;
    pub(crate) const XPUB_VERBOSER: c_int = 78;
    pub(crate) const THREAD_SAFE: c_int = 81;
    pub(crate) const USE_FD: c_int = 89;
    pub(crate) const BINDTODEVICE: c_int = 92;
    pub(crate) const ZAP_ENFORCE_DOMAIN: c_int = 93;
    pub(crate) const METADATA: c_int = 95;
    pub(crate) const SOCKS_USERNAME: c_int = 99;
    pub(crate) const SOCKS_PASSWORD: c_int = 100;
    pub(crate) const HELLO_MSG: c_int = 110;
    pub(crate) const DISCONNECT_MSG: c_int = 111;
    pub(crate) const HICCUP_MSG: c_int = 114;
}

/// An option whose value is an `int`.
struct Int {
    number: c_int,
    default: c_int,
    least: c_int,
    most: c_int,
    access: Access,
    apply: fn(&mut Options, c_int),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    SetAndGet,
    /// Set alone, and only on these socket types: those that libzmq makes of each other (REP of ROUTER, PUB of XPUB) take the
    /// same, though it may not matter to them.
    SetOn(&'static [SocketType]),
    /// Set on these alone; the others tell the default.
    ReadElsewhere(&'static [SocketType]),
}

use Access::{ReadElsewhere, SetAndGet, SetOn};
use SocketType::{Dealer, Pub, Rep, Req, Router, Stream, XPub};

const MOST: c_int = c_int::MAX;

const fn int(
    number: c_int,
    default: c_int,
    least: c_int,
    most: c_int,
    apply: fn(&mut Options, c_int),
) -> Int {
    Int { number, default, least, most, access: SetAndGet, apply }
}

const fn only(number: c_int, default: c_int, access: Access, apply: fn(&mut Options, c_int)) -> Int {
    Int { number, default, least: 0, most: MOST, access, apply }
}

/// Options of transports that are not there: what they would change does not exist.
fn nothing(_: &mut Options, _: c_int) {}

#[rustfmt::skip]
const INTS: &[Int] = &[
    int(8, 100, 1, MOST, nothing), // RATE
    int(9, 10_000, 0, MOST, nothing), // RECOVERY_IVL
    int(11, -1, -1, MOST, |o, v| o.stream.send_buffer = size(v)), // SNDBUF
    int(12, -1, -1, MOST, |o, v| o.stream.recv_buffer = size(v)), // RCVBUF
    int(number::LINGER, -1, -1, MOST, |o, v| o.linger = time(v)),
    int(18, 100, -1, MOST, |o, v| o.reconnect_interval = positive(v)), // RECONNECT_IVL
    int(19, 100, 0, MOST, |o, v| o.stream.backlog = unsigned(v)), // BACKLOG
    int(21, 0, 0, MOST, |o, v| o.reconnect_interval_max = positive(v)), // RECONNECT_IVL_MAX
    int(23, 1000, 0, MOST, |o, v| o.send_hwm = unsigned(v) as usize), // SNDHWM
    int(24, 1000, 0, MOST, |o, v| o.recv_hwm = unsigned(v) as usize), // RCVHWM
    int(25, 1, 1, MOST, nothing), // MULTICAST_HOPS
    int(27, -1, -1, MOST, |o, v| o.recv_timeout = time(v)), // RCVTIMEO
    int(28, -1, -1, MOST, |o, v| o.send_timeout = time(v)), // SNDTIMEO
    only(33, 0, SetOn(&[Router, Rep]), |o, v| o.router_mandatory = v != 0), // ROUTER_MANDATORY
    int(34, -1, -1, 1, |o, v| o.stream.keepalive = (v >= 0).then_some(v == 1)), // TCP_KEEPALIVE
    int(35, -1, -1, MOST, |o, v| o.stream.keepalive_count = (v > 0).then(|| unsigned(v))), // TCP_KEEPALIVE_CNT
    int(36, -1, -1, MOST, |o, v| o.stream.keepalive_idle = seconds(v)), // TCP_KEEPALIVE_IDLE
    int(37, -1, -1, MOST, |o, v| o.stream.keepalive_interval = seconds(v)), // TCP_KEEPALIVE_INTVL
    int(39, 0, 0, 1, |o, v| o.immediate = v == 1), // IMMEDIATE
    only(number::XPUB_VERBOSE, 0, SetOn(&[XPub, Pub]), |o, v| verbosity(o, v, XPubVerbosity::Subscriptions)),
    int(number::IPV6, 0, 0, 1, |o, v| o.stream.ipv6 = v == 1),
    only(51, 0, SetOn(&[Router, Rep, Dealer, Req]), |o, v| o.probe_router = v != 0), // PROBE_ROUTER
    only(52, 0, SetOn(&[Req]), |o, v| o.req_correlate = v != 0), // REQ_CORRELATE
    only(53, 0, SetOn(&[Req]), |o, v| o.req_relaxed = v != 0), // REQ_RELAXED
    Int { most: 1, ..only(54, 0, SetAndGet, |o, v| o.conflate = v == 1) }, // CONFLATE
    only(56, 0, SetOn(&[Router, Rep]), |o, v| o.router_handover = v != 0), // ROUTER_HANDOVER
    int(57, 0, 0, MOST, |o, v| o.stream.type_of_service = v as u8), // TOS, of which the system takes eight bits
    int(66, 30_000, 0, MOST, |o, v| o.handshake_timeout = positive(v)), // HANDSHAKE_IVL
    only(69, 0, SetOn(&[XPub, Pub]), |o, v| o.xpub_nodrop = v != 0), // XPUB_NODROP
    only(71, 0, SetOn(&[XPub, Pub]), |o, v| o.xpub_manual = v != 0), // XPUB_MANUAL
    Int { most: 1, ..only(73, 1, SetOn(&[Stream]), |o, v| o.stream_notify = v == 1) }, // STREAM_NOTIFY
    int(number::INVERT_MATCHING, 0, c_int::MIN, MOST, |o, v| o.invert_matching = v != 0),
    int(75, 0, 0, MOST, |o, v| o.heartbeat_interval = positive(v)), // HEARTBEAT_IVL
    int(number::HEARTBEAT_TTL, 0, -99, 6_553_599, |o, v| o.heartbeat_ttl = positive(v / 100 * 100)),
    int(77, -1, 0, MOST, |o, v| o.heartbeat_timeout = positive(v)), // HEARTBEAT_TIMEOUT
    only(number::XPUB_VERBOSER, 0, SetOn(&[XPub, Pub]), |o, v| verbosity(o, v, XPubVerbosity::All)),
    int(79, 0, 0, MOST, |o, v| o.connect_timeout = positive(v)), // CONNECT_TIMEOUT
    int(80, 0, 0, MOST, |o, v| o.stream.max_retransmit = positive(v)), // TCP_MAXRT
    int(84, 1500, 1, MOST, nothing), // MULTICAST_MAXTPDU
    // The descriptor is looked at when something is bound.
    int(number::USE_FD, -1, -1, MOST, nothing),
    int(94, 0, 0, 1, nothing), // LOOPBACK_FASTPATH, which Windows alone has
    int(96, 1, 0, 1, nothing), // MULTICAST_LOOP
    Int { most: 3, ..only(97, 0, ReadElsewhere(&[Router]), notify) }, // ROUTER_NOTIFY
    only(98, 0, SetOn(&[XPub, Pub]), |o, v| o.xpub_manual_last_value = v != 0), // XPUB_MANUAL_LAST_VALUE
];

fn size(value: c_int) -> Option<usize> {
    usize::try_from(value).ok()
}

fn unsigned(value: c_int) -> u32 {
    value.unsigned_abs()
}

/// Milliseconds; -1 = no limit.
fn time(value: c_int) -> Option<Duration> {
    u64::try_from(value).ok().map(Duration::from_millis)
}

/// Milliseconds; 0 and -1 = off.
fn positive(value: c_int) -> Option<Duration> {
    time(value).filter(|time| !time.is_zero())
}

fn seconds(value: c_int) -> Option<Duration> {
    u64::try_from(value).ok().filter(|value| *value > 0).map(Duration::from_secs)
}

fn verbosity(options: &mut Options, value: c_int, verbosity: XPubVerbosity) {
    options.xpub_verbosity = if value == 0 { XPubVerbosity::Changes } else { verbosity };
}

fn notify(options: &mut Options, value: c_int) {
    options.router_notify_connect = value & 1 != 0;
    options.router_notify_disconnect = value & 2 != 0;
}

/// All options of one socket: as C knows them, and as the Rust library does.
#[derive(Clone)]
pub(crate) struct Values {
    socket_type: SocketType,
    /// Those that were set.
    ints: BTreeMap<c_int, c_int>,
    texts: BTreeMap<c_int, String>,
    max_message_size: i64,
    mechanism: Mechanism,
    keys: Keys,
    enforce_zap_domain: bool,
    pub(crate) native: Options,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Null,
    Plain { server: bool },
    Curve { server: bool },
}

#[derive(Clone, Default)]
struct Keys {
    public: [u8; 32],
    secret: [u8; 32],
    server: [u8; 32],
}

impl Values {
    pub(crate) fn new(socket_type: SocketType, context: &context::Settings) -> Values {
        let mut native = Options::default();
        for option in INTS {
            (option.apply)(&mut native, option.default);
        }
        native.interruptible = true;
        native.max_frames = usize::MAX;
        native.oldest_zmtp = ZmtpVersion::V1_0;
        let mut values = Values {
            socket_type,
            ints: BTreeMap::new(),
            texts: BTreeMap::new(),
            max_message_size: -1,
            mechanism: Mechanism::Null,
            keys: Keys::default(),
            enforce_zap_domain: false,
            native,
        };
        let lingers_not = !context.blocky || matches!(socket_type, SocketType::Sub | SocketType::XSub);
        let changes = [lingers_not.then_some((number::LINGER, 0)), context.ipv6.then_some((number::IPV6, 1))];
        for (number, value) in changes.into_iter().flatten() {
            // In range.
            let _ = values.set_int(number, value);
        }
        values
    }

    /// Sets an option; `value` is what C gave, `None` if it was a null pointer.
    ///
    /// # Errors
    /// `EINVAL`; the values are of no use then.
    pub(crate) fn set(&mut self, number: c_int, value: Option<&[u8]>) -> Result<()> {
        let Some(value) = value else { return self.clear(number) };
        if INTS.iter().any(|option| option.number == number) {
            return self.set_int(number, as_int(value)?);
        }
        match number {
            number::IPV4ONLY => match as_int(value)? {
                value @ (0 | 1) => self.set_int(number::IPV6, 1 - value),
                _ => Err(Errno::EINVAL),
            },
            number::AFFINITY => {
                self.native.affinity = u64::from_ne_bytes(value.try_into().map_err(|_| Errno::EINVAL)?);
                Ok(())
            }
            number::MAXMSGSIZE => {
                let size = i64::from_ne_bytes(value.try_into().map_err(|_| Errno::EINVAL)?);
                self.set_max_message_size(size);
                Ok(())
            }
            number::ROUTING_ID if !value.is_empty() => {
                self.native.routing_id = Bytes::copy_from_slice(value);
                Ok(())
            }
            number::CONNECT_ROUTING_ID if !value.is_empty() => match self.socket_type {
                Router | Stream => {
                    self.native.connect_routing_id = Bytes::copy_from_slice(value);
                    Ok(())
                }
                // To which its peers have no names.
                Rep if value.len() <= 255 => Ok(()),
                _ => Err(Errno::EINVAL),
            },
            number::XPUB_WELCOME_MSG if matches!(self.socket_type, XPub | Pub) => {
                self.native.xpub_welcome_message = message(value);
                Ok(())
            }
            number::HELLO_MSG => {
                self.native.hello_message = message(value);
                Ok(())
            }
            number::DISCONNECT_MSG => {
                self.native.disconnect_message = message(value);
                Ok(())
            }
            number::HICCUP_MSG => {
                self.native.hiccup_message = message(value);
                Ok(())
            }
            number::METADATA => self.add_metadata(text(value)?),
            number::BINDTODEVICE => {
                self.native.stream.device = Some(short_text(value, LONGEST_DEVICE)?.to_owned());
                Ok(())
            }
            number::SOCKS_PROXY | number::SOCKS_USERNAME | number::SOCKS_PASSWORD => {
                self.set_socks(number, short_text(value, usize::MAX)?)
            }
            number::TCP_ACCEPT_FILTER
            | number::IPC_FILTER_PID
            | number::IPC_FILTER_UID
            | number::IPC_FILTER_GID => self.add_filter(number, value),
            _ => self.set_security(number, value),
        }
    }

    /// What a null pointer says to an option: that there be none, where that is other than an empty one.
    fn clear(&mut self, number: c_int) -> Result<()> {
        let stream = &mut self.native.stream;
        match number {
            number::TCP_ACCEPT_FILTER => stream.accept_from.clear(),
            number::IPC_FILTER_UID => stream.accept_users.clear(),
            number::IPC_FILTER_GID => stream.accept_groups.clear(),
            number::IPC_FILTER_PID => stream.accept_processes.clear(),
            number::BINDTODEVICE => stream.device = None,
            number::SOCKS_PROXY | number::SOCKS_USERNAME | number::SOCKS_PASSWORD => {
                return self.set_socks(number, "");
            }
            number::PLAIN_USERNAME | number::PLAIN_PASSWORD => {
                self.mechanism = Mechanism::Null;
                return self.apply_security();
            }
            _ => return self.set(number, Some(&[])),
        }
        Ok(())
    }

    /// A ROUTER of bytes, as it was before there was STREAM: its peers come and go unnoticed.
    pub(crate) fn set_raw(&mut self, value: &[u8]) -> Result<bool> {
        if self.socket_type != Router {
            return Err(Errno::EINVAL);
        }
        let raw = match as_int(value)? {
            value if value >= 0 => value != 0,
            _ => return Err(Errno::EINVAL),
        };
        self.native.stream_notify = !raw;
        Ok(raw)
    }

    fn set_int(&mut self, number: c_int, value: c_int) -> Result<()> {
        let option = INTS.iter().find(|option| option.number == number).ok_or(Errno::EINVAL)?;
        let fits = (option.least..=option.most).contains(&value);
        let here = match option.access {
            SetOn(types) | ReadElsewhere(types) => types.contains(&self.socket_type),
            SetAndGet => true,
        };
        if !fits || !here {
            return Err(Errno::EINVAL);
        }
        (option.apply)(&mut self.native, value);
        let value = match number {
            number::HEARTBEAT_TTL => value / 100 * 100,
            number::INVERT_MATCHING => (value != 0).into(),
            _ => value,
        };
        self.ints.insert(number, value);
        Ok(())
    }

    fn set_max_message_size(&mut self, size: i64) {
        self.max_message_size = size;
        self.native.max_message_size = u64::try_from(size).ok();
    }

    fn add_metadata(&mut self, property: &str) -> Result<()> {
        let (name, value) = property.split_once(':').ok_or(Errno::EINVAL)?;
        self.native.metadata.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.native.metadata.push((name.to_owned(), Bytes::copy_from_slice(value.as_bytes())));
        Ok(())
    }

    fn set_socks(&mut self, number: c_int, value: &str) -> Result<()> {
        self.texts.insert(number, value.to_owned());
        let known = |number| self.texts.get(&number).cloned().unwrap_or_default();
        let proxy = match known(number::SOCKS_PROXY) {
            address if address.is_empty() => None,
            address => Some(SocksProxy::new(address)),
        };
        let (user, password) = (known(number::SOCKS_USERNAME), known(number::SOCKS_PASSWORD));
        self.native.stream.socks_proxy = match proxy {
            Some(proxy) if !user.is_empty() => Some(proxy.with_password(user, password)),
            proxy => proxy,
        };
        Ok(())
    }

    fn add_filter(&mut self, number: c_int, value: &[u8]) -> Result<()> {
        if number == number::TCP_ACCEPT_FILTER && self.int(number::IPV6) == 0 && value.contains(&b':') {
            return Err(Errno::EINVAL);
        }
        let stream = &mut self.native.stream;
        match number {
            number::TCP_ACCEPT_FILTER => stream.accept_from.push(network(short_text(value, 255)?)?),
            number::IPC_FILTER_UID => stream.accept_users.push(as_int(value)? as u32),
            number::IPC_FILTER_GID => stream.accept_groups.push(as_int(value)? as u32),
            _ => stream.accept_processes.push(as_int(value)?),
        }
        Ok(())
    }

    /// The options of security, which together make a mechanism and who judges.
    fn set_security(&mut self, number: c_int, value: &[u8]) -> Result<()> {
        match number {
            number::PLAIN_SERVER => {
                self.mechanism = match flag(value)? {
                    true => Mechanism::Plain { server: true },
                    false => Mechanism::Null,
                };
            }
            number::PLAIN_USERNAME | number::PLAIN_PASSWORD => {
                self.texts.insert(number, short_text(value, 255)?.to_owned());
                self.mechanism = Mechanism::Plain { server: false };
            }
            number::CURVE_SERVER => {
                self.mechanism = match flag(value)? {
                    true => Mechanism::Curve { server: true },
                    false => Mechanism::Null,
                };
            }
            number::CURVE_PUBLICKEY => {
                self.keys.public = key(value)?;
                self.use_curve();
            }
            number::CURVE_SECRETKEY => {
                self.keys.secret = key(value)?;
                self.use_curve();
            }
            number::CURVE_SERVERKEY => {
                self.keys.server = key(value)?;
                self.mechanism = Mechanism::Curve { server: false };
            }
            number::ZAP_DOMAIN => {
                self.texts.insert(number, short_text(value, 255)?.to_owned());
            }
            number::ZAP_ENFORCE_DOMAIN => self.enforce_zap_domain = flag(value)?,
            _ => return Err(Errno::EINVAL),
        }
        self.apply_security()
    }

    fn apply_security(&mut self) -> Result<()> {
        let (security, authenticator) = self.security()?;
        self.native.security = security;
        self.native.authenticator = authenticator;
        Ok(())
    }

    fn use_curve(&mut self) {
        if !matches!(self.mechanism, Mechanism::Curve { .. }) {
            self.mechanism = Mechanism::Curve { server: false };
        }
    }

    /// As libzmq: NULL is judged if there is a domain, PLAIN always; without a handler CURVE and NULL let everybody in unless
    /// the domain is enforced, and PLAIN nobody.
    fn security(&self) -> Result<(Security, Option<Authenticator>)> {
        let known = |number| self.texts.get(&number).map_or("", String::as_str);
        let domain = known(number::ZAP_DOMAIN);
        let zap = || match self.enforce_zap_domain {
            true => Authenticator::zap(domain),
            false => Authenticator::zap_or(domain, Authenticator::anyone()),
        };
        Ok(match self.mechanism {
            Mechanism::Null => (Security::default(), (!domain.is_empty()).then(zap)),
            Mechanism::Plain { server: true } => {
                (Plain::server().over_networks().into(), Some(Authenticator::zap(domain)))
            }
            Mechanism::Plain { server: false } => {
                let plain = Plain::client(known(number::PLAIN_USERNAME), known(number::PLAIN_PASSWORD))?;
                (plain.over_networks().into(), None)
            }
            Mechanism::Curve { server: true } => (Curve::server(&self.key_pair()).into(), Some(zap())),
            Mechanism::Curve { server: false } => {
                (Curve::client(&self.key_pair(), PublicKey::from(self.keys.server)).into(), None)
            }
        })
    }

    fn key_pair(&self) -> KeyPair {
        KeyPair::from(SecretKey::from(self.keys.secret))
    }

    /// The value of an option, as C wants it in a place of `room` bytes. Numbers want one of just their size, though those that
    /// tell of the state of a socket are not so strict.
    ///
    /// # Errors
    /// `EINVAL`: there is no such option, or the place is too small.
    pub(crate) fn get(&self, number: c_int, room: usize) -> Result<Vec<u8>> {
        let known = |number| self.texts.get(&number).map_or("", String::as_str);
        let value = match number {
            number::ROUTING_ID => return Ok(self.native.routing_id.to_vec()),
            number::THREAD_SAFE => return Ok(bytes(0)),
            number::CURVE_PUBLICKEY => return shown(&self.keys.public, room),
            number::CURVE_SECRETKEY => return shown(&self.keys.secret, room),
            number::CURVE_SERVERKEY => return shown(&self.keys.server, room),
            number::PLAIN_USERNAME | number::PLAIN_PASSWORD | number::ZAP_DOMAIN => {
                return Ok(terminated(known(number)));
            }
            number::SOCKS_PROXY | number::SOCKS_USERNAME | number::SOCKS_PASSWORD => {
                return Ok(terminated(known(number)));
            }
            number::BINDTODEVICE => {
                return Ok(terminated(self.native.stream.device.as_deref().unwrap_or_default()));
            }
            number::AFFINITY => self.native.affinity.to_ne_bytes().into(),
            number::MAXMSGSIZE => self.max_message_size.to_ne_bytes().into(),
            number::IPV4ONLY => bytes(1 - self.int(number::IPV6)),
            number::TYPE => bytes(type_number(self.socket_type)),
            number::MECHANISM => bytes(match self.mechanism {
                Mechanism::Null => 0,
                Mechanism::Plain { .. } => 1,
                Mechanism::Curve { .. } => 2,
            }),
            number::PLAIN_SERVER => bytes((self.mechanism == Mechanism::Plain { server: true }).into()),
            number::CURVE_SERVER => bytes((self.mechanism == Mechanism::Curve { server: true }).into()),
            number::ZAP_ENFORCE_DOMAIN => bytes(self.enforce_zap_domain.into()),
            _ => match INTS.iter().find(|option| option.number == number) {
                Some(option) if !matches!(option.access, SetOn(_)) => bytes(self.int(number)),
                _ => return Err(Errno::EINVAL),
            },
        };
        if value.len() == room { Ok(value) } else { Err(Errno::EINVAL) }
    }

    pub(crate) fn int(&self, number: c_int) -> c_int {
        let default =
            || INTS.iter().find(|option| option.number == number).map_or(0, |option| option.default);
        self.ints.get(&number).copied().unwrap_or_else(default)
    }
}

/// libzmq's number of a socket type.
pub(crate) fn type_number(socket_type: SocketType) -> c_int {
    // STREAM, the last, is not among them.
    let position = SocketType::ALL.iter().position(|other| *other == socket_type);
    position.unwrap_or(SocketType::ALL.len()) as c_int
}

/// The socket type of libzmq's number. Drafts are not there.
pub(crate) fn socket_type(number: c_int) -> Option<SocketType> {
    let number = usize::try_from(number).ok()?;
    SocketType::ALL.get(number).copied().or((number == SocketType::ALL.len()).then_some(Stream))
}

fn as_int(value: &[u8]) -> Result<c_int> {
    value.try_into().map(c_int::from_ne_bytes).map_err(|_| Errno::EINVAL)
}

fn flag(value: &[u8]) -> Result<bool> {
    match as_int(value)? {
        value @ (0 | 1) => Ok(value == 1),
        _ => Err(Errno::EINVAL),
    }
}

/// Text that C may have given with its final NUL.
fn text(value: &[u8]) -> Result<&str> {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    std::str::from_utf8(&value[..end]).map_err(|_| Errno::EINVAL)
}

/// The longest name of a device.
const LONGEST_DEVICE: usize = 16;

/// Text that is not empty, of at most so many bytes.
fn short_text(value: &[u8], most: usize) -> Result<&str> {
    if (1..=most).contains(&value.len()) { text(value) } else { Err(Errno::EINVAL) }
}

fn message(value: &[u8]) -> Option<Bytes> {
    (!value.is_empty()).then(|| Bytes::copy_from_slice(value))
}

fn network(text: &str) -> Result<Network> {
    // Names of interfaces, which libzmq takes too, are not looked up.
    text.parse().or_else(|_| text.parse::<IpAddr>().map(Network::from)).map_err(|_| Errno::EINVAL)
}

/// 32 bytes, or 40 characters in Z85, with or without the final NUL.
fn key(value: &[u8]) -> Result<[u8; 32]> {
    match value.len() {
        32 => value.try_into().map_err(|_| Errno::EINVAL),
        40 | 41 => {
            let bytes = z85::decode(text(value)?).ok_or(Errno::EINVAL)?;
            bytes.try_into().map_err(|_| Errno::EINVAL)
        }
        _ => Err(Errno::EINVAL),
    }
}

fn shown(key: &[u8; 32], room: usize) -> Result<Vec<u8>> {
    match room {
        32 => Ok(key.to_vec()),
        41 => Ok(terminated(&z85::encode(key).unwrap_or_default())),
        _ => Err(Errno::EINVAL),
    }
}

pub(crate) fn bytes(value: c_int) -> Vec<u8> {
    value.to_ne_bytes().into()
}

/// With the final NUL.
pub(crate) fn terminated(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}
