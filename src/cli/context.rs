//! What every command needs: the configuration, the chosen repositories, and how to talk.

use crate::base::fault::Fault;
use crate::base::id::RepoName;
use crate::cli::exit::{self, Exit};
use crate::cli::print::{self, Stderr};
use crate::cli::{Global, reference};
use crate::disk::config::{self, Loaded};
use crate::disk::layout::Global as GlobalState;
use crate::disk::repo::Repo;
use crate::step::report::{Report, Trouble};
use anyhow::Result;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

pub struct Context {
    pub loaded: Loaded,
    pub repos: Vec<Repo>,
    pub global: GlobalState,
    pub json: bool,
    pub talk: Stderr,
    /// Repositories whose storage cannot be used; reported at the end, while the others go on.
    broken: RefCell<Vec<Trouble>>,
}

/// A repository and what was named of it.
pub type Selected<'a, T> = (&'a Repo, Option<Vec<T>>);

impl Context {
    /// Loads the configuration and makes the directories.
    pub fn new(global: &Global) -> Result<Self> {
        rustls_provider();
        let loaded = config::load(global.config.as_deref())?;
        let state = loaded.global();
        let names = chosen(&loaded, &global.repo)?;
        let (mut repos, mut broken) = (Vec::new(), Vec::new());
        for name in names {
            let Some(config) = loaded.config.repos.get(&name) else { continue };
            let layout = loaded.layout(&name);
            if let Err(error) = layout.prepare() {
                broken.push(Trouble { what: name.to_string(), error });
                continue;
            }
            repos.push(Repo {
                name,
                config: config.clone(),
                layout,
                global: state.clone(),
                looked: Arc::default(),
            });
        }
        let talk = Stderr { verbose: global.verbose };
        Ok(Self { loaded, repos, global: state, json: global.json, talk, broken: broken.into() })
    }

    /// The items named for each repository; none where nothing was named: then all that waits is meant.
    pub fn select<T: std::str::FromStr<Err = E>, E: std::fmt::Display>(
        &self,
        references: &[String],
    ) -> Result<Vec<Selected<'_, T>>> {
        if references.is_empty() {
            return Ok(self.repos.iter().map(|repo| (repo, None)).collect());
        }
        let parsed = reference::read(references, &self.repos)?;
        let mut selected = Vec::new();
        for repo in &self.repos {
            let items: Vec<T> = parsed
                .iter()
                .filter(|(name, _)| *name == repo.name)
                .map(|(_, item)| item.parse().map_err(|error: E| Fault::usage(error.to_string()).into()))
                .collect::<Result<_>>()?;
            if !items.is_empty() {
                selected.push((repo, Some(items)));
            }
        }
        Ok(selected)
    }

    /// The one repository that is meant.
    pub fn one_repo(&self) -> Result<&Repo> {
        match self.repos.as_slice() {
            [repo] => Ok(repo),
            _ => Err(Fault::usage("several repositories are configured")
                .hint("choose one with --repo NAME")
                .into()),
        }
    }

    /// Reports only what could not be used at all; for commands that print something else.
    pub fn finish_quietly(&self) -> Exit {
        let report = Report { troubles: self.broken.take(), ..Report::default() };
        for trouble in &report.troubles {
            print::error(Some(&trouble.what), &trouble.error);
        }
        exit::of_report(&report)
    }

    /// Prints a report and says what it amounts to.
    pub fn finish(&self, mut report: Report) -> Result<Exit> {
        report.troubles.extend(self.broken.take());
        print::report(&report, self.json)?;
        Ok(exit::of_report(&report))
    }
}

/// Does the same for each repository, at once, so that one whose servers are away holds up no other.
pub fn each<'a, T: Sync>(
    selected: &'a [(&'a Repo, T)],
    work: impl Fn(&Repo, &T) -> Result<Report> + Sync,
) -> Report {
    let mut all = Report::default();
    let Some(((last, item), others)) = selected.split_last() else { return all };
    let panicked = |_| Err(anyhow::anyhow!("airut itself failed (a panic)"));
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = others.iter().map(|(repo, item)| scope.spawn(|| work(repo, item))).collect();
        // It needs no thread of its own, nor the memory of one.
        let last = catch_unwind(AssertUnwindSafe(|| work(last, item))).unwrap_or_else(panicked);
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).chain([last]).collect()
    });
    for ((repo, _), result) in selected.iter().zip(results) {
        match result {
            Ok(report) => all.join(report),
            Err(error) => all.troubles.push(Trouble { what: repo.name.to_string(), error }),
        }
    }
    all
}

fn chosen(loaded: &Loaded, wanted: &[String]) -> Result<Vec<RepoName>> {
    let known = || loaded.config.repos.keys().map(RepoName::as_str).collect::<Vec<_>>().join(", ");
    if wanted.is_empty() {
        return Ok(loaded.config.repos.keys().cloned().collect());
    }
    let mut names = Vec::new();
    for text in wanted {
        match text.parse::<RepoName>() {
            Ok(name) if loaded.config.repos.contains_key(&name) => names.push(name),
            _ => {
                let fault =
                    Fault::usage(format!("there is no repository {text:?} in {}", loaded.path.display()));
                return Err(fault.hint(format!("it has: {}", known())).into());
            }
        }
    }
    names.dedup();
    Ok(names)
}

/// This program, for the processes it starts.
pub fn program() -> Result<PathBuf> {
    Ok(std::env::current_exe()?)
}

/// One TLS stack; chosen once, before anything speaks TLS.
pub fn rustls_provider() {
    // An error says that it is chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
