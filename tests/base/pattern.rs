use airut::base::host::{HostName, HostPattern};
use airut::base::pattern::Pattern;

fn fits(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).matches(text)
}

#[test]
fn patterns_mean_what_they_mean_in_fnmatch() {
    // Each answer is that of Python's fnmatch.fnmatchcase.
    for (pattern, text, answer) in [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("/repos/*", "/repos/a/b", true),
        ("/repos/*/x", "/repos/a/b/x", true),
        ("/repos/*/x", "/repos/a/b/xy", false),
        ("a?c", "abc", true),
        ("a?c", "a/c", true),
        ("a?c", "ac", false),
        ("[abc]", "b", true),
        ("[!abc]", "b", false),
        ("[!abc]", "d", true),
        ("[a-c]x", "bx", true),
        ("[]]", "]", true),
        ("[!]]", "]", false),
        ("[", "[", true),
        ("[a", "[a", true),
        ("[a-]", "-", true),
        ("a*b*c", "aXbYbZc", true),
        ("a*b*c", "aXbYbZ", false),
        ("**", "anything", true),
        (".", "x", false),
        ("A", "a", false),
        // Ranges that hold nothing are dropped before anything else is read.
        ("[c-a]", "b", false),
        ("[!c-a]", "b", true),
        ("[c-ax]", "x", true),
        ("[c-a!x]", "x", false),
        ("[c-a!x]", "y", true),
        ("[c-a!]", "y", true),
        ("[c-a!-z]", "m", true),
        ("[c-a!-z]", "z", false),
        ("[c-a!-z]", "-", false),
        ("[!c-a!x]", "!", false),
    ] {
        assert_eq!(fits(pattern, text), answer, "{pattern:?} {text:?}");
    }
}

#[test]
fn a_hostile_pattern_ends_in_time() {
    assert!(!fits(&"*a".repeat(2_000), &"a".repeat(1_999)));
    assert!(!fits(&format!("{}b", "*a".repeat(50)), &"a".repeat(20_000)));
}

#[test]
fn a_star_before_a_domain_does_not_mean_the_domain() {
    let host = |name: &str| name.parse::<HostName>().unwrap();
    let below: HostPattern = "*.Example.com".parse().unwrap();
    assert!(below.matches(&host("A.example.com")) && below.matches(&host("a.b.example.com")));
    assert!(!below.matches(&host("example.com")) && !below.matches(&host("aexample.com")));
    assert!(!below.matches(&host("a.example.com.evil.org")));
}

#[test]
fn a_host_pattern_holds_no_scheme_port_path_or_address() {
    for wrong in
        ["https://a.example.com", "a.example.com:443", "a.example.com/x", "127.0.0.1", "", ".", "a b", "*."]
    {
        assert!(wrong.parse::<HostPattern>().is_err(), "{wrong:?}");
    }
}
