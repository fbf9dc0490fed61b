//! `reply`: sends what is finished. A mail's Message-ID and bytes are on disk before the first attempt, and
//! `sending` is recorded before each: what is cut between is sent again as the same mail.

mod letter;
mod notes;
mod transport;

use crate::base::id::TaskId;
use crate::base::limits;
use crate::base::talk::Talk;
use crate::disk::batch::Batch;
use crate::disk::layout::Stage;
use crate::disk::lock::Lock;
use crate::disk::queue::Ticket;
use crate::disk::repo::Repo;
use crate::disk::session::{SessionGuard, is_no_damage};
use crate::disk::write;
use crate::exec::interrupt::Interrupt;
use crate::format::task::{Delivery, DeliveryState, Task};
use crate::mail::compose;
use crate::step::reply::letter::Letter;
use crate::step::reply::transport::{Transport, Unsent};
use crate::step::report::Report;
use anyhow::{Context, Result, anyhow, bail};
use jiff::{SignedDuration, Timestamp};

/// How long a mail waits that could not be worked on for a reason of our own.
const SET_ASIDE: SignedDuration = SignedDuration::from_mins(10);

/// Sends these, or all that is finished. One process at a time for each repository.
pub fn reply(repo: &Repo, only: Option<&[TaskId]>, talk: &dyn Talk, interrupt: &Interrupt) -> Result<Report> {
    let queue = repo.queue();
    queue.wake(Timestamp::now())?;
    let mut report = Report::default();
    for task in only.into_iter().flatten().filter(|task| !repo.layout.task(task).exists()) {
        report.trouble(&repo.name, task, anyhow!("there is no such task"));
    }
    if queue.tickets(Stage::Finished)?.is_empty() && queue.messages(Stage::Finished)?.is_empty() {
        return Ok(report);
    }
    let _lock = Lock::exclusive(&repo.layout.lock("reply"), limits::REPLY_WAIT, "the outgoing mail")?;
    let mut transport = Transport::open(repo)?;
    let mut tickets = queue.tickets(Stage::Finished)?;
    tickets.retain(|ticket| only.is_none_or(|only| only.contains(&ticket.task)));
    // An acknowledgement goes before the answer it announces.
    tickets.sort_by_key(|ticket| !ticket.acknowledgement);
    for ticket in tickets {
        if interrupt.is_set() {
            break;
        }
        match one(repo, &ticket, &mut transport, talk) {
            Ok(true) => report.moved(&repo.name, &ticket),
            Ok(false) => {}
            Err(error) => {
                report.trouble(&repo.name, &ticket, error);
                put_off(repo, &ticket, SET_ASIDE);
            }
        }
        if transport.is_locked_out() {
            break;
        }
    }
    if only.is_none() {
        notes::send(repo, &mut transport, interrupt, &mut report)?;
    }
    if transport.is_locked_out() {
        // Each of them would ask the server once more, as soon as a path unit sees that something is left.
        for ticket in queue.tickets(Stage::Finished)? {
            put_off(repo, &ticket, pause(1));
        }
    }
    Ok(report)
}

/// What failed on our side, before or after sending, must not stay where it would be tried again at once. Where even
/// this fails (the disk is full, say) there is nothing left to do.
fn put_off(repo: &Repo, ticket: &Ticket, pause: SignedDuration) {
    let _ = repo.queue().defer(Stage::Finished, &ticket.to_string(), Timestamp::now() + pause);
}

/// The mail as it would be sent (or was composed already). Changes nothing.
pub fn dry_run(repo: &Repo, task: &TaskId) -> Result<Vec<u8>> {
    let dir = crate::disk::session::SessionDir::new(&repo.layout, &task.session);
    if let Some(bytes) = write::read(&dir.task_dir(task.number).join("reply.eml"), limits::COMPOSED_BYTES)? {
        return Ok(bytes);
    }
    let loaded = dir.load_task(task.number)?;
    if !loaded.state.is_final() {
        bail!("task {task} is {}: there is no answer yet", loaded.state.name());
    }
    let id = compose::message_id(task, "not-sent", repo.config.mail.from.address.domain());
    Letter {
        repo,
        dir: &dir,
        task: &loaded,
        ticket: &Ticket::task(task.clone()),
        message_id: &id,
        bare: false,
    }
    .compose()
}

