//! `check`: tries everything a run needs, for real and without changing anything, and says how to mend what fails.

use crate::base::fault::Fault;
use crate::base::id::SessionId;
use crate::base::limits;
use crate::disk::layout::{runtime_base, runtime_dir};
use crate::disk::lock::Lock;
use crate::disk::repo::Repo;
use crate::disk::room;
use crate::disk::write;
use crate::format::allowlist;
use crate::mail::headers;
use crate::mail::maildir::Maildir;
use crate::proxy::cgroup;
use crate::proxy::process;
use crate::proxy::variables::variables;
use crate::tool::podman;
use crate::tool::sign_in::{self, Outgoing};
use crate::tool::source::Source;
use anyhow::{Result, bail, ensure};
use serde::Serialize;
use std::path::PathBuf;

/// One thing that was tried.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub about: String,
    pub what: &'static str,
    pub ok: bool,
    /// What was seen; for a failure, the error.
    pub saw: String,
    /// What to do about a failure.
    pub mend: String,
}

struct Findings {
    about: String,
    list: Vec<Finding>,
}

impl Findings {
    fn attempt(&mut self, what: &'static str, mend: &'static str, result: Result<String>) {
        // What failed often knows best what to do about it.
        let own = |error: &anyhow::Error| error.downcast_ref::<Fault>().and_then(|fault| fault.hint.clone());
        let mend = result.as_ref().err().and_then(own).unwrap_or_else(|| mend.to_owned());
        let (ok, saw) = match result {
            Ok(saw) => (true, saw),
            Err(error) => (false, format!("{error:#}")),
        };
        self.list.push(Finding { about: self.about.clone(), what, ok, saw, mend });
    }
}

/// What this machine has to offer.
pub fn machine(program: PathBuf) -> Vec<Finding> {
    // As `run` does, so that its proxies are what is tried.
    cgroup::step_aside();
    let mut findings = Findings { about: "this machine".to_owned(), list: Vec::new() };
    findings.attempt("podman", "install Podman 4.3 or later: apt-get install podman", podman_version());
    let mend = "rootless Podman needs a range of user IDs: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER";
    findings.attempt("user IDs", mend, podman_ids());
    let mend =
        "set XDG_RUNTIME_DIR to a short directory of your own; loginctl enable-linger keeps /run/user alive";
    findings.attempt("runtime directory", mend, runtime_base().map(|dir| dir.display().to_string()));
    let mend = "look at the message; the sandbox does not start without its proxy";
    findings.attempt("proxy", mend, proxy(program));
    findings.list
}

fn podman_version() -> Result<String> {
    let version = podman::info("{{.Version.Version}}")?;
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    ensure!(major.is_some_and(|major| major >= 4), "Podman {version} is too old");
    Ok(version)
}

fn podman_ids() -> Result<String> {
    if podman::info("{{.Host.Security.Rootless}}")? == "false" {
        return Ok("rootful".to_owned());
    }
    let ids = podman::info("{{len .Host.IDMappings.UIDMap}}")?;
    ensure!(ids.parse::<u32>().is_ok_and(|ranges| ranges > 1), "there is no range of user IDs for this user");
    Ok("rootless, with a range of user IDs".to_owned())
}

/// Starts a proxy that lets nothing through, and ends it.
fn proxy(program: PathBuf) -> Result<String> {
    let id: SessionId = format!("{:08x}", std::process::id()).parse()?;
    let runtime = runtime_dir(&"check".parse()?, &id)?;
    let proxy = process::start(&process::Options {
        program,
        log: runtime.join("network-sandbox.log"),
        runtime_dir: runtime,
        allowlist: allowlist::parse("domains: []")?,
        masked: Vec::new(),
        network: Default::default(),
    })?;
    let confinement = proxy.confinement().clone();
    proxy.stop();
    let yes = |is: bool| if is { "yes" } else { "NO" };
    // What is missing here is told and fails nothing: the container's isolation does not depend on it.
    Ok(format!(
        "ready; confined by Landlock: {} (this kernel's covers {}), no new privileges: {}, \
         neither core dumps nor tracing: {}, \
         resource limits: {}, control group: {}",
        confinement.landlock,
        confinement.landlock_covers,
        yes(confinement.no_new_privileges),
        yes(confinement.not_dumpable),
        yes(confinement.limits),
        confinement.cgroup
    ))
}

