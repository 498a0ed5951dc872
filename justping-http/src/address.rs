//! Which addresses belong to the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Networks of IPv4 that no customer may reach: local, shared, reserved, for documentation.
pub(crate) const DENIED_V4: &[Ipv4Net] = &[
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    // Azure's wire server answers its own machines on a public address.
    v4([168, 63, 129, 16], 32),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

/// Networks of IPv6 that no customer may reach, once embedded addresses are unwrapped.
pub(crate) const DENIED_V6: &[Ipv6Net] = &[
    v6([0, 0, 0, 0, 0, 0], 8),
    // Translation within a network, in any form the network likes.
    v6([0x64, 0xff9b, 1, 0, 0, 0], 48),
    v6([0x100, 0, 0, 0, 0, 0], 64),
    // Protocol assignments, Teredo among them.
    v6([0x2001, 0, 0, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0, 0, 0], 32),
    v6([0x3fff, 0, 0, 0, 0, 0], 20),
    v6([0x5f00, 0, 0, 0, 0, 0], 16),
    v6([0xfc00, 0, 0, 0, 0, 0], 7),
    v6([0xfe80, 0, 0, 0, 0, 0], 10),
    v6([0xfec0, 0, 0, 0, 0, 0], 10),
    v6([0xff00, 0, 0, 0, 0, 0], 8),
];

/// `::ffff:0:0/96`: IPv4 as sockets of IPv6 see it.
const MAPPED: Ipv6Net = v6([0, 0, 0, 0, 0, 0xffff], 96);
/// `::/96`: an older way to write the same.
const COMPATIBLE: Ipv6Net = v6([0, 0, 0, 0, 0, 0], 96);
/// `64:ff9b::/96`: IPv4 behind a translator.
const TRANSLATED: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0], 96);
/// `2002::/16`: IPv4 behind a tunnel, in the second to sixth byte.
const TUNNELLED: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0], 16);

/// Says whether an address belongs to the public internet. An IPv4 address inside an IPv6 one is
/// judged as itself.
///
/// ```
/// use justping_http::is_public;
///
/// assert!(is_public("93.184.216.34".parse().unwrap()));
/// assert!(!is_public("::ffff:169.254.169.254".parse().unwrap()));
/// ```
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public_v4(inner),
            None => !DENIED_V6.iter().any(|net| net.contains(&address)),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !DENIED_V4.iter().any(|net| net.contains(&address))
}

/// The IPv4 address that an IPv6 address stands for.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [_, upper, lower, .., next_to_last, last] = address.segments();
    if [MAPPED, COMPATIBLE, TRANSLATED].iter().any(|net| net.contains(&address)) {
        return Some(joined(next_to_last, last));
    }
    TUNNELLED.contains(&address).then(|| joined(upper, lower))
}

fn joined(upper: u16, lower: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits((u32::from(upper) << 16) | u32::from(lower))
}

const fn v4(octets: [u8; 4], length: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(segments: [u16; 6], length: u8) -> Ipv6Net {
    let [a, b, c, d, e, f] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, 0, 0), length)
}
