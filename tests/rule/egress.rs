use airut::rule::egress::{is_opened, is_public};

#[test]
fn only_the_public_internet_is_outward() {
    for inward in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "5f00::1",
        "4000::1",
    ] {
        assert!(!is_public(inward.parse().unwrap()), "{inward}");
    }
    for outward in [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.0.1",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.167.0.1",
        "198.17.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2001:4860:4860::8888",
        "2a00:1450::1",
    ] {
        assert!(is_public(outward.parse().unwrap()), "{outward}");
    }
}

#[test]
fn a_range_that_the_operator_opened_opens_nothing_beside_it() {
    let ranges = ["10.1.0.0/16", "fd00:1::/32"].map(|range| range.parse().unwrap());
    for opened in ["10.1.0.0", "10.1.255.255", "fd00:1::7"] {
        assert!(is_opened(opened.parse().unwrap(), &ranges), "{opened}");
    }
    for closed in ["10.0.255.255", "10.2.0.0", "127.0.0.1", "::ffff:10.1.0.1", "64:ff9b::a01:1", "fd00:2::1"]
    {
        assert!(!is_opened(closed.parse().unwrap(), &ranges), "{closed}");
    }
}
