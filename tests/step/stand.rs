//! A repository with a real git remote and a real program that takes its mail; the steps run in this process.

use crate::support::letter::{Answer, Letter};
use crate::support::world::{self, Setup, World};
use airut::base::id::{MessageKey, SessionId, TaskId};
use airut::base::talk::{Level, Silent, Talk};
use airut::disk::config::{Places, load_from};
use airut::disk::layout::Stage;
use airut::disk::queue::Ticket;
use airut::disk::repo::Repo;
use airut::disk::session::{SessionDir, SessionGuard};
use airut::exec::interrupt::Interrupt;
use airut::format::session::Session;
use airut::format::task::{State, Task};
use airut::step::open::Mode;
use airut::step::report::Report;
use airut::step::{authorize, fetch, open, reply};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub const BOSS: &str = "boss@example.com";

pub struct Stand {
    pub world: World,
    pub told: world::Repo,
    pub repo: Repo,
}

impl Stand {
    pub fn new() -> Self {
        Self::with(&Setup::stand_in("#!/bin/sh\n"))
    }

    pub fn with(setup: &Setup) -> Self {
        let world = World::new();
        let told = world.repo(setup);
        let repo = Self::load(&world, &told);
        Self { world, told, repo }
    }

    /// A second repository beside the first.
    pub fn another(&self) -> Repo {
        let told = self.world.repo(&Setup::stand_in("#!/bin/sh\n"));
        Self::load(&self.world, &told)
    }

    /// Its mail goes out by a program that keeps it, its arguments, and exits as the file `exit` says.
    fn load(world: &World, told: &world::Repo) -> Repo {
        let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nn=$(ls sent | wc -l)\ncat > sent/$n.eml\n\
            printf '%s\\n' \"$*\" > sent/$n.args\n. ./exit\n";
        let dir = world.path("sendmail");
        fs::create_dir_all(dir.join("sent")).unwrap();
        fs::write(dir.join("exit"), "exit 0\n").unwrap();
        fs::write(dir.join("sendmail"), script).unwrap();
        fs::set_permissions(dir.join("sendmail"), fs::Permissions::from_mode(0o755)).unwrap();
        let toml = fs::read_to_string(world.config()).unwrap();
        let lines: Vec<String> = toml
            .lines()
            .filter(|line| !line.starts_with("maildir = "))
            .map(|line| {
                if line.starts_with("reply_maildir = ") {
                    format!("sendmail = \"{}\"", dir.join("sendmail").display())
                } else {
                    line.to_owned()
                }
            })
            .collect();
        fs::write(world.config(), lines.join("\n") + "\n").unwrap();
        let places = Places {
            config_home: None,
            state_home: Some(world.path("state")),
            system: world.path("none"),
            home: Some(world.path("home")),
        };
        let loaded = load_from(&places, Some(&world.config())).unwrap();
        let name = told.name.parse().unwrap();
        let (config, layout) = (loaded.config.repos[&name].clone(), loaded.layout(&name));
        layout.prepare().unwrap();
        Repo { name, config, layout, global: loaded.global(), looked: Arc::default() }
    }

    pub fn letter(&self, subject: &str, body: &str) -> Letter {
        Letter::new(BOSS, &self.told.address, subject, body)
    }

    /// In reply to something of that session's.
    pub fn reply_to(&self, id: &SessionId, body: &str) -> Letter {
        let message_id = format!("<airut.{id}.1.00aa@example.com>");
        Letter { in_reply_to: Some(message_id), ..self.letter("Re: it", body) }
    }

    /// As the own mail server delivers it.
    pub fn delivered(letter: &Letter) -> Vec<u8> {
        let mut mail =
            b"Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\n".to_vec();
        mail.extend(letter.bytes());
        mail
    }

    /// Fetched and let in.
    pub fn accept(&self, letter: &Letter) -> MessageKey {
        self.accept_bytes(&Self::delivered(letter))
    }

    pub fn accept_bytes(&self, bytes: &[u8]) -> MessageKey {
        let taken = done(fetch::take(&self.repo, bytes).unwrap());
        let accepted = done(authorize::authorize(&self.repo, None, &Silent).unwrap());
        assert_eq!(accepted, taken);
        let (_, key) = accepted[0].split_once(':').unwrap();
        key.parse().unwrap()
    }