/// Sends one mail; true when it is on its way.
fn one(repo: &Repo, ticket: &Ticket, transport: &mut Transport, talk: &dyn Talk) -> Result<bool> {
    let queue = repo.queue();
    let Some((task, composed)) = begin(repo, ticket)? else {
        queue.remove(Stage::Finished, ticket)?;
        return Ok(false);
    };
    let bytes = match composed {
        Ok(bytes) => bytes,
        Err(error) => return settle(repo, ticket, Err(Unsent::ours(&error))),
    };
    let to = compose::recipients(&bytes);
    if ticket.acknowledgement {
        return settle(repo, ticket, transport.send_note(&to, &bytes));
    }
    let sent = match transport.send(&to, &bytes) {
        Err(Unsent::Permanent(why)) if !delivery(&task, ticket).bare && has_files(repo, ticket) => {
            talk.warn(&format!(
                "{}:{ticket}: refused with its attachments ({why}), trying without",
                repo.name
            ));
            let bytes = strip(repo, ticket)?;
            transport.send(&to, &bytes)
        }
        sent => sent,
    };
    settle(repo, ticket, sent)
}

/// What is to be sent, recorded as being sent; nothing where it was sent before, or is not wanted any more. An answer
/// that cannot be composed counts as an attempt.
fn begin(repo: &Repo, ticket: &Ticket) -> Result<Option<(Task, Result<Vec<u8>>)>> {
    let guard = SessionGuard::take(&repo.layout, &ticket.task.session)?;
    if !guard.dir.exists() {
        return Ok(None);
    }
    let number = ticket.task.number;
    let mut task = match guard.load_task(number) {
        Ok(task) => task,
        Err(error) if is_no_damage(&error) => return Err(error),
        Err(error) => match guard.rescue_task(number, &format!("{error:#}"), Timestamp::now())? {
            Some(task) => task,
            None => {
                repo.queue().advance(ticket, Stage::Finished, Stage::Rejected)?;
                return Err(error);
            }
        },
    };
    match delivery(&task, ticket).state {
        DeliveryState::Pending | DeliveryState::Sending => {}
        // Cut off before its marker was removed.
        DeliveryState::Sent => return record_sent(&guard, &task, ticket).map(|()| None),
        DeliveryState::None | DeliveryState::Undeliverable => return Ok(None),
    }
    // An answer before its time would take the real one's place; the marker comes again when there is one. And that a
    // mail has arrived is no news after its answer.
    if if ticket.acknowledgement { task.reply.state == DeliveryState::Sent } else { !task.state.is_final() } {
        return Ok(None);
    }
    let composed = attempt(repo, &guard, &mut task, ticket)?;
    Ok(Some((task, composed)))
}

/// Records one more attempt, together with the mail: its Message-ID and its bytes are the same in all of them.
fn attempt(repo: &Repo, guard: &SessionGuard, task: &mut Task, ticket: &Ticket) -> Result<Result<Vec<u8>>> {
    let dir = guard.dir.task_dir(ticket.task.number);
    let (path, known) = (dir.join(file(ticket)), delivery(task, ticket).message_id.clone());
    // One that is there without a Message-ID on record has another than it would be sent with: a crash left it.
    let stored = if known.is_some() { write::read(&path, limits::COMPOSED_BYTES) } else { Ok(None) };
    let message_id = known.map_or_else(|| new_message_id(repo, ticket), Ok)?;
    let change = delivery_mut(task, ticket);
    change.message_id = Some(message_id.clone());
    change.attempts += 1;
    change.state = DeliveryState::Sending;
    let bare = change.bare;
    let mut batch = Batch::default();
    guard.put_task(&mut batch, task)?;
    let letter = Letter { repo, dir: &guard.dir, task, ticket, message_id: &message_id, bare };
    let composed = match stored {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => letter.compose().context("the answer cannot be composed").and_then(|bytes| {
            batch.put(&dir, path, &bytes)?;
            Ok(bytes)
        }),
        Err(error) => Err(error),
    };
    batch.commit()?;
    Ok(composed)
}

/// Records a mail as sent, and in its thread, which the next mail of the conversation refers to.
fn record_sent(guard: &SessionGuard, task: &Task, ticket: &Ticket) -> Result<()> {
    let sent = delivery(task, ticket);
    guard.save_both(task, |session| {
        session.thread.extend(sent.message_id.clone().filter(|id| !session.thread.contains(id)));
        session.mark_active(sent.sent_at.unwrap_or_else(Timestamp::now));
    })
}

