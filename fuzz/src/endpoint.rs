//! Endpoint strings, and the addresses of tcp and ipc.

use crate::input::Input;
use std::net::IpAddr;
use zmq_core::options::StreamOptions;
use zmq_core::transport::PolledTransport;
use zmq_core::{Endpoint, Error};
use zmq_transport_ipc::Ipc;
use zmq_transport_tcp::Tcp;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut options = StreamOptions::default();
    options.ipv6 = input.flag();
    let listens = input.below(32) == 0;
    let text = String::from_utf8_lossy(input.rest());
    match text.parse::<Endpoint>() {
        Ok(endpoint) => {
            assert_eq!(endpoint.to_string().parse::<Endpoint>().as_ref(), Ok(&endpoint));
            assert_eq!(Endpoint::new(endpoint.scheme(), endpoint.address()), endpoint);
            assert!(text.to_lowercase().ends_with(&endpoint.address().to_lowercase()));
            addresses(endpoint.address(), &options, listens);
        }
        Err(error) => refusal(error),
    }
    addresses(&text, &options, listens);
}

fn refusal(error: Error) {
    assert!(matches!(error, Error::InvalidEndpoint { .. }), "{error:?}");
    assert!(!error.to_string().is_empty());
}

fn addresses(address: &str, options: &StreamOptions, listens: bool) {
    Ipc.check(address, options).unwrap_or_else(refusal);
    match Tcp.check(address, options) {
        // A name would be looked up.
        Ok(()) if !Tcp.resolve_blocks(address, options) => {
            for route in Tcp.resolve(address, options).unwrap_or_default() {
                assert_eq!(Tcp.check(&route, options), Ok(()), "{route}");
                assert!(!Tcp.resolve_blocks(&route, options));
                assert_eq!(Tcp.resolve(&route, options).ok(), Some(vec![route]));
            }
        }
        Ok(()) => {}
        Err(error) => refusal(error),
    }
    let listener = (listens && is_harmless(address)).then(|| Tcp.listen(address, options));
    if let Some(Ok(listener)) = listener {
        let local = listener.local_address();
        assert!(Tcp.check(&local, options).is_ok() || local.contains('%'), "{local}");
    }
}

/// Numbers only, and a port that the system chooses.
fn is_harmless(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (host == "*" || host.parse::<IpAddr>().is_ok()) && !port.parse::<u16>().is_ok_and(|port| port != 0)
}

pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "tcp://127.0.0.1:5555",
        "tcp://*:*",
        "tcp://[::1]:0",
        "tcp://[fe80::1%lo]:1",
        "tcp://lo:5555",
        "tcp://localhost:*",
        "tcp://127.0.0.1:0;127.0.0.1:5555",
        "tcp://[::ffff:1.2.3.4]:65535",
        "TCP://h:1",
        "ipc:///tmp/a b",
        "ipc://@abstract",
        "ipc://*",
        "inproc://name",
        "my-tls+tcp://x",
        "127.0.0.1:*",
        "tcp://eth0;192.168.1.1:5555",
        "tcp://0.0.0.0:!",
        "@",
        "[::]:*",
    ];
    texts.iter().flat_map(|text| [0, 1].map(|ipv6| [&[ipv6, 0], text.as_bytes()].concat())).collect()
}
