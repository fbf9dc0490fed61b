//! Makes a session's workspace: a full clone of the mirror that knows the real remote as `origin` and shares
//! nothing with the mirror. It is made beside and renamed, so that no half one ever stands in its place.

use crate::base::fault::Fault;
use crate::base::remote::Remote;
use crate::disk::room;
use crate::disk::write;
use crate::exec::program::{End, Output};
use crate::tool::git::mirror::{Mirror, beside, clear_beside, remove_all};
use crate::tool::git::tree::Head;
use crate::tool::git::{command, copy};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Makes the workspace `to` with the default branch checked out, as it stands in the mirror, and returns which
/// commit that is. The caller holds the mirror's lock, shared at least, and whatever guards `to`.
///
/// Nothing of the operator's git configuration has a say, and no credential of the remote's URL goes in.
pub fn clone_workspace(mirror: &Mirror, remote: &Remote, to: &Path) -> Result<Head> {
    let head = mirror.head()?;
    if to.symlink_metadata().is_ok() {
        bail!("{} is there already", to.display());
    }
    clear_beside(to)?;
    let new = beside(to, "new");
    write::create_dir(&new)?;
    let made = skeleton(mirror, remote, &head, &new).and_then(|()| check_out(mirror, &new)).and_then(|()| {
        // One call for ten thousand files; the rename must not get to disk before what it names.
        let dir = File::open(&new)?;
        rustix::fs::syncfs(&dir).with_context(|| format!("cannot sync {}", new.display()))?;
        write::rename(&new, to)
    });
    if made.is_err() {
        // The first error says what is wrong; what this leaves, the next attempt removes.
        let _ = remove_all(&new);
    }
    made.map(|()| head)
}

/// Everything below `.git` but the index.
fn skeleton(mirror: &Mirror, remote: &Remote, head: &Head, new: &Path) -> Result<()> {
    let dir = new.join(".git");
    // What else a repository has, git makes when it has something to put there.
    for part in ["objects", "refs/remotes/origin"] {
        std::fs::create_dir_all(dir.join(part)).context("cannot make the directories of a git repository")?;
    }
    put(&dir.join("HEAD"), &format!("ref: refs/heads/{}\n", head.branch))?;
    put(&dir.join("config"), &config(remote, head))?;
    copy::objects(&mirror.path().join("objects"), &dir.join("objects"))?;
    let shallow = mirror.path().join("shallow");
    if shallow.exists() {
        std::fs::copy(&shallow, dir.join("shallow")).context("cannot copy the list of shallow commits")?;
    }
    put(&dir.join("packed-refs"), &packed_refs(mirror, head)?)?;
    put(&dir.join("refs/remotes/origin/HEAD"), &format!("ref: refs/remotes/origin/{}\n", head.branch))
}

/// Written as a whole, as git-config(1) has it: libgit2 writes the file anew for each value.
fn config(remote: &Remote, head: &Head) -> String {
    let quoted = |text: &str| {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("\"{escaped}\"")
    };
    let value = |text: &str| {
        let is_plain = text.trim() == text && !text.contains(['"', '\\', ';', '#', '\n']);
        if is_plain { text.to_owned() } else { quoted(text) }
    };
    let (url, branch) = (value(remote.public()), quoted(&head.branch));
    let merge = value(&format!("refs/heads/{}", head.branch));
    format!(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n\
         [remote \"origin\"]\n\turl = {url}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\
         [branch {branch}]\n\tremote = origin\n\tmerge = {merge}\n"
    )
}

/// The default branch, the remote's branches and the tags, in the format of gitrepository-layout(5).
fn packed_refs(mirror: &Mirror, head: &Head) -> Result<String> {
    let mut refs = BTreeMap::from([(format!("refs/heads/{}", head.branch), head.commit.clone())]);
    for reference in mirror.open()?.references()? {
        let reference = reference?;
        // A name that is not text cannot be fetched either.
        let (Ok(name), Some(target)) = (reference.name(), reference.target()) else { continue };
        match name.strip_prefix("refs/heads/") {
            // It would stand where the remote's default branch is noted.
            Some("HEAD") => continue,
            Some(branch) => refs.insert(format!("refs/remotes/origin/{branch}"), target.to_string()),
            None => refs.insert(name.to_owned(), target.to_string()),
        };
    }
    Ok(refs.iter().map(|(name, id)| format!("{id} {name}\n")).collect())
}

fn put(path: &Path, text: &str) -> Result<()> {
    File::create_new(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The files of HEAD, by the git program: quicker than libgit2, and its index is what the agent's git expects.
fn check_out(mirror: &Mirror, new: &Path) -> Result<()> {
    let call = command::sealed()
        .cwd(new)
        // As many as there are cores.
        .args(["-c", "checkout.workers=0", "--git-dir=.git", "--work-tree=."])
        .args(["read-tree", "--reset", "-u", "HEAD"]);
    let output = command::run(call)?;
    if output.success() {
        return Ok(());
    }
    // It does not always say so itself.
    if let Some(shortage) = room::lacks(new) {
        bail!(Fault::short(shortage, format!("there is no room for the workspace {}", new.display())));
    }
    if is_damage(&output) {
        mirror.condemn();
        bail!(
            Fault::try_later(format!("the git mirror is damaged: {}", output.last_words()))
                .hint("the next run makes it anew")
        );
    }
    let why = if output.end == End::TimedOut { "it took too long" } else { output.last_words() };
    bail!("cannot check out the repository into {}: {why}", new.display());
}

fn is_damage(output: &Output) -> bool {
    let said = output.stderr.to_ascii_lowercase();
    let broken =
        ["unable to read", "missing", "corrupt", "bad object", "packfile", "not a valid object", "inflate"];
    !said.contains("permission denied") && broken.iter().any(|words| said.contains(words))
}
