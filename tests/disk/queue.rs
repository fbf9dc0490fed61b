use crate::support::helper;
use airut::base::id::{MessageKey, SessionId, TaskId};
use airut::disk::layout::{Layout, Stage};
use airut::disk::lock::Lock;
use airut::disk::queue::{Judged, Queue, TakenIn, Ticket, identity, message_key};
use airut::format::verdict::{Check, Decision, Passed, Reason, Verdict};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::path::Path;

struct Store {
    _dir: tempfile::TempDir,
    layout: Layout,
}

impl Store {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new("one".parse().unwrap(), dir.path().to_owned());
        layout.prepare().unwrap();
        Self { _dir: dir, layout }
    }

    fn queue(&self) -> Queue<'_> {
        Queue::new(&self.layout)
    }

    fn names(&self, dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn stage(&self, stage: Stage) -> Vec<String> {
        self.names(&self.layout.stage(stage))
    }
}

fn verdict() -> Verdict {
    let check = Check::new("test", Passed::Failed, "x", "y");
    Verdict::refused(Reason::Unauthorized, check, Timestamp::now())
}

/// Judged with the check above, or accepted; false when it was gone.
fn settle(queue: &Queue, key: &MessageKey, to: Stage) -> bool {
    let mut verdict = verdict();
    if to == Stage::Authorized {
        verdict.decision = Decision::Accepted;
    }
    let mut judged = [Judged { key: key.clone(), identity: None, verdict }];
    queue.settle(&mut judged, |_| {}).unwrap().contains(key)
}

/// Accepted with these identities; those that were accepted before.
fn settle_as(queue: &Queue, mails: &[(&MessageKey, Option<&MessageKey>)]) -> Vec<MessageKey> {
    let accepted = |key: &MessageKey, identity: Option<&MessageKey>| Judged {
        key: key.clone(),
        identity: identity.cloned(),
        verdict: Verdict { decision: Decision::Accepted, ..verdict() },
    };
    let mut judged: Vec<_> = mails.iter().map(|(key, identity)| accepted(key, *identity)).collect();
    queue.settle(&mut judged, |verdict| verdict.decision = Decision::Refused).unwrap();
    let refused = judged.into_iter().filter(|one| one.verdict.decision == Decision::Refused);
    refused.map(|one| one.key).collect()
}

fn new(taken: TakenIn) -> MessageKey {
    match taken {
        TakenIn::New(key) => key,
        TakenIn::Known(key) => panic!("{key} was known"),
    }
}

fn task(text: &str) -> TaskId {
    text.parse().unwrap()
}

const MAIL: &[u8] = b"From: a@example.com\r\n\r\nHello\r\n";

#[test]
fn a_mail_is_taken_in_once_whatever_stage_it_has_come_to() {
    let store = Store::new();
    let queue = store.queue();
    let key = new(queue.take_in(MAIL).unwrap());
    assert_eq!(key, message_key(MAIL));
    assert_eq!(queue.read(Stage::Fetched, &key).unwrap().unwrap(), MAIL);
    let known = TakenIn::Known(key.clone());
    assert_eq!(queue.take_in(MAIL).unwrap(), known);
    queue.defer(Stage::Fetched, &format!("{key}.eml"), Timestamp::now()).unwrap();
    assert_eq!(queue.take_in(MAIL).unwrap(), known, "while it waits to be judged");
    queue.wake(Timestamp::now()).unwrap();
    assert!(settle(&queue, &key, Stage::Authorized));
    assert_eq!(queue.take_in(MAIL).unwrap(), known, "when it was judged");
    fs::remove_file(queue.message(Stage::Authorized, &key)).unwrap();
    assert_eq!(queue.take_in(MAIL).unwrap(), known, "when it is long gone");
    assert!(store.stage(Stage::Fetched).is_empty());
}

#[test]
fn a_judged_mail_moves_with_its_verdict_and_only_once() {
    let store = Store::new();
    let queue = store.queue();
    let key = new(queue.take_in(MAIL).unwrap());
    assert!(settle(&queue, &key, Stage::Rejected));
    assert!(!settle(&queue, &key, Stage::Authorized));
    assert!(store.stage(Stage::Fetched).is_empty() && store.stage(Stage::Authorized).is_empty());
    assert_eq!(store.stage(Stage::Rejected), [format!("{key}.eml"), format!("{key}.json")]);
    assert!(store.names(&store.layout.tmp()).is_empty());
}

