//! `gc`: removes what has had its time. Sessions by their last activity and never one in use, rejected mail, containers
//! and proxies left over, images unused, the trash. What it removes it renames into the trash first.

mod size;

use crate::base::id::SessionId;
use crate::base::limits;
use crate::base::talk::Talk;
use crate::disk::layout::{Global, Stage, runtime_base, runtime_dir};
use crate::disk::lock::Lock;
use crate::disk::queue::Ticket;
use crate::disk::repo::Repo;
use crate::disk::session::{self, SessionDir, SessionGuard};
use crate::disk::write;
use crate::format::image::Image;
use crate::proxy::process;
use crate::rule::retain::{self, Limits, Seen, Why};
use crate::step::gc::size::keep_within;
use crate::step::report::{Report, Trouble};
use crate::tool::{image, podman};
use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

pub struct Options<'a> {
    /// Says what would go, and leaves it.
    pub dry_run: bool,
    pub talk: &'a dyn Talk,
}

/// Cleans one repository. What cannot be removed is reported, and the rest goes on.
pub fn gc(repo: &Repo, options: &Options) -> Result<Report> {
    repo.queue().wake(Timestamp::now())?;
    let mut report = Report::default();
    let mut attempt = |what: &str, result: Result<()>| {
        if let Err(error) = result {
            report.troubles.push(Trouble { what: format!("{}: {what}", repo.name), error });
        }
    };
    let by_age = is_clock_sound(repo, options);
    if matches!(by_age, Ok(true)) {
        attempt("sessions", sessions(repo, options));
        attempt("rejected mail", rejected(repo, options));
        attempt("unfinished files", unfinished(repo, options));
    }
    attempt("clock", by_age.map(drop));
    attempt("containers", containers(repo, options));
    attempt("proxies", proxies(repo, options));
    attempt("trash", trash(repo, options));
    Ok(report)
}

/// Removes one session now, at the operator's word; false while it is in use.
pub fn remove(repo: &Repo, id: &SessionId) -> Result<bool> {
    let Some(_run) = Lock::attempt(&repo.layout.run_lock(id))? else { return Ok(false) };
    let guard = SessionGuard::take(&repo.layout, id)?;
    // What waits for it goes with it, and is no damage for a later step to find.
    repo.queue().forget(id)?;
    session::discard(&repo.layout, guard.dir.path())?;
    drop(guard);
    trash(repo, &Options { dry_run: false, talk: &crate::base::talk::Silent }).map(|()| true)
}

fn say(options: &Options, repo: &Repo, what: &str) {
    let verb = if options.dry_run { "would remove" } else { "removing" };
    options.talk.info(&format!("{}: {verb} {what}", repo.name));
}

/// Whether the clock may have leapt, as far as can be seen from when this was done last.
fn is_clock_sound(repo: &Repo, options: &Options) -> Result<bool> {
    let (cleaned, doubted, now) = (repo.layout.cleaned(), repo.layout.doubted(), Timestamp::now());
    let time = |path: &Path| {
        let modified = std::fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
        Timestamp::try_from(modified).ok().filter(|time| *time <= now)
    };
    let sound = retain::is_clock_sound(time(&cleaned), time(&doubted), now);
    if !sound {
        options.talk.warn(&format!(
            "{}: nothing is removed for its age before half a day has passed: the last time was long ago, or the clock was set wrong",
            repo.name
        ));
    }
    match (sound, time(&doubted)) {
        _ if options.dry_run => {}
        (true, _) => {
            write::remove(&doubted)?;
            write::mark_time(&cleaned)?;
        }
        (false, None) => write::mark_time(&doubted)?,
        (false, Some(_)) => {}
    }
    Ok(sound)
}

