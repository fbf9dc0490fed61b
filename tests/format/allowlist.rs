use airut::format::allowlist::parse;

const TEXT: &str = r#"# what the agent may reach
domains:
  - api.anthropic.com
  - "*.example.com"

url_prefixes:
  - host: api.github.com
    path: /repos/you/repo*
    methods: [GET, head]
  - host: packages.example.com
    path: ""
  - path: /x
    host: a.example.org
"#;

#[test]
fn each_rule_knows_its_line() {
    let list = parse(TEXT).unwrap();
    let told: Vec<String> = list.rules.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 3: api.anthropic.com",
            "line 4: *.example.com",
            "line 7: api.github.com /repos/you/repo* [GET, HEAD]",
            "line 10: packages.example.com",
            "line 13: a.example.org /x",
        ]
    );
}

#[test]
fn an_empty_list_allows_nothing_and_is_no_error() {
    for text in ["", "# nothing\n", "domains:\nurl_prefixes:\n", "domains: []\n"] {
        assert!(parse(text).unwrap().rules.is_empty(), "{text:?}");
    }
}

#[test]
fn errors_name_line_and_column_and_what_is_allowed() {
    for (text, place, word) in [
        ("domains:\n  - https://a.example.com\n", "line 2", "not a host name"),
        ("domains:\n  - 10.0.0.1\n", "line 2", "not a host name"),
        ("domain:\n  - a.example.com\n", "line 1", "domain"),
        ("url_prefixes:\n  - host: a.example.com\n    paths: /x\n", "line 3", "paths"),
        ("url_prefixes:\n  - path: /x\n", "line 2", "host"),
        ("url_prefixes:\n  - host: a.example.com\n    path: repos/x\n", "line 3", "begin with '/'"),
        ("url_prefixes:\n  - host: a.example.com\n    path: /a\\b\n", "line 3", "which no request path does"),
        ("url_prefixes:\n  - host: a.example.com\n    methods: [CONNECT]\n", "line 3", "never let through"),
        ("url_prefixes:\n  - host: a.example.com\n    methods: [GET PUT]\n", "line 3", "not a method"),
        ("domains:\n  - a.example.com\ndomains:\n  - b.example.com\n", "line 3", "domains"),
        ("domains: a.example.com\n", "line 1", ""),
        ("domains: [\n", "line", ""),
    ] {
        let error = format!("{:#}", parse(text).unwrap_err());
        assert!(error.contains(place) && error.contains(word), "{text:?}: {error}");
    }
}

#[test]
fn a_list_that_is_an_attack_on_the_parser_is_an_error() {
    assert!(parse(&"[".repeat(100_000)).is_err());
    assert!(parse(&format!("domains:\n{}", "  - a.example.com\n".repeat(200_000))).is_err());
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\ndomains: [*b]\n";
    assert!(parse(bomb).is_err());
}
