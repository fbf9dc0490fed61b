//! Real remotes in temporary directories, made with the real git.

use airut::base::fault::{Fault, Kind};
use airut::base::remote::Remote;
use airut::tool::git::{Mirror, clone_workspace, parse_listing, reason};
use base64::Engine;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

/// A bare remote, somebody's clone of it, and where the mirror and workspaces go.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self::empty();
        world.write("README.md", "hello\n");
        world.write(".airut/airut.yaml", "timeout: 60\n");
        world.write(".airut/container/Dockerfile", "FROM scratch\n");
        world.push("first");
        world
    }

    fn empty() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        world.git(".", &["init", "--quiet", "--bare", "--initial-branch=main", "remote.git"]);
        world.git(".", &["init", "--quiet", "--initial-branch=main", "author"]);
        world.git("author", &["remote", "add", "origin", "../remote.git"]);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn remote(&self) -> Remote {
        format!("file://{}", self.path("remote.git").display()).parse().unwrap()
    }

    fn mirror(&self) -> Mirror {
        Mirror::new(self.path("store/git-mirror"))
    }

    fn updated(&self) -> Mirror {
        let mirror = self.mirror();
        mirror.update(&self.remote()).unwrap();
        mirror
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path("author").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn push(&self, message: &str) {
        self.git("author", &["add", "--all"]);
        self.git("author", &["commit", "--quiet", "--message", message]);
        self.git("author", &["push", "--quiet", "origin", "HEAD"]);
    }

    fn git(&self, dir: &str, args: &[&str]) -> String {
        git(&self.path(dir), args)
    }

    fn workspace(&self, name: &str) -> PathBuf {
        let to = self.path(name);
        clone_workspace(&self.mirror(), &self.remote(), &to).unwrap();
        to
    }
}

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "A")))
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "a@example.com")))
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_below(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn fault(error: &anyhow::Error) -> &Fault {
    error.downcast_ref().unwrap_or_else(|| panic!("no fault: {error:#}"))
}

#[test]
fn what_was_pushed_between_two_updates_is_there() {
    let world = World::new();
    let mirror = world.updated();
    assert_eq!(mirror.read("README.md").unwrap().unwrap(), b"hello\n");
    world.write("README.md", "changed\n");
    world.push("second");
    mirror.update(&world.remote()).unwrap();
    assert_eq!(mirror.read("README.md").unwrap().unwrap(), b"changed\n");
    assert_eq!(mirror.head().unwrap().commit, world.git("author", &["rev-parse", "HEAD"]));
    assert_eq!(mirror.head().unwrap().branch, "main");
}

#[test]
fn an_update_without_news_touches_nothing() {
    let world = World::new();
    world.git("author", &["tag", "--annotate", "v1", "--message", "one"]);
    world.git("author", &["push", "--quiet", "origin", "v1"]);
    let mirror = world.updated();
    let state = || {
        let mut files = files_below(mirror.path());
        files.sort();
        files.into_iter().map(|file| (fs::metadata(&file).unwrap().ino(), file)).collect::<Vec<_>>()
    };
    let before = state();
    mirror.update(&world.remote()).unwrap();
    assert_eq!(state(), before);
}

#[test]
fn the_default_branch_is_followed_where_it_goes() {
    let world = World::new();
    let mirror = world.updated();
    world.git("author", &["branch", "--move", "release/one"]);
    world.write("README.md", "renamed\n");
    world.push("renamed");
    world.git("remote.git", &["symbolic-ref", "HEAD", "refs/heads/release/one"]);
    world.git("remote.git", &["branch", "--delete", "--force", "main"]);
    mirror.update(&world.remote()).unwrap();
    assert_eq!(mirror.head().unwrap().branch, "release/one");
    assert_eq!(mirror.read("README.md").unwrap().unwrap(), b"renamed\n");
    assert_eq!(git(mirror.path(), &["for-each-ref", "--format=%(refname)"]), "refs/heads/release/one");
    let workspace = world.workspace("workspace");
    assert_eq!(git(&workspace, &["status", "--short", "--branch"]), "## release/one...origin/release/one");
}

#[test]
fn another_default_branch_at_the_same_commit_is_seen() {
    let world = World::new();
    let mirror = world.updated();
    world.git("remote.git", &["branch", "trunk", "main"]);
    world.git("remote.git", &["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    mirror.update(&world.remote()).unwrap();
    assert_eq!(mirror.head().unwrap().branch, "trunk");
}

#[test]
fn branches_that_became_directories_are_fetched() {
    let world = World::new();
    world.git("remote.git", &["branch", "topic", "main"]);
    let mirror = world.updated();
    world.git("remote.git", &["branch", "--delete", "topic"]);
    world.git("remote.git", &["branch", "topic/one", "main"]);
    mirror.update(&world.remote()).unwrap();
    let names = git(mirror.path(), &["for-each-ref", "--format=%(refname:short)"]);
    assert_eq!(names, "main\ntopic/one");
}

#[test]
fn pull_requests_of_strangers_stay_out() {
    let world = World::new();
    world.git("remote.git", &["update-ref", "refs/pull/1/head", "main"]);
    let mirror = world.updated();
    assert!(!git(mirror.path(), &["for-each-ref"]).contains("pull"));
}

#[test]
fn another_remote_takes_over_the_mirror() {
    let (one, two) = (World::new(), World::new());
    two.write("README.md", "the other\n");
    two.push("other");
    two.git("remote.git", &["branch", "side", "main"]);
    let mirror = one.updated();
    mirror.update(&two.remote()).unwrap();
    assert_eq!(mirror.read("README.md").unwrap().unwrap(), b"the other\n");
    assert_eq!(git(mirror.path(), &["for-each-ref", "--format=%(refname:short)"]), "main\nside");
}

#[test]
fn a_remote_given_as_a_path_is_not_linked_to() {
    let world = World::new();
    let mirror = world.mirror();
    mirror.update(&world.path("remote.git").to_str().unwrap().parse().unwrap()).unwrap();
    for file in files_below(mirror.path()) {
        assert_eq!(fs::metadata(&file).unwrap().nlink(), 1, "{}", file.display());
    }
}

#[test]
fn a_workspace_shares_nothing_with_the_mirror() {
    let world = World::new();
    let mirror = world.updated();
    let workspace = world.workspace("workspace");
    assert!(!workspace.join(".git/objects/info/alternates").exists());
    for file in files_below(&workspace).iter().chain(&files_below(mirror.path())) {
        assert_eq!(fs::metadata(file).unwrap().nlink(), 1, "{}", file.display());
    }
    fs::remove_dir_all(mirror.path()).unwrap();
    git(&workspace, &["fsck", "--full", "--strict"]);
    assert_eq!(git(&workspace, &["log", "--format=%s"]), "first");
}

#[test]
fn a_workspace_works_with_the_real_remote() {
    let world = World::new();
    world.git("author", &["tag", "v1"]);
    world.git("author", &["push", "--quiet", "origin", "v1", "HEAD:refs/heads/side"]);
    world.updated();
    let workspace = world.workspace("workspace");
    assert_eq!(git(&workspace, &["status", "--short", "--branch"]), "## main...origin/main");
    assert_eq!(git(&workspace, &["remote", "get-url", "origin"]), world.remote().public());
    assert_eq!(git(&workspace, &["rev-parse", "--abbrev-ref", "origin/HEAD"]), "origin/main");
    assert_eq!(git(&workspace, &["tag"]), "v1");
    git(&workspace, &["rev-parse", "--verify", "origin/side"]);
    world.write("README.md", "from the author\n");
    world.push("second");
    git(&workspace, &["pull", "--quiet"]);
    assert_eq!(fs::read_to_string(workspace.join("README.md")).unwrap(), "from the author\n");
    fs::write(workspace.join("new.txt"), "from the agent\n").unwrap();
    git(&workspace, &["add", "--all"]);
    git(&workspace, &["commit", "--quiet", "--message", "third"]);
    git(&workspace, &["push", "--quiet"]);
    assert_eq!(world.git("remote.git", &["log", "-1", "--format=%s", "main"]), "third");
}

#[test]
fn a_workspace_has_executables_links_and_odd_names_as_they_are() {
    let world = World::new();
    world.write("run.sh", "#!/bin/sh\n");
    world.write("grün und\tweiß.txt", "x");
    fs::set_permissions(world.path("author/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("README.md", world.path("author/link")).unwrap();
    world.push("odd");
    world.updated();
    let workspace = world.workspace("workspace");
    assert!(fs::metadata(workspace.join("run.sh")).unwrap().mode() & 0o100 != 0);
    assert_eq!(fs::read_link(workspace.join("link")).unwrap(), Path::new("README.md"));
    assert!(workspace.join("grün und\tweiß.txt").exists());
    assert_eq!(git(&workspace, &["status", "--short"]), "");
}

#[test]
fn what_a_crash_left_is_cleared_away() {
    let world = World::new();
    fs::create_dir_all(world.path("store/git-mirror.new/objects")).unwrap();
    fs::create_dir_all(world.path("store/git-mirror.old/refs")).unwrap();
    fs::write(world.path("store/git-mirror.new/HEAD"), "ref: ").unwrap();
    let mirror = world.updated();
    assert!(mirror.head().is_ok());
    let left: Vec<_> = fs::read_dir(world.path("store")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["git-mirror"]);
    fs::create_dir_all(world.path("workspace.new/.git/objects")).unwrap();
    fs::write(world.path("workspace.new/half"), "x").unwrap();
    let workspace = world.workspace("workspace");
    assert!(!world.path("workspace.new").exists());
    assert!(!workspace.join("half").exists());
}

#[test]
fn a_workspace_is_never_made_over_another() {
    let world = World::new();
    world.updated();
    let workspace = world.workspace("workspace");
    fs::write(workspace.join("work"), "of the agent").unwrap();
    assert!(clone_workspace(&world.mirror(), &world.remote(), &workspace).is_err());
    assert!(workspace.join("work").exists());
}

#[test]
fn a_workspace_that_cannot_be_made_leaves_nothing() {
    let world = World::new();
    let mirror = world.updated();
    for pack in files_below(&mirror.path().join("objects")) {
        fs::set_permissions(&pack, fs::Permissions::from_mode(0o644)).unwrap();
        let bytes = fs::read(&pack).unwrap();
        if pack.extension().is_some_and(|end| end == "pack") {
            // The commit comes first in a pack, the files last.
            let damaged = [&bytes[..bytes.len() - 60], &[0; 40], &bytes[bytes.len() - 20..]].concat();
            fs::write(&pack, damaged).unwrap();
        }
    }
    let to = world.path("workspace");
    assert!(clone_workspace(&mirror, &world.remote(), &to).is_err());
    let mut names = fs::read_dir(world.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!to.exists() && names.all(|name| !name.to_str().unwrap().starts_with("workspace")));
    // The damage is remembered, so that the next update mends it.
    mirror.update(&world.remote()).unwrap();
    clone_workspace(&mirror, &world.remote(), &to).unwrap();
}

#[test]
fn a_damaged_mirror_is_made_anew() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 6] = [
        ("no packs", |mirror| fs::remove_dir_all(mirror.join("objects")).unwrap()),
        ("no HEAD", |mirror| fs::remove_file(mirror.join("HEAD")).unwrap()),
        ("an empty HEAD", |mirror| fs::write(mirror.join("HEAD"), "").unwrap()),
        ("an unreadable configuration", |mirror| fs::write(mirror.join("config"), "[core\n\0").unwrap()),
        ("broken refs", |mirror| fs::write(mirror.join("packed-refs"), "nonsense\n").unwrap()),
        ("a file in its place", |mirror| {
            fs::remove_dir_all(mirror).unwrap();
            fs::write(mirror, "").unwrap();
        }),
    ];
    for (what, damage) in damages {
        let world = World::new();
        let mirror = world.updated();
        damage(mirror.path());
        mirror.update(&world.remote()).unwrap_or_else(|error| panic!("{what}: {error:#}"));
        assert_eq!(mirror.read("README.md").unwrap().unwrap(), b"hello\n", "{what}");
        git(mirror.path(), &["fsck", "--full"]);
    }
}

#[test]
fn a_remote_that_is_away_is_tried_later_and_leaves_the_mirror_as_it_was() {
    let world = World::new();
    let mirror = world.updated();
    fs::rename(world.path("remote.git"), world.path("elsewhere.git")).unwrap();
    let error = mirror.update(&world.remote()).unwrap_err();
    assert_eq!(fault(&error).kind, Kind::TryLater, "{error:#}");
    assert!(error.to_string().contains("remote.git"), "{error:#}");
    assert_eq!(mirror.read("README.md").unwrap().unwrap(), b"hello\n");
    let nobody = "https://127.0.0.1:1/x.git".parse().unwrap();
    assert_eq!(fault(&mirror.update(&nobody).unwrap_err()).kind, Kind::TryLater);
}

#[test]
fn a_remote_without_a_default_branch_is_told_apart_from_an_empty_one() {
    let why = |world: &World| world.mirror().update(&world.remote()).unwrap_err().to_string();
    let world = World::empty();
    assert!(why(&world).contains("has no commits yet"), "{}", why(&world));
    let world = World::new();
    world.git("remote.git", &["symbolic-ref", "HEAD", "refs/heads/nowhere"]);
    assert!(why(&world).contains("has no default branch"), "{}", why(&world));
    let world = World::new();
    let commit = world.git("remote.git", &["rev-parse", "main"]);
    fs::write(world.path("remote.git/HEAD"), format!("{commit}\n")).unwrap();
    assert!(why(&world).contains("detached"), "{}", why(&world));
}

#[test]
fn hooks_templates_and_filters_do_not_run() {
    let world = World::new();
    let proof = world.path("it-ran");
    let hook = format!("#!/bin/sh\necho \"$0\" >>{}\nexit 0\n", proof.display());
    for dir in ["hooks", "template/hooks"] {
        fs::create_dir_all(world.path(dir)).unwrap();
        for name in ["post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc"] {
            let path = world.path(dir).join(name);
            fs::write(&path, &hook).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let filter = world.path("filter");
    fs::write(&filter, format!("#!/bin/sh\necho filter >>{}\ncat\n", proof.display())).unwrap();
    fs::set_permissions(&filter, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(
        world.path("gitconfig"),
        format!(
            "[core]\nhooksPath = {hooks}\nfsmonitor = {filter}\n[init]\ntemplateDir = {template}\n[filter \"x\"]\nsmudge = {filter}\nclean = {filter}\nrequired = true\n",
            hooks = world.path("hooks").display(),
            template = world.path("template").display(),
            filter = filter.display(),
        ),
    )
    .unwrap();
    world.write(".gitattributes", "* filter=x\n");
    world.push("filtered");
    // In a process of its own, since the operator's configuration is found through the environment.
    let config = format!(
        "[repos.x]\ngit_url = \"file://{}\"\nstorage_dir = \"{}\"\nauthorized_senders = [\"a@example.com\"]\n\
         trusted_authserv_id = \"mx.example.com\"\n[repos.x.mail]\nfrom = \"x@example.com\"\nreply_maildir = \"{}\"\n",
        world.path("remote.git").display(),
        world.path("store").display(),
        world.path("answers").display(),
    );
    fs::write(world.path("airut.toml"), config).unwrap();
    fs::write(world.path("prompt"), "hello").unwrap();
    let made = Command::new(crate::support::world::airut_bin())
        .args(["session", "new", "--to", "a@example.com", "--prompt-file"])
        .arg(world.path("prompt"))
        .arg("--config")
        .arg(world.path("airut.toml"))
        .env("GIT_CONFIG_GLOBAL", world.path("gitconfig"))
        .env("XDG_STATE_HOME", world.path("state"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    let session = fs::read_dir(world.path("store/sessions")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read_to_string(session.join("workspace/README.md")).unwrap(), "hello\n");
    assert!(!proof.exists(), "{}", fs::read_to_string(&proof).unwrap_or_default());
    assert!(!session.join("workspace/.git/hooks/post-checkout").exists());
    assert!(!world.path("store/git-mirror/hooks").exists());
    // The same configuration does run them where nobody prevents it.
    let plain = Command::new("git")
        .args(["clone", "--quiet", "remote.git", "plain"])
        .current_dir(world.dir.path())
        .env("GIT_CONFIG_GLOBAL", world.path("gitconfig"))
        .output()
        .unwrap();
    assert!(plain.status.success() && proof.exists());
}

#[test]
fn the_container_directory_is_exported_as_it_is() {
    let world = World::new();
    world.write(".airut/container/bin/tool", "#!/bin/sh\n");
    let tool = world.path("author/.airut/container/bin/tool");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../Dockerfile", world.path("author/.airut/container/bin/up")).unwrap();
    world.push("tools");
    let mirror = world.updated();
    let to = world.path("context");
    let mut names = mirror.export(".airut/container", &to).unwrap();
    names.sort();
    assert_eq!(names, ["Dockerfile", "bin/tool", "bin/up"].map(PathBuf::from));
    assert_eq!(fs::read_to_string(to.join("bin/up")).unwrap(), "FROM scratch\n");
    assert_eq!(fs::metadata(to.join("bin/tool")).unwrap().mode() & 0o777, 0o755);
    assert_eq!(fs::metadata(to.join("Dockerfile")).unwrap().mode() & 0o777, 0o644);
    assert!(mirror.export(".airut/container", &to).is_err(), "it is not empty");
    assert!(mirror.export("nowhere", &world.path("other")).is_err());
}

#[test]
fn a_link_that_may_lead_out_of_the_context_is_refused() {
    for target in ["/etc/passwd", "../../../etc/passwd", "bin/../../x", "..", "bin/..", "./x", "a//b"] {
        let world = World::new();
        symlink(target, world.path("author/.airut/container/link")).unwrap();
        world.push("link");
        let mirror = world.updated();
        let error = mirror.export(".airut/container", &world.path("context")).unwrap_err();
        assert!(format!("{error:#}").contains("link"), "{target}: {error:#}");
        assert!(!world.path("context").exists(), "{target}");
        assert!(mirror.digest(".airut/container").is_err(), "{target}");
    }
}

/// A tree that no `git add` would make: `entries` are mode, name and object.
fn push_raw_tree(world: &World, entries: &[(&str, &str, String)]) {
    let raw: Vec<u8> = entries
        .iter()
        .flat_map(|(mode, name, id)| {
            let id = (0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap());
            [mode.as_bytes(), b" ", name.as_bytes(), b"\0"].concat().into_iter().chain(id)
        })
        .collect();
    fs::write(world.path("raw"), raw).unwrap();
    let tree = world.git("remote.git", &["hash-object", "-w", "-t", "tree", "--literally", "../raw"]);
    let commit = world.git("remote.git", &["commit-tree", "-m", "raw", &tree]);
    world.git("remote.git", &["update-ref", "refs/heads/main", &commit]);
}

#[test]
fn names_made_to_escape_are_refused() {
    for name in ["..", ".git", ".GIT", "a/b", "."] {
        let world = World::new();
        let blob = world.git("remote.git", &["rev-parse", "main:README.md"]);
        push_raw_tree(&world, &[("100644", name, blob)]);
        let inner = world.git("remote.git", &["rev-parse", "main^{tree}"]);
        push_raw_tree(&world, &[("40000", "container", inner)]);
        let mirror = world.updated();
        let error = mirror.export("container", &world.path("context")).unwrap_err();
        assert!(format!("{error:#}").contains("no file name"), "{name}: {error:#}");
    }
}

#[test]
fn a_name_that_is_a_link_and_a_directory_does_not_lead_out() {
    let world = World::new();
    let target = world.path("outside");
    fs::create_dir(&target).unwrap();
    fs::write(world.path("raw-link"), "sub").unwrap();
    let link = world.git("remote.git", &["hash-object", "-w", "../raw-link"]);
    let sub = world.git("remote.git", &["rev-parse", "main:.airut"]);
    push_raw_tree(&world, &[("120000", "x", link), ("40000", "x", sub)]);
    let inner = world.git("remote.git", &["rev-parse", "main^{tree}"]);
    push_raw_tree(&world, &[("40000", "container", inner)]);
    assert!(world.updated().export("container", &world.path("context")).is_err());
}

#[test]
fn a_tree_that_names_billions_of_files_is_refused_soon() {
    let world = World::new();
    let blob = world.git("remote.git", &["rev-parse", "main:README.md"]);
    let mut inner = ("100644", blob);
    for _ in 0..9 {
        let names: Vec<String> = (0..10).map(|n| format!("n{n}")).collect();
        let entries: Vec<_> = names.iter().map(|name| (inner.0, name.as_str(), inner.1.clone())).collect();
        push_raw_tree(&world, &entries);
        inner = ("40000", world.git("remote.git", &["rev-parse", "main^{tree}"]));
    }
    push_raw_tree(&world, &[("40000", "container", inner.1)]);
    let error = world.updated().digest("container").unwrap_err();
    assert!(format!("{error:#}").contains("more than"), "{error:#}");
}

#[test]
fn the_digest_follows_names_modes_and_contents_and_nothing_else() {
    let world = World::new();
    let digest = || world.updated().digest(".airut/container").unwrap().unwrap();
    let first = digest();
    assert!(first.len() == 64 && first.bytes().all(|b| b.is_ascii_hexdigit()));
    let mut seen = vec![first.clone()];
    let mut changed = |what: &str| {
        world.push(what);
        let now = digest();
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    };
    let file = world.path("author/.airut/container/Dockerfile");
    world.write(".airut/container/Dockerfile", "FROM scratch\n# more\n");
    changed("content");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    changed("mode");
    fs::rename(&file, file.with_file_name("Containerfile")).unwrap();
    changed("name");
    fs::rename(file.with_file_name("Containerfile"), &file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    world.write(".airut/container/Dockerfile", "FROM scratch\n");
    world.write("README.md", "something else\n");
    world.push("back, and another file");
    assert_eq!(digest(), first);
    assert_eq!(world.updated().digest("nowhere").unwrap(), None);
}

#[test]
fn only_regular_files_of_bounded_size_are_read() {
    let world = World::new();
    symlink("README.md", world.path("author/link")).unwrap();
    symlink(".airut", world.path("author/dir-link")).unwrap();
    world.write("large", &"x".repeat((1 << 20) + 1));
    world.push("more");
    let mirror = world.updated();
    assert_eq!(mirror.read("nowhere").unwrap(), None);
    assert_eq!(mirror.read(".airut/nowhere").unwrap(), None);
    for (path, why) in [
        ("link", "a symbolic link"),
        ("dir-link/airut.yaml", "a symbolic link"),
        (".airut", "a directory"),
        ("large", "larger than"),
    ] {
        let error = mirror.read(path).unwrap_err();
        assert!(format!("{error:#}").contains(why), "{path}: {error:#}");
    }
    // None of these is the mirror's fault.
    assert!(!mirror.path().join("airut-condemned").exists());
}

#[test]
fn a_submodule_stays_an_empty_directory_in_a_workspace_and_is_refused_in_the_context() {
    let world = World::new();
    let commit = world.git("author", &["rev-parse", "HEAD"]);
    let entry = format!("160000,{commit},.airut/container/sub");
    world.git("author", &["update-index", "--add", "--cacheinfo", &entry]);
    world.git("author", &["commit", "--quiet", "--message", "sub"]);
    world.git("author", &["push", "--quiet", "origin", "HEAD"]);
    let mirror = world.updated();
    assert!(world.workspace("workspace").join(".airut/container/sub").is_dir());
    let error = mirror.digest(".airut/container").unwrap_err();
    assert!(format!("{error:#}").contains("submodule"), "{error:#}");
}

/// Answers one git after another with 401, and tells what authorization came and who saw the password.
fn server(secret: &'static str) -> (u16, mpsc::Receiver<(String, bool)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                let n = stream.read(&mut buffer).unwrap();
                if n == 0 {
                    break;
                }
                request.extend_from_slice(&buffer[..n]);
            }
            let text = String::from_utf8_lossy(&request).into_owned();
            let header = text.lines().find_map(|line| line.strip_prefix("Authorization: Basic "));
            let seen = fs::read_dir("/proc").unwrap().flatten().any(|entry| {
                fs::read(entry.path().join("cmdline"))
                    .is_ok_and(|line| String::from_utf8_lossy(&line).contains(secret))
            });
            let _ = send.send((header.unwrap_or_default().to_owned(), seen));
            let _ = stream.write_all(
                b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
    });
    (port, receive)
}

#[test]
fn a_password_in_the_url_reaches_the_server_and_nothing_else() {
    let secret = "tr0ub4dor-and-3";
    let (port, requests) = server("tr0ub4dor-and-3");
    let world = World::new();
    let remote: Remote = format!("http://airut:{secret}@127.0.0.1:{port}/x.git").parse().unwrap();
    let error = world.mirror().update(&remote).unwrap_err();
    assert!(!format!("{error:#}").contains(secret), "{error:#}");
    assert_eq!(fault(&error).kind, Kind::TryLater);
    assert!(fault(&error).hint.is_some(), "{error:#}");
    let requests: Vec<_> = requests.try_iter().collect();
    let expected = base64::engine::general_purpose::STANDARD.encode(format!("airut:{secret}"));
    assert!(requests.iter().any(|(header, _)| *header == expected), "{requests:?}");
    assert!(!requests.iter().any(|(_, seen)| *seen), "the password stood in an argument list");
}

#[test]
fn a_password_in_the_url_does_not_get_into_the_workspace() {
    let world = World::new();
    world.updated();
    let remote: Remote = "https://airut:tr0ub4dor@git.example.com/x.git".parse().unwrap();
    let to = world.path("workspace");
    clone_workspace(&world.mirror(), &remote, &to).unwrap();
    assert_eq!(git(&to, &["remote", "get-url", "origin"]), "https://git.example.com/x.git");
    for file in files_below(&to.join(".git")) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(9).any(|part| part == b"tr0ub4dor"), "{}", file.display());
    }
}

#[test]
fn a_reason_is_one_line_that_says_something() {
    let remote: Remote = "https://u:hunter22@git.example.com/x".parse().unwrap();
    let ssh = "git@git.example.com: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.\n";
    assert_eq!(
        reason(ssh, &remote),
        "git@git.example.com: Permission denied (publickey).; fatal: Could not read from remote repository."
    );
    let leaky = "fatal: unable to access 'https://u:hunter22@git.example.com/x/': Could not resolve host\n";
    assert!(!reason(leaky, &remote).contains("hunter22"));
    assert_eq!(reason("", &remote), "git said nothing");
    assert!(reason(&"x".repeat(100_000), &remote).len() < 1000);
    assert!(!reason("fatal: \u{1b}[31mred\n", &remote).contains('\u{1b}'));
}

#[test]
fn a_listing_is_branches_tags_and_the_default_branch() {
    let text = "ref: refs/heads/main\tHEAD\n11\tHEAD\n11\trefs/heads/main\nref: refs/heads/main\trefs/heads/alias\n11\trefs/heads/alias\n22\trefs/pull/1/head\n33\trefs/tags/v1\n11\trefs/tags/v1^{}\nrubbish\n";
    let listing = parse_listing(text);
    assert_eq!(
        listing.refs.keys().collect::<Vec<_>>(),
        ["refs/heads/alias", "refs/heads/main", "refs/tags/v1"]
    );
    assert_eq!(listing.head.as_deref(), Some("refs/heads/main"));
    assert!(!listing.detached);
    assert!(parse_listing("11\tHEAD\n11\trefs/heads/main\n").detached);
}
