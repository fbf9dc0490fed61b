//! `run`: works on what is ready, in every repository at hand, until nothing is left. At most `max_concurrent` tasks
//! at once over all processes (each holds a slot's lock), one at a time in each session (it holds the
//! session's run lock).

mod agent;
mod park;
mod prepare;
pub mod judge;
mod task;
mod turns;

use crate::base::id::TaskId;
use crate::base::talk::Talk;
use crate::disk::layout::Stage;
use crate::disk::lock::Lock;
use crate::disk::queue::Ticket;
use crate::disk::repo::Repo;
use crate::exec::interrupt::Interrupt;
use crate::proxy::cgroup;
use crate::step::report::Report;
use anyhow::{Result, anyhow};
use jiff::Timestamp;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

pub use task::Ending;
use turns::Line;

/// How often to look again for a free slot or session.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub struct Options<'a> {
    /// Only these; none means all that is ready.
    pub only: Option<Vec<(crate::base::id::RepoName, TaskId)>>,
    pub max_concurrent: u32,
    /// Whether to stay for what only other processes keep from being run: those pick it up themselves when they come
    /// to it, unless they were given tasks by name.
    pub wait_for_others: bool,
    pub shutdown_timeout: Duration,
    /// This program, for the proxy's process.
    pub program: PathBuf,
    pub interrupt: &'a Interrupt,
    pub talk: &'a dyn Talk,
}

/// Runs until nothing is ready, or until interrupted.
pub fn run(repos: &[Repo], options: &Options) -> Result<Report> {
    cgroup::step_aside();
    let mut report = Report::default();
    unknown(repos, options, &mut report);
    let (done, finished) = mpsc::channel::<(Job, Result<Ending>)>();
    std::thread::scope(|scope| {
        let mut running: HashSet<Job> = HashSet::new();
        // Not tried again by this process, so that what cannot be recorded does not spin.
        let mut put_aside: HashSet<Job> = HashSet::new();
        let mut line = Line::default();
        loop {
            let mut waiting =
                if options.interrupt.is_set() { vec![] } else { ready(repos, options, &mut report) };
            waiting.retain(|job| !running.contains(job) && !put_aside.contains(job));
            let polite = waiting.first().is_some_and(|job| line.lets_others_first(&repos[job.0].global));
            for job in waiting.iter().filter(|_| !polite) {
                let repo = &repos[job.0];
                let held = match claim(repo, &job.1, options.max_concurrent) {
                    Ok(Claim::Mine(held)) => held,
                    Ok(Claim::Elsewhere) => continue,
                    Ok(Claim::NoSlot) => {
                        line.stand(&repo.global);
                        break;
                    }
                    Err(error) => {
                        report.trouble(&repo.name, &job.1, error);
                        put_aside.insert(job.clone());
                        continue;
                    }
                };
                line.leave();
                turns::note(&repo.layout);
                running.insert(job.clone());
                let (done, job) = (done.clone(), job.clone());
                scope.spawn(move || {
                    let worked = catch_unwind(AssertUnwindSafe(|| task::work(repo, &job.1, options)));
                    drop(held);
                    let ending = worked.unwrap_or_else(|_| Err(anyhow!("airut itself failed (a panic)")));
                    let _ = done.send((job, ending));
                });
            }
            let stay = options.wait_for_others && waiting.iter().any(|job| !put_aside.contains(job));
            if running.is_empty() && !stay && !polite {
                return Ok(report);
            }
            if let Ok((job, ending)) = finished.recv_timeout(LOOK_AGAIN) {
                running.remove(&job);
                line.freed();
                let (repo, task) = (&repos[job.0], &job.1);
                if ending.is_err() {
                    put_aside.insert(job.clone());
                }
                note(&mut report, repo, task, ending, options.talk);
            }
        }
    })
}

/// Whether a task is this process's to run.
enum Claim {
    /// Its session's run lock and a slot, for as long as it runs.
    Mine((Lock, Lock)),
    /// Its session is at work in another process, or the task was taken on meanwhile.
    Elsewhere,
    NoSlot,
}

/// The session first: a task that has to wait for its own session must not hold a slot.
fn claim(repo: &Repo, task: &TaskId, max_concurrent: u32) -> Result<Claim> {
    let Some(session) = Lock::attempt(&repo.layout.run_lock(&task.session))? else {
        return Ok(Claim::Elsewhere);
    };
    if !repo.queue().holds(Stage::Ready, &Ticket::task(task.clone())) {
        return Ok(Claim::Elsewhere);
    }
    for number in 0..max_concurrent {
        if let Some(slot) = Lock::attempt(&repo.global.slot(number))? {
            return Ok(Claim::Mine((session, slot)));
        }
    }
    Ok(Claim::NoSlot)
}

/// What was named and is nowhere is said, not passed over.
fn unknown(repos: &[Repo], options: &Options, report: &mut Report) {
    for (name, task) in options.only.iter().flatten() {
        let repo = repos.iter().find(|repo| repo.name == *name);
        if let Some(repo) = repo.filter(|repo| !repo.layout.task(task).exists()) {
            report.trouble(&repo.name, task, anyhow!("there is no such task"));
        }
    }
}

/// A repository's index and a task of it.
type Job = (usize, TaskId);

fn note(report: &mut Report, repo: &Repo, task: &TaskId, ending: Result<Ending>, talk: &dyn Talk) {
    match ending {
        Ok(Ending::Finished) => report.moved(&repo.name, task),
        Ok(Ending::Failed(why)) => {
            // Its sender hears of it: airut did what it is for.
            talk.warn(&format!("{}:{task}: {why}", repo.name));
            report.moved(&repo.name, task);
        }
        Ok(Ending::Parked(until, why)) => {
            talk.warn(&format!("{}:{task}: it waits until {until}: {why}", repo.name))
        }
        Ok(Ending::Left) => {}
        Err(error) => report.trouble(&repo.name, task, error),
    }
}

/// What is ready, taking turns between the repositories.
fn ready(repos: &[Repo], options: &Options, report: &mut Report) -> Vec<Job> {
    let mut lists = Vec::new();
    for (index, repo) in repos.iter().enumerate() {
        let queue = repo.queue();
        match queue.wake(Timestamp::now()).and_then(|()| queue.tickets(Stage::Ready)) {
            Ok(tickets) => {
                lists.push(tickets.into_iter().map(|ticket| (index, ticket.task)).collect::<Vec<_>>())
            }
            // Said once; it may have mended itself when we look again.
            Err(error) if !report.troubles.iter().any(|trouble| trouble.what == repo.name.as_str()) => {
                report.troubles.push(crate::step::report::Trouble { what: repo.name.to_string(), error });
            }
            Err(_) => {}
        }
    }
    // Whoever had a turn last is last, over all processes: else the first would go first each time one slot is free.
    lists.sort_by_cached_key(|list| list.first().map(|(index, _)| turns::last(&repos[*index].layout)));
    let mut jobs = take_turns(lists);
    if let Some(only) = &options.only {
        jobs.retain(|(index, task)| {
            only.iter().any(|(name, wanted)| *name == repos[*index].name && wanted == task)
        });
    }
    jobs
}

/// The first of each, then the second of each, and so on.
fn take_turns<T>(lists: Vec<Vec<T>>) -> Vec<T> {
    let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
    let mut taken = Vec::new();
    loop {
        let before = taken.len();
        taken.extend(lists.iter_mut().filter_map(Iterator::next));
        if taken.len() == before {
            return taken;
        }
    }
}
