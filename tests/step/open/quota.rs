use crate::step::stand::{BOSS, Stand, done};
use crate::support::letter::Letter;
use crate::support::world::Setup;
use airut::disk::accounts::{self, Holder};
use airut::disk::layout::Stage;
use airut::disk::write;
use airut::format::verdict::{Reason, Verdict};
use jiff::Timestamp;

fn limited(limits: &str) -> Stand {
    let mut setup = Setup::stand_in("#!/bin/sh\n");
    setup.tables.push_str(&format!("[repos.NAME.limits]\n{limits}\n"));
    Stand::with(&setup)
}

#[test]
fn a_conversation_beyond_its_hour_gets_one_last_mail_and_then_none() {
    let stand = limited("session_mails_per_hour = 2");
    let first = stand.arrive(&stand.letter("Hello", "One."));
    stand.finish(&first, |_| {});
    let second = stand.arrive(&stand.reply_to(&first.session, "Two."));
    stand.finish(&second, |_| {});
    stand.reply();
    let before = stand.sent().len();
    for n in 0..3 {
        let key = stand.accept(&stand.reply_to(&first.session, &format!("Too many {n}.")));
        assert!(done(stand.try_open()).is_empty());
        let verdict: Verdict =
            write::read_json(&stand.repo.queue().verdict(Stage::Rejected, &key)).unwrap().unwrap();
        assert_eq!(verdict.reason, Some(Reason::Limit));
    }
    assert!(stand.stage(Stage::Authorized).is_empty());
    stand.reply();
    let sent = stand.sent();
    assert_eq!(sent.len(), before + 1, "one mail says so");
    let (note, args) = &sent[before];
    assert!(args.starts_with("-i -f <> -- "), "{args}");
    assert!(args.contains(BOSS));
    assert!(note.text().contains("2 mails an hour for this conversation"), "{}", note.text());
    assert_eq!(note.header("Auto-Submitted").unwrap(), "auto-replied");
    assert!(note.header("In-Reply-To").is_some());
    assert!(stand.stage(Stage::Finished).is_empty());
    // Another conversation of the same person goes on.
    assert_eq!(stand.arrive(&stand.letter("Other", "Please.")).number, 1);
}

#[test]
fn a_mail_that_stops_work_is_taken_beyond_every_limit() {
    let stand = limited("session_mails_per_hour = 1");
    let first = stand.arrive(&stand.letter("Hello", "One."));
    let stop = stand.arrive(&stand.reply_to(&first.session, "/stop"));
    assert_eq!(stand.task(&stop).command.as_deref(), Some("/stop"));
}

#[test]
fn everybody_is_told_that_there_is_nothing_left_for_all_and_a_new_mail_makes_no_session() {
    let stand = limited("repo_mails_per_day = 1");
    stand.arrive(&stand.letter("Hello", "One."));
    for from in [BOSS, "eve@example.com", BOSS] {
        let letter = Letter { from: from.to_owned(), ..stand.letter("Hi", "Please.") };
        stand.accept(&letter);
        assert!(done(stand.try_open()).is_empty());
    }
    stand.reply();
    let sent = stand.sent();
    let notes: Vec<_> = sent.iter().filter(|(mail, _)| mail.text().contains("everybody together")).collect();
    assert_eq!(notes.len(), 2);
    assert_eq!(notes[0].0.header("Subject").unwrap(), "Re: Hi");
    assert_eq!(airut::disk::session::all(&stand.repo.layout).unwrap().len(), 1);
}

#[test]
fn where_it_may_wait_it_comes_back_by_itself_when_there_is_more() {
    let stand = limited("sender_usd_per_day = 1.0\nbeyond = \"wait\"");
    let first = stand.arrive(&stand.letter("Hello", "One."));
    let boss: airut::base::address::Address = BOSS.parse().unwrap();
    accounts::update(&stand.repo.layout, &Holder::Sender(boss.clone()), Timestamp::now(), |account| {
        account.spend(1.0);
    })
    .unwrap();
    let key = stand.accept(&stand.reply_to(&first.session, "Two."));
    assert!(done(stand.try_open()).is_empty());
    assert!(stand.stage(Stage::Authorized).is_empty(), "nothing is left where it would be tried at once");
    let waiting = stand.repo.queue().deferred().unwrap();
    assert_eq!(waiting.len(), 2);
    assert_eq!(waiting[0].1, format!("{key}.json"), "its verdict comes back first");
    stand.reply();
    let note = stand.sent().pop().unwrap().0.text();
    assert!(
        note.contains("$1.00 a day for your address") && note.contains("without your doing anything"),
        "{note}"
    );
    // The next day.
    let path = stand.repo.layout.accounts();
    for entry in std::fs::read_dir(path).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    stand.wake();
    assert_eq!(stand.open(), [first]);
}

#[test]
fn a_try_that_was_cut_off_is_finished_whatever_the_account_says_and_counts_once() {
    let stand = limited("sender_mails_per_day = 1");
    let bytes = Stand::delivered(&stand.letter("Hello", "One."));
    let key = stand.accept_bytes(&bytes);
    let verdict = std::fs::read(stand.repo.queue().verdict(Stage::Authorized, &key)).unwrap();
    let task = stand.open().remove(0);
    std::fs::rename(stand.file(&task, "message.eml"), stand.repo.queue().message(Stage::Authorized, &key))
        .unwrap();
    std::fs::write(stand.repo.queue().verdict(Stage::Authorized, &key), verdict).unwrap();
    assert_eq!(stand.open(), [task]);
    let boss = BOSS.parse().unwrap();
    let account = accounts::read(&stand.repo.layout, &Holder::Sender(boss), Timestamp::now()).unwrap();
    assert_eq!(account.day.mails, 1);
}
