//! One run of Claude Code in its sandbox, and what came of it. A conversation that cannot be resumed is answered
//! once from a fresh one; everything else that goes wrong becomes the task's failure.

use crate::base::fault::Fault;
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::disk::layout::runtime_dir;
use crate::disk::repo::Repo;
use crate::disk::room;
use crate::disk::session::{SessionDir, SessionGuard};
use crate::disk::write;
use crate::exec::program::{End, Output};
use crate::format::session::Session;
use crate::format::task::{Failure, Reason, State, Task};
use crate::mail::notice::Notice;
use crate::mail::prompt;
use crate::proxy::process::{self, Proxy, Sandbox};
use crate::step::run::Options;
use crate::step::run::judge::{Seen, judge, outage};
use crate::step::run::prepare::{self, Prepared, Unprepared};
use crate::step::run::task::Worked;
use crate::tool::claude::{self, Facts, Stream};
use crate::tool::podman::{self, Container, Mount};
use anyhow::{Context, Result};
use std::cell::Cell;
use std::io::Write;
use std::ops::ControlFlow;
use std::time::Instant;

/// One attempt's particulars; a retry changes only what it must.
struct Attempt<'a> {
    repo: &'a Repo,
    session: &'a Session,
    task: &'a Task,
    options: &'a Options<'a>,
    prepared: &'a Prepared,
    image: String,
    resume: Option<String>,
    prompt: String,
}

/// What is left of an attempt.
struct Ended {
    output: Output,
    facts: Facts,
    proxy_alive: bool,
    /// In an attempt that was cut off.
    said_before: Option<String>,
    /// Why no more of what it said could be stored.
    full: Option<String>,
}

pub fn work(repo: &Repo, session: &Session, task: &Task, options: &Options) -> Result<Worked> {
    let dir = SessionDir::new(&repo.layout, &session.id);
    let is_stopped = || dir.task_dir(task.number).join("stop").exists();
    let give_up = || is_stopped() || options.interrupt.is_set();
    let unprepared = |why| match why {
        _ if is_stopped() => Ok(Worked::stopped()),
        // Told to end: what is prepared by then serves the next run.
        _ if options.interrupt.is_set() => Ok(Worked::default()),
        Unprepared::Failed(failure) => Ok(Worked::from(failure)),
        Unprepared::Short(error) => Err(error),
    };
    let prepared = match prepare::prepare(repo, session, options.talk, &give_up) {
        Ok(prepared) => prepared,
        Err(why) => return unprepared(why),
    };
    let stored = std::fs::read_to_string(dir.task_dir(task.number).join("prompt.txt"))
        .context("cannot read the prompt")?;
    let resume = session.claude_session.clone();
    let prompt = match &task.parked {
        Some(_) => prompt::continued("had to wait for Claude's API", &stored),
        None if task.begun || task.interruptions > 0 => prompt::continued("was interrupted", &stored),
        None => stored.clone(),
    };
    let image = prepared.image.clone();
    let mut attempt = Attempt { repo, session, task, options, prepared: &prepared, image, resume, prompt };

    let mut ended = match attempt.start()? {
        Ok(ended) => ended,
        Err(failure) => return Ok(Worked::from(failure)),
    };
    let mut notes = Vec::new();
    if image_is_gone(&ended.output) {
        attempt.image = match prepare::rebuild(repo, &prepared.image_hash, options.talk, &give_up) {
            Ok(image) => image,
            Err(why) => return unprepared(why),
        };
        ended = attempt.again()?;
    }
    if let Some(why) = attempt.cut_off(&ended)
        && attempt.is_continued()?
    {
        options.talk.warn(&format!("{}:{}.{}: it {why}, going on", repo.name, session.id, task.number));
        attempt.resume = ended.facts.session_id.clone().or(attempt.resume);
        attempt.prompt = prompt::continued(why, &stored);
        notes.push(Notice::Continued.to_string());
        let said_before = ended.facts.partial();
        ended = match attempt.again() {
            Ok(ended) => Ended { said_before, ..ended },
            // That it was interrupted, its sender has to hear even so.
            Err(error) => return Ok(Worked { notes, ..Worked::from(internal(&error)) }),
        };
    }
    if attempt.resume.is_some() && ended.facts.is_poisoned() {
        options.talk.warn(&format!(
            "{}:{}.{}: cannot be resumed, beginning afresh",
            repo.name, session.id, task.number
        ));
        attempt.resume = None;
        attempt.prompt = afresh(repo, &dir, task.number, &stored);
        notes.push(Notice::Afresh.to_string());
        ended = attempt.again()?;
    }
    Ok(attempt.worked(ended, notes))
}

/// For the operator: a failure of our own.
pub fn internal(error: &anyhow::Error) -> Failure {
    Failure { reason: Reason::Internal, detail: format!("{error:#}") }
}

/// The request with the last answer as its context.
fn afresh(repo: &Repo, dir: &SessionDir, number: u32, stored: &str) -> String {
    let last = (1..number).rev().find_map(|number| dir.load_task(number).ok().and_then(|task| task.answer));
    prompt::afresh(repo.name.as_str(), &repo.config.mail.from.address, last.as_deref(), stored)
}

