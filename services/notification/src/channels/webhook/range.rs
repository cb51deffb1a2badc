//! Which addresses are special, and what they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> IpNet {
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), length)
}

const fn v6(segments: [u16; 8], length: u8) -> IpNet {
    let [a, b, c, d, e, f, g, h] = segments;
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), length)
}

/// Addresses at which clouds tell machines their secrets. Some of them are not even private.
pub(super) const METADATA: &[IpNet] = &[
    v4(169, 254, 169, 254, 32),
    // AWS: credentials of containers, names and time.
    v4(169, 254, 170, 2, 32),
    v4(169, 254, 170, 23, 32),
    v4(169, 254, 169, 253, 32),
    v4(169, 254, 169, 123, 32),
    // Azure, Alibaba Cloud, Oracle Cloud.
    v4(168, 63, 129, 16, 32),
    v4(100, 100, 100, 200, 32),
    v4(192, 0, 0, 192, 32),
    // AWS and Google Cloud over IPv6.
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253], 128),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23], 128),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x123], 128),
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
];

/// The special-purpose ranges of IANA's registries that do not belong to a machine in the internet.
const SPECIAL: &[(IpNet, &str)] = &[
    (v4(0, 0, 0, 0, 32), "the unspecified address"),
    (v4(0, 0, 0, 0, 8), "an address of \"this network\""),
    (v4(10, 0, 0, 0, 8), "a private address"),
    (v4(100, 64, 0, 0, 10), "an address behind a carrier's translation"),
    (v4(127, 0, 0, 0, 8), "a loopback address"),
    (v4(169, 254, 0, 0, 16), "a link-local address"),
    (v4(172, 16, 0, 0, 12), "a private address"),
    (v4(192, 0, 0, 0, 24), "a reserved address"),
    (v4(192, 0, 2, 0, 24), "an address for documentation"),
    (v4(192, 88, 99, 0, 24), "a reserved address"),
    (v4(192, 168, 0, 0, 16), "a private address"),
    (v4(198, 18, 0, 0, 15), "an address for benchmarks"),
    (v4(198, 51, 100, 0, 24), "an address for documentation"),
    (v4(203, 0, 113, 0, 24), "an address for documentation"),
    (v4(224, 0, 0, 0, 4), "a multicast address"),
    (v4(255, 255, 255, 255, 32), "the broadcast address"),
    (v4(240, 0, 0, 0, 4), "a reserved address"),
    (v6([0; 8], 128), "the unspecified address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "a loopback address"),
    (v6([0; 8], 96), "an old form of an IPv4 address"),
    (
        v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
        "an address behind a local translation",
    ),
    (
        v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
        "an address that leads nowhere",
    ),
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32),
        "an address of a tunnel (Teredo)",
    ),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), "an address for benchmarks"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "a reserved address"),
    (
        v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        "an address for documentation",
    ),
    (
        v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
        "an address of a tunnel (6to4)",
    ),
    (
        v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
        "an address for documentation",
    ),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "a private address"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "a link-local address"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "a private address"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast address"),
];

/// Of IPv6 only this part is given to machines; whatever else has no row above is reserved.
const GLOBAL: IpNet = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// Where networks without IPv4 reach it: the last 32 bits are the address that counts.
const TRANSLATED: IpNet = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

/// What an address is if it is special; `None`: that of a machine in the internet. The address as [`plain`] gives it.
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    if METADATA.iter().any(|range| range.contains(&address)) {
        return Some("an address at which a cloud keeps its machines' secrets");
    }
    // Narrow ranges stand before the wide ones around them.
    if let Some((_, what)) = SPECIAL.iter().find(|(range, _)| range.contains(&address)) {
        return Some(what);
    }
    // Identifiers of interfaces with an IPv4 address in them (ISATAP) lead into the network of the router that knows
    // them.
    if let IpAddr::V6(address) = address
        && matches!(address.segments(), [_, _, _, _, 0 | 0x200, 0x5efe, _, _])
    {
        return Some("an address of a tunnel (ISATAP)");
    }
    (address.is_ipv6() && !GLOBAL.contains(&address)).then_some("a reserved address")
}

/// The address that counts: of IPv4 in IPv6, the former.
pub(super) fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    if let Some(mapped) = v6.to_ipv4_mapped() {
        return IpAddr::V4(mapped);
    }
    if TRANSLATED.contains(&address) {
        let [.., a, b, c, d] = v6.octets();
        return IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    }
    address
}
