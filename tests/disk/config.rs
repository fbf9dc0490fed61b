use airut::base::fault::{Fault, Kind};
use airut::disk::config::{Places, load_from};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const SOUND: &str = r#"
[repos.one]
git_url = "~/one.git"
authorized_senders = ["you@example.com"]
trusted_authserv_id = "mail.example.com"
[repos.one.mail]
from = "airut@example.com"
reply_maildir = "~/Maildir"
[repos.one.secrets]
KEY = { file = "~/key" }
"#;

struct World {
    dir: tempfile::TempDir,
    places: Places,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        let places = Places {
            config_home: Some(home.join(".config")),
            state_home: Some(home.join(".local/state")),
            system: dir.path().join("etc/airut/airut.toml"),
            home: Some(home),
        };
        Self { dir, places }
    }

    fn write(&self, path: &Path, text: &str, mode: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn user_file(&self) -> PathBuf {
        self.places.config_home.clone().unwrap().join("airut/airut.toml")
    }

    fn fault(&self, explicit: Option<&Path>) -> Fault {
        let error = load_from(&self.places, explicit).unwrap_err();
        let fault = error.downcast_ref::<Fault>().unwrap_or_else(|| panic!("no fault: {error:#}")).clone();
        assert_eq!(fault.kind, Kind::Config);
        fault
    }
}

#[test]
fn the_users_file_goes_before_the_systems() {
    let world = World::new();
    world.write(&world.places.system, SOUND, 0o644);
    assert_eq!(load_from(&world.places, None).unwrap().path, world.places.system);
    world.write(&world.user_file(), SOUND, 0o644);
    let loaded = load_from(&world.places, None).unwrap();
    assert_eq!(loaded.path, world.user_file());
    let home = world.dir.path().join("home");
    let name = "one".parse().unwrap();
    assert_eq!(loaded.state_dir, home.join(".local/state/airut"));
    assert_eq!(loaded.storage_dir(&name), home.join(".local/state/airut/one"));
    assert_eq!(loaded.layout(&name).root(), home.join(".local/state/airut/one"));
    assert_eq!(loaded.config.repos[&name].git_url.public(), home.join("one.git").to_str().unwrap());
    assert_eq!(loaded.config.repos[&name].mail.reply_maildir, Some(home.join("Maildir")));
}

#[test]
fn without_a_file_it_says_where_it_looked() {
    let world = World::new();
    let fault = world.fault(None);
    assert!(fault.message.contains(world.user_file().to_str().unwrap()), "{fault}");
    assert!(fault.message.contains("etc/airut/airut.toml"), "{fault}");
    assert!(fault.hint.unwrap().contains("airut init"));
    // Another file is never taken for the one that was asked for.
    world.write(&world.user_file(), SOUND, 0o644);
    assert!(
        world.fault(Some(Path::new("/nonexistent/airut.toml"))).message.contains("/nonexistent/airut.toml")
    );
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let world = World::new();
    let path = world.user_file();
    let text = SOUND.replace("reply_maildir = \"~/Maildir\"\n", "").replace("~/key", "key");
    world.write(&path, &format!("max_concurrent = 0\n{text}"), 0o644);
    let fault = world.fault(None);
    let lines: Vec<&str> = fault.message.lines().collect();
    assert_eq!(lines.len(), 3, "{fault}");
    for (line, place) in lines.iter().zip([
        ":10:1: key repos.one.secrets.KEY: ",
        ":1:1: key max_concurrent: ",
        ":7:12: key repos.one.mail: ",
    ]) {
        assert!(line.starts_with(&format!("{}{place}", path.display())), "{line}");
    }
    world.write(&path, "[repos", 0o644);
    assert!(world.fault(None).message.starts_with(&format!("{}:1:", path.display())));
}

#[test]
fn a_literal_secret_is_not_for_everybody_to_read() {
    let world = World::new();
    let path = world.user_file();
    let literal = SOUND.replace("{ file = \"~/key\" }", "\"hunter22\"");
    world.write(&path, &literal, 0o644);
    let fault = world.fault(None);
    assert!(
        fault.message.starts_with(&format!(
            "{}:10:1: key repos.one.secrets.KEY: a secret stands here",
            path.display()
        )),
        "{fault}"
    );
    assert!(!fault.message.contains("hunter22"));
    let in_url = SOUND.replace("~/one.git", "https://you:hunter22@git.example.com/one.git");
    world.write(&path, &in_url, 0o604);
    let fault = world.fault(None);
    assert!(
        fault.message.contains("key repos.one.git_url: a secret stands here")
            && !fault.message.contains("hunter22"),
        "{fault}"
    );
    for mode in [0o600, 0o640] {
        world.write(&path, &literal, mode);
        assert!(load_from(&world.places, None).is_ok(), "{mode:o}");
    }
}

#[test]
fn a_file_that_everybody_can_change_is_refused() {
    let world = World::new();
    world.write(&world.user_file(), SOUND, 0o666);
    assert!(world.fault(None).message.contains("everybody can write"));
}

#[test]
fn what_is_no_text_or_too_large_is_refused() {
    let world = World::new();
    let path = world.user_file();
    world.write(&path, SOUND, 0o644);
    fs::write(&path, b"\xff\xfe").unwrap();
    assert!(world.fault(None).message.contains("not UTF-8"));
    fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
    assert!(world.fault(None).message.contains("larger than"));
    assert!(world.fault(Some(world.dir.path())).message.contains("cannot read"));
}
