use crate::support::mutate::mutations;
use airut::rule::request::{Request, Scheme};

fn target(path: &str) -> Option<String> {
    Request::from_parts(Scheme::Https, "GET", &["a.example.com"], path).ok().map(|request| request.target())
}

#[test]
fn a_path_has_one_spelling() {
    for (came, canonical) in [
        ("/", "/"),
        ("/a/b?x=/../&y=%00", "/a/b?x=/../&y=%00"),
        ("/%61%2D%7e", "/a-~"),
        ("/@scope%2fname", "/@scope%2Fname"),
        ("/a%20b", "/a%20b"),
        ("/100%25", "/100%25"),
        ("/100%25/x", "/100%25/x"),
        ("/{id}\"|^`<>", "/%7Bid%7D%22%7C%5E%60%3C%3E"),
        ("/ü", "/%C3%BC"),
        ("/a;v=1/b", "/a;v=1/b"),
        ("/...", "/..."),
        ("/.well-known/x", "/.well-known/x"),
        ("/a..b/c.", "/a..b/c."),
    ] {
        assert_eq!(target(came).as_deref(), Some(canonical), "{came}");
    }
}

#[test]
fn what_two_servers_would_read_differently_is_refused() {
    for path in [
        "",
        "a",
        "*",
        "/..",
        "/.",
        "/a/../b",
        "/a/./b",
        "/%2e%2E/x",
        "/a/.%2e",
        "/a%2F..%2Fb",
        "/a%2f.",
        "/..;/x",
        "/.;a=b/x",
        "/..%3Bx/y",
        "/a\\b",
        "/a%5cb",
        "/%00",
        "/a%0ab",
        "/%7f",
        "/%",
        "/%1",
        "/%gg",
        "/%252e",
        "/%25%32%65",
        "/%2525",
        "/a b",
        "/a\tb",
        "/a#b",
        "/\u{7f}",
        "/a?b c",
        "/a?b#c",
        "/a?\n",
    ] {
        assert_eq!(target(path), None, "{path:?}");
    }
}

#[test]
fn hosts_have_one_spelling_and_one_port() {
    let host = |scheme, names: &[&str]| {
        Request::from_parts(scheme, "GET", names, "/").ok().map(|request| request.host().to_string())
    };
    for names in [
        &["A.Example.com"][..],
        &["a.example.com."],
        &["a.example.com:443"],
        &["a.example.com", "A.EXAMPLE.COM.:443"],
    ] {
        assert_eq!(host(Scheme::Https, names).as_deref(), Some("a.example.com"), "{names:?}");
    }
    for names in [
        &[][..],
        &[""],
        &["a.example.com", "b.example.com"],
        &["a.example.com:80"],
        &["a.example.com:0443"],
        &["a.example.com:"],
        &["a.example.com:443:443"],
        &["a.example.com.."],
        &["user@a.example.com"],
        &["127.0.0.1"],
        &["127.1"],
        &["0x7f.0x0.0x0.0x1"],
        &["2130706433"],
        &["[::1]"],
        &["::1"],
        &["a.example.com\0"],
        &["a.example.com/x"],
        &["a.example.com\u{3002}evil.org"],
        &["ａ.example.com"],
        &["-a.example.com"],
        &["a..example.com"],
    ] {
        assert_eq!(host(Scheme::Https, names), None, "{names:?}");
    }
    assert_eq!(host(Scheme::Http, &["a.example.com:80"]).as_deref(), Some("a.example.com"));
}

#[test]
fn a_url_is_read_as_the_proxy_would_see_it() {
    let url = |url: &str| Request::from_url("GET", url).ok().map(|request| request.url());
    assert_eq!(url("https://a.example.com").as_deref(), Some("https://a.example.com/"));
    assert_eq!(url("HTTPS://A.example.com:443/x?y").as_deref(), Some("https://a.example.com/x?y"));
    assert_eq!(url("http://a.example.com?y").as_deref(), Some("http://a.example.com/?y"));
    for wrong in [
        "a.example.com",
        "ftp://a.example.com/",
        "https://a.example.com/#x",
        "https://a.example.com#@evil.org/",
        "https://a.example.com@evil.org/",
        "https://a.example.com\\@evil.org/",
        "https://a.example.com:444/",
        "https:///x",
        "",
    ] {
        assert_eq!(url(wrong), None, "{wrong}");
    }
}

#[test]
fn connect_trace_and_odd_methods_are_refused() {
    for method in ["CONNECT", "TRACE", "get", "", "GE T", "GET\r\n", &"A".repeat(25)] {
        assert!(Request::from_url(method, "https://a.example.com/").is_err(), "{method:?}");
    }
}

#[test]
fn an_overlong_url_is_refused() {
    assert!(target(&format!("/{}", "a".repeat(20 << 10))).is_none());
}

#[test]
fn whatever_comes_the_canonical_form_is_final_and_hides_no_dot_segment() {
    for good in ["/a/%2e%2f..%5c/b", "/@scope%2fname;x/%25%32%65", "/x/..%2f/.;/%252e/%%?q=%00#f"] {
        mutations(good.as_bytes(), 20_000, |raw| {
            let path = String::from_utf8_lossy(raw);
            let Some(once) = target(&path) else { return };
            assert_eq!(target(&once).as_ref(), Some(&once));
            let path = once.split('?').next().unwrap();
            assert!(path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#'), "{once}");
            let mut decoded = path.to_owned();
            for _ in 0..3 {
                for (from, to) in [("%2F", "/"), ("%2f", "/"), ("%2E", "."), ("%2e", "."), ("%25", "%")] {
                    decoded = decoded.replace(from, to);
                }
                assert!(!decoded.split('/').any(|s| s == "." || s == ".."), "{once}");
            }
        });
    }
}
