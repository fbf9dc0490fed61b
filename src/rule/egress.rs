//! Which addresses a name may lead to. Only the public internet: everything that could be this machine, its
//! neighbours, its cloud's metadata service or a translation to one of those is refused, unless the operator opened it.

use crate::base::cidr::Cidr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether the operator opened this address, whatever it is.
#[must_use]
pub fn is_opened(address: IpAddr, allow_private: &[Cidr]) -> bool {
    allow_private.iter().any(|range| range.contains(address))
}

/// Whether an address is an ordinary public one (the IANA special-purpose registries, RFC 6890, name the others).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)           // this host, private, loopback
            | (100, 64..=127, _)       // carrier-grade NAT, where some clouds keep their metadata
            | (169, 254, _)            // link-local and metadata
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)          // protocol assignments, documentation
            | (192, 31, 196)
            | (192, 52, 193)
            | (192, 88, 99)            // 6to4 relays
            | (192, 168, _)
            | (192, 175, 48)
            | (198, 18..=19, _)        // benchmarking
            | (198, 51, 100)
            | (203, 0, 113)
            | (224.., _, _) // multicast, reserved, broadcast
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Global unicast is 2000::/3. Loopback, unique local, link-local, mapped and compatible IPv4 and both NAT64
    // prefixes (RFC 6052, RFC 8215) lie outside of it.
    let global = (0x2000..0x4000).contains(&segments[0]);
    let special = match segments[0] {
        // Protocol assignments with Teredo and ORCHID in 2001::/23, documentation in 2001:db8::/32.
        0x2001 => segments[1] < 0x200 || segments[1] == 0xdb8,
        // 6to4: an IPv4 address in disguise.
        0x2002 => true,
        0x3fff => segments[1] < 0x1000,
        0x2620 => segments[1] == 0x4f && segments[2] == 0x8000,
        _ => false,
    };
    global && !special
}