#[test]
fn a_mail_that_was_remembered_and_not_yet_moved_is_judged_after_the_crash() {
    let store = Store::new();
    let queue = store.queue();
    let key = new(queue.take_in(MAIL).unwrap());
    // The first of the two writes of `settle`.
    let seen = store.layout.seen(&key);
    fs::create_dir_all(seen.parent().unwrap()).unwrap();
    fs::write(seen, "").unwrap();
    assert_eq!(queue.take_in(MAIL).unwrap(), TakenIn::Known(key.clone()));
    assert_eq!(queue.messages(Stage::Fetched).unwrap(), std::slice::from_ref(&key));
    assert!(settle(&queue, &key, Stage::Authorized));
}

#[test]
fn a_request_by_hand_never_lies_where_it_would_be_judged() {
    let store = Store::new();
    let queue = store.queue();
    let key = new(queue.admit(MAIL, &verdict()).unwrap());
    assert!(store.stage(Stage::Fetched).is_empty());
    assert_eq!(store.stage(Stage::Authorized), [format!("{key}.eml"), format!("{key}.json")]);
    assert_eq!(queue.admit(MAIL, &verdict()).unwrap(), TakenIn::Known(key.clone()));
    assert_eq!(queue.take_in(MAIL).unwrap(), TakenIn::Known(key));
}

#[test]
fn mails_come_in_the_order_of_their_arrival() {
    let store = Store::new();
    let queue = store.queue();
    let mut keys = Vec::new();
    for n in 0..20_u8 {
        let key = new(queue.take_in(&[n; 10]).unwrap());
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + u64::from(n));
        let file = fs::File::options().write(true).open(queue.message(Stage::Fetched, &key)).unwrap();
        file.set_modified(time).unwrap();
        keys.push(key);
    }
    assert_eq!(queue.messages(Stage::Fetched).unwrap(), keys);
    for key in &keys {
        settle(&queue, key, Stage::Authorized);
    }
    assert_eq!(queue.messages(Stage::Authorized).unwrap(), keys, "and keep it from stage to stage");
}

#[test]
fn what_is_no_mail_and_no_marker_is_passed_over() {
    let store = Store::new();
    for name in [".tmp-x", "x.eml", "README", "3fa9c1d2.0", "3fa9c1d2.1.bak", "3FA9C1D2.1"] {
        fs::write(store.layout.stage(Stage::Ready).join(name), "").unwrap();
    }
    assert!(store.queue().messages(Stage::Ready).unwrap().is_empty());
    assert!(store.queue().tickets(Stage::Ready).unwrap().is_empty());
}

#[test]
fn a_marker_says_whether_it_is_an_acknowledgement() {
    for text in ["3fa9c1d2.1", "3fa9c1d2.12.ack"] {
        assert_eq!(text.parse::<Ticket>().unwrap().to_string(), text);
    }
    assert!("3fa9c1d2.1.ack".parse::<Ticket>().unwrap().acknowledgement);
    assert!("3fa9c1d2.ack".parse::<Ticket>().is_err());
}

#[test]
fn what_waits_comes_back_at_its_time_and_not_before() {
    let store = Store::new();
    let queue = store.queue();
    let now = Timestamp::now();
    let (early, late) = (Ticket::task(task("3fa9c1d2.1")), Ticket::acknowledgement(task("3fa9c1d2.1")));
    for (ticket, minutes) in [(&early, 1), (&late, 2)] {
        queue.put(Stage::Finished, ticket).unwrap();
        let until = now + SignedDuration::from_mins(minutes);
        queue.defer(Stage::Finished, &ticket.to_string(), until).unwrap();
    }
    let waiting = queue.deferred().unwrap();
    assert_eq!(
        waiting.iter().map(|(stage, name, _)| (*stage, name.as_str())).collect::<Vec<_>>(),
        [(Stage::Finished, "3fa9c1d2.1"), (Stage::Finished, "3fa9c1d2.1.ack")]
    );
    queue.wake(now).unwrap();
    assert!(queue.tickets(Stage::Finished).unwrap().is_empty());
    queue.wake(now + SignedDuration::from_mins(1)).unwrap();
    assert_eq!(queue.tickets(Stage::Finished).unwrap(), [early]);
    queue.wake(now + SignedDuration::from_hours(1)).unwrap();
    assert!(queue.deferred().unwrap().is_empty());
    assert!(queue.holds(Stage::Finished, &late));
}

