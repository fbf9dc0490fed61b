//! The init as PID 1 of real containers, behind a real proxy: in images laid out as distributions do it, in one that
//! holds nothing but the agent's program, and in hostile ones.

use crate::proxy::world::World;
use crate::support::images::{CLAUDE, containers};
use crate::support::mailserver::unique;
use airut::proxy::process;
use airut::tool::podman::{self, Container, Mount};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// An image without parent, made of a directory; removed at the end.
struct Image {
    name: String,
    dir: TempDir,
}

impl Image {
    /// With nothing but a static busybox, as `/busybox`.
    fn bare() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = Self { name: format!("localhost/airut-test-{}", unique("image")), dir };
        let busybox = Command::new("sh").args(["-c", "command -v busybox"]).output().unwrap().stdout;
        image.copy(Path::new(String::from_utf8(busybox).unwrap().trim()), "busybox");
        image
    }

    /// With busybox's commands, a real TLS client that verifies, and a bundle.
    fn with_bundle(bundle: &str) -> Self {
        let image = Self::bare();
        let list = Command::new("busybox").arg("--list").output().unwrap().stdout;
        for name in String::from_utf8(list).unwrap().lines() {
            image.link("/busybox", &format!("bin/{name}"));
        }
        for dir in ["tmp", "usr/bin", "dev", "proc"] {
            fs::create_dir_all(image.root().join(dir)).unwrap();
        }
        let libraries = Command::new("ldd").arg("/usr/bin/openssl").output().unwrap().stdout;
        let libraries = String::from_utf8(libraries).unwrap();
        let libraries = libraries.split_whitespace().filter(|word| word.starts_with('/'));
        for file in ["/usr/bin/openssl"].into_iter().chain(libraries) {
            image.copy(Path::new(file), &file[1..]);
        }
        image.file(bundle, "# the roots\n");
        image
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// A place in it, with the directories above.
    fn place(&self, path: &str) -> PathBuf {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn copy(&self, from: &Path, to: &str) {
        fs::copy(from, self.place(to)).unwrap();
    }

    fn file(&self, path: &str, content: &str) {
        fs::write(self.place(path), content).unwrap();
    }

    fn link(&self, to: &str, path: &str) {
        symlink(to, self.place(path)).unwrap();
    }

    /// Has Podman know it; nobody may write what is named.
    fn import(&self, read_only: &[&str]) {
        let tar = self.dir.path().join("image.tar");
        let set = |write: u32| {
            for path in read_only.iter().map(|path| self.root().join(path)) {
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                fs::set_permissions(path, Permissions::from_mode((mode & !0o222) | write)).unwrap();
            }
        };
        set(0);
        let made = Command::new("tar").arg("-C").arg(self.root()).arg("-cf").arg(&tar).arg(".").status();
        // So that it can be removed.
        set(0o200);
        assert!(made.unwrap().success());
        containers().run(&["import", "-q", tar.to_str().unwrap(), &self.name]);
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = containers().podman().args(["rmi", "-f", &self.name]).output();
    }
}

/// A container that runs, with a workspace; killed and removed at the end.
struct Agent {
    client: Child,
    name: String,
    workspace: TempDir,
}

impl Agent {
    /// With airut's own arguments, and `more` ahead of the image.
    fn start(world: &World, image: &str, more: &[String], set: &[(&str, &str)], program: &[&str]) -> Self {
        let workspace = tempfile::tempdir().unwrap();
        let sandbox = process::sandbox(&world.runtime_dir);
        let program = program.iter().map(|word| (*word).to_owned());
        let container = Container {
            name: format!("airut-test-{}", unique("agent")),
            labels: Default::default(),
            image: image.to_owned(),
            mounts: vec![Mount {
                host: workspace.path().to_owned(),
                container: "/workspace",
                read_only: false,
            }],
            sandbox: sandbox.podman.into_iter().chain(more.iter().cloned()).collect(),
            memory: None,
            cpus: None,
            pids: 200,
            timeout: Duration::from_secs(120),
            command: sandbox.init.into_iter().chain(program).collect(),
        };
        let mut client = containers()
            .podman()
            .args(podman::run_args(&container))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let set: Vec<_> = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        client.stdin.take().unwrap().write_all(&process::standard_input(&set, "")).unwrap();
        Self { client, name: container.name, workspace }
    }

    fn wait_for(&self, file: &str) {
        let started = Instant::now();
        while !self.workspace.path().join(file).exists() {
            assert!(started.elapsed() < Duration::from_secs(60), "{file} does not come");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: &str) {
        containers().run(&["kill", "--signal", signal, &self.name]);
    }

    /// Exit code and standard output.
    fn end(mut self) -> (i32, String) {
        let mut told = String::new();
        std::io::Read::read_to_string(self.client.stdout.as_mut().unwrap(), &mut told).unwrap();
        (self.client.wait().unwrap().code().unwrap(), told)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = containers().podman().args(["rm", "-f", "-t", "0", &self.name]).output();
        let _ = self.client.wait();
    }
}

/// A whole container for one script of busybox's shell, in which `$b` is busybox.
fn run(world: &World, image: &Image, set: &[(&str, &str)], script: &str) -> (i32, String) {
    Agent::start(world, &image.name, &[], set, &["/busybox", "sh", "-c", &format!("b=/busybox; {script}")])
        .end()
}

/// Every variable by which a program can be told of a bundle.
const VARIABLES: &str = "SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE PIP_CERT GIT_SSL_CAINFO AWS_CA_BUNDLE \
    CARGO_HTTP_CAINFO NIX_SSL_CERT_FILE CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH \
    HEX_CACERTS_PATH BUNDLE_SSL_CA_CERT NODE_EXTRA_CA_CERTS DENO_CERT";

/// Says of each file, and of what each of `VARIABLES` names, whether a client that verifies takes it for a reason to
/// trust a server behind the proxy; then asks one, with what the client finds by itself.
const TRUST: &str = "client() { openssl s_client -verify_return_error -servername api.example.com \
        -connect api.example.com:443 \"$@\" 2>/dev/null; }; \
    tried() { client -CAfile \"$1\" </dev/null >/dev/null || echo \"does not trust $1\"; }; \
    told=$SSL_CERT_FILE; for name in $VARIABLES; do eval tried \\$$name; done; unset SSL_CERT_FILE; \
    client </dev/null >/dev/null && echo 'trusts anybody'; for file in $FILES; do tried $file; done; \
    export SSL_CERT_FILE=$told; printf 'GET / HTTP/1.0\\r\\nHost: api.example.com\\r\\n\\r\\n' | client -quiet | $b tail -1; echo;";

/// Tries everything that an agent may expect of its container.
fn assert_at_home(image: &Image, files: &str) {
    let world = World::new();
    let set = [("VARIABLES", VARIABLES), ("FILES", files)];
    let script = format!("{TRUST} $b cat $SSL_CERT_FILE; {DUTIES}");
    let (code, told) = run(&world, image, &set, &script);
    assert!(!told.contains("trust") && told.starts_with("hello from upstream\n# the roots\n"), "{told}");
    assert_dutiful(&world, image, code, &told);
}

/// Looks a name up, leaves orphans behind, and counts the dead that nobody buried.
const DUTIES: &str = "$b nslookup -type=a api.example.com 2>&1 | $b grep '^Address:.*127.0.0.1$'; \
    for i in 1 2 3 4 5; do ($b sleep 0.1 &); done; $b sleep 1; \
    echo dead $($b grep -l '^State:.Z' /proc/[0-9]*/status | $b wc -l); exit 7";

/// Whether PID 1 did its duties, by what `DUTIES` told and by further containers.
fn assert_dutiful(world: &World, image: &Image, code: i32, told: &str) {
    assert_eq!(code, 7, "{told}");
    assert!(told.contains("127.0.0.1\n") && told.ends_with("dead 0\n"), "{told}");
    world.log_with(" DNS A api.example.com answer=127.0.0.1\n");
    assert_eq!(run(world, image, &[], "kill -SEGV $$").0, 128 + 11);
    let waiting = "trap 'exit 9' USR1; >/workspace/here; while :; do $b sleep 0.05; done";
    let script = format!("b=/busybox; {waiting}");
    let agent = Agent::start(world, &image.name, &[], &[], &["/busybox", "sh", "-c", &script]);
    agent.wait_for("here");
    agent.signal("USR1");
    assert_eq!(agent.end().0, 9);
    assert_eq!(Agent::start(world, &image.name, &[], &[], &["/no/such/program"]).end().0, 127);
}

#[test]
fn the_agent_is_at_home_in_an_image_laid_out_as_alpine_is() {
    let image = Image::with_bundle("etc/ssl/certs/ca-certificates.crt");
    image.link("certs/ca-certificates.crt", "etc/ssl/cert.pem");
    image.link("/etc/ssl/cert.pem", "etc/ssl1.1/cert.pem");
    image.import(&[]);
    assert_at_home(&image, "/etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem /etc/ssl1.1/cert.pem");
}

#[test]
fn the_agent_is_at_home_in_an_image_laid_out_as_fedora_is() {
    let pem = "etc/pki/ca-trust/extracted/pem";
    let bundle = format!("{pem}/tls-ca-bundle.pem");
    let image = Image::with_bundle(&bundle);
    image.link(&format!("/{bundle}"), "etc/pki/tls/certs/ca-bundle.crt");
    image.link(&format!("/{bundle}"), "etc/pki/tls/cert.pem");
    image.link("../pki/tls/certs", "etc/ssl/certs");
    image.import(&[&bundle, pem]);
    let files = format!(
        "/{bundle} /etc/pki/tls/certs/ca-bundle.crt /etc/pki/tls/cert.pem /etc/ssl/certs/ca-bundle.crt"
    );
    assert_at_home(&image, &files);
}

#[test]
fn an_image_with_one_static_program_and_nothing_else_is_enough() {
    let image = Image::bare();
    image.import(&[]);
    let world = World::new();
    let script = "$b ls -A / /etc; $b wget -qO- http://plain.example.com/; echo; $b cat $SSL_CERT_FILE;";
    let (code, told) = run(&world, &image, &[], &format!("{script} {DUTIES}"));
    assert!(!told.contains("bin\n") && !told.contains("tmp\n"), "{told}");
    assert!(told.contains("\nhello from upstream\n"), "{told}");
    let ca = fs::read_to_string(world.runtime_dir.join("ca.pem")).unwrap();
    assert!(told.contains(ca.trim()), "{told}");
    assert_dutiful(&world, &image, code, &told);
}

#[test]
fn traps_in_the_bundles_places_hold_nothing_up_and_let_nothing_out() {
    let image = Image::with_bundle("srv/some.pem");
    for fifo in ["etc/ssl/certs/ca-certificates.crt", "srv/fifo"] {
        assert!(Command::new("mkfifo").arg(image.place(fifo)).status().unwrap().success());
    }
    image.link("/dev/zero", "etc/pki/tls/certs/ca-bundle.crt");
    fs::create_dir_all(image.root().join("etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem")).unwrap();
    image.link("/proc/self/fd/0", "etc/ssl/ca-bundle.pem");
    image.link("/proc/kmsg", "var/lib/ca-certificates/ca-bundle.pem");
    image.link("cert.pem", "etc/ssl/cert.pem");
    image.link("/no/such/place", "etc/ssl/certs/ca-bundle.crt");
    image.link("/run/systemd/resolve/stub-resolv.conf", "etc/resolv.conf");
    image.import(&[]);
    let world = World::new();
    let named = [
        ("VARIABLES", VARIABLES),
        ("SSL_CERT_FILE", "/srv/fifo"),
        ("CURL_CA_BUNDLE", "/dev/zero"),
        ("PIP_CERT", "/proc/self/mem"),
        ("GIT_SSL_CAINFO", "/workspace/mine.pem"),
        ("REQUESTS_CA_BUNDLE", "/run/airut/ca.pem"),
        ("AWS_CA_BUNDLE", "/srv/some.pem"),
        ("HEX_CACERTS_PATH", "/"),
    ];
    // What the agent's checkout holds is not the init's to change.
    let script = format!("b=/busybox; {TRUST} echo $AWS_CA_BUNDLE; exit 7");
    let workspace = tempfile::tempdir().unwrap();
    fs::write(workspace.path().join("mine.pem"), "mine").unwrap();
    let mount = format!("--volume={}/mine.pem:/workspace/mine.pem", workspace.path().display());
    let agent = Agent::start(&world, &image.name, &[mount], &named, &["/busybox", "sh", "-c", &script]);
    let (code, told) = agent.end();
    assert_eq!((code, told.as_str()), (7, "hello from upstream\n/srv/some.pem\n"));
    assert_eq!(fs::read_to_string(workspace.path().join("mine.pem")).unwrap(), "mine");
}

#[test]
fn a_bundle_on_a_read_only_file_system_is_copied_to_where_it_can_be_added_to() {
    let image = Image::with_bundle("etc/ssl/certs/ca-certificates.crt");
    image.import(&[]);
    let mounted = tempfile::tempdir().unwrap();
    fs::create_dir(mounted.path().join("certs")).unwrap();
    let bundle = mounted.path().join("certs/ca-certificates.crt");
    fs::write(&bundle, "# the roots of the mount\n").unwrap();
    let world = World::new();
    let script = format!("b=/busybox; {TRUST} $b head -1 $SSL_CERT_FILE; exit 7");
    for more in [format!("--volume={}:/etc/ssl:ro", mounted.path().display()), "--read-only".to_owned()] {
        let set = [("VARIABLES", VARIABLES)];
        let agent = Agent::start(
            &world,
            &image.name,
            std::slice::from_ref(&more),
            &set,
            &["/busybox", "sh", "-c", &script],
        );
        let (code, told) = agent.end();
        assert_eq!(code, 7, "{more}: {told}");
        assert!(told.starts_with("hello from upstream\n") && !told.contains("trust"), "{more}: {told}");
    }
    assert_eq!(fs::read_to_string(bundle).unwrap(), "# the roots of the mount\n");
}

#[test]
fn requests_fail_at_once_when_the_proxy_is_killed_and_an_agent_that_will_not_end_is_ended() {
    let image = Image::bare();
    image.import(&[]);
    let mut world = World::new();
    let script = "b=/busybox; trap '>/workspace/told' TERM; >/workspace/here; \
        until [ -e /workspace/told ]; do $b sleep 0.05; done; \
        $b wget -qO- http://plain.example.com/ 2>&1; echo \"wget ends with $?\"; while :; do $b sleep 0.05; done";
    let agent = Agent::start(&world, &image.name, &[], &[], &["/busybox", "sh", "-c", script]);
    agent.wait_for("here");
    let proxy = world.proxy.take().unwrap();
    let pid = rustix::process::Pid::from_raw(proxy.pid().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let (code, told) = agent.end();
    assert_eq!(code, process::PROXY_GONE);
    assert!(told.ends_with("wget ends with 1\n") && !told.contains("hello"), "{told}");
}

/// Asks the resolver by every way; prints the response code, the count of answers and the last bytes of each.
const ASK: &str = r#"
use strict; use IO::Socket::INET; use Socket; $SIG{PIPE} = 'IGNORE'; $| = 1; alarm 90;
sub name { join('', map { chr(length) . $_ } split(/\./, shift)) . "\0" }
sub question { my ($name, $type, $class) = @_; pack('n6', 7, 0x0100, 1, 0, 0, 0) . name($name) . pack('n2', $type, $class || 1) }
sub told { my ($what, $answer) = @_; if (!defined $answer || length($answer) < 12) { print "$what nothing\n"; return }
    my ($id, $flags, $questions, $answers) = unpack('n4', $answer);
    print "$what $id ", $flags & 15, " $answers", ($answers ? ' ' . unpack('H*', substr($answer, -4)) : ''), "\n" }
sub udp { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => 53, Proto => 'udp') or die }
sub tcp { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => 53, Proto => 'tcp') or die }
sub by_udp { my ($what, @packets) = @_; my $socket = udp(); $socket->send($_) for @packets;
    $socket->recv(my $answer, 4096); told("udp $what", $answer) }
sub frame { pack('n', length $_[0]) . $_[0] }
sub next_of { my $socket = shift; my ($size, $answer); return undef unless read($socket, $size, 2) == 2;
    read($socket, $answer, unpack('n', $size)); $answer }
sub by_tcp { my ($what, $bytes) = @_; my $socket = tcp(); syswrite $socket, $bytes; told("tcp $what", next_of($socket)) }
my $a = question('api.example.com', 1); my $mx = question('api.example.com', 15);
my %asked = (A => $a, AAAA => question('api.example.com', 28), MX => $mx, CH => question('api.example.com', 1, 3),
    twice => pack('n6', 7, 0x0100, 2, 0, 0, 0) . substr($a, 12) x 2, pointer => pack('n6', 7, 0x0100, 1, 0, 0, 0) . "\xc0\x0c\0\1\0\1",
    short => substr($a, 0, -1), long => $a . 'x' x 1300, odd => question("a b\n.x", 1));
for my $what (sort keys %asked) { by_udp($what, $asked{$what}); by_tcp($what, frame($asked{$what})) }
by_udp('after a stub', substr($a, 0, 11), pack('n', 8) . substr($a, 2));
by_tcp('stub', frame(substr($a, 0, 11)));
by_tcp('size', "\xff\xff" . 'x' x 2000);
my $one = tcp(); for my $byte (split //, frame($a) . frame($mx)) { syswrite $one, $byte }
told('tcp in pieces', next_of($one)); told('tcp and on', next_of($one));
my @slow; for (1 .. 8) { my $pid = fork; if (!$pid) { my $slow = tcp(); syswrite $slow, "\4\0"; open my $is, '>', "/workspace/$$"; close $is;
    for (1 .. 400) { select undef, undef, undef, 0.2; last unless syswrite $slow, 'x' } exit 0 } push @slow, $pid }
for my $pid (@slow) { select undef, undef, undef, 0.02 until -e "/workspace/$pid" }
by_tcp('beside the slow', frame($a)); by_udp('beside the slow', $a);
my @idle = map { tcp() } 1 .. 300; by_tcp('beside the idle', frame($a));
my @busy; for my $n (1 .. 10) { my $pid = fork; if (!$pid) { my $socket = udp(); my $right = 0;
    for my $i (1 .. 50) { $socket->send(pack('n', $i) . substr($a, 2)); $socket->recv(my $answer, 4096); $right++ if unpack('n', $answer) == $i }
    exit($right == 50 ? 0 : 1) } push @busy, $pid }
my $wrong = 0; for (@busy) { waitpid $_, 0; $wrong++ if $? } print "wrong $wrong\n";
for (@slow) { waitpid $_, 0 } print "the slow are cut off\n";
"#;

#[test]
fn the_resolver_is_strict_by_both_ways_and_no_client_holds_up_another() {
    let world = World::new();
    let agent = Agent::start(&world, CLAUDE, &[], &[], &["perl", "-e", ASK]);
    let (code, told) = agent.end();
    let mut wanted = String::new();
    for (what, answer) in [
        ("A", "7 0 1 7f000001"),
        ("AAAA", "7 0 0"),
        ("CH", "7 5 0"),
        ("MX", "7 5 0"),
        ("long", "7 1 0"),
        ("odd", "7 0 1 7f000001"),
        ("pointer", "7 1 0"),
        ("short", "7 1 0"),
        ("twice", "7 1 0"),
    ] {
        // By TCP, what is too long is seen by its length and not read.
        let by_tcp = if what == "long" { "nothing" } else { answer };
        wanted += &format!("udp {what} {answer}\ntcp {what} {by_tcp}\n");
    }
    wanted += "udp after a stub 8 0 1 7f000001\ntcp stub nothing\ntcp size nothing\n\
        tcp in pieces 7 0 1 7f000001\ntcp and on 7 5 0\n\
        tcp beside the slow 7 0 1 7f000001\nudp beside the slow 7 0 1 7f000001\n\
        tcp beside the idle 7 0 1 7f000001\nwrong 0\nthe slow are cut off\n";
    assert_eq!((code, told.as_str()), (0, wanted.as_str()));
    let log = world.log_with(" DNS TYPE15 api.example.com answer=refused\n");
    for line in [" DNS AAAA api.example.com answer=none\n", " DNS A a%5C032b%5C010.x answer=127.0.0.1\n"] {
        assert!(log.contains(line), "{line}");
    }
}
