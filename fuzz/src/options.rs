//! Values of options: refused with a reason, or a socket that works within them.

use crate::input::{Input, with_length};
use std::sync::OnceLock;
use std::time::Duration;
use zmq::options::{SocksProxy, XPubVerbosity, ZmtpVersion};
use zmq::{AnySocket, Context, Error, Options, SocketType};
use zmq_core::security::{Authenticator, Null, Plain};
use zmq_curve::{Curve, KeyPair, SecretKey};

/// All types of sockets, with the one that has no peers of its kind.
pub const KINDS: [SocketType; 12] = {
    let mut kinds = [SocketType::Stream; 12];
    let mut number = 0;
    while number < SocketType::ALL.len() {
        kinds[number] = SocketType::ALL[number];
        number += 1;
    }
    kinds
};

pub fn run(data: &[u8]) {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    let context = CONTEXT.get_or_init(|| zmq::context_builder().build().expect("a context"));
    let mut input = Input::new(data);
    let socket_type = input.pick(&KINDS);
    let over_tcp = input.below(8) == 0;
    let mut options = Options::default();
    while !input.is_empty() {
        change(&mut options, &mut input);
    }
    // What nobody takes shall not stay.
    options.linger = Some(Duration::ZERO);
    let valid = options.validate();
    let mut socket = match AnySocket::new(context, socket_type, options.clone()) {
        Ok(socket) => socket,
        Err(error) => return refused(&error),
    };
    assert_eq!(valid, Ok(()), "a socket with options that are not valid");
    let endpoint = if over_tcp { "tcp://127.0.0.1:*" } else { "inproc://*" };
    let bound = match socket.bind(endpoint) {
        Ok(bound) => bound,
        Err(error @ Error::Io { .. }) => return assert!(!error.to_string().is_empty()),
        Err(error) => return refused(&error),
    };
    // A STREAM has peers of no type.
    let fitting = SocketType::ALL.into_iter().find(|kind| socket_type.is_compatible(*kind));
    let peer = fitting.unwrap_or(SocketType::Stream);
    options.subscriptions.clear();
    if let Ok(mut peer) = AnySocket::new(context, peer, options) {
        let _ = peer.connect(&bound).map(|_| peer.try_send("message"));
        let _ = socket.recv_timeout(Duration::from_micros(50));
        let _ = (socket.try_send(["to", "whom"]), peer.try_recv());
    }
}

fn refused(error: &Error) {
    let fits = matches!(error, Error::InvalidOption { .. } | Error::InvalidEndpoint { .. });
    assert!(fits && !error.to_string().is_empty(), "{error:?}");
}

