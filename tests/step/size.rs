//! `gc` where `max_storage` limits what the sessions take.

use crate::step::gc::{age, clean, idle};
use crate::step::stand::{Stand, names};
use crate::support::letter::Answer;
use crate::support::world::Setup;
use airut::base::id::SessionId;
use airut::base::limits;
use airut::disk::layout::Stage;
use airut::disk::notes;
use airut::disk::queue::Ticket;
use airut::format::sizes::Sizes;
use airut::step::fetch;
use airut::step::status::status;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn limited(max: &str) -> Stand {
    let mut setup = Setup::stand_in("#!/bin/sh\n");
    setup.toml = format!("max_storage = \"{max}\"\n");
    Stand::with(&setup)
}

/// Idle for so many days, with so many MB of the agent's own files.
fn filled(stand: &Stand, days: i64, mb: usize) -> SessionId {
    let id = idle(stand, days);
    fs::write(stand.dir(&id).file("storage/large"), vec![1; mb << 20]).unwrap();
    id
}

/// As if its people had been told so long ago.
fn told(stand: &Stand, id: &SessionId, ago: Duration) {
    let active_at = stand.session(id).active_at;
    age(&stand.repo.layout.seen(&notes::of_size(&stand.repo.layout, id, active_at)), ago);
}

fn sizes(stand: &Stand) -> BTreeMap<SessionId, u64> {
    let sizes: Sizes = serde_json::from_slice(&fs::read(stand.repo.layout.sizes()).unwrap()).unwrap();
    sizes.sessions.into_iter().map(|measured| (measured.session, measured.bytes)).collect()
}

fn notes_sent(stand: &Stand) -> Vec<(Answer, String)> {
    let is_note = |mail: &Answer| mail.header("Message-ID").unwrap().contains("airut.note.");
    stand.sent().into_iter().filter(|(mail, _)| is_note(mail)).collect()
}

#[test]
fn the_people_of_the_largest_are_told_once_and_a_day_later_it_goes() {
    let stand = limited("12m");
    let (small, large) = (filled(&stand, 3, 4), filled(&stand, 2, 10));
    let said = clean(&stand, true).join("\n");
    assert!(said.contains(&format!("would tell the people of session {large}")), "{said}");
    assert!(stand.stage(Stage::Finished).is_empty() && !stand.repo.layout.sizes().exists());
    for _ in 0..2 {
        clean(&stand, false);
        assert_eq!(stand.stage(Stage::Finished).len(), 1);
    }
    stand.reply();
    let sent = notes_sent(&stand);
    let (mail, arguments) = &sent[0];
    assert!(arguments.contains("-f <> ") && arguments.contains(crate::step::stand::BOSS), "{arguments}");
    assert_eq!(mail.session().unwrap(), large.as_str());
    assert!(mail.header("References").unwrap().contains(&mail.header("In-Reply-To").unwrap()));
    assert!(
        mail.text().contains("take 10") && mail.text().contains("12 MB there is room for"),
        "{}",
        mail.text()
    );
    told(&stand, &large, DAY - Duration::from_secs(600));
    let said = clean(&stand, false).join("\n");
    assert!(stand.dir(&large).exists() && !said.contains("removing"), "{said}");
    told(&stand, &large, DAY);
    assert!(clean(&stand, true).join("\n").contains(&format!("would remove session {large}")));
    clean(&stand, false);
    assert!(!stand.dir(&large).exists() && stand.dir(&small).exists());
    assert!(stand.reply().is_empty(), "told once");
    clean(&stand, false);
    assert_eq!(sizes(&stand).keys().collect::<Vec<_>>(), [&small]);
}

#[test]
fn a_word_in_it_keeps_it_and_after_a_quiet_day_its_people_are_told_anew() {
    let stand = limited("12m");
    let (other, large) = (filled(&stand, 3, 4), filled(&stand, 2, 10));
    clean(&stand, false);
    stand.reply();
    told(&stand, &large, DAY);
    stand.arrive(&stand.reply_to(&large, "I still need this."));
    stand.repo.queue().forget(&large).unwrap();
    clean(&stand, false);
    assert!(stand.dir(&large).exists());
    // In its place the other, which is smaller, but quiet.
    stand.reply();
    let whom = || notes_sent(&stand).iter().map(|(mail, _)| mail.session().unwrap()).collect::<Vec<_>>();
    assert_eq!(whom(), [large.as_str(), other.as_str()]);
    fs::remove_file(stand.dir(&other).file("storage/large")).unwrap();
    for id in [&other, &large] {
        let then = Timestamp::now() - limits::QUIET;
        stand.guard(id).update(|session| session.active_at = then).unwrap();
    }
    fs::write(stand.dir(&large).file("storage/more"), vec![1; 9 << 20]).unwrap();
    clean(&stand, false);
    stand.reply();
    assert_eq!(whom(), [large.as_str(), other.as_str(), large.as_str()]);
}