#[test]
fn deferring_what_another_process_moved_is_no_error() {
    let store = Store::new();
    store.queue().defer(Stage::Finished, "3fa9c1d2.1", Timestamp::now()).unwrap();
    assert!(store.queue().deferred().unwrap().is_empty());
}

#[test]
fn many_may_wake_at_once() {
    let store = Store::new();
    let queue = store.queue();
    let tickets: Vec<_> = (1..=200).map(|n| Ticket::task(task(&format!("3fa9c1d2.{n}")))).collect();
    for ticket in &tickets {
        queue.put(Stage::Finished, ticket).unwrap();
        queue.defer(Stage::Finished, &ticket.to_string(), Timestamp::UNIX_EPOCH).unwrap();
    }
    std::thread::scope(|scope| {
        let wake = || scope.spawn(|| store.queue().wake(Timestamp::now()));
        let threads: Vec<_> = (0..4).map(|_| wake()).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    });
    assert_eq!(queue.tickets(Stage::Finished).unwrap().len(), tickets.len());
}

fn holding_the_run_lock(root: &str) {
    let layout = Layout::new("one".parse().unwrap(), root.into());
    let id: SessionId = "3fa9c1d2".parse().unwrap();
    let _lock = Lock::attempt(&layout.run_lock(&id)).unwrap().unwrap();
    helper::say("held");
    helper::stay();
}

#[test]
fn a_running_task_returns_to_ready_only_when_its_process_is_gone() {
    if let Some(root) = helper::argument() {
        return holding_the_run_lock(&root);
    }
    let store = Store::new();
    let queue = store.queue();
    let ticket = Ticket::task(task("3fa9c1d2.1"));
    let root = store.layout.root().to_str().unwrap().to_owned();
    let mut process = helper::start(&root);
    process.wait_for("held");
    queue.put(Stage::Running, &ticket).unwrap();
    queue.wake(Timestamp::now()).unwrap();
    assert!(queue.holds(Stage::Running, &ticket) && !queue.holds(Stage::Ready, &ticket));
    process.kill();
    queue.wake(Timestamp::now()).unwrap();
    assert!(!queue.holds(Stage::Running, &ticket) && queue.holds(Stage::Ready, &ticket));
}

#[test]
fn the_same_mail_by_another_way_is_a_replay_and_itself_is_not() {
    let store = Store::new();
    let queue = store.queue();
    let same = identity("a@example.com", "<1@example.com>", b"body");
    let (first, second) = (new(queue.take_in(b"1").unwrap()), new(queue.take_in(b"2").unwrap()));
    let settle = |key: &MessageKey, identity: &MessageKey| settle_as(&queue, &[(key, Some(identity))]);
    assert!(settle(&first, &same).is_empty());
    // Judged again after a crash.
    queue.send_back(&first).unwrap();
    assert!(settle(&first, &same).is_empty());
    assert_eq!(settle(&second, &same), std::slice::from_ref(&second));
    assert!(store.stage(Stage::Rejected).contains(&format!("{second}.eml")));
    let mut others = vec![
        identity("b@example.com", "<1@example.com>", b"body"),
        identity("a@example.com", "<2@example.com>", b"body"),
        identity("a@example.com", "<1@example.com>", b"other"),
        // The parts do not run into each other.
        identity("a@example.com<", "1@example.com>", b"body"),
    ];
    others.push(message_key(b"a@example.com<1@example.com>body"));
    for (number, other) in others.into_iter().enumerate() {
        assert_ne!(other, same);
        let mail = new(queue.take_in(format!("other {number}").as_bytes()).unwrap());
        assert!(settle(&mail, &other).is_empty());
    }
}

#[test]
fn of_two_copies_that_are_judged_together_the_first_counts() {
    let store = Store::new();
    let queue = store.queue();
    let [first, second, other] = [b"1", b"2", b"3"].map(|mail| new(queue.take_in(mail).unwrap()));
    let same = identity("a@example.com", "<1@example.com>", b"body");
    let judged = [(&first, Some(&same)), (&second, Some(&same)), (&other, None)];
    assert_eq!(settle_as(&queue, &judged), [second]);
    assert_eq!(store.stage(Stage::Authorized).len(), 4);
}

