//! The machine lacks something at one of the effects of a step: room, quota, descriptors, a disk that can be written. The
//! step says what, where and what to do; run again with nothing lacking, all ends as if nothing had happened.

use crate::support::letter::Letter;
use crate::support::world::Ran;
use crate::whole::faults::points::same;
use crate::whole::faults::{Mails, Stage};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many worlds at once.
const THREADS: usize = 3;

/// What one effect can fail with, in turns: ENOSPC, EDQUOT, EMFILE.
const ONCE: [u32; 3] = [28, 122, 24];
/// Of the effects so many are left out between those from which on all fail: as on a disk that can only be read.
const STRIDE: usize = 12;
const EROFS: u32 = 30;

/// The fewest descriptors with which the program itself still starts, and more than a step takes.
const DESCRIPTORS: [usize; 26] =
    [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 24, 28, 32, 40, 48, 64, 96, 128];

impl Stage {
    /// What there is for every step to do: a conversation that goes on, mails that come, are refused and told so.
    pub fn with_work() -> Self {
        let stage = Self::new("refusal_notice = true\nreserve = \"0\"", "");
        let first = stage.conversation();
        let letters = [
            stage.letter("alice@example.com", "Hello", "Please.").attach("a.txt", b"1").attach("a.txt", b"2"),
            Letter::reply("alice@example.com", &first, "More, please."),
            stage.letter("bob@elsewhere.example", "Hello", "Please."),
        ];
        stage.bring(&letters, &[]);
        stage
    }

    /// Demands that a step which failed is to be tried again, and said why and what to do.
    pub fn said(ran: &Ran) -> Result<(), String> {
        let is_told = ran.code == Some(0) || ran.stderr.contains("error: ") && ran.stderr.contains("hint: ");
        if !matches!(ran.code, Some(0 | 3 | 75)) || !is_told || ran.stderr.contains("panic") {
            return Err(format!("{ran:?}"));
        }
        Ok(())
    }

    /// What is there in the end, but for acknowledgements: of one that was delayed until the answer had gone, nothing comes;
    /// and but for what the agent said on standard error, which no answer waits for.
    pub fn answered(&self) -> (BTreeMap<String, String>, BTreeMap<String, Mails>) {
        let (mut tree, mut sent) = (self.tree(), self.sent());
        for (_, text) in tree.iter_mut().filter(|(name, _)| name.ends_with("/task.json")) {
            let (before, rest) = text.split_once("\"acknowledgement\"").unwrap();
            *text = format!("{before}{}", rest.split_once('}').unwrap().1);
        }
        tree.retain(|name, _| !name.ends_with("/stderr.log"));
        sent.retain(|what, mails| !(what.ends_with("Some(\"ack\")") && mails.ids == 1));
        (tree, sent)
    }

    /// Goes on until nothing waits, and demands that end.
    pub fn ends_as(
        &self,
        (tree, sent): &(BTreeMap<String, String>, BTreeMap<String, Mails>),
    ) -> Result<(), String> {
        self.settle()?;
        let found = self.answered();
        same(tree, &found.0).and_then(|()| same(sent, &found.1))
    }

    /// Has the whole way gone wrong in many ways, each in a twin of this world, and demands the end that the undisturbed
    /// one comes to.
    fn each_way<T: Sync + std::fmt::Debug>(
        &self,
        ways: &[T],
        disturb: impl Fn(&Self, &T) -> Ran + Sync,
    ) -> Vec<Ran> {
        let undisturbed = self.twin();
        undisturbed.settle().unwrap();
        let wanted = undisturbed.answered();
        assert!(wanted.1.values().all(|mails| mails.ids == 1 && mails.words.len() == 1), "{wanted:?}");
        let (next, all, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let attempt = |way: &T| -> Result<(), String> {
            let twin = self.twin();
            let ran = disturb(&twin, way);
            let told = Self::said(&ran);
            let stderr = ran.stderr.clone();
            all.lock().unwrap().push(ran);
            told?;
            twin.ends_as(&wanted).map_err(|fault| format!("{fault}\nafter: {stderr}"))
        };
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while let Some(way) = ways.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(fault) = attempt(way) {
                            faults.lock().unwrap().push(format!("{way:?}: {fault}"));
                        }
                    }
                });
            }
        });
        let faults = faults.into_inner().unwrap();
        assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), ways.len(), faults.join("\n"));
        all.into_inner().unwrap()
    }
}

#[test]
fn whichever_effect_fails_for_want_of_something_the_same_is_done_the_next_time() {
    let stage = Stage::with_work();
    let log = stage.twin();
    let path = log.world.path("effects");
    assert!(log.airut(&["cycle"]).env("AIRUT_FAIL_LOG", &path).status().unwrap().success());
    let effects: Vec<_> = fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
    assert!(effects.len() > 200, "{effects:?}");
    // What is done for one mail as for another is tried once, unless all is asked for.
    let all = std::env::var_os("AIRUT_TEST_ALL").is_some();
    let mut tried = BTreeSet::new();
    let around = |number: usize| &effects[number.saturating_sub(2)..number];
    let numbers: Vec<_> = (1..=effects.len()).filter(|number| all || tried.insert(around(*number))).collect();
    let once = numbers.iter().map(|number| (format!("{number}:{}", ONCE[number % ONCE.len()]), *number));
    let from = numbers.iter().step_by(STRIDE).map(|number| (format!("{number}+:{EROFS}"), *number));
    let ways: Vec<_> = once.chain(from).map(|(at, number)| (at, effects[number - 1].clone())).collect();
    let ran = stage.each_way(&ways, |twin, (at, _)| {
        Ran::of(&twin.airut(&["cycle"]).env("AIRUT_FAIL_AT", at).output().unwrap())
    });
    // Of some nothing comes: of what is tried again by itself, and of whose turn it is.
    let failed = ran.iter().filter(|ran| ran.code != Some(0)).count();
    assert!(failed > ways.len() / 2, "{failed} of {}", ways.len());
}

#[test]
fn with_too_few_descriptors_a_step_says_so_and_with_enough_each_mail_is_answered_once() {
    let stage = Stage::with_work();
    let ran = stage.each_way(&DESCRIPTORS, |twin, most| {
        let airut = twin.airut(&["cycle"]);
        let mut command = twin.world.command("prlimit");
        command.env("PATH", airut.get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap());
        command.arg(format!("--nofile={most}:{most}")).arg(airut.get_program()).args(airut.get_args());
        Ran::of(&command.output().unwrap())
    });
    let told = ran.iter().filter(|ran| ran.stderr.contains("Too many open files")).count();
    assert!(told > 5, "{told}: {ran:?}");
    assert!(ran.iter().any(|ran| ran.code == Some(0)), "{ran:?}");
}
