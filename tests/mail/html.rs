use airut::mail::html::{request, text};

#[test]
fn links_keep_their_target_where_it_says_more() {
    assert_eq!(text("<a href='https://example.com/a'>x</a>").trim(), "[x](https://example.com/a)");
    assert_eq!(text("<a href='https://example.com/'>https://example.com</a>").trim(), "https://example.com");
    assert_eq!(text("<a href='mailto:a@example.com'>a@example.com</a>").trim(), "a@example.com");
    assert_eq!(text("<a href='javascript:alert(1)'>x</a>").trim(), "x");
}

#[test]
fn what_people_quote_themselves_is_not_cut() {
    assert_eq!(request("<p>See:</p><blockquote>my own</blockquote>", false), "See:\n\n> my own");
}

#[test]
fn markup_of_any_kind_takes_a_moment_only() {
    for one in [
        "<div>",
        "<b>",
        "<table><tr><td>",
        "<blockquote type=cite>",
        "<ul><li>",
        "<a href=x>",
        "</div>",
        "<!--",
        "<x y=\"",
        "<a><b></a>",
        "&",
        "&#",
        "<",
        "<script>",
        "</script",
        "<![CDATA[",
        "<td colspan=9999>x</td>",
        "<p",
        "<p a='",
        "=\"",
    ] {
        let _ = request(&one.repeat((300 << 10) / one.len()), false);
    }
}
