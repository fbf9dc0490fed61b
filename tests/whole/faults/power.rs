//! A power cut in effigy. strace records what one cycle and the programs it starts really do to files, bytes and all; a
//! model of the disk replays it: a file's bytes last once the file is synced, a name once its directory is (or the whole
//! file system). For many moments two disks are built that a power cut could leave:
//!
//! - *lost*: nothing is there that was not synced, be it a name or a byte; a rename is there in each of its two
//!   directories once that one is synced, so that a file may stand in both, or in none;
//! - *empty*: every name is there, as journals bring it about, and a file that was not synced since is empty.
//!
//! On each the steps begin again, and every mail is answered once in the end. That the model is true is seen from its
//! last state, which is the disk's.

use crate::support::letter::Letter;
use crate::whole::faults::trace::{self, Change};
use crate::whole::faults::{Stage, below};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a power cut can reach of a world.
const KEPT: [&str; 3] = ["state", "maildir", "replies"];
/// How many moments are tried of each kind.
const MOMENTS: usize = 40;
const THREADS: usize = 3;

/// A file or a directory: as it is, and as it is on disk.
#[derive(Debug, Clone)]
enum Node {
    File { bytes: Vec<u8>, synced: Option<Vec<u8>> },
    Dir { names: BTreeMap<String, usize>, synced: BTreeMap<String, usize> },
}

#[derive(Debug, Clone)]
struct Disk {
    root: PathBuf,
    nodes: Vec<Node>,
}

/// What a power cut leaves, as a directory tree: no bytes is a directory.
type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

impl Disk {
    /// All that is there now, and all of it on disk.
    fn new(root: &Path) -> Self {
        let mut disk = Self {
            root: root.to_owned(),
            nodes: vec![Node::Dir { names: BTreeMap::new(), synced: BTreeMap::new() }],
        };
        for (path, content) in tree_of(root) {
            let node = match content {
                Some(bytes) => Node::File { synced: Some(bytes.clone()), bytes },
                None => Node::Dir { names: BTreeMap::new(), synced: BTreeMap::new() },
            };
            disk.put(&root.join(path), node);
        }
        disk.change(&Change::SyncAll);
        disk
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let mut at = 0;
        for part in path.strip_prefix(&self.root).ok()?.components() {
            let Node::Dir { names, .. } = &self.nodes[at] else { return None };
            at = *names.get(part.as_os_str().to_str()?)?;
        }
        Some(at)
    }

    /// The names in the directory that a path is in, where that can be reached.
    fn names(&mut self, path: &Path) -> Option<(&mut BTreeMap<String, usize>, String)> {
        let relative = path.strip_prefix(&self.root).ok()?.to_str()?;
        KEPT.iter().find(|kept| relative == **kept || relative.starts_with(&format!("{kept}/")))?;
        let dir = self.find(path.parent()?)?;
        let Node::Dir { names, .. } = &mut self.nodes[dir] else { return None };
        Some((names, path.file_name()?.to_str()?.to_owned()))
    }

    fn put(&mut self, path: &Path, node: Node) {
        let new = self.nodes.len();
        if let Some((names, name)) = self.names(path) {
            names.insert(name, new);
            self.nodes.push(node);
        }
    }

    fn bytes(&mut self, path: &Path) -> Option<&mut Vec<u8>> {
        let found = self.find(path)?;
        match &mut self.nodes[found] {
            Node::File { bytes, .. } => Some(bytes),
            Node::Dir { .. } => None,
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Open { path, truncate } => match self.bytes(path) {
                Some(bytes) if *truncate => bytes.clear(),
                Some(_) => {}
                None => self.put(path, Node::File { bytes: Vec::new(), synced: None }),
            },
            Change::Write { path, at, bytes } => {
                if let Some(there) = self.bytes(path) {
                    let at = at.unwrap_or(there.len());
                    there.resize(there.len().max(at + bytes.len()), 0);
                    there[at..at + bytes.len()].copy_from_slice(bytes);
                }
            }
            Change::Truncate { path, length } => {
                if let Some(bytes) = self.bytes(path) {
                    bytes.resize(*length, 0);
                }
            }
            Change::Copy { from, to, length } => {
                let source = self.bytes(from).cloned().or_else(|| fs::read(from).ok()).unwrap_or_default();
                if let Some(bytes) = self.bytes(to) {
                    let part =
                        &source[bytes.len().min(source.len())..(bytes.len() + length).min(source.len())];
                    bytes.extend_from_slice(part);
                }
            }
            Change::MakeDir(path) => {
                self.put(path, Node::Dir { names: BTreeMap::new(), synced: BTreeMap::new() })
            }
            Change::Link { from, to } | Change::Rename { from, to } => {
                let found = self.find(from);
                if let (Some(found), Some((names, name))) = (found, self.names(to)) {
                    names.insert(name, found);
                }
                if let (Change::Rename { .. }, Some((names, name))) = (change, self.names(from)) {
                    names.remove(&name);
                }
            }
            Change::Remove(path) => {
                if let Some((names, name)) = self.names(path) {
                    names.remove(&name);
                }
            }
            Change::Sync(path) => {
                if let Some(found) = self.find(path) {
                    self.nodes[found].sync();
                }
            }
            Change::SyncAll => self.nodes.iter_mut().for_each(Node::sync),
        }
    }

