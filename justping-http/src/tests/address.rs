//! No address of a denied network passes, in whatever form it is written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use crate::address::{DENIED_V4, DENIED_V6};
use crate::{OpenUrl, Policy, Refusal, is_public};

/// The ways to write an IPv4 address as an IPv6 one.
fn forms(ip: Ipv4Addr) -> [Ipv6Addr; 4] {
    let bits = u128::from(ip.to_bits());
    let from = |prefix: u128, shift: u32| Ipv6Addr::from_bits(prefix | (bits << shift));
    [
        from(0xffff << 32, 0),
        from(0, 0),
        from(0x0064_ff9b << 96, 0),
        // What stands behind the address in a tunnel does not matter.
        from((0x2002 << 112) | 0xbeef, 80),
    ]
}

fn refused(url: &str) -> Option<Refusal> {
    let url = OpenUrl::parse(url).unwrap();
    Policy::default().check(&url).err()
}

fn denied_v4() -> impl Strategy<Value = Ipv4Addr> {
    (prop::sample::select(DENIED_V4), any::<u32>()).prop_map(|(net, bits)| {
        let host = bits & net.hostmask().to_bits();
        Ipv4Addr::from_bits(net.network().to_bits() | host)
    })
}

fn denied_v6() -> impl Strategy<Value = Ipv6Addr> {
    (prop::sample::select(DENIED_V6), any::<u128>()).prop_map(|(net, bits)| {
        let host = bits & net.hostmask().to_bits();
        Ipv6Addr::from_bits(net.network().to_bits() | host)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_denied_address_of_ipv4_passes(ip in denied_v4()) {
        prop_assert!(!is_public(IpAddr::V4(ip)));
        let number = ip.to_bits();
        for host in [ip.to_string(), format!("{number}"), format!("{number:#x}"), format!("0{number:o}")] {
            prop_assert_eq!(refused(&format!("http://{host}/")), Some(Refusal::Address));
        }
        for form in forms(ip) {
            prop_assert!(!is_public(IpAddr::V6(form)), "{}", form);
            prop_assert_eq!(refused(&format!("http://[{form}]/")), Some(Refusal::Address));
        }
    }

    #[test]
    fn no_denied_address_of_ipv6_passes(ip in denied_v6()) {
        // Where IPv4 is embedded, it alone decides.
        let is_wrapped = forms(Ipv4Addr::UNSPECIFIED)
            .iter()
            .take(3)
            .any(|form| form.to_bits() >> 32 == ip.to_bits() >> 32);
        prop_assume!(!is_wrapped);
        prop_assert!(!is_public(IpAddr::V6(ip)));
        prop_assert_eq!(refused(&format!("https://[{ip}]/")), Some(Refusal::Address));
    }

    #[test]
    fn the_forms_of_an_address_are_judged_as_itself(bits in any::<u32>()) {
        let ip = Ipv4Addr::from_bits(bits);
        for form in forms(ip) {
            prop_assert_eq!(is_public(IpAddr::V6(form)), is_public(IpAddr::V4(ip)), "{}", form);
        }
    }
}

#[test]
fn edges_of_networks_are_where_they_should_be() {
    let public = |text: &str| is_public(text.parse().unwrap());
    for ip in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "8.8.8.8",
        "168.63.129.17",
        "2606:2800:220:1::1",
        "2a00:1450::1",
        "2001:200::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ] {
        assert!(public(ip), "{ip}");
    }
    for ip in [
        "0.0.0.0",
        "10.0.0.0",
        "100.64.0.0",
        "100.100.100.200",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.0.1",
        "198.19.255.255",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fd00:ec2::254",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "100::1",
        "::ffff:a9fe:a9fe",
        "::a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:a9fe:a9fe::1",
        "2002:7f00:1::",
    ] {
        assert!(!public(ip), "{ip}");
    }
}