fn image_is_gone(output: &Output) -> bool {
    output.end == End::Exit(podman::PODMAN_FAILED)
        && (output.stderr.contains("image not known") || output.stderr.contains("no such image"))
}

impl Attempt<'_> {
    fn start(&self) -> Result<std::result::Result<Ended, Failure>> {
        match self.sandbox() {
            Ok((sandbox, proxy)) => self.contain(sandbox, proxy).map(Ok),
            Err(error) if Shortage::of(&error).is_some() => Err(error),
            Err(error) => Ok(Err(Failure { reason: Reason::Sandbox, detail: format!("{error:#}") })),
        }
    }

    fn again(&self) -> Result<Ended> {
        let (sandbox, proxy) = self.sandbox()?;
        self.contain(sandbox, proxy)
    }

    /// Podman's arguments for the way out, and the proxy behind it, ready. No proxy, no container.
    fn sandbox(&self) -> Result<(Sandbox, Option<Proxy>)> {
        let runtime = runtime_dir(&self.repo.name, &self.session.id)?;
        let Some(allowlist) = &self.prepared.allowlist else {
            process::prepare(&runtime)?;
            return Ok((process::unsandboxed(&runtime), None));
        };
        let proxy = process::start(&process::Options {
            program: self.options.program.clone(),
            runtime_dir: runtime.clone(),
            log: self.repo.layout.session(&self.session.id).join("network-sandbox.log"),
            allowlist: allowlist.clone(),
            masked: self.prepared.masked.clone(),
            network: self.repo.config.network.clone(),
        })?;
        Ok((process::sandbox(&runtime), Some(proxy)))
    }

    fn contain(&self, sandbox: Sandbox, mut proxy: Option<Proxy>) -> Result<Ended> {
        let container = self.container(sandbox);
        let (mut events, mut written) = (write::append(&self.file("events.jsonl"))?, 0);
        // Given back when the container is gone: what came of it can be recorded, however full the agent made the disk.
        let kept_free = room::hold(&self.repo.layout.tmp())?;
        let (mut stream, mut known) = (Stream::default(), self.resume.clone());
        let (mut trouble, mut full) = (None, None);
        let interrupted_at = Cell::new(None);
        let output = podman::podman()
            .args(podman::run_args(&container))
            .stdin(process::standard_input(&self.environment(), &self.prompt))
            .deadline(self.prepared.repository.timeout)
            .stream(
                |bytes| {
                    written += bytes.len() as u64;
                    stream.feed(bytes);
                    if let Err(error) = events.write_all(bytes) {
                        full = Some(anyhow::Error::from(error));
                        return ControlFlow::Break(());
                    }
                    match self.note_session(stream.facts(), &mut known) {
                        // Tried again with what comes next.
                        Err(error) if Shortage::of(&error).is_none() => {
                            trouble = Some(error);
                            return ControlFlow::Break(());
                        }
                        _ => {}
                    }
                    if written > limits::EVENT_BYTES {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                },
                || self.is_stopped() || self.is_interrupted(&interrupted_at),
            );
        // Podman's client gone, by us or by itself, may leave the container at work.
        if !matches!(&output, Ok(output) if matches!(output.end, End::Exit(0..podman::PODMAN_FAILED))) {
            podman::remove_container(&container.name)?;
        }
        drop(kept_free);
        let output = output?;
        let full = match full {
            Some(error) if Shortage::of(&error).is_some() => Some(format!("{error:#}")),
            other => {
                trouble = trouble.or(other);
                None
            }
        };
        if let Some(error) = trouble {
            return Err(error.context("cannot store what the agent prints"));
        }
        self.note_session(stream.facts(), &mut known)?;
        if let Some(shortage) = Self::is_unstarted(&output, stream.facts()) {
            let why = format!("the container cannot be started: {}", output.last_words());
            return Err(Fault::short(shortage, why).into());
        }
        let proxy_alive =
            proxy.as_mut().is_none_or(Proxy::is_alive) && output.end != End::Exit(process::PROXY_GONE);
        // What was worked out is worth more than this.
        if let Err(error) = self.note_errors(&output.stderr) {
            self.options.talk.warn(&format!("{}:{}: {error:#}", self.repo.name, self.session.id));
        }
        Ok(Ended { output, facts: stream.finish(), proxy_alive, said_before: None, full })
    }

    fn container(&self, sandbox: Sandbox) -> Container {
        let dir = SessionDir::new(&self.repo.layout, &self.session.id);
        let mount = |name: &str, container, read_only| Mount { host: dir.file(name), container, read_only };
        let config = &self.repo.config.container;
        Container {
            name: podman::container_name(self.repo.name.as_str(), self.session.id.as_str()),
            labels: [
                (podman::LABEL_STORAGE, self.repo.layout.storage_id()),
                (podman::LABEL_SESSION, self.session.id.to_string()),
            ]
            .into(),
            image: self.image.clone(),
            mounts: vec![
                mount("workspace", "/workspace", false),
                mount("claude", "/root/.claude", false),
                mount("inbox", "/inbox", true),
                mount("outbox", "/outbox", false),
                mount("storage", "/storage", false),
            ],
            sandbox: sandbox.podman,
            memory: config.memory.clone(),
            cpus: config.cpus,
            pids: config.pids,
            timeout: self.prepared.repository.timeout + limits::PODMAN_GRACE,
            command: [sandbox.init, claude::command(&self.session.model, self.resume.as_deref())].concat(),
        }
    }

    /// What the repository asks for, and last what it may not change.
    fn environment(&self) -> Vec<(String, String)> {
        let asked = self.prepared.environment.iter().map(|(name, value)| (name.clone(), value.clone()));
        let fixed = claude::ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        asked.chain(fixed).collect()
    }

    /// Puts Claude's session ID on disk as soon as it is known: a run that is cut now can be resumed.
    fn note_session(&self, facts: &Facts, known: &mut Option<String>) -> Result<()> {
        if facts.session_id.is_none() || facts.session_id == *known {
            return Ok(());
        }
        let guard = SessionGuard::take(&self.repo.layout, &self.session.id)?;
        guard.update(|session| session.claude_session.clone_from(&facts.session_id))?;
        known.clone_from(&facts.session_id);
        Ok(())
    }

    fn note_errors(&self, stderr: &str) -> Result<()> {
        if stderr.is_empty() {
            return Ok(());
        }
        Ok(write::append(&self.file("stderr.log"))?.write_all(stderr.as_bytes())?)
    }

    /// What Podman itself lacked, so that nothing of the agent began.
    fn is_unstarted(output: &Output, facts: &Facts) -> Option<Shortage> {
        let failed = output.end == End::Exit(podman::PODMAN_FAILED) && !facts.any;
        if failed { Shortage::said(output.last_words()) } else { None }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        SessionDir::new(&self.repo.layout, &self.session.id).task_dir(self.task.number).join(name)
    }

    fn is_stopped(&self) -> bool {
        self.file("stop").exists()
    }

    /// What ended it from outside, if something did: neither the agent, nor its time, nor somebody's word. A proxy that
    /// ended is none of that: whoever can make it fall is not given another one to try.
    fn cut_off(&self, ended: &Ended) -> Option<&'static str> {
        let End::Exit(code) = ended.output.end else { return None };
        let done = ended.facts.succeeded(code) || self.is_stopped() || self.options.interrupt.is_set();
        if done || !ended.proxy_alive {
            return None;
        }
        let why = match code {
            process::OUT_OF_MEMORY => "was cut off (it ran out of the memory that its container has)",
            _ if ended.output.end.is_killed() => "was cut off (its container was ended from outside)",
            _ => return None,
        };
        ended.facts.results.is_empty().then_some(why)
    }

    /// Whether it may go on after it was cut off; once, also if it was airut itself that was killed before.
    fn is_continued(&self) -> Result<bool> {
        let guard = SessionGuard::take(&self.repo.layout, &self.session.id)?;
        let mut task = guard.load_task(self.task.number)?;
        task.interruptions += 1;
        let may = task.interruptions <= limits::INTERRUPTIONS;
        if may {
            guard.save_task(&task)?;
        }
        Ok(may)
    }

    /// Told to stop, and the time to come to an end has passed.
    fn is_interrupted(&self, since: &Cell<Option<Instant>>) -> bool {
        if !self.options.interrupt.is_set() {
            return false;
        }
        let started = since.get().unwrap_or_else(Instant::now);
        since.set(Some(started));
        started.elapsed() >= self.options.shutdown_timeout
    }

    fn worked(&self, ended: Ended, notes: Vec<String>) -> Worked {
        let stopped = self.is_stopped();
        if ended.output.end == End::GivenUp && !stopped {
            return Worked::default();
        }
        let seen = Seen {
            end: ended.output.end,
            facts: &ended.facts,
            last_words: ended.output.last_words(),
            proxy_alive: ended.proxy_alive,
            stopped,
        };
        let (state, failure) = match ended.full {
            Some(detail) => (State::Failed, Some(Failure { reason: Reason::DiskFull, detail })),
            None => judge(seen),
        };
        let result = ended.facts.results.last();
        // Claude Code says an error of the API as if it were its answer, too.
        let is_error = |text: &String| failure.as_ref().is_some_and(|failure| failure.detail == *text);
        let partial = || {
            let last = ended.facts.partial().filter(|text| !is_error(text));
            let said: Vec<String> = ended.said_before.iter().cloned().chain(last).collect();
            (!said.is_empty()).then(|| said.join("\n\n"))
        };
        Worked {
            state: Some(state),
            answer: if state == State::Done { ended.facts.answer() } else { partial() },
            failure,
            outage: outage(seen),
            cost_usd: result.and_then(|result| result.cost_usd),
            turns: result.and_then(|result| result.turns),
            web_searches: result.and_then(|result| result.web_searches),
            timeout_seconds: Some(self.prepared.repository.timeout.as_secs()),
            notes,
        }
    }
}