#[test]
fn a_copy_of_a_mail_that_was_accepted_when_its_key_alone_was_kept_is_known() {
    let store = Store::new();
    let queue = store.queue();
    let same = identity("a@example.com", "<1@example.com>", b"body");
    let path = store.layout.seen(&same);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, message_key(b"long ago").as_str()).unwrap();
    let mail = new(queue.take_in(b"1").unwrap());
    assert_eq!(settle_as(&queue, &[(&mail, Some(&same))]), [mail]);
}

fn taking_in(root: &str) {
    let layout = Layout::new("one".parse().unwrap(), root.into());
    helper::say("ready");
    helper::stay();
    let new = (0..50_u8)
        .filter(|n| matches!(Queue::new(&layout).take_in(&vec![*n; 50_000]).unwrap(), TakenIn::New(_)));
    helper::say(&format!("new {}", new.count()));
    helper::stay();
}

#[test]
fn of_two_processes_that_take_in_the_same_mail_one_does() {
    if let Some(root) = helper::argument() {
        return taking_in(&root);
    }
    let store = Store::new();
    let root = store.layout.root().to_str().unwrap().to_owned();
    let mut one = helper::start(&root);
    let mut two = helper::start(&root);
    one.wait_for("ready");
    two.wait_for("ready");
    one.proceed();
    two.proceed();
    let count = |process: &mut helper::Helper| -> u32 {
        process.read_line_with("new ").rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(count(&mut one) + count(&mut two), 50);
    assert_eq!(store.queue().messages(Stage::Fetched).unwrap().len(), 50);
}

#[test]
fn forgetting_a_session_leaves_the_markers_of_others() {
    let store = Store::new();
    let queue = store.queue();
    for id in ["3fa9c1d2.1", "3fa9c1d3.1"] {
        queue.put(Stage::Ready, &Ticket::task(task(id))).unwrap();
        queue.put(Stage::Finished, &Ticket::acknowledgement(task(id))).unwrap();
        queue.put(Stage::Rejected, &Ticket::task(task(id))).unwrap();
        queue.defer(Stage::Rejected, id, Timestamp::now() + SignedDuration::from_hours(1)).unwrap();
    }
    queue.forget(&"3fa9c1d2".parse().unwrap()).unwrap();
    assert_eq!(store.stage(Stage::Ready), ["3fa9c1d3.1"]);
    assert_eq!(store.stage(Stage::Finished), ["3fa9c1d3.1.ack"]);
    assert_eq!(queue.deferred().unwrap().len(), 1);
}

#[test]
fn a_mail_is_on_its_way_until_it_lies_in_its_session() {
    let store = Store::new();
    let queue = store.queue();
    let key = new(queue.take_in(MAIL).unwrap());
    assert!(queue.is_on_its_way(&key).unwrap());
    queue.defer(Stage::Fetched, &format!("{key}.eml"), Timestamp::now()).unwrap();
    assert!(queue.is_on_its_way(&key).unwrap());
    queue.wake(Timestamp::now()).unwrap();
    settle(&queue, &key, Stage::Authorized);
    assert!(queue.is_on_its_way(&key).unwrap());
    queue.send_back(&key).unwrap();
    assert!(queue.is_on_its_way(&key).unwrap());
    settle(&queue, &key, Stage::Rejected);
    assert!(!queue.is_on_its_way(&key).unwrap());
}

#[test]
fn a_clock_that_is_set_back_by_a_year_makes_nothing_wait_for_a_year() {
    let store = Store::new();
    let (queue, now) = (store.queue(), Timestamp::now());
    queue.put(Stage::Ready, &Ticket::task(task("3fa9c1d2.1"))).unwrap();
    queue.defer(Stage::Ready, "3fa9c1d2.1", now + SignedDuration::from_hours(1)).unwrap();
    // Its ordinary corrections change nothing.
    queue.wake(now - SignedDuration::from_secs(10)).unwrap();
    assert!(store.stage(Stage::Ready).is_empty());
    queue.wake(now - SignedDuration::from_hours(365 * 24)).unwrap();
    assert_eq!(store.stage(Stage::Ready), ["3fa9c1d2.1"]);
}