/// Everything that one repository needs.
pub fn repo(repo: &Repo) -> Vec<Finding> {
    let mut findings = Findings { about: repo.name.to_string(), list: Vec::new() };
    let mend = "make room, or choose another storage_dir on a local file system";
    findings.attempt("storage", mend, storage(repo));
    let mend = "look at host, port, tls, ca_file, username and password or oauth2 below mail.imap; a mailbox has to be airut's alone";
    findings.attempt("mail in", mend, mail_in(repo));
    let mend = "look at host, port, tls, ca_file, username and password or oauth2 below mail.smtp";
    findings.attempt("mail out", mend, mail_out(repo));
    let mend =
        "git itself has to be able to fetch git_url without asking: a credential helper, a key, a token";
    match Source::update(repo) {
        Err(error) => findings.attempt("git", mend, Err(error)),
        Ok(source) => {
            findings.attempt("git", mend, Ok(format!("{} can be fetched", repo.config.git_url.public())));
            let mend = "mend the file on the default branch";
            let configuration = source.configuration();
            let shown = configuration
                .as_ref()
                .map(|found| format!("model {}, {} s", found.default_model, found.timeout.as_secs()));
            findings.attempt(".airut/airut.yaml", mend, shown.map_err(|error| anyhow::anyhow!("{error:#}")));
            let allowed = source.allowlist().map(|allowlist| format!("{} rules", allowlist.rules.len()));
            findings.attempt("allowlist", mend, allowed);
            let hash = source.container_hash().map(|hash| format!("content {}", &hash[..12]));
            findings.attempt("container", mend, hash);
            let mend = "give the secret in the configuration below repos.NAME.secrets, or masked_secrets";
            let secrets = configuration.and_then(|found| variables(repo, &found));
            findings.attempt("secrets", mend, secrets.map(|(found, _)| format!("{} variables", found.len())));
        }
    }
    findings.list
}

fn storage(repo: &Repo) -> Result<String> {
    let root = repo.layout.root();
    let probe = repo.layout.tmp().join(format!("check.{}", std::process::id()));
    write::durable(&probe, b"check").and_then(|()| write::remove(&probe))?;
    drop(Lock::exclusive(&repo.layout.lock("queue"), limits::LOCK_WAIT, "the queue")?);
    room::check(root, repo.config.reserve.0)?;
    let free = room::free_bytes(root)?;
    ensure!(free >= limits::FREE_BYTES, "only {} MB are free in {}", free >> 20, root.display());
    Ok(format!("{}, {} GB free", root.display(), free >> 30))
}

fn mail_in(repo: &Repo) -> Result<String> {
    let mail = &repo.config.mail;
    if let Some(imap) = &mail.imap {
        let mut mailbox = sign_in::mailbox(imap, &format!("repos.{}.mail.imap", repo.name))?;
        mailbox.select()?;
        let listed = mailbox.list()?;
        let mut foreign = 0;
        for (uid, _) in listed.iter().take(20) {
            foreign += usize::from(!is_ours(repo, &mailbox.fetch_header(*uid)?));
        }
        if foreign > 0 {
            bail!(
                "{foreign} of its first mails are not addressed to {}: airut would take them out of it",
                mail.from.address
            );
        }
        return Ok(format!("IMAP at {}, {} mails wait", imap.host, listed.len()));
    }
    match &mail.maildir {
        Some(path) => {
            Ok(format!("Maildir {}, {} mails wait", path.display(), Maildir::open(path)?.list()?.len()))
        }
        None => Ok("only by airut fetch --stdin".to_owned()),
    }
}

fn is_ours(repo: &Repo, header: &[u8]) -> bool {
    let own = repo.config.mail.from.address.untagged();
    crate::mail::parse::read(header).is_ok_and(|mail| mail.recipients().iter().any(|to| to.untagged() == own))
        || headers::headers(header).is_err()
}

fn mail_out(repo: &Repo) -> Result<String> {
    let mail = &repo.config.mail;
    if let Some(config) = &mail.smtp {
        let mut outgoing = Outgoing::new(config, format!("repos.{}.mail.smtp", repo.name))?;
        outgoing.sign_in().map_err(|error| anyhow::anyhow!("{error}"))?;
        return Ok(format!("SMTP at {}", config.host));
    }
    if let Some(program) = &mail.sendmail {
        ensure!(program.is_file(), "there is no program {}", program.display());
        return Ok(program.display().to_string());
    }
    Ok(mail.reply_maildir.as_ref().map_or_else(String::new, |path| format!("Maildir {}", path.display())))
}
