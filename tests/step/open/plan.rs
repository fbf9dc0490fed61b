use crate::step::stand::{BOSS, Stand, trouble};
use crate::support::letter::Letter;
use airut::base::talk::Silent;
use airut::disk::layout::Stage;
use airut::format::task::{Reason, State};
use airut::step::open::{Mode, dry_run, open};

fn with_to(stand: &Stand, letter: Letter, tag: &str) -> Letter {
    let (user, domain) = stand.told.address.split_once('@').unwrap();
    Letter { to: format!("{user}+{tag}@{domain}"), ..letter }
}

#[test]
fn a_reply_continues_the_session_of_who_takes_part_in_it() {
    let stand = Stand::new();
    let first = stand.arrive(&stand.letter("Hello", "Please."));
    stand.finish(&first, |_| {});
    let by_id = stand.arrive(&stand.reply_to(&first.session, "More."));
    assert_eq!(by_id.to_string(), format!("{}.2", first.session));
    stand.finish(&by_id, |_| {});
    // A client that lost the threading headers.
    let by_tag = stand.letter(&format!("AW: [ID:{}] Hello", first.session), "And more.");
    assert_eq!(stand.arrive(&by_tag).to_string(), format!("{}.3", first.session));
}

#[test]
fn who_takes_no_part_gets_a_session_of_their_own_and_is_told() {
    let stand = Stand::new();
    let first = stand.arrive(&stand.letter("Hello", "Please."));
    let stranger =
        Letter { from: "eve@example.com".to_owned(), ..stand.reply_to(&first.session, "What is this?") };
    let own = stand.arrive(&stranger);
    assert_ne!(own.session, first.session);
    let notes = stand.task(&own).notes.join(" ");
    assert!(
        notes.contains("not part of the conversation") && notes.contains(first.session.as_str()),
        "{notes}"
    );
    assert_eq!(stand.task(&first).messages.len(), 1);
}

#[test]
fn authorized_addressees_take_part_and_others_do_not() {
    let stand = Stand::new();
    let letter =
        stand.letter("Hello", "Please.").header("Cc", "colleague@example.com, stranger@evil.example");
    let first = stand.arrive(&letter);
    let participants: Vec<_> =
        stand.session(&first.session).participants.iter().map(ToString::to_string).collect();
    assert_eq!(participants, [BOSS, "colleague@example.com"]);
    let colleague =
        Letter { from: "colleague@example.com".to_owned(), ..stand.reply_to(&first.session, "Me too.") };
    assert_eq!(stand.arrive(&colleague), first, "it joins what waits");
}

#[test]
fn a_session_that_is_no_more_or_another_repositorys_is_told_of() {
    let stand = Stand::new();
    let gone = "0badc0de".parse().unwrap();
    let task = stand.arrive(&stand.reply_to(&gone, "Still there?"));
    assert!(stand.task(&task).notes.join(" ").contains("(ID 0badc0de) is no longer kept"));
    let elsewhere = stand.arrive(&stand.letter("Hello", "Please.")).session;
    let other = stand.another();
    let letter =
        Letter { to: other.config.mail.from.address.to_string(), ..stand.reply_to(&elsewhere, "Here too?") };
    let bytes = Stand::delivered(&letter);
    let plan = dry_run(&other, &bytes, BOSS.parse().unwrap(), &Mode::Open).unwrap();
    assert!(plan.is_new() && plan.notes.join(" ").contains(elsewhere.as_str()));
}