fn sessions(repo: &Repo, options: &Options) -> Result<()> {
    let busy = busy(repo)?;
    let mut all = Vec::new();
    for id in session::all(&repo.layout)? {
        let active_at = active_at(&SessionDir::new(&repo.layout, &id));
        all.push(Seen { busy: busy.contains(&id), active_at, id });
    }
    let limits = Limits {
        max_age: SignedDuration::from_hours(i64::from(repo.config.session_max_age_days) * 24),
        max_sessions: usize::try_from(repo.config.max_sessions)?,
    };
    let going: HashMap<_, _> = retain::retain(all.clone(), limits, Timestamp::now()).into_iter().collect();
    let mut failed = Ok(());
    for seen in &all {
        let why = match going.get(&seen.id) {
            Some(Why::Expired) => "without activity for too long",
            Some(Why::OverLimit) => "the oldest above the limit",
            None => continue,
        };
        failed = failed.and(session(repo, seen, why, options));
    }
    all.retain(|seen| !going.contains_key(&seen.id));
    failed.and(keep_within(repo, &all, options))
}

/// Removes one that was found to go, unless something happened in it since.
fn session(repo: &Repo, seen: &Seen, why: &str, options: &Options) -> Result<()> {
    let id = &seen.id;
    let remove = || -> Result<()> {
        // Whoever runs it, holds this; whoever begins to while we look, waits for nothing and finds it gone.
        let Some(_run) = Lock::attempt(&repo.layout.run_lock(id))? else { return Ok(()) };
        say(options, repo, &format!("session {id}: {why}"));
        if options.dry_run {
            return Ok(());
        }
        let guard = SessionGuard::take(&repo.layout, id)?;
        // A mail may have come for it while we counted, and even been answered.
        let is_idle = !busy(repo)?.contains(id) && active_at(&guard.dir) == seen.active_at;
        if is_idle && guard.dir.exists() {
            session::discard(&repo.layout, guard.dir.path())?;
        }
        Ok(())
    };
    remove().with_context(|| format!("session {id}"))
}

/// Sessions with a task that waits, runs or is to be answered.
fn busy(repo: &Repo) -> Result<HashSet<SessionId>> {
    let queue = repo.queue();
    let mut busy = HashSet::new();
    for stage in [Stage::Ready, Stage::Running, Stage::Finished] {
        busy.extend(queue.tickets(stage)?.into_iter().map(|ticket| ticket.task.session));
    }
    let waiting = queue.deferred()?;
    busy.extend(waiting.iter().filter_map(|(_, name, _)| Some(name.parse::<Ticket>().ok()?.task.session)));
    Ok(busy)
}

