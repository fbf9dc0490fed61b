use airut::format::allowlist::parse;
use airut::format::network_log::{Entry, Verdict};
use airut::rule::allow::{Decision, decide};
use airut::rule::learn::{learn, yaml};
use airut::rule::request::Request;
use std::time::Duration;

fn blocked(method: &str, url: &str, why: &str) -> Entry {
    Entry {
        verdict: Verdict::Blocked,
        method: method.to_owned(),
        url: url.to_owned(),
        status: 403,
        sent_bytes: 0,
        received_bytes: 0,
        took: Duration::ZERO,
        why: why.to_owned(),
        tags: Vec::new(),
    }
}

#[test]
fn what_was_blocked_passes_with_the_addition_and_nothing_beside_it_does() {
    let before = "domains: [known.example.com]";
    let log = [
        blocked("GET", "https://api.example.com/a?q=1", "no rule names this host"),
        blocked("POST", "https://api.example.com/a", "no rule names this host"),
        blocked("GET", "https://api.example.com/a?q=2", "no rule names this host"),
        blocked("GET", "https://npm.example.com/@scope%2Fname/*.tgz", "no rule names this host"),
        blocked(
            "POST",
            "https://git.example.com/x",
            "a header asks for the method DELETE, and no rule names this host",
        ),
        // In the meantime somebody put it on the list.
        blocked("GET", "https://known.example.com/", "no rule names this host"),
        // Nothing on the list helps these.
        blocked(
            "GET",
            "https://known.example.com/in",
            "known.example.com leads to 10.0.0.1, which is not a public address",
        ),
        blocked("-", "https://api.example.com/", "not a well-formed HTTP/1.1 message: a NUL"),
        blocked(
            "GET",
            &format!("https://api.example.com/{}...", "a".repeat(4096)),
            "no rule names this host",
        ),
        Entry { verdict: Verdict::Allowed, ..blocked("GET", "https://known.example.com/x", "line 1") },
    ];
    let learned = learn(&parse(before).unwrap(), &log);
    assert_eq!(learned.hopeless, 3, "{learned:?}");
    let text = yaml(&learned.additions);
    assert_eq!(
        text,
        "url_prefixes:\n  - host: api.example.com\n    path: \"/a\"\n    methods: [GET, POST]\n  \
         - host: git.example.com\n    path: \"/x\"\n    methods: [DELETE, POST]\n  \
         - host: npm.example.com\n    path: \"/@scope%2Fname/[*].tgz\"\n    methods: [GET]\n"
    );
    let after = parse(&format!("{before}\n{text}")).unwrap();
    let passes = |method: &str, url: &str| {
        matches!(decide(&after, &Request::from_url(method, url).unwrap()), Decision::Allowed(_))
    };
    for entry in &log[..6] {
        assert!(passes(&entry.method, &entry.url), "{}", entry.url);
    }
    for (method, url) in [
        ("DELETE", "https://api.example.com/a"),
        ("GET", "https://api.example.com/a/b"),
        ("GET", "https://npm.example.com/@scope%2Fname/x.tgz"),
        ("GET", "https://git.example.com/x"),
    ] {
        assert!(!passes(method, url), "{method} {url}");
    }
}
