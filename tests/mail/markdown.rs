use airut::mail::markdown::to_html;

#[test]
fn common_markdown_becomes_html() {
    let html = to_html(
        "# T\n\n**b** ~~s~~ `c`\n\n- [x] done\n- [ ] open\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```rust\nfn a<T>() {}\n```\n\n<https://example.com> [m](mailto:a@example.com)",
    );
    for part in [
        "<h1>T</h1>",
        "<strong>b</strong>",
        "<del>s</del>",
        ">c</code>",
        "☑ done",
        "☐ open",
        "<th style=",
        ">1</td>",
        "fn a&lt;T&gt;() {}",
        "<a href=\"https://example.com\"",
        "<a href=\"mailto:a@example.com\"",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn nothing_that_could_run_or_load_gets_through() {
    for markdown in [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "a <b onclick=x>b</b>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html,x)",
        "[x](vbscript:x)",
        "[x](file:///etc/passwd)",
        "[x](//evil.example/x)",
        "![x](https://evil.example/pixel.png)",
        "<javascript:alert(1)>",
        "```\"><script>x\ny\n```",
        "<!-- <script> -->",
        "<a href=\"javascript:x\">y</a>",
        "<iframe src=x></iframe><style>x</style>",
    ] {
        let html = to_html(markdown);
        let tags: Vec<&str> =
            html.split('<').skip(1).map(|tag| tag.split(['>', ' ']).next().unwrap()).collect();
        assert!(
            tags.iter().all(|tag| ["p", "/p", "a", "/a", "pre", "/pre", "code", "/code"].contains(tag)),
            "{markdown}: {html}"
        );
        let links =
            html.split("<a ").skip(1).filter_map(|tag| tag.split_once("href=\"")?.1.split('"').next());
        assert!(links.clone().all(|link| link.starts_with("http")), "{markdown}: {html}");
    }
}

#[test]
fn deep_or_endless_markdown_takes_a_moment_only() {
    for one in [">", "- ", "*", "[", "![", "`", "|", "<", "&", "_a", "[a](", "1. ", "  - a\n", "# "] {
        let _ = to_html(&one.repeat((100 << 10) / one.len()));
    }
}