#[test]
fn a_damaged_session_is_as_good_as_gone_and_a_newer_one_is_waited_for() {
    let stand = Stand::new();
    let first = stand.arrive(&stand.letter("Hello", "Please."));
    let path = stand.dir(&first.session).file("session.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, "{").unwrap();
    let new = stand.arrive(&stand.reply_to(&first.session, "One."));
    assert_ne!(new.session, first.session);
    assert!(stand.task(&new).notes.join(" ").contains("no longer kept"));
    for newer in [text.replace("\"format\": 1", "\"format\": 2"), r#"{"format": 9}"#.to_owned()] {
        std::fs::write(&path, &newer).unwrap();
        let key = stand.accept(&stand.reply_to(&first.session, &format!("Two {}.", newer.len())));
        let said = trouble(&stand.try_open());
        assert!(said.contains("session.json has format"), "{said}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
        assert_eq!(stand.repo.queue().messages(Stage::Authorized).unwrap(), std::slice::from_ref(&key));
        assert!(stand.inbox(&first.session).is_empty());
        std::fs::remove_file(stand.repo.queue().message(Stage::Authorized, &key)).unwrap();
    }
}

#[test]
fn the_address_names_the_model_of_a_new_session_and_of_no_other() {
    let stand = Stand::new();
    let plain = stand.arrive(&stand.letter("Hello", "Please."));
    assert_eq!(stand.session(&plain.session).model.as_str(), "opus", "the repository's default");
    let sonnet = stand.arrive(&with_to(&stand, stand.letter("Hello", "Quickly."), "sonnet"));
    assert_eq!(stand.session(&sonnet.session).model.as_str(), "sonnet");
    let full = stand.arrive(&with_to(&stand, stand.letter("Hello", "Exactly."), "claude-opus-5-5"));
    assert_eq!(stand.session(&full.session).model.as_str(), "claude-opus-5-5");
    for bad in ["gpt", "--resume"] {
        let task = stand.arrive(&with_to(&stand, stand.letter("Hello", bad), bad));
        assert_eq!(stand.session(&task.session).model.as_str(), "opus");
        assert!(stand.task(&task).notes.join(" ").contains("not the name of a model"), "{bad}");
    }
    stand.finish(&sonnet, |_| {});
    let again = stand.arrive(&with_to(&stand, stand.reply_to(&sonnet.session, "Now think."), "opus"));
    assert_eq!(stand.session(&sonnet.session).model.as_str(), "sonnet");
    assert!(stand.task(&again).notes.join(" ").contains("keeps the model"));
}

#[test]
fn a_mail_without_a_request_is_answered_and_not_run() {
    let stand = Stand::new();
    let empty = stand.arrive(&stand.letter("", " \n"));
    let task = stand.task(&empty);
    assert_eq!((task.state, task.failure.unwrap().reason), (State::Failed, Reason::EmptyRequest));
    assert_eq!(stand.stage(Stage::Finished), [empty.to_string()], "an answer, and no acknowledgement");
    assert!(stand.stage(Stage::Ready).is_empty());
    assert_eq!(stand.session(&empty.session).model.as_str(), "opus");
    // In a first mail the subject is request enough, in a reply it is none; a file always is.
    let subject = stand.arrive(&stand.letter("Please update the README", ""));
    assert_eq!(stand.task(&subject).state, State::Ready);
    stand.finish(&subject, |_| {});
    let reply = stand.arrive(&stand.reply_to(&subject.session, ""));
    assert_eq!(stand.task(&reply).state, State::Failed);
    let file = stand.arrive(&stand.reply_to(&subject.session, "").attach("a.txt", b"x"));
    assert_eq!(stand.task(&file).state, State::Ready);
}

#[test]
fn a_sealed_mail_is_answered_and_not_run() {
    let stand = Stand::new();
    let body = "-----BEGIN PGP MESSAGE-----\n\nhQ==\n-----END PGP MESSAGE-----\n";
    let sealed = stand.arrive(&stand.letter("Secret", body));
    let task = stand.task(&sealed);
    assert_eq!((task.state, task.failure.unwrap().reason), (State::Failed, Reason::Encrypted));
    assert!(stand.stage(Stage::Ready).is_empty());
    stand.reply();
    let (answer, _) = stand.sent().remove(0);
    assert!(answer.text().contains("send it again without encryption"), "{}", answer.text());
    let partly = stand.arrive(&stand.letter("Partly", &format!("Rotate it.\n\n{body}")));
    assert_eq!(stand.task(&partly).state, State::Ready);
    assert!(stand.prompt(&partly).contains("A part of this mail is encrypted"));
}

#[test]
fn attachments_that_are_not_taken_are_named_to_claude_and_to_the_sender() {
    let stand = Stand::new();
    let many = (0..130).fold(stand.letter("Scans", "Sort them."), |letter, number| {
        letter.attach(&format!("scan-{number}.png"), b"x")
    });
    let task = stand.arrive(&many);
    assert_eq!(stand.inbox(&task.session).len(), 100);
    for said in [stand.prompt(&task), stand.task(&task).notes.join(" ")] {
        assert!(
            said.contains("scan-100.png") && said.contains("scan-119.png") && said.contains("10 more"),
            "{said}"
        );
        assert!(!said.contains("scan-120.png"));
    }
}

#[test]
fn a_first_mail_that_answers_another_keeps_what_it_quotes() {
    let stand = Stand::new();
    let gone = "0badc0de".parse().unwrap();
    let body = "Go on.\n\nOn Mon, Jan 5, 2026 at 9:12 AM A <a@example.com> wrote:\n> Shall I delete it?\n";
    let first = stand.arrive(&stand.reply_to(&gone, body));
    assert!(stand.prompt(&first).contains("> Shall I delete it?"));
    stand.finish(&first, |_| {});
    stand.guard(&first.session).update(|session| session.claude_session = Some("c".to_owned())).unwrap();
    let later = stand.arrive(&stand.reply_to(&first.session, body));
    assert!(stand.prompt(&later).contains("Go on.") && !stand.prompt(&later).contains("Shall I"));
}

#[test]
fn the_operator_says_new_or_resume() {
    let stand = Stand::new();
    let first = stand.arrive(&stand.letter("Hello", "Please."));
    stand.finish(&first, |_| {});
    let run = |mode: &Mode| open(&stand.repo, None, mode, &Silent).unwrap();
    let key = stand.accept(&stand.letter("Hello", "No header names a session."));
    assert!(trouble(&run(&Mode::Resume(None))).contains("no session that this message may continue"));
    assert_eq!(stand.repo.queue().messages(Stage::Authorized).unwrap(), [key], "it is kept");
    let report = run(&Mode::Resume(Some(first.session.clone())));
    assert_eq!(report.moved, [format!("{}:{}.2", stand.repo.name, first.session)]);
    stand.accept(&stand.reply_to(&first.session, "But afresh."));
    let report = run(&Mode::New);
    assert!(!report.moved[0].contains(first.session.as_str()), "{report:?}");
}

#[test]
fn a_dry_run_says_all_and_changes_nothing() {
    let stand = Stand::new();
    stand.arrive(&stand.letter("Hello", "Please."));
    let before = crate::step::open::place::tree(stand.repo.layout.root());
    let letter = with_to(&stand, stand.letter("Hello", "Look at this."), "haiku").attach("plan.pdf", b"x");
    let bytes = Stand::delivered(&letter);
    let plan = dry_run(&stand.repo, &bytes, BOSS.parse().unwrap(), &Mode::Open).unwrap();
    assert!(plan.is_new());
    assert_eq!(plan.model_or_default(&stand.repo).as_str(), "haiku");
    assert_eq!(plan.attachments, ["plan.pdf"]);
    let prompt = plan.prompt(&stand.repo);
    assert!(prompt.contains("Look at this.") && prompt.contains("plan.pdf"), "{prompt}");
    assert_eq!(crate::step::open::place::tree(stand.repo.layout.root()), before);
    // And it is what really comes of it.
    stand.accept_bytes(&bytes);
    let task = stand.open().remove(0);
    assert_eq!(&task.session, plan.session_id());
    let cut = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with("--- Mail")).map(str::to_owned).collect()
    };
    assert_eq!(cut(&stand.prompt(&task)), cut(&prompt));
}
