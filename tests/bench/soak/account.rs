//! The account: what became of each mail that was sent, by what lies in the mailboxes and on disk.

use crate::facts::{Facts, Place, TaskName};
use crate::letters::Expect;
use crate::post::{Handed, Received, What};
use crate::stage::{CLEARED, REPOS};
use crate::table::Table;
use crate::writer::Sent;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

mod work;

pub struct Account<'a> {
    facts: &'a Facts,
    came: &'a [Received],
    answers: BTreeMap<TaskName, Vec<&'a Received>>,
}

/// What became of a mail.
enum Became {
    Answered {
        with_others: bool,
        is_named: bool,
    },
    Twice(String),
    /// Not begun when a `/stop` came, whose answer says so.
    Dropped,
    Declined,
    Refused(String),
    SetAside,
    /// Of a session that `gc` has cleared away: what its mails say is all that is known.
    Gone {
        is_answered: bool,
    },
    /// The same, and an answer names it among others.
    Referred,
    Lost(String),
    /// Postfix took it, and nobody has it.
    Nowhere,
}

impl<'a> Account<'a> {
    pub fn new(facts: &'a Facts, came: &'a [Received]) -> Self {
        let mut answers: BTreeMap<TaskName, Vec<&Received>> = BTreeMap::new();
        for received in came {
            if let (What::Answer(name), Some(repo)) = (&received.what, repo(received)) {
                answers.entry((repo, name.clone())).or_default().push(received);
            }
        }
        Self { facts, came, answers }
    }

    pub fn of_mails(&self, sent: &[Sent], table: &mut Table) {
        let taken: Vec<&Sent> = sent.iter().filter(|sent| sent.handed != Handed::Not).collect();
        table.count("sent", sent.iter().map(|sent| sent.copies).sum());
        table.count("  the same mail once more", sent.iter().map(|sent| sent.copies - 1).sum());
        table.count("  not taken by Postfix", sent.len() - taken.len());
        for row in [
            "let into another's conversation",
            "not told that it is another conversation",
            "attachments that the agent did not find",
            "files that came with their answers",
            "files that their answer does not have",
        ] {
            table.count(row, 0);
        }
        for sent in taken {
            let became = self.became(sent);
            table.count("delivered to the mailbox", usize::from(!matches!(became, Became::Nowhere)));
            let kind = format!("{} {} ({})", sent.token, sent.kind, REPOS[sent.repo]);
            let is_task =
                self.tasks(sent).next().is_some() || matches!(became, Became::Gone { .. } | Became::Referred);
            if is_task || matches!(became, Became::Declined | Became::SetAside) {
                table.count("accepted", 1);
            }
            if is_task && sent.expect == Expect::Refusal {
                table.fault("let in that should not be", format!("{kind}: {:?}", self.places(sent)));
            }
            match became {
                Became::Answered { with_others, is_named } => {
                    table.count("answered", 1);
                    table.count("  together with others", usize::from(with_others));
                    if !is_named {
                        table.fault(
                            "  in a mail that does not name it",
                            format!("{kind}: {:?}", self.places(sent)),
                        );
                    }
                }
                Became::Twice(why) => table.fault("answered twice", format!("{kind}: {why}")),
                Became::Dropped => table.count("dropped by a /stop, whose answer says so", 1),
                Became::Declined => table.count("declined: beyond a limit", 1),
                Became::Refused(reason) if sent.expect == Expect::Answer => {
                    table.fault("lost", format!("{kind}: refused, {reason}"));
                }
                Became::Refused(reason) => table.count(&format!("refused: {reason}"), 1),
                Became::Gone { is_answered: true } => table.count("answered", 1),
                Became::Gone { is_answered: false } => {
                    table.count("dropped by a /stop, whose answer says so", 1)
                }
                Became::Referred => {
                    table.count("answered", 1);
                    table.count("  in a session cleared away, named in References alone", 1);
                }
                Became::SetAside => table.fault("set aside", kind.clone()),
                Became::Nowhere => table.fault("lost", format!("{kind}: it is nowhere")),
                Became::Lost(why) => table.fault("lost", format!("{kind}: {why}")),
            }
            self.guessed(sent, &kind, table);
            self.files(sent, &kind, table);
        }
    }

    fn places(&self, sent: &Sent) -> &[Place] {
        self.facts.places.get(&sent.token).map_or(&[], Vec::as_slice)
    }

    fn tasks(&self, sent: &Sent) -> impl Iterator<Item = &TaskName> {
        self.places(sent).iter().filter_map(|place| match place {
            Place::Task(task) => Some(task),
            _ => None,
        })
    }

