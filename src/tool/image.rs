//! The container image of a repository: built from the default branch's container directory, named by the full
//! SHA-256 of its content, built anew after a day. When it was built stands in a file; whether Podman still has
//! it is found out by using it.

use crate::base::fault::Fault;
use crate::base::id::RepoName;
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::base::talk::Talk;
use crate::disk::layout::Global;
use crate::disk::lock::Lock;
use crate::disk::room;
use crate::disk::write;
use crate::exec::program::{End, Output};
use crate::format::config::BuildNetwork;
use crate::format::image::Image;
use crate::format::version::Versioned;
use crate::tool::podman;
use anyhow::{Context, Error, Result, anyhow, bail};
use jiff::{SignedDuration, Timestamp};
use std::ops::ControlFlow;
use std::path::Path;

/// One image to have.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub repo: &'a RepoName,
    /// 64 hex digits.
    pub hash: &'a str,
    pub network: Option<BuildNetwork>,
}

/// The image does not build; holds the end of the builder's output, for the sender.
#[derive(Debug)]
pub struct DoesNotBuild(pub String);

impl std::fmt::Display for DoesNotBuild {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DoesNotBuild {}

#[must_use]
pub fn tag(hash: &str) -> String {
    format!("localhost/airut:{hash}")
}

/// Makes sure there is an image not older than a day and returns its name. `export` puts the container directory
/// into a fresh directory. One build at a time for each hash; it is ended when `give_up` says so.
pub fn ensure(
    global: &Global,
    wanted: &Wanted,
    now: Timestamp,
    talk: &dyn Talk,
    give_up: &dyn Fn() -> bool,
    export: impl FnOnce(&Path) -> Result<()>,
) -> Result<String> {
    let stamp = global.image_stamp(wanted.hash);
    if let Some(image) = write::read_json::<Image>(&stamp)?
        && is_fresh(&image, now)
    {
        note_use(&stamp, image, now)?;
        return Ok(tag(wanted.hash));
    }
    let wait = limits::BUILD_TIMEOUT;
    let _lock = Lock::exclusive(&global.image_lock(wanted.hash), wait, "the image's build")?;
    let old = write::read_json::<Image>(&stamp)?;
    if old.as_ref().is_some_and(|image| is_fresh(image, now)) {
        return Ok(tag(wanted.hash));
    }
    talk.info(&format!("{}: building the container image", wanted.repo));
    let context = tempfile::tempdir().context("cannot make a directory for the build")?;
    export(context.path())?;
    let mut output = build(wanted, context.path(), old.is_some(), now, give_up)?;
    if is_killed(&output) {
        talk.warn(&format!("{}: the build was ended from outside, building once more", wanted.repo));
        output = build(wanted, context.path(), old.is_some(), now, give_up)?;
    }
    if output.success() {
        let image = Image { format: Image::FORMAT, built_at: now, used_at: now, failed_at: None };
        write::json(&stamp, &image)?;
    } else if output.end == End::GivenUp {
        bail!("the build was ended");
    } else if let Some(old) = old {
        // Yesterday's image is better than no answer.
        talk.warn(&format!(
            "{}: cannot refresh the image, going on with the old one: {}",
            wanted.repo,
            output.last_words()
        ));
        write::json(&stamp, &Image { failed_at: Some(now), ..old })?;
    } else {
        return Err(unbuilt(&output));
    }
    Ok(tag(wanted.hash))
}

/// Why there is no image: the machine lacks something, somebody ended the build, or it is the repository's to mend.
fn unbuilt(output: &Output) -> Error {
    if let Some(shortage) = lacks(output) {
        return Fault::short(shortage, format!("the image cannot be built: {}", output.last_words())).into();
    }
    if is_killed(output) {
        return anyhow!("the build of the image was ended from outside, twice");
    }
    DoesNotBuild(why(output)).into()
}

/// Whether the builder itself was ended. Of a step that was, it says so, and ends with the step's exit code.
fn is_killed(output: &Output) -> bool {
    output.end.is_killed() && !output.last_words().starts_with("Error:")
}

/// What the machine lacks, by the cause that Podman's last sentence ends with: before it stands what the Dockerfile has,
/// which can be anything, and any exit code can be a step's.
fn lacks(output: &Output) -> Option<Shortage> {
    let said = match output.end {
        End::Exit(podman::PODMAN_FAILED) => Shortage::said_last(output.last_words()),
        _ => None,
    };
    said.or_else(|| room::lacks(Path::new(&podman::info("{{.Store.GraphRoot}}").ok()?)))
}

/// Forgets an image that Podman turned out not to have.
pub fn forget(global: &Global, hash: &str) -> Result<()> {
    write::remove(&global.image_stamp(hash))
}

fn is_fresh(image: &Image, now: Timestamp) -> bool {
    if image.failed_at.is_some_and(|failed| now.duration_since(failed).unsigned_abs() < limits::IMAGE_RETRY) {
        return true;
    }
    let age = now.duration_since(image.built_at);
    // A clock that was set back must not make an image fresh for ever. One that was built while we waited for its lock
    // is a little younger than `now`.
    let waited = age < SignedDuration::ZERO && age.unsigned_abs() <= limits::BUILD_TIMEOUT;
    waited || age >= SignedDuration::ZERO && age.unsigned_abs() < limits::IMAGE_AGE
}

fn note_use(stamp: &Path, image: Image, now: Timestamp) -> Result<()> {
    // A newer airut's file is left as it is.
    if now.duration_since(image.used_at).as_hours() < 1 || image.is_newer() {
        return Ok(());
    }
    write::json(stamp, &Image { used_at: now, ..image })
}

fn build(
    wanted: &Wanted,
    context: &Path,
    refresh: bool,
    now: Timestamp,
    give_up: &dyn Fn() -> bool,
) -> Result<Output> {
    let mut printed = Vec::new();
    let mut output = podman::podman()
        .inherit(["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"])
        .args(build_args(wanted, refresh, now))
        .arg(context)
        .deadline(limits::BUILD_TIMEOUT)
        .stream(
            |bytes| {
                // The end says why it failed.
                printed.extend_from_slice(bytes);
                let over = printed.len().saturating_sub(limits::STDERR_BYTES);
                printed.drain(..over);
                ControlFlow::Continue(())
            },
            give_up,
        )?;
    output.stdout = printed;
    Ok(output)
}

/// Everything between `podman` and the context.
#[must_use]
pub fn build_args(wanted: &Wanted, refresh: bool, now: Timestamp) -> Vec<String> {
    let mut args = vec![
        "build".to_owned(),
        format!("--tag={}", tag(wanted.hash)),
        format!("--label={}={}", podman::LABEL_IMAGE, wanted.hash),
        format!("--label=airut.built={}", now.as_second()),
    ];
    match wanted.network {
        Some(BuildNetwork::Host) => args.push("--network=host".to_owned()),
        Some(BuildNetwork::None) => args.push("--network=none".to_owned()),
        None => {}
    }
    if refresh {
        args.push("--no-cache".to_owned());
    }
    args
}

fn why(output: &Output) -> String {
    if output.end == End::TimedOut {
        return format!("the build took longer than {} minutes", limits::BUILD_TIMEOUT.as_secs() / 60);
    }
    // A failing RUN prints to standard output as well; the end of both says most.
    let printed = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> =
        printed.lines().chain(output.stderr.lines()).filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