/// A damaged session's age counts from when its directory last changed.
fn active_at(dir: &SessionDir) -> Timestamp {
    if let Ok(session) = dir.load() {
        return session.active_at;
    }
    let modified = std::fs::metadata(dir.path()).and_then(|meta| meta.modified());
    modified.ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn rejected(repo: &Repo, options: &Options) -> Result<()> {
    each_older(&repo.layout.stage(Stage::Rejected), limits::REJECTED_AGE, &mut |path| {
        say(options, repo, &format!("rejected mail {}", name(path)));
        if options.dry_run { Ok(()) } else { write::remove(path) }
    })?;
    // A month of an account that nobody wrote to is over.
    each_older(&repo.layout.accounts(), limits::ACCOUNT_AGE, &mut |path| {
        if options.dry_run { Ok(()) } else { write::remove(path) }
    })?;
    each_older(&repo.layout.failures(), limits::REJECTED_AGE, &mut |path| {
        if options.dry_run { Ok(()) } else { write::remove(path) }
    })?;
    let seen = repo.layout.root().join("seen");
    for entry in std::fs::read_dir(&seen).into_iter().flatten() {
        each_older(&entry?.path(), limits::REJECTED_AGE, &mut |path| {
            if options.dry_run { Ok(()) } else { write::remove(path) }
        })?;
    }
    Ok(())
}

fn containers(repo: &Repo, options: &Options) -> Result<()> {
    for container in podman::containers(podman::LABEL_STORAGE, &repo.layout.storage_id())? {
        let session = container.labels.as_ref().and_then(|labels| labels.get(podman::LABEL_SESSION));
        let Some(Ok(session)) = session.map(|id| id.parse::<SessionId>()) else { continue };
        if let Some(_free) = Lock::attempt(&repo.layout.run_lock(&session))? {
            say(options, repo, &format!("a container of session {session} that nobody waits for"));
            if !options.dry_run {
                podman::remove_container(&container.id)?;
            }
        }
    }
    Ok(())
}

/// The runtime directories of sessions that nobody runs. A proxy started by hand is left to its session's life.
fn proxies(repo: &Repo, options: &Options) -> Result<()> {
    let prefix = format!("{}.", repo.name);
    for entry in std::fs::read_dir(runtime_base()?).into_iter().flatten() {
        let file_name = entry?.file_name();
        let Some(Ok(id)) = file_name.to_str().and_then(|name| name.strip_prefix(&prefix)).map(str::parse)
        else {
            continue;
        };
        // Another configuration may have a repository of the same name.
        if !repo.layout.run_lock(&id).exists() {
            continue;
        }
        let Some(_free) = Lock::attempt(&repo.layout.run_lock(&id))? else { continue };
        let dir = runtime_dir(&repo.name, &id)?;
        if process::status(&dir).is_some() && repo.layout.session(&id).exists() {
            continue;
        }
        say(options, repo, &format!("what the proxy of session {id} left"));
        if !options.dry_run {
            process::stop_detached(&dir)?;
            podman::remove_tree(&dir)?;
        }
    }
    Ok(())
}

fn unfinished(repo: &Repo, options: &Options) -> Result<()> {
    // A verdict whose mail is in its session: a crash came between the move and its removal.
    each_older(&repo.layout.stage(Stage::Authorized), limits::UNFINISHED_AGE, &mut |path| {
        if options.dry_run || path.extension().is_none_or(|kind| kind != "json") {
            return Ok(());
        }
        if path.with_extension("eml").exists() { Ok(()) } else { write::remove(path) }
    })?;
    each_older(&repo.layout.tmp(), limits::UNFINISHED_AGE, &mut |path| {
        say(options, repo, &format!("unfinished {}", name(path)));
        if options.dry_run { Ok(()) } else { session::discard(&repo.layout, path) }
    })
}

fn trash(repo: &Repo, options: &Options) -> Result<()> {
    if options.dry_run {
        return Ok(());
    }
    each_older(&repo.layout.trash(), Duration::ZERO, &mut |path| podman::remove_tree(path))
}

/// Images that no run has used for `limits::IMAGE_UNUSED`; what all repositories share.
pub fn images(global: &Global, options: &Options) -> Result<()> {
    let now = Timestamp::now();
    for entry in std::fs::read_dir(global.images()).into_iter().flatten() {
        let file_name = entry?.file_name();
        let Some(hash) = file_name.to_str().and_then(|name| name.strip_suffix(".json")) else { continue };
        let image = match write::read_json::<Image>(&global.image_stamp(hash)) {
            Ok(Some(image)) => image,
            Ok(None) => continue,
            Err(error) => {
                options.talk.warn(&format!("{error:#}"));
                continue;
            }
        };
        if now.duration_since(image.used_at) <= SignedDuration::try_from(limits::IMAGE_UNUSED)? {
            continue;
        }
        let Some(_lock) = Lock::attempt(&global.image_lock(hash))? else { continue };
        let verb = if options.dry_run { "would remove" } else { "removing" };
        options.talk.info(&format!("{verb} the unused image {hash}"));
        if !options.dry_run && podman::remove_image(&image::tag(hash))? {
            image::forget(global, hash)?;
        }
    }
    if options.dry_run { Ok(()) } else { podman::prune_images() }
}

/// All of them, whichever fails; then the first failure.
fn each_older(dir: &Path, age: Duration, f: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    let mut failed = Ok(());
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry?.path();
        // Gone meanwhile, or from the future: not old.
        let Ok(modified) = std::fs::symlink_metadata(&path).and_then(|meta| meta.modified()) else {
            continue;
        };
        let old = SystemTime::now().duration_since(modified).unwrap_or_default();
        if old >= age {
            failed = failed.and(f(&path));
        }
    }
    failed
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
