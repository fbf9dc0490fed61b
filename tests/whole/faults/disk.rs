//! A real disk that can only be read, and one that is full: a small tmpfs in a mount namespace of the test's own.

use crate::support::letter::Letter;
use crate::support::world::{Ran, Setup, World};
use crate::whole::faults::{Stage, below};
use crate::whole::steps::{container_of, obedient};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A tmpfs takes no less than a page for anything.
const PAGE: u64 = 4096;
/// What `room::hold` keeps free while a task runs.
const HELD_PAGES: u64 = (4 << 20) / PAGE;

/// A disk of its own on a directory, seen by those who enter; it ends with its test, however that ends.
#[derive(Debug)]
pub struct Disk {
    keeper: Child,
    dir: PathBuf,
}

impl Disk {
    /// Holds what lies in the directory, and has room for `pages` and `files` in all.
    fn new(dir: &Path, pages: u64, files: u64) -> Self {
        let script =
            r#"mount -t tmpfs -o "size=$2,nr_inodes=$3,mode=700" tmpfs "$1" && echo ready && exec cat"#;
        let size = (pages * PAGE).to_string();
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .args([dir.to_str().unwrap(), &size, &files.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let disk = Self { keeper, dir: dir.to_owned() };
        let copied = Command::new("cp").args(["-a", "--"]).arg(dir.join(".")).arg(disk.path("")).status();
        assert!(copied.unwrap().success());
        disk
    }

    /// Where it is seen from outside.
    fn path(&self, relative: &str) -> PathBuf {
        let dir = self.dir.strip_prefix("/").unwrap();
        Path::new("/proc").join(self.keeper.id().to_string()).join("root").join(dir).join(relative)
    }

    /// A command as somebody who sees it.
    fn enter(&self, world: &World) -> Command {
        let mut command = world.command("nsenter");
        command.arg("--mount").arg(format!("--target={}", self.keeper.id())).arg("--");
        command
    }

    fn remount(&self, world: &World, options: &str) {
        let mut command = self.enter(world);
        let status = command.args(["mount", "-o", &format!("remount,{options}")]).arg(&self.dir).status();
        assert!(status.unwrap().success());
    }

    /// Fills it so that this many pages are left, or files.
    fn leave(&self, pages: Option<u64>, files: Option<u64>) {
        fs::create_dir(self.path("ballast")).unwrap();
        for number in 0..files.map_or(0, |files| self.stat().f_favail - files) {
            fs::write(self.path(&format!("ballast/{number}")), "").unwrap();
        }
        if let Some(pages) = pages {
            let file = fs::File::create(self.path("ballast/all")).unwrap();
            let bytes = (self.stat().f_bavail - pages) * PAGE;
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes).unwrap();
        }
    }

    fn make_room(&self) {
        fs::remove_dir_all(self.path("ballast")).unwrap();
    }

    fn stat(&self) -> rustix::fs::StatVfs {
        rustix::fs::statvfs(self.path("")).unwrap()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

impl Stage {
    /// A twin whose state lies on a disk of its own.
    fn on_disk(&self, pages: u64, files: u64) -> (Self, Disk) {
        let mut twin = self.twin();
        let state = twin.world.path("state/airut");
        let disk = Disk::new(&state, pages, files);
        twin.repo.storage = disk.path(twin.repo.storage.strip_prefix(&state).unwrap().to_str().unwrap());
        twin.through = Some(disk.enter(&twin.world).get_args().map(Into::into).collect());
        (twin, disk)
    }
}

const STEPS: [&[&str]; 5] = [&["fetch"], &["authorize"], &["session", "open"], &["run"], &["reply"]];

#[test]
fn on_a_disk_that_can_only_be_read_each_step_says_so_and_the_mail_is_answered_once_it_can_be_written() {
    let stage = Stage::new("reserve = \"0\"", "");
    let first = stage.conversation();
    stage.bring(&[Letter::reply("alice@example.com", &first, "More, please.")], &[]);
    let undisturbed = stage.twin();
    undisturbed.settle().unwrap();
    let (twin, disk) = stage.on_disk(4 * HELD_PAGES, 5_000);
    // For gc.
    fs::write(twin.repo.storage.join("trash/old"), "").unwrap();
    for step in STEPS.into_iter().chain([&["gc"][..]]) {
        disk.remount(&twin.world, "ro");
        let before: Vec<_> = below(&twin.repo.storage);
        let said = |ran: &Ran| {
            assert_eq!(ran.code, Some(75), "{step:?}: {ran:?}");
            let where_it_is = stage.repo.storage.file_name().unwrap().to_str().unwrap();
            for words in ["Read-only file system", where_it_is, "hint: "] {
                assert!(ran.stderr.contains(words), "{step:?} {words}: {ran:?}");
            }
        };
        if step != ["reply"] || !twin.repo.queued("finished").is_empty() {
            said(&twin.run(step));
        }
        said(&twin.run(&["cycle"]));
        assert_eq!(below(&twin.repo.storage), before, "{step:?}");
        let status = twin.run(&["status"]).ok();
        assert!(status.stderr.is_empty(), "{status:?}");
        disk.remount(&twin.world, "rw");
        let _ = twin.run(step).ok();
    }
    twin.ends_as(&undisturbed.answered()).unwrap();
}

/// How much is left on the full disks: all of the first few, then every so many, to where all goes well.
fn amounts(from: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(from), move |at| Some(at + 1 + (at - from) / 3))
}

/// Tries the whole way with ever more room until it is enough; returns how often it was not.
fn walk(stage: &Stage, from: u64, leave: impl Fn(&Disk, u64)) -> usize {
    let undisturbed = stage.twin();
    undisturbed.settle().unwrap();
    let wanted = undisturbed.answered();
    let mut failed = 0;
    for left in amounts(from) {
        let (twin, disk) = stage.on_disk(4 * HELD_PAGES, 5_000);
        leave(&disk, left);
        let ran = twin.run(&["cycle"]);
        disk.make_room();
        Stage::said(&ran).unwrap();
        twin.ends_as(&wanted).unwrap_or_else(|fault| panic!("{left} left: {fault}\n{ran:?}"));
        if ran.code == Some(0) {
            break;
        }
        failed += 1;
    }
    failed
}

#[test]
fn however_little_room_is_left_each_mail_is_answered_once_when_there_is_more() {
    let stage = Stage::with_work();
    let failed = walk(&stage, 0, |disk, left| disk.leave(None, Some(left)));
    assert!(failed > 10, "{failed} with too few files");
    let failed = walk(&stage, 0, |disk, left| disk.leave(Some(left), None));
    assert!(failed > 10, "{failed} with too little room");
}

#[test]
fn an_agent_that_fills_the_disk_is_ended_and_told_of_others_go_on_and_so_does_it_when_there_is_room() {
    let mut stage =
        Stage::with(World::with_containers(), &Setup { toml: "reserve = \"0\"".to_owned(), ..obedient() });
    fs::remove_file(stage.world.path("bin/podman")).unwrap();
    let other = stage.world.repo(&obedient());
    let storage = stage.repo.storage.clone();
    fs::create_dir_all(&storage).unwrap();
    let disk = Disk::new(&storage, 4 * HELD_PAGES, 5_000);
    stage.repo.storage = disk.path("");
    stage.through = Some(disk.enter(&stage.world).get_args().map(Into::into).collect());

    // What it says is read, and written down, before there is no room for it.
    let body = "do: say Words before it.; sleep 2; dd if=/dev/zero of=/storage/fill bs=64k 2>/dev/null; while :; do say More.; done";
    stage.world.send(&stage.repo, &stage.world.letter(&stage.repo, "Hello", body));
    stage.world.send(&other, &stage.world.letter(&other, "Hello", "sh: echo not harmed"));
    let ran = stage.run(&["cycle"]).ok();
    assert!(ran.stderr.contains("No space left on device"), "{}", ran.stderr);
    let answers = stage.world.answers(&stage.repo, 2);
    let text = answers[1].text();
    assert!(text.contains("The disk became full") && text.contains("Words before it."), "{text}");
    assert!(stage.world.answers(&other, 2)[1].text().contains("not harmed"));
    let id = answers[1].session().unwrap();
    let events = fs::read_to_string(stage.repo.session(&id).join("tasks/1/events.jsonl")).unwrap();
    assert!(events.contains("Words before it."), "{events}");
    assert_eq!(stage.repo.task(&id, 1)["failure"]["reason"], "disk_full");
    assert_eq!(container_of(&stage.repo), "");
    stage.repo.assert_nothing_waits();

    // Full still: what needs no room is answered, and nothing is lost of what does.
    stage
        .world
        .send(&stage.repo, &Letter::reply(&stage.repo.sender, &answers[1], "sh: echo resumed=$resumed"));
    let _ = stage.run(&["cycle"]).exit(75);
    assert_eq!(stage.world.answers(&stage.repo, 2).len(), 2);
    fs::remove_file(stage.repo.session(&id).join("storage/fill")).unwrap();
    stage.settle().unwrap();
    let answers = stage.world.answers(&stage.repo, 3);
    assert_eq!(answers.len(), 3);
    assert!(answers[2].text().contains("resumed=11111111"), "{}", answers[2].text());
}

#[test]
fn a_disk_without_file_locks_is_refused_and_no_mail_leaves_its_mailbox() {
    let stage = Stage::new("", "");
    stage.world.send(&stage.repo, &stage.letter("alice@example.com", "Hello", "Please."));
    for errno in ["ENOLCK", "EOPNOTSUPP", "ENOSYS"] {
        let fetch = stage.airut(&["fetch"]);
        let mut command = stage.world.command("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e"]);
        command.arg(format!("inject=flock:error={errno}")).arg(fetch.get_program()).args(fetch.get_args());
        let ran = Ran::of(&command.output().unwrap());
        assert_eq!(ran.code, Some(78), "{ran:?}");
        assert!(ran.stderr.contains("its file system has no locks"), "{ran:?}");
        assert!(ran.stderr.contains("hint: keep airut's storage on a local disk"), "{ran:?}");
        assert!(stage.repo.queued("fetched").is_empty());
    }
    stage.settle().unwrap();
    assert_eq!(stage.sent().len(), 2, "acknowledged and answered");
}
