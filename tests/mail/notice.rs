use airut::mail::notice::Notice;

fn all() -> Vec<Notice> {
    let text = || "text".to_owned();
    let id = || "3fa9c1d2".parse().unwrap();
    let model = || "opus".parse().unwrap();
    vec![
        Notice::Acknowledged { model: model(), dashboard: None },
        Notice::Acknowledged { model: model(), dashboard: Some("https://example.com/s/3fa9c1d2".to_owned()) },
        Notice::TimedOut { seconds: 300, partial: true },
        Notice::TimedOut { seconds: 45, partial: false },
        Notice::ImageBuild { output: text() },
        Notice::RepositoryConfig { error: text() },
        Notice::MissingSecret { name: "GH_TOKEN".to_owned() },
        Notice::Repository { error: text() },
        Notice::Agent { error: text() },
        Notice::AgentOutput,
        Notice::Stopped { partial: true },
        Notice::Stopped { partial: false },
        Notice::InterruptedTwice { partial: true },
        Notice::InterruptedTwice { partial: false },
        Notice::EmptyReply,
        Notice::SessionGone { old: id() },
        Notice::NotAParticipant { old: id() },
        Notice::ModelIgnored { asked: model(), used: model() },
        Notice::UnknownModel { asked: "--resume".to_owned() },
        Notice::Continued,
        Notice::BegunAgain,
        Notice::Afresh,
        Notice::EmptyRequest,
        Notice::TooLarge { bytes: 60 << 20 },
        Notice::Unreadable,
        Notice::Encrypted,
        Notice::NotTaken { names: vec!["a.png".to_owned()], more: 3 },
        Notice::Sandbox,
        Notice::OutOfMemory { partial: false },
        Notice::DiskFull { partial: false },
        Notice::LeftOut { names: vec!["a.bin".to_owned()] },
        Notice::NeverSent { names: vec!["a.bin".to_owned()] },
        Notice::Refused { names: vec!["a.bin".to_owned()] },
        Notice::Refused { names: vec!["a.bin".to_owned(), "b.bin".to_owned()] },
        Notice::Internal,
        Notice::NotOnTheList,
        Notice::LimitReached { limit: text(), until: jiff::Timestamp::UNIX_EPOCH, waits: true },
        Notice::LimitReached { limit: text(), until: jiff::Timestamp::UNIX_EPOCH, waits: false },
        Notice::GoesForItsSize { bytes: 8 << 30, max_bytes: 20 << 30, after: jiff::Timestamp::UNIX_EPOCH },
    ]
}

#[test]
fn every_notice_is_a_sentence_or_two() {
    for notice in all() {
        let text = notice.to_string();
        let sentence = text.split("\n\n").next().unwrap();
        assert!(sentence.ends_with('.') && sentence.len() < 260, "{text}");
        assert!(sentence.starts_with(|c: char| c.is_uppercase() || c == '"'), "{text}");
    }
}

#[test]
fn times_are_told_as_people_say_them() {
    let time = |seconds| Notice::TimedOut { seconds, partial: true }.to_string();
    assert!(time(300).contains("5 minutes,") && time(60).contains("1 minute,"));
    assert!(time(3600).contains("1 hour,") && time(90).contains("90 seconds,"));
}

#[test]
fn an_error_text_stays_in_its_block_and_within_its_length() {
    let text = Notice::Agent { error: "```\n# not a heading\n````".to_owned() }.to_string();
    assert!(text.contains("\n`````\n") && text.ends_with("\n`````"), "{text}");
    let long = Notice::ImageBuild { output: "ä\n".repeat(100_000) + "the end" }.to_string();
    assert!(long.len() < 3_000 && long.contains("the end"));
    assert_eq!(Notice::Agent { error: String::new() }.to_string().lines().count(), 1);
}
