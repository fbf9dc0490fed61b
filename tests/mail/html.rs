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
fn a_page_of_more_elements_than_are_converted_keeps_its_words() {
    let page = |count: usize| request(&"<b>word</b><br>".repeat(count), false);
    assert!(page(3_900).starts_with("**word**\n**word**\n"));
    assert!(page(4_100).starts_with("word\nword\n") && page(4_100).ends_with("word"));
}

#[test]
fn more_quotes_and_tables_than_are_looked_at_take_no_words_away() {
    let quoted = request(&format!("{}last", "<a id=yahoo_quoted>q</a>own ".repeat(6_000)), true);
    assert!(quoted.matches("own").count() == 6_000 && quoted.ends_with("last"));
    let quoted = request(&format!("first{}", "<a id=yahoo_quoted>q</a>own ".repeat(6_000)), false);
    assert!(quoted.starts_with("first") && quoted.ends_with("own"));
    assert_eq!((quoted.matches("own").count(), quoted.matches('q').count()), (6_000, 6_000));
    let rows = "<tr><td>a<td>b".repeat(2);
    let tables = format!("{}<table>{rows}</table>", "<table></table>".repeat(10_000));
    assert_eq!(airut::mail::tables::kinds(&tables).len(), 10_000);
    assert!(request(&tables, false).contains("a"));
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
