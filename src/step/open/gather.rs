//! Which messages are placed together: as many as the memory takes, as long as none of them has to wait for another to
//! be made a workspace, or to find in its session what one before it leaves there.

use crate::base::fault::Fault;
use crate::base::id::{MessageKey, SessionId};
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::base::talk::Talk;
use crate::disk::layout::Stage;
use crate::disk::repo::Repo;
use crate::step::open::make::{Made, Remote, make};
use crate::step::open::place::Planned;
use crate::step::open::plan::plan;
use crate::step::open::quota::{Tally, turn_away};
use crate::step::open::{Mode, accepted, desk, doubt, is_by_hand, trouble, unpanicked};
use crate::step::report::Report;
use anyhow::{Context, Result};
use jiff::Timestamp;
use std::collections::HashSet;
use std::time::Instant;

/// How messages are opened.
pub struct Ways<'a> {
    /// Somebody named them: one that is not there is an error.
    pub named: bool,
    pub mode: &'a Mode,
    pub talk: &'a dyn Talk,
}

/// Messages to be placed together.
#[derive(Default)]
pub struct Gathered {
    pub planned: Vec<Planned>,
    pub tally: Tally,
    /// How many of the keys are done with, once these are placed.
    pub looked_at: usize,
    /// This machine lacks something: the next ones would lack it as well.
    pub is_short: bool,
    sessions: HashSet<SessionId>,
    bytes: usize,
}

/// What came of looking at one message.
enum Looked {
    /// It is among those to be placed, and `last` of them.
    In { last: bool },
    /// It was turned away, or is another process's.
    Out,
    /// It has to see what those before it leave.
    Later,
}

/// Plans the first of these messages; makes the sessions of those that open one.
pub fn gather(repo: &Repo, keys: &[MessageKey], ways: &Ways, report: &mut Report) -> Gathered {
    let (mut gathered, mut remote, started) = (Gathered::default(), Remote::default(), Instant::now());
    for key in keys.iter().take(limits::BATCH) {
        let last = match unpanicked(|| gathered.look(repo, key, ways, &mut remote)) {
            Ok(Looked::Later) => break,
            Ok(Looked::In { last }) => last,
            Ok(Looked::Out) => false,
            Err(error) => {
                gathered.is_short = Shortage::of(&error).is_some();
                trouble(repo, key, error, ways.mode, report);
                gathered.is_short
            }
        };
        gathered.looked_at += 1;
        if last || gathered.bytes >= limits::BATCH_BYTES || started.elapsed() >= limits::BATCH_TIME {
            break;
        }
    }
    gathered
}

impl Gathered {
    fn look(&mut self, repo: &Repo, key: &MessageKey, ways: &Ways, remote: &mut Remote) -> Result<Looked> {
        let Some(bytes) = repo.queue().read(Stage::Authorized, key)? else {
            if !ways.named {
                // Listed a moment ago: another process was first.
                return Ok(Looked::Out);
            }
            return Err(Fault::failed("there is no such message in queue/authorized").into());
        };
        let Some(verdict) = accepted(repo, key)? else {
            return doubt(repo, key).map(|()| Looked::Out);
        };
        let from = verdict.from.clone().context("its verdict names no sender")?;
        let now = Timestamp::now();
        let plan = plan(repo, key, &bytes, from, ways.mode, now)?;
        let alone = plan.command.is_some() || *ways.mode != Mode::Open;
        let is_named_here = plan.named.iter().any(|id| self.sessions.contains(id));
        if !self.planned.is_empty() && (alone || (plan.is_new() && is_named_here)) {
            return Ok(Looked::Later);
        }
        let (is_begun, is_counted) = desk::begun(repo, key, &plan)?;
        if !is_begun
            && !is_by_hand(&verdict)
            && let Some(reached) = self.tally.reached(repo, key, &plan, now)?
        {
            let waits = turn_away(repo, key, &bytes, &plan, verdict, &reached)?;
            let what = if waits { "waits" } else { "is declined" };
            ways.talk.info(&format!("{}:{key}: {what}, beyond {reached}", repo.name));
            return Ok(Looked::Out);
        }
        let clone_failure = if plan.is_new() {
            match make(repo, key, &plan, remote)? {
                Made::Whole => None,
                Made::Without(error) => Some(format!("{error:#}")),
                Made::Elsewhere => return Ok(Looked::Out),
            }
        } else {
            None
        };
        if let Some(why) = &clone_failure {
            let id = plan.session_id();
            ways.talk.warn(&format!("{}:{id}: the workspace cannot be made: {why}", repo.name));
        }
        if !is_counted {
            self.tally.count(repo, key, &plan, now)?;
        }
        self.sessions.insert(plan.session_id().clone());
        self.bytes += bytes.len();
        self.planned.push(Planned { key: key.clone(), plan, clone_failure });
        Ok(Looked::In { last: alone })
    }
}
