use crate::support::mutate::mutations;
use airut::format::network_log::{Entry, Line, Verdict, read, request, write};
use jiff::Timestamp;
use std::time::Duration;

pub fn entry(url: &str, why: &str, tag: &str) -> Entry {
    Entry {
        verdict: Verdict::Allowed,
        method: "GET".to_owned(),
        url: url.to_owned(),
        status: 200,
        sent_bytes: 1,
        received_bytes: 2,
        took: Duration::from_millis(3),
        why: why.to_owned(),
        tags: vec![tag.to_owned()],
    }
}

const LINE: &str = "1970-01-01T00:00:00.000Z ALLOWED GET https://a.example.com/x status=200 sent=1 received=2 ms=3 \
                    why=\"line 1: a.example.com\" [masked: T]\n";

#[test]
fn a_line_says_everything_and_is_read_back() {
    let entry = entry("https://a.example.com/x", "line 1: a.example.com", "masked: T");
    assert_eq!(request(Timestamp::UNIX_EPOCH, &entry), LINE);
    assert_eq!(read(LINE.trim_end()), Some((Timestamp::UNIX_EPOCH, Line::Request(entry.clone()))));
    let json = serde_json::to_value(Line::Request(entry)).unwrap();
    assert_eq!(
        (&json["kind"], &json["verdict"], &json["ms"]),
        (&"request".into(), &"allowed".into(), &3.into())
    );
    let dns = Line::Dns { question: "A".into(), name: "a.example.com".into(), answer: "127.0.0.1".into() };
    let note = Line::Note { text: "a \"note\"\n\\ of ü".into() };
    for line in [dns, note] {
        let text = write(Timestamp::UNIX_EPOCH, &line);
        assert_eq!(read(text.trim_end()), Some((Timestamp::UNIX_EPOCH, line)), "{text}");
    }
}

#[test]
fn nothing_breaks_a_line_or_its_quotes() {
    mutations("https://a.example.com/\"] why= ü".as_bytes(), 5_000, |raw| {
        let text = String::from_utf8_lossy(raw);
        let mut entry = entry(&text, &text, &text);
        entry.tags.push(text.to_string());
        let line = request(Timestamp::UNIX_EPOCH, &entry);
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
        assert!(line.trim_end().bytes().all(|b| (b' '..=b'~').contains(&b)), "{line:?}");
        let Some((_, Line::Request(back))) = read(line.trim_end_matches('\n')) else { panic!("{line:?}") };
        assert_eq!((&back.why, back.status, back.tags.len()), (&entry.why, 200, 2), "{line:?}");
        assert!(!back.url.is_empty());
    });
}

#[test]
fn any_text_is_read_or_is_none_of_its_lines() {
    mutations(LINE.trim_end().as_bytes(), 20_000, |raw| {
        let text = String::from_utf8_lossy(raw);
        if let Some((time, line)) = read(&text) {
            let again = write(time, &line);
            assert!(read(again.trim_end_matches('\n')).is_some(), "{again:?}");
        }
    });
    for none in
        ["", "x", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z MAYBE GET / status=1", "now DNS A b answer=c"]
    {
        assert_eq!(read(none), None, "{none}");
    }
}