    /// The answers to a mail that its sender has got, copies too.
    fn answers(&self, sent: &Sent) -> Vec<&'a Received> {
        let user = sent.from.split('@').next().unwrap_or_default();
        let id = format!("<{}>", sent.message_id);
        let of_tasks =
            self.tasks(sent).flat_map(|task| self.answers.get(task).into_iter().flatten().copied());
        // What names it and is of another task would be a second answer.
        let naming = self
            .came
            .iter()
            .filter(|received| received.in_reply_to == id && matches!(received.what, What::Answer(_)));
        of_tasks.chain(naming).filter(|received| received.user == user).collect()
    }

    fn became(&self, sent: &Sent) -> Became {
        let places = self.places(sent);
        if let Some(waiting) = places.iter().find(|place| matches!(place, Place::Waiting(_))) {
            return Became::Lost(format!("it still waits: {waiting:?}"));
        }
        let tasks: BTreeSet<&TaskName> = self.tasks(sent).collect();
        let Some(task) = tasks.first() else {
            // A second copy may have been refused.
            if places.iter().all(|place| matches!(place, Place::Rejected(reason) if reason == "duplicate"))
                && sent.repo == CLEARED
                && let Some(became) = self.of_a_session_gone(sent)
            {
                return became;
            }
            let reason = places.iter().find_map(|place| match place {
                Place::Rejected(reason) => Some(reason.as_str()),
                _ => None,
            });
            return match reason {
                Some("limit") => Became::Declined,
                Some("failing") => Became::SetAside,
                Some(reason) => Became::Refused(reason.to_owned()),
                None => Became::Nowhere,
            };
        };
        let answers = self.answers(sent);
        let ids: BTreeSet<&str> = answers.iter().map(|answer| answer.message_id.as_str()).collect();
        if tasks.len() > 1 || ids.len() > 1 {
            return Became::Twice(format!("in {tasks:?}, answers {ids:?}"));
        }
        if ids.is_empty() {
            let json = &self.facts.tasks[*task];
            return if self.is_dropped(task, json) {
                Became::Dropped
            } else {
                Became::Lost(format!("{task:?} is {}, its answer {}", json["state"], json["reply"]))
            };
        }
        let says =
            |answer: &&Received| answer.names(&sent.message_id) || answer.answer.text().contains(&sent.token);
        let with_others = self.facts.tasks[*task]["messages"].as_array().is_some_and(|mails| mails.len() > 1);
        Became::Answered { with_others, is_named: answers.iter().any(says) }
    }

    /// Whether it was stopped before it had begun, and a later `/stop` in the same session was answered.
    fn is_dropped(&self, (repo, name): &TaskName, task: &Value) -> bool {
        let Some((id, number)) = name.split_once('.') else { return false };
        let is_later = |other: &TaskName| {
            let parts = other.1.split_once('.').filter(|(other_id, _)| *other_id == id);
            let after = parts.and_then(|(_, other)| Some(other.parse::<u32>().ok()? > number.parse().ok()?));
            other.0 == *repo && after == Some(true)
        };
        task["state"] == "stopped"
            && task["reply"]["state"] == "none"
            && self.facts.tasks.iter().any(|(other, stop)| {
                is_later(other) && stop["command"] == "/stop" && self.answers.contains_key(other)
            })
    }

    /// By its answer, or, where a `/stop` in the same session was answered, by that.
    fn of_a_session_gone(&self, sent: &Sent) -> Option<Became> {
        let user = sent.from.split('@').next().unwrap_or_default();
        let its =
            self.came.iter().filter(|received| received.user == user && received.repo == REPOS[sent.repo]);
        let names = |received: &&&Received| {
            received.names(&sent.message_id) || received.answer.text().contains(&sent.token)
        };
        let naming: Vec<&Received> = its.clone().filter(|received| names(&received)).collect();
        // Later mails of its session name it, too: one that answers it itself comes first.
        let answering = |received: &&&Received| {
            let text = received.answer.text();
            matches!(received.what, What::Answer(_))
                && (received.in_reply_to.contains(&sent.message_id) || text.contains(&sent.token))
        };
        let ids: BTreeSet<&str> = naming
            .iter()
            .filter(|received| answering(received))
            .map(|received| &*received.message_id)
            .collect();
        if ids.len() > 1 {
            return Some(Became::Twice(format!("{ids:?}")));
        }
        if ids.len() == 1 {
            return Some(Became::Gone { is_answered: true });
        }
        let session = sent.session.clone().or_else(|| naming.first()?.answer.session())?;
        let was_stopped = its.clone().any(|received| {
            received.answer.session().as_ref() == Some(&session)
                && received.answer.text().contains("not begun")
        });
        if was_stopped {
            return Some(Became::Gone { is_answered: false });
        }
        // Joined with others, and their answer tells of a failure: it names them all, but only there.
        naming.iter().any(|received| matches!(received.what, What::Answer(_))).then_some(Became::Referred)
    }

    fn guessed(&self, sent: &Sent, kind: &str, table: &mut Table) {
        let Some(guessed) = &sent.guessed else { return };
        if self.tasks(sent).any(|(_, name)| name.starts_with(guessed.as_str())) {
            table.fault("let into another's conversation", format!("{kind}: {guessed}"));
        }
        let said = self.answers(sent);
        let knows = |received: &&Received| received.answer.text().contains(guessed.as_str());
        if !said.is_empty() && !said.iter().any(knows) {
            table.fault("not told that it is another conversation", format!("{kind}: {guessed}"));
        }
    }

    fn files(&self, sent: &Sent, kind: &str, table: &mut Table) {
        for received in self.answers(sent) {
            let text = received.answer.text();
            if text.contains("Missing: ") {
                table.fault("attachments that the agent did not find", format!("{kind}: {text}"));
            }
            let is_done = text.contains("Done:") && text.contains(&sent.token);
            let has_room = !text.contains("No room for");
            let there: Vec<String> =
                received.answer.attachments().into_iter().map(|(name, _)| name).collect();
            for name in sent.gives.iter().filter(|name| is_done && has_room && !there.contains(name)) {
                table
                    .fault("files that their answer does not have", format!("{kind}: {name}, but {there:?}"));
            }
            table.count("files that came with their answers", usize::from(is_done) * sent.gives.len());
        }
    }
}

fn repo(received: &Received) -> Option<usize> {
    REPOS.iter().position(|name| *name == received.repo)
}