/// Sets one option.
pub fn change(options: &mut Options, input: &mut Input<'_>) {
    match input.below(69) {
        0 => options.send_hwm = size(input),
        1 => options.recv_hwm = size(input),
        2 => options.conflate = input.flag(),
        3 => options.max_message_size = input.flag().then(|| input.large()),
        4 => options.max_frames = size(input),
        5 => options.send_timeout = Some(Duration::from_micros(input.byte().into())),
        6 => options.recv_timeout = Some(Duration::from_micros(input.byte().into())),
        7 => options.linger = time(input),
        8 => options.immediate = input.flag(),
        9 => options.routing_id = input.bytes().to_vec().into(),
        10 => options.connect_routing_id = input.bytes().to_vec().into(),
        11 => options.router_mandatory = input.flag(),
        12 => options.router_handover = input.flag(),
        13 => options.probe_router = input.flag(),
        14 => options.req_correlate = input.flag(),
        15 => options.req_relaxed = input.flag(),
        16 => options.subscriptions.push(input.bytes().to_vec().into()),
        17 => options.invert_matching = input.flag(),
        18 => {
            use XPubVerbosity::{All, Changes, Subscriptions};
            options.xpub_verbosity = input.pick(&[Changes, Subscriptions, All]);
        }
        19 => options.xpub_manual = input.flag(),
        20 => options.xpub_welcome_message = input.flag().then(|| input.bytes().to_vec().into()),
        21 => options.xpub_nodrop = input.flag(),
        22 => options.reconnect_interval = time(input),
        23 => options.reconnect_interval_max = time(input),
        24 => options.connect_timeout = time(input),
        25 => options.handshake_timeout = time(input),
        26 => options.heartbeat_interval = time(input),
        27 => options.heartbeat_ttl = time(input),
        28 => options.heartbeat_timeout = time(input),
        29 => options.affinity = input.large(),
        30 => options.max_pending_handshakes = size(input),
        31 => {
            use ZmtpVersion::{V1_0, V2_0, V3_0, V3_1};
            options.oldest_zmtp = input.pick(&[V1_0, V2_0, V3_0, V3_1]);
        }
        32 => {
            let keys = |byte| KeyPair::from(SecretKey::from([byte; 32]));
            options.security = match input.below(5) {
                0 => Null.into(),
                1 => Plain::server().into(),
                2 => Curve::server(&keys(1)).into(),
                3 => Curve::client(&keys(2), keys(1).public()).into(),
                _ => match Plain::client(input.bytes(), input.bytes()) {
                    Ok(client) => client.into(),
                    Err(error) => return refused(&error),
                },
            };
        }
        33 => options.authenticator = input.flag().then(Authenticator::anyone),
        34 => options.stream.send_buffer = input.flag().then(|| size(input)),
        35 => options.stream.recv_buffer = input.flag().then(|| size(input)),
        36 => options.stream.backlog = input.large() as u32,
        37 => options.stream.ipv6 = input.flag(),
        38 => options.stream.keepalive = input.flag().then(|| input.flag()),
        39 => options.stream.keepalive_count = input.flag().then(|| input.large() as u32),
        40 => options.stream.keepalive_idle = time(input),
        41 => options.stream.keepalive_interval = time(input),
        42 => options.stream.max_retransmit = time(input),
        43 => options.stream.type_of_service = input.byte(),
        44 => {
            options.stream.device = input.flag().then(|| String::from_utf8_lossy(input.bytes()).into_owned())
        }
        45 => options.max_handshake_size = size(input),
        46 => options.max_metadata_size = size(input),
        47 => options.max_pings_per_second = input.large() as u32,
        48 => options.max_subscriptions = size(input),
        49 => options.max_subscription_bytes = size(input),
        50 => {
            let mut text = || String::from_utf8_lossy(input.bytes()).into_owned();
            options.stream.socks_proxy = Some(SocksProxy::new("127.0.0.1:1").with_password(text(), text()));
        }
        51 => match String::from_utf8_lossy(input.bytes()).parse() {
            Ok(network) => options.stream.accept_from.push(network),
            Err(error) => refused(&error),
        },
        52 => options.stream_notify = input.flag(),
        53 => options.router_notify_connect = input.flag(),
        54 => options.router_notify_disconnect = input.flag(),
        55 => options.xpub_manual_last_value = input.flag(),
        56 => options.hello_message = input.flag().then(|| input.bytes().to_vec().into()),
        57 => options.disconnect_message = input.flag().then(|| input.bytes().to_vec().into()),
        58 => options.hiccup_message = input.flag().then(|| input.bytes().to_vec().into()),
        59 => {
            let name = String::from_utf8_lossy(input.bytes()).into_owned();
            options.metadata.push((name, input.bytes().to_vec().into()));
        }
        60 => options.stream.accept_users.push(input.large() as u32),
        61 => options.stream.accept_groups.push(input.large() as u32),
        62 => options.stream.accept_processes.push(input.large() as i32),
        63 => options.stream.file_mode = input.flag().then(|| u32::from(input.number())),
        64 => options.authenticator = Some(Authenticator::zap(String::from_utf8_lossy(input.bytes()))),
        65 => options.max_connections = size(input),
        66 => options.max_handshakes_per_second = input.large() as u32,
        67 => options.max_total_handshakes_per_second = input.large() as u32,
        _ => options.send_hwm = input.below(4),
    }
}

fn size(input: &mut Input<'_>) -> usize {
    match input.byte() {
        255 => usize::MAX,
        254 => input.large() as usize,
        253 => usize::from(input.number()),
        small => usize::from(small) % 8,
    }
}

fn time(input: &mut Input<'_>) -> Option<Duration> {
    Some(match input.byte() {
        0 => return None,
        1 => Duration::MAX,
        2 => Duration::ZERO,
        3 => Duration::from_nanos(input.large()),
        4 => Duration::from_secs(input.large()),
        millis => Duration::from_millis(millis.into()),
    })
}

pub fn seeds() -> Vec<Vec<u8>> {
    let one = |number: u8| {
        let value = if matches!(number, 9 | 10 | 16) { with_length(b"abc") } else { vec![1, 4, 1, 2, 3] };
        [&[number % 11, number, number][..], &value].concat()
    };
    let mut seeds: Vec<_> = (0..68).map(one).collect();
    seeds.push([&[3, 0][..], &(22..29).flat_map(|number| [number, 1]).collect::<Vec<_>>()].concat());
    seeds
}
