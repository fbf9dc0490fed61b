use airut::format::allowlist::{Allowlist, parse};
use airut::rule::allow::{Decision, decide, warnings};
use airut::rule::request::Request;

fn list() -> Allowlist {
    parse(
        "domains: [all.example.com, '*.wide.example.com']\n\
         url_prefixes:\n\
         - {host: git.example.com, path: '/repos/org/repo*', methods: [GET]}\n\
         - {host: git.example.com, path: '/repos/org/repo/pulls', methods: [POST]}\n\
         - {host: npm.example.com, path: '/@scope%2fname'}\n\
         - {host: '*.deep.example.com', path: '/v?/[ab]'}\n",
    )
    .unwrap()
}

fn line(method: &str, url: &str) -> Result<u64, String> {
    let list = list();
    match Request::from_url(method, url) {
        Err(refused) => Err(refused.0),
        Ok(request) => match decide(&list, &request) {
            Decision::Allowed(rule) => Ok(rule.line),
            Decision::Blocked(reason) => Err(reason.to_string()),
        },
    }
}

#[test]
fn the_deciding_line_is_named() {
    assert_eq!(line("DELETE", "https://all.example.com/any/path?q"), Ok(1));
    assert_eq!(line("GET", "http://a.b.wide.example.com/"), Ok(1));
    assert_eq!(line("GET", "https://git.example.com/repos/org/repo/pulls"), Ok(3));
    assert_eq!(line("POST", "https://git.example.com/repos/org/repo/pulls"), Ok(4));
    assert_eq!(line("GET", "https://npm.example.com/@scope%2Fname"), Ok(5));
    assert_eq!(line("GET", "https://x.deep.example.com/v1/b"), Ok(6));
}

#[test]
fn a_blocked_request_says_how_near_it_came() {
    for (method, url, reason) in [
        ("GET", "https://example.com/", "no rule names this host"),
        ("GET", "https://wide.example.com/", "no rule names this host"),
        ("GET", "https://all.example.com.evil.org/", "no rule names this host"),
        ("GET", "https://git.example.com/repos/other", "other paths (line 3"),
        ("POST", "https://git.example.com/repos/org/repo", "other methods (line 3"),
        ("POST", "https://git.example.com/repos/org/repo/pulls/1", "other methods (line 3"),
        ("GET", "https://npm.example.com/@scope/name", "other paths"),
        ("GET", "https://x.deep.example.com/v1/c", "other paths"),
    ] {
        let said = line(method, url).unwrap_err();
        assert!(said.contains(reason), "{url}: {said}");
    }
}

#[test]
fn a_wildcard_does_not_reach_over_an_empty_segment() {
    assert!(line("GET", "https://git.example.com/repos/org/repo//x").is_err());
    assert_eq!(line("GET", "https://all.example.com//x"), Ok(1));
}

#[test]
fn a_wildcard_at_the_end_keeps_its_documented_meaning_and_check_warns_of_it() {
    assert_eq!(line("GET", "https://git.example.com/repos/org/repo-evil"), Ok(3));
    let warnings = warnings(&list()).join("\n");
    assert!(warnings.contains("line 3") && warnings.contains("\"repo-evil\" fits too"), "{warnings}");
}

#[test]
fn rules_that_say_more_than_they_seem_to_are_warned_of() {
    for (rule, word) in [
        ("domains: ['*']", "anyone can register"),
        ("domains: ['*.com']", "top-level domain"),
        ("domains: ['api.*']", "anyone can register"),
        ("domains: ['*example.com']", "not only hosts below"),
        ("domains: ['*.github.io']", "github.io is a public suffix"),
        ("domains: [co.uk]", "co.uk is a public suffix"),
        ("url_prefixes: [{host: a.example.com, path: '*'}]", "every path fits"),
        ("url_prefixes: [{host: a.example.com, path: '/*'}]", "every path fits"),
        ("url_prefixes: [{host: a.example.com, path: /x}]", "no wildcard"),
        ("url_prefixes: [{host: a.example.com, path: '/x/../y*'}]", "never fits"),
    ] {
        let warnings = warnings(&parse(rule).unwrap()).join("\n");
        assert!(warnings.contains(word), "{rule}: {warnings}");
    }
    assert!(
        warnings(&parse("domains: [a.example.com, '*.example.com', localhost, a.github.io]").unwrap())
            .is_empty()
    );
}
