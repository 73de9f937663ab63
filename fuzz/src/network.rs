//! Ranges of addresses, against a comparison bit by bit.

use crate::input::Input;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use zmq_core::Error;
use zmq_core::options::Network;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let differing = input.byte();
    let address = match input.flag() {
        true => IpAddr::from(Ipv6Addr::from(u128::from(input.large()) << 64 | u128::from(input.large()))),
        false => IpAddr::from(Ipv4Addr::from(input.large() as u32)),
    };
    let text = String::from_utf8_lossy(input.rest());
    match text.parse::<Network>() {
        Ok(network) => {
            assert_eq!(network.to_string().parse(), Ok(network));
            let shown = network.to_string();
            let (first, prefix) = shown.split_once('/').expect("its bits are counted");
            let (first, prefix) = (first.parse().expect("an address"), prefix.parse().expect("a number"));
            compare(network, first, prefix, address);
            // One that differs in one bit.
            compare(network, first, prefix, turned(first, differing));
            compare(network, first, prefix, first);
        }
        Err(error) => {
            assert!(
                matches!(error, Error::InvalidOption { .. }) && error.to_string().contains("accept_from")
            );
        }
    }
    let alone = Network::from(address);
    assert!(alone.contains(address) && !alone.contains(turned(address, differing)));
}

fn compare(network: Network, first: IpAddr, prefix: u32, address: IpAddr) {
    let (one, other) = (bits(first), bits(address.to_canonical()));
    let same = one.len() == other.len() && one.iter().zip(&other).take(prefix as usize).all(|(a, b)| a == b);
    assert_eq!(network.contains(address), same, "{address} in {network}");
}

fn bits(address: IpAddr) -> Vec<bool> {
    match address {
        IpAddr::V4(address) => (0..32).rev().map(|bit| address.to_bits() >> bit & 1 == 1).collect(),
        IpAddr::V6(address) => (0..128).rev().map(|bit| address.to_bits() >> bit & 1 == 1).collect(),
    }
}

fn turned(address: IpAddr, bit: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(address.to_bits() ^ 1 << (bit % 32)).into(),
        IpAddr::V6(address) => Ipv6Addr::from(address.to_bits() ^ 1 << (bit % 128)).into(),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |text: &str| [&[3, 0, 0, 0, 0, 0, 10, 1, 2, 3][..], text.as_bytes()].concat();
    let six = |text: &str| [&[70, 1, 0x20, 1][..], &[0; 14], text.as_bytes()].concat();
    let four = ["10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "10.0.0.0/33", "localhost"].map(seed);
    let mapped = ["::ffff:10.0.0.0/104", "::ffff:10.1.2.3", "::ffff:0.0.0.0/95"].map(seed);
    [&four[..], &mapped, &["2001:db8::/33", "::/0", "::1", "::/129"].map(six)].concat()
}