    fn left(&self, way: Way) -> Tree {
        let (mut tree, mut todo) = (Tree::new(), vec![(PathBuf::new(), 0)]);
        while let Some((at, node)) = todo.pop() {
            let content = match &self.nodes[node] {
                Node::Dir { names, synced } => {
                    let names = if way == Way::Lost { synced } else { names };
                    todo.extend(names.iter().map(|(name, node)| (at.join(name), *node)));
                    None
                }
                Node::File { bytes, synced } => Some(match way {
                    Way::Now => bytes.clone(),
                    Way::Empty if synced.as_ref() != Some(bytes) => Vec::new(),
                    _ => synced.clone().unwrap_or_default(),
                }),
            };
            tree.insert(at, content);
        }
        tree.remove(Path::new(""));
        tree
    }
}

impl Node {
    fn sync(&mut self) {
        match self {
            Node::File { bytes, synced } => *synced = Some(bytes.clone()),
            Node::Dir { names, synced } => synced.clone_from(names),
        }
    }
}

/// How a disk is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    /// Without a power cut.
    Now,
    Lost,
    Empty,
}

/// What lies below a world's directory, as far as a power cut can reach it.
fn tree_of(root: &Path) -> Tree {
    let mut tree = Tree::new();
    for path in KEPT.iter().flat_map(|kept| below(&root.join(kept))) {
        let relative = path.strip_prefix(root).unwrap();
        for above in relative.ancestors().skip(1).filter(|above| *above != Path::new("")) {
            tree.insert(above.to_owned(), None);
        }
        tree.insert(relative.to_owned(), if path.is_dir() { None } else { Some(fs::read(&path).unwrap()) });
    }
    tree
}

fn lay_out(tree: &Tree, root: &Path) {
    for kept in KEPT {
        fs::remove_dir_all(root.join(kept)).unwrap();
    }
    for (path, content) in tree {
        match content {
            Some(bytes) => fs::write(root.join(path), bytes).unwrap(),
            None => fs::create_dir(root.join(path)).unwrap(),
        }
    }
}

/// As many of these as are tried, evenly.
fn sample<T: Clone>(all: &[T]) -> Vec<T> {
    let count = all.len().min(MOMENTS);
    (0..count).map(|index| all[index * all.len() / count].clone()).collect()
}

#[test]
fn whenever_the_power_is_cut_each_mail_is_answered_once_in_the_end() {
    let mut setup = crate::support::world::Setup::stand_in("#!/bin/sh\n");
    // A run that ends before its container: what it writes is what a longer one writes.
    setup.file(".airut/network-allowlist.yaml", "domains: 7\n");
    let stage = Stage::with(crate::support::world::World::new(), &setup);
    let first = stage.conversation();
    let letters = [
        Letter::new("bob@example.com", &stage.repo.address, "Another", "Please.").attach("a.txt", b"1"),
        Letter::reply("alice@example.com", &first, "More, please.").attach("b.txt", b"2"),
    ];
    letters.iter().for_each(|letter| stage.world.send(&stage.repo, letter));
    let wanted = stage.twin();
    wanted.settle().unwrap();
    let wanted: BTreeSet<_> = wanted.sent().into_keys().collect();

    let traced = stage.twin();
    let root = traced.world.path("");
    let mut disk = Disk::new(&root);
    let log = traced.world.path("trace");
    let strace = trace::strace(&log);
    let cycle = traced.airut(&["cycle"]);
    let mut command = traced.world.command(&strace[0]);
    command.args(&strace[1..]).arg(cycle.get_program()).args(cycle.get_args());
    for (name, value) in cycle.get_envs() {
        command.env(name, value.unwrap());
    }
    let output = command.output().unwrap();
    assert!(output.status.code().is_some_and(|code| code != 1), "{output:?}");

    let mut states: Vec<(usize, Way, Tree)> = Vec::new();
    for (number, change) in trace::read(&log).iter().enumerate() {
        disk.change(change);
        for way in [Way::Lost, Way::Empty] {
            let left = disk.left(way);
            if states
                .iter()
                .rev()
                .find(|(_, other, _)| *other == way)
                .is_none_or(|(.., before)| *before != left)
            {
                states.push((number, way, left));
            }
        }
    }
    let (modelled, real) = (disk.left(Way::Now), tree_of(&root));
    let differ: Vec<_> =
        real.keys().chain(modelled.keys()).filter(|path| real.get(*path) != modelled.get(*path)).collect();
    assert!(differ.is_empty(), "the model is not what happened: {differ:?}");

    let moments: Vec<_> = [Way::Lost, Way::Empty]
        .iter()
        .flat_map(|way| sample(&states.iter().filter(|state| state.1 == *way).collect::<Vec<_>>()))
        .collect();
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let try_one = |tree: &Tree| -> Result<(), String> {
        let twin = stage.twin();
        lay_out(tree, &twin.world.path(""));
        twin.settle()?;
        let sent = twin.sent();
        let once = sent.values().all(|mails| mails.ids == 1);
        let found: BTreeSet<_> = sent.into_keys().collect();
        // Its answer tells a sender more than an acknowledgement that comes after it.
        let lacking: Vec<_> = wanted.difference(&found).filter(|what| !what.contains("ack")).collect();
        if once && lacking.is_empty() {
            Ok(())
        } else {
            Err(format!("not answered: {lacking:?}; sent: {found:?}"))
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((number, way, tree)) = moments.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(fault) = try_one(tree) {
                        faults.lock().unwrap().push(format!("change {number}, {way:?}: {fault}"));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), moments.len(), faults.join("\n"));
    assert!(moments.len() > MOMENTS, "{} of {}", moments.len(), states.len());
}