    pub fn try_open(&self) -> Report {
        open::open(&self.repo, None, &Mode::Open, &Silent).unwrap()
    }

    /// Opens all that was let in.
    pub fn open(&self) -> Vec<TaskId> {
        let moved = done(self.try_open());
        moved.iter().map(|reference| reference.split_once(':').unwrap().1.parse().unwrap()).collect()
    }

    /// A mail to its task.
    pub fn arrive(&self, letter: &Letter) -> TaskId {
        self.accept(letter);
        let tasks = self.open();
        assert_eq!(tasks.len(), 1);
        tasks[0].clone()
    }

    pub fn dir(&self, id: &SessionId) -> SessionDir {
        SessionDir::new(&self.repo.layout, id)
    }

    pub fn guard(&self, id: &SessionId) -> SessionGuard {
        SessionGuard::take(&self.repo.layout, id).unwrap()
    }

    pub fn session(&self, id: &SessionId) -> Session {
        self.dir(id).load().unwrap()
    }

    pub fn task(&self, id: &TaskId) -> Task {
        self.dir(&id.session).load_task(id.number).unwrap()
    }

    pub fn file(&self, id: &TaskId, name: &str) -> PathBuf {
        self.repo.layout.task(id).join(name)
    }

    pub fn prompt(&self, id: &TaskId) -> String {
        fs::read_to_string(self.file(id, "prompt.txt")).unwrap()
    }

    pub fn inbox(&self, id: &SessionId) -> Vec<String> {
        names(&self.dir(id).file("inbox"))
    }

    pub fn stage(&self, stage: Stage) -> Vec<String> {
        names(&self.repo.layout.stage(stage))
    }

    /// As if it had run.
    pub fn finish(&self, id: &TaskId, change: impl FnOnce(&mut Task)) {
        self.guard(&id.session)
            .update_task(id.number, |task| {
                task.state = State::Done;
                task.answer = Some("The answer.".to_owned());
                change(task);
            })
            .unwrap();
        self.repo.queue().advance(&Ticket::task(id.clone()), Stage::Ready, Stage::Finished).unwrap();
    }

    pub fn try_reply(&self) -> Report {
        reply::reply(&self.repo, None, &Silent, &Interrupt::default()).unwrap()
    }

    pub fn reply(&self) -> Vec<String> {
        done(self.try_reply())
    }

    /// A line of the program that takes the mail, the mail in `sent/$n.eml`.
    pub fn sendmail_ends_with(&self, line: &str) {
        fs::write(self.world.path("sendmail/exit"), format!("{line}\n")).unwrap();
    }

    /// What it was given, in order, and with which arguments.
    pub fn sent(&self) -> Vec<(Answer, String)> {
        let dir = self.world.path("sendmail/sent");
        let count = names(&dir).iter().filter(|name| name.ends_with(".args")).count();
        // Its own count: each mail is two files.
        (0..count)
            .map(|n| {
                let path = |kind| dir.join(format!("{}.{kind}", 2 * n));
                (Answer { raw: fs::read(path("eml")).unwrap() }, fs::read_to_string(path("args")).unwrap())
            })
            .collect()
    }

    /// Brings back at once what waits.
    pub fn wake(&self) {
        let queue = self.repo.queue();
        for (stage, name, until) in queue.deferred().unwrap() {
            let from = self.repo.layout.deferred(stage).join(format!("{}.{name}", until.as_second()));
            fs::rename(from, self.repo.layout.stage(stage).join(name)).unwrap();
        }
    }
}

/// What a step moved, where nothing went wrong.
pub fn done(report: Report) -> Vec<String> {
    assert!(report.troubles.is_empty(), "{:?}", report.troubles);
    report.moved
}

/// The one trouble there was.
pub fn trouble(report: &Report) -> String {
    assert_eq!(report.troubles.len(), 1, "{:?}", report.troubles);
    format!("{:#}", report.troubles[0].error)
}

pub fn names(dir: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Keeps what was said.
#[derive(Default)]
pub struct Listener(pub Mutex<Vec<String>>);

impl Talk for Listener {
    fn say(&self, _: Level, sentence: &str) {
        self.0.lock().unwrap().push(sentence.to_owned());
    }
}
