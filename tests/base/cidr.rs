use airut::base::cidr::Cidr;

fn holds(range: &str, address: &str) -> bool {
    range.parse::<Cidr>().unwrap().contains(address.parse().unwrap())
}

#[test]
fn a_range_holds_what_begins_with_its_bits() {
    for (range, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("192.168.4.0/23", "192.168.5.255", "192.168.6.0"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("192.0.2.7/32", "192.0.2.7", "192.0.2.6"),
        ("128.0.0.0/1", "255.255.255.255", "127.255.255.255"),
        ("fd00::/8", "fdff::1", "fe80::1"),
        ("2001:db8::1/128", "2001:db8::1", "2001:db8::2"),
        ("10.0.0.0/8", "10.0.0.1", "::ffff:10.0.0.1"),
    ] {
        assert!(holds(range, inside), "{range} {inside}");
        assert!(!holds(range, outside), "{range} {outside}");
    }
}

#[test]
fn what_is_no_range_is_refused_and_says_what_is_allowed() {
    for text in [
        "",
        "10",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "::/129",
        "a/8",
        "0.0.0.0/0",
        "::/0",
    ] {
        let error = text.parse::<Cidr>().unwrap_err().to_string();
        assert!(error.contains("allowed: ranges like 10.0.0.0/8"), "{text}: {error}");
    }
    let error = "10.1.2.3/8".parse::<Cidr>().unwrap_err().to_string();
    assert!(error.contains("is 10.0.0.0/8 meant?"), "{error}");
}