#[test]
fn a_mail_that_came_in_time_and_still_waits_to_be_opened_keeps_it() {
    let stand = limited("8m");
    let large = filled(&stand, 2, 10);
    clean(&stand, false);
    stand.reply();
    told(&stand, &large, DAY);
    let queue = stand.repo.queue();
    fetch::take(&stand.repo, &Stand::delivered(&stand.reply_to(&large, "Keep it."))).unwrap();
    clean(&stand, false);
    assert!(stand.dir(&large).exists());
    let key = queue.messages(Stage::Fetched).unwrap().remove(0);
    let later = Timestamp::now() + limits::QUIET;
    queue.defer(Stage::Fetched, &format!("{key}.eml"), later).unwrap();
    clean(&stand, false);
    assert!(stand.dir(&large).exists(), "also where it waits longer");
    fs::remove_file(
        stand.repo.layout.deferred(Stage::Fetched).join(format!("{}.{key}.eml", later.as_second())),
    )
    .unwrap();
    fetch::take(&stand.repo, &Stand::delivered(&stand.letter("Other", "Of another matter."))).unwrap();
    clean(&stand, false);
    assert!(!stand.dir(&large).exists());
}

#[test]
fn one_in_use_stays_and_so_does_one_whose_people_cannot_be_told() {
    let stand = limited("1m");
    let (busy, mute, idle) = (filled(&stand, 2, 10), filled(&stand, 2, 8), filled(&stand, 2, 2));
    stand.repo.queue().put(Stage::Ready, &Ticket::task(format!("{busy}.1").parse().unwrap())).unwrap();
    fs::write(stand.dir(&mute).file("tasks/1/task.json"), "{").unwrap();
    let said = clean(&stand, false).join("\n");
    assert!(said.contains(&format!("{mute}: takes much, and has nobody who could be told")), "{said}");
    assert!(said.contains(&format!("telling the people of session {idle}")), "{said}");
    assert!(!said.contains(busy.as_str()), "{said}");
    assert_eq!(stand.stage(Stage::Finished).iter().filter(|name| name.ends_with(".eml")).count(), 1);
}

#[test]
fn only_what_changed_is_measured_and_nothing_where_there_is_no_limit() {
    let stand = limited("100m");
    let (first, second) = (filled(&stand, 1, 1), filled(&stand, 2, 2));
    clean(&stand, false);
    let before = sizes(&stand);
    for id in [&first, &second] {
        fs::write(stand.dir(id).file("storage/more"), vec![1; 5 << 20]).unwrap();
    }
    stand.guard(&second).update(|session| session.mark_active(Timestamp::now())).unwrap();
    clean(&stand, false);
    let after = sizes(&stand);
    assert_eq!(before[&first], after[&first], "nothing is known to have happened in it");
    assert!(after[&second] >= before[&second] + (5 << 20));
    // What cannot be read is measured anew; what a later airut wrote is left to it.
    fs::write(stand.repo.layout.sizes(), "{").unwrap();
    clean(&stand, false);
    assert!(sizes(&stand)[&first] >= 6 << 20);
    fs::write(stand.repo.layout.sizes(), "{\"format\": 2, \"sessions\": []}").unwrap();
    let options = airut::step::gc::Options { dry_run: false, talk: &airut::base::talk::Silent };
    let report = airut::step::gc::gc(&stand.repo, &options).unwrap();
    assert!(report.troubles.iter().any(|trouble| format!("{:#}", trouble.error).contains("format 2")));
    let without = Stand::new();
    filled(&without, 2, 2);
    clean(&without, false);
    assert!(!without.repo.layout.sizes().exists());
}

#[test]
fn a_note_that_was_dropped_unsent_told_nobody_and_is_written_again() {
    let stand = limited("1m");
    let large = filled(&stand, 2, 2);
    stand.sendmail_ends_with("exit 75");
    clean(&stand, false);
    stand.try_reply();
    assert!(stand.stage(Stage::Finished).is_empty(), "it waits for another attempt");
    clean(&stand, false);
    assert!(stand.stage(Stage::Finished).is_empty(), "which is no reason for a second one");
    stand.wake();
    let path = stand.repo.layout.stage(Stage::Finished);
    age(&path.join(&names(&path)[0]), limits::NOTE_AGE);
    stand.try_reply();
    assert!(stand.stage(Stage::Finished).is_empty() && stand.repo.queue().deferred().unwrap().is_empty());
    clean(&stand, false);
    assert_eq!(stand.stage(Stage::Finished).len(), 1);
    // Where the server says that there is no such person, nobody is waited for.
    stand.sendmail_ends_with("exit 67");
    stand.try_reply();
    told(&stand, &large, DAY);
    clean(&stand, false);
    assert!(!stand.dir(&large).exists());
}

#[test]
fn status_says_what_the_sessions_take_and_which_go() {
    let stand = limited("12m");
    let (small, large) = (filled(&stand, 3, 4), filled(&stand, 2, 10));
    let storage = || status(&stand.repo).unwrap().storage.unwrap();
    assert_eq!((storage().bytes, storage().max_bytes), (0, 12 << 20), "not measured yet");
    clean(&stand, false);
    assert!(storage().largest.iter().all(|large| large.told_at.is_none()), "the mail has not gone out");
    stand.reply();
    let seen = storage();
    assert!((14 << 20..16 << 20).contains(&seen.bytes), "{}", seen.bytes);
    assert_eq!(seen.largest.iter().map(|large| &large.session).collect::<Vec<_>>(), [&large, &small]);
    assert_eq!(seen.largest[0].goes_after, seen.largest[0].told_at.map(|time| time + limits::NOTICE_PERIOD));
    assert!(seen.largest[0].told_at.is_some() && seen.largest[1].told_at.is_none());
    stand.guard(&large).update(|session| session.mark_active(Timestamp::now())).unwrap();
    assert!(storage().largest[0].told_at.is_none(), "somebody wrote");
    assert!(status(&Stand::new().repo).unwrap().storage.is_none());
}