fn settle(repo: &Repo, ticket: &Ticket, sent: std::result::Result<(), Unsent>) -> Result<bool> {
    let queue = repo.queue();
    let now = Timestamp::now();
    let guard = SessionGuard::take(&repo.layout, &ticket.task.session)?;
    let record = |state, error: Option<String>| {
        guard.update_task(ticket.task.number, |task| {
            let delivery = delivery_mut(task, ticket);
            delivery.state = state;
            delivery.last_error = error;
        })
    };
    match sent {
        Ok(()) => {
            let mut task = guard.load_task(ticket.task.number)?;
            let delivery = delivery_mut(&mut task, ticket);
            delivery.state = DeliveryState::Sent;
            delivery.sent_at = Some(now);
            delivery.last_error = None;
            record_sent(&guard, &task, ticket)?;
            queue.remove(Stage::Finished, ticket)?;
            Ok(true)
        }
        Err(Unsent::Permanent(why)) => {
            record(DeliveryState::Undeliverable, Some(why.clone()))?;
            queue.advance(ticket, Stage::Finished, Stage::Rejected)?;
            Err(anyhow!("it cannot be delivered: {why}"))
        }
        Err(unsent) => {
            let why = unsent.to_string();
            let attempts = delivery(&record(DeliveryState::Pending, Some(why.clone()))?, ticket).attempts;
            if attempts >= limits::REPLY_ATTEMPTS {
                record(DeliveryState::Undeliverable, Some(why.clone()))?;
                queue.advance(ticket, Stage::Finished, Stage::Rejected)?;
                return Err(anyhow!("it cannot be delivered after {attempts} attempts: {why}"));
            }
            let pause = pause(attempts);
            queue.defer(Stage::Finished, &ticket.to_string(), now + pause)?;
            Err(unsent.fault(&format!("it waits {} min for its next attempt", pause.as_mins().max(1))).into())
        }
    }
}

/// One minute, doubling to eight hours: five days over all attempts.
fn pause(attempts: u32) -> SignedDuration {
    SignedDuration::from_mins(1_i64 << attempts.saturating_sub(1).min(9)).min(SignedDuration::from_hours(8))
}

/// The same mail without its attachments, which it names.
fn strip(repo: &Repo, ticket: &Ticket) -> Result<Vec<u8>> {
    let guard = SessionGuard::take(&repo.layout, &ticket.task.session)?;
    let task = guard.load_task(ticket.task.number)?;
    let message_id = delivery(&task, ticket).message_id.clone().unwrap_or_default();
    let letter = Letter { repo, dir: &guard.dir, task: &task, ticket, message_id: &message_id, bare: true };
    let bytes = letter.compose()?;
    // The mail first: a crash between the two costs another attempt, and not the answer.
    write::durable(&guard.dir.task_dir(ticket.task.number).join(file(ticket)), &bytes)?;
    guard.update_task(ticket.task.number, |task| delivery_mut(task, ticket).bare = true)?;
    Ok(bytes)
}

fn has_files(repo: &Repo, ticket: &Ticket) -> bool {
    let outbox = repo.layout.task(&ticket.task).join("outbox");
    !ticket.acknowledgement && std::fs::read_dir(outbox).is_ok_and(|mut entries| entries.next().is_some())
}

fn file(ticket: &Ticket) -> &'static str {
    if ticket.acknowledgement { "ack.eml" } else { "reply.eml" }
}

fn delivery<'a>(task: &'a Task, ticket: &Ticket) -> &'a Delivery {
    if ticket.acknowledgement { &task.acknowledgement } else { &task.reply }
}

fn delivery_mut<'a>(task: &'a mut Task, ticket: &Ticket) -> &'a mut Delivery {
    if ticket.acknowledgement { &mut task.acknowledgement } else { &mut task.reply }
}

/// Not to be guessed, and never the same twice.
fn new_message_id(repo: &Repo, ticket: &Ticket) -> Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).context("the system has no randomness")?;
    let nonce = crate::disk::layout::hex(&random);
    let domain = repo.config.mail.from.address.domain();
    Ok(if ticket.acknowledgement {
        compose::ack_message_id(&ticket.task, &nonce, domain)
    } else {
        compose::message_id(&ticket.task, &nonce, domain)
    })
}
