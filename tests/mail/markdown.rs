use airut::mail::markdown::{self, File, to_text};
use airut::mail::plain::unflow;

/// The plain text as a mail program shows it.
fn shown(markdown: &str) -> String {
    unflow(&to_text(markdown, &[]), false)
}

fn to_html(markdown: &str) -> String {
    markdown::to_html(markdown, &[]).body
}

#[test]
fn common_markdown_becomes_html() {
    let html = to_html(
        "# T\n\n**b** ~~s~~ `c`\n\n- [x] done\n- [ ] open\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```rust\nfn a<T>() {}\n```\n\n<https://example.com> [m](mailto:a@example.com)",
    );
    for part in [
        ">T</h1>",
        "<strong>b</strong>",
        "<del>s</del>",
        ">c</code>",
        "<li style=\"list-style:none\">☑ done",
        "☐ open",
        ">a</th>",
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
    for one in [
        ">",
        "- ",
        "*",
        "[",
        "![",
        "`",
        "|",
        "<",
        "&",
        "_a",
        "[a](",
        "1. ",
        "  - a\n",
        "# ",
        "http://",
        "http://a)",
        "http",
    ] {
        let text = one.repeat((100 << 10) / one.len());
        let _ = (to_html(&text), to_text(&text, &[]));
    }
    let text = format!("http://{}", ").".repeat(50 << 10));
    let _ = (to_html(&text), to_text(&text, &[]));
}

fn files() -> Vec<File> {
    let file =
        |name: &str, id: Option<&str>| File { name: name.to_owned(), content_id: id.map(str::to_owned) };
    vec![
        file("chart.png", Some("c1@example.com")),
        file("plan.pdf", None),
        file("Übersicht 1.png", Some("c2@x")),
    ]
}

#[test]
fn a_picture_of_the_mail_is_shown_where_the_text_names_it() {
    for target in
        ["/outbox/chart.png", "outbox/chart.png", "./chart.png", "chart.png", "file:///outbox/chart.png"]
    {
        let markdown = format!("Look: ![Chart]({target})");
        let html = markdown::to_html(&markdown, &files());
        assert!(
            html.body.contains("<img src=\"cid:c1@example.com\" alt=\"Chart\""),
            "{target}: {}",
            html.body
        );
        assert_eq!(html.shown.into_iter().collect::<Vec<_>>(), [0]);
        assert_eq!(to_text(&markdown, &files()), "Look: [Chart: chart.png]");
    }
    for target in ["/outbox/%C3%9Cbersicht%201.png", "</outbox/Übersicht 1.png>"] {
        assert!(markdown::to_html(&format!("![]({target})"), &files()).body.contains("cid:c2@x"), "{target}");
    }
}

#[test]
fn a_picture_that_is_not_of_the_mail_is_never_loaded() {
    let cases = [
        ("![Logo](https://example.com/a.png)", "Logo <https://example.com/a.png>"),
        ("![](https://example.com/a.png)", "<https://example.com/a.png>"),
        ("[![ok](https://example.com/a.png)](https://example.com/b)", "ok <https://example.com/b>"),
        ("![Lost](/outbox/lost.png)", "Lost (/outbox/lost.png)"),
        ("![x](../workspace/chart.png)", "x (../workspace/chart.png)"),
        ("![x](cid:c1@example.com)", "x"),
        ("![x](data:image/png;base64,AAAA)", "x"),
        ("![Plan](plan.pdf)", "[Plan: plan.pdf]"),
    ];
    for (markdown, text) in cases {
        let html = markdown::to_html(markdown, &files());
        assert!(!html.body.contains("<img") && html.shown.is_empty(), "{markdown}: {}", html.body);
        assert!(!html.body.contains("cid:"), "{markdown}: {}", html.body);
        assert_eq!(to_text(markdown, &files()), text, "{markdown}");
    }
}

#[test]
fn a_link_that_leads_nowhere_from_a_mail_says_where_it_pointed() {
    let cases = [
        ("[the parser](src/parse.rs#L10)", "the parser (src/parse.rs#L10)"),
        ("[`src/parse.rs`](src/parse.rs)", "`src/parse.rs`"),
        ("[the plan](/outbox/plan.pdf)", "the plan (plan.pdf)"),
        ("[x](javascript:alert(1))", "x"),
        ("[above](#above)", "above"),
    ];
    for (markdown, text) in cases {
        assert_eq!(to_text(markdown, &files()), text, "{markdown}");
        assert!(!to_html(markdown).contains("<a"), "{markdown}");
    }
}

#[test]
fn an_address_in_plain_words_is_a_link() {
    let cases = [
        ("See https://example.com/a_b_c?x=1&y=2.", "https://example.com/a_b_c?x=1&y=2"),
        ("(as in https://example.com/a_(b), and so on)", "https://example.com/a_(b)"),
        ("(http://example.com)", "http://example.com"),
        ("**https://example.com/**", "https://example.com/"),
        ("| a |\n|---|\n| https://example.com/x |", "https://example.com/x"),
    ];
    for (markdown, url) in cases {
        let html = to_html(markdown);
        let link = format!("<a href=\"{}\"", url.replace('&', "&amp;"));
        assert!(html.contains(&link) && html.matches("<a ").count() == 1, "{markdown}: {html}");
        assert!(shown(markdown).contains(&format!("<{url}>")), "{markdown}");
    }
    for markdown in
        ["`https://example.com`", "xhttps://example.com", "https://", "    https://example.com", "ftp://x"]
    {
        assert!(!to_html(markdown).contains("<a "), "{markdown}");
    }
    let html = to_html("[see https://example.com/b](https://example.com/a)");
    assert!(html.contains("href=\"https://example.com/a\"") && html.matches("<a ").count() == 1, "{html}");
}

#[test]
fn plain_text_reads_as_people_write_it() {
    let cases = [
        ("# One\n\ntwo\n\n## Hi\n\n### Deep", "One\n===\n\ntwo\n\nHi\n---\n\n### Deep"),
        ("a **b** *c* ~~d~~ `e`", "a *b* _c_ ~d~ `e`"),
        (
            "[text](https://example.com) <https://example.com/b> <me@example.com>",
            "text <https://example.com> <https://example.com/b> me@example.com",
        ),
        ("- a\n- b\n  1. c\n  2. d\n     - e\n- f", " - a\n - b\n   1. c\n   2. d\n      - e\n - f"),
        ("- a\n\n- b\n\n  more", " - a\n\n - b\n\n   more"),
        ("- a\n  - b\n\n- c", " - a\n\n   - b\n\n - c"),
        ("- [x] done\n- [ ] open", " - [x] done\n - [ ] open"),
        ("9. a\n10. b", " 9. a\n 10. b"),
        ("> a\n>\n> > b\n\nc", "> a\n>\n>> b\n\nc"),
        ("> - a\n> - b", "> - a\n> - b"),
        ("a\n\n```sh\nif x\n  y   \n\n> z\n```\n\nb", "a\n\n    if x\n      y\n\n    > z\n\nb"),
        ("a\n\n---\n\nb", "a\n\n* * *\n\nb"),
        ("a  \nb\\\nc", "a\nb\nc"),
        ("Best regards\nClaude", "Best regards\nClaude"),
        ("-\n- b", " -\n - b"),
        ("\\> no quote\n\nFrom here", "> no quote\n\nFrom here"),
        ("<b>raw</b> &amp; &lt;x&gt;", "<b>raw</b> & <x>"),
    ];
    for (markdown, text) in cases {
        assert_eq!(shown(markdown), text, "{markdown}");
    }
}

#[test]
fn a_table_stands_in_columns_in_plain_text() {
    let text = shown("| Name | n | ✓ |\n|:---|---:|:-:|\n| größe | 5 | ja |\n| 表 | 1000 | |");
    assert_eq!(text, "  Name      n  ✓\n  -----  ----  --\n  größe     5  ja\n  表     1000");
    let long = "word ".repeat(20);
    let text = shown(&format!("| Name | What |\n|---|---|\n| a | {long} |\n| b | c |"));
    assert!(
        text.starts_with(" - Name: a\n   What: word word") && text.ends_with("\n - Name: b\n   What: c"),
        "{text}"
    );
}

#[test]
fn a_paragraph_goes_on_by_a_blank_and_code_is_never_broken() {
    let words = "wörter ".repeat(60);
    let text = to_text(&format!("{words}\n\n> {words}\n\n- {words}\n\n  ```\n  {words}\n  ```"), &[]);
    let (code, others): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.chars().count() > 78);
    assert_eq!(code, [format!("        {}", words.trim_end())], "in the list, in the block, and stuffed");
    assert!(others.len() > 12);
    let paragraph: String = text.split("\n\n").next().unwrap().replace(" \n", " ");
    assert_eq!(paragraph, words.trim_end());
    let quote = text.split("\n\n").nth(1).unwrap();
    assert!(quote.lines().all(|line| line.starts_with("> ")) && quote.contains(" \n> "), "{quote}");
    let entry = text.split("\n\n").nth(2).unwrap();
    assert!(
        entry.starts_with("  - w") && entry.contains("\n    wörter") && !entry.contains(" \n"),
        "{entry}"
    );
}

#[test]
fn nothing_that_a_terminal_obeys_gets_into_the_text() {
    let text = to_text("a\u{1b}[31m b &#27;[0m &#x9b;c &#x202e;d `\u{7}` \u{0}\n\n```\n\u{8}x\ty\n```", &[]);
    assert!(
        !text.contains(|c: char| c == '\u{202e}' || c.is_control() && c != '\n' && c != '\t'),
        "{text:?}"
    );
    assert!(text.contains("x\ty"), "{text:?}");
}

#[test]
fn what_would_grow_without_measure_is_shown_as_it_was_written() {
    let wide = format!("|{}\n|{}\n{}", "a|".repeat(2000), "-|".repeat(2000), "|b\n".repeat(2000));
    let html = to_html(&wide);
    assert!(html.len() < 1 << 20 && html.starts_with("<pre") && html.contains("|b"), "{}", html.len());
    let deep = format!("{}a", ">".repeat(300)) + &"\\\nb".repeat(20_000);
    assert!(to_text(&deep, &[]).len() < 1 << 20);
}
