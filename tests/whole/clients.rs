//! The programs people have in their images, inside a real container: each works through the proxy and trusts its CA
//! with no work by the image's author.

use crate::proxy::world::{Server, World as Behind};
use crate::support::images::CLAUDE;
use crate::support::world::World;
use crate::whole::steps::obedient;
use std::fs;
use std::io::Write as _;
use std::process::Command;

const RULES: &str = "domains: [api.example.com, plain.example.com, index.example.com, files.example.com]\n\
                     url_prefixes: [{host: git.example.com, path: '/git/*', methods: [GET, POST]}]";

/// Each prints one line: what it is, and what it got.
const PROBE: &str = r#"
export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x@example.com GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x@example.com
cd /tmp
for version in --http1.1 --http2; do
    curl -sS -m 60 $version -o /tmp/got -w 'curl %{http_version} %{http_code}\n' https://api.example.com/
done
git clone -q "$1/repo.git" one && git clone -q "$1/repo.git" two
(cd one && head -c 3000000 /dev/urandom >large && git add . && git commit -qm large && git push -q origin HEAD:main)
(cd two && git fetch -q && git merge -q --ff-only origin/main) && cmp one/large two/large && echo 'git same'
git ls-remote https://git.example.com/other/repo.git 2>&1 | sed -n 's/.*\(error: 403\).*/git \1/p'
python3 -c 'import urllib.request as u; print("urllib", u.urlopen("https://api.example.com/").status)'
requests='import requests, os; print(requests.get("https://api.example.com/").status_code, os.path.dirname(requests.__file__))'
echo "requests $(python3 -c "$requests")"
pip() { python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --root-user-action ignore --target "$@" 2>&1; }
pip /tmp/new --index-url https://index.example.com/simple requests pip && echo "wheel $(PYTHONPATH=/tmp/new python3 -c "$requests")"
PYTHONPATH=/tmp/new pip /tmp/newer --index-url https://index.example.com/simple idna && ls /tmp/newer | sed -n 's/^idna$/pip got idna/p'
pip /tmp/none --retries 0 --index-url https://index.example.com/away/simple idna | grep -q 'HTTP error 403' && echo 'pip refused'
cat >/tmp/node.js <<'JS'
const get = url => new Promise((done, failed) => require('https').get(url, answer => { answer.resume(); done(answer.statusCode) }).on('error', failed));
const h2 = url => new Promise((done, failed) => { const to = require('http2').connect(url).on('error', failed);
    to.request({':path': '/'}).on('response', head => { done(head[':status']); to.close() }).on('error', failed).end() });
const all = async url => [await get(url), (await fetch(url)).status, await h2(url)];
all('https://api.example.com/').then(codes => console.log('node', ...codes));
JS
node /tmp/node.js
"#;

#[test]
fn programs_of_an_image_trust_the_sandbox_with_no_work_by_its_author() {
    let world = World::with_containers();
    let server = Server::start();
    let ca = world.path("upstream.pem");
    fs::write(&ca, &server.ca).unwrap();
    let root = tempfile::Builder::new().prefix("airut-git-").tempdir().unwrap();
    let bare = root.path().join("repo.git");
    let made = Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(&bare).status().unwrap();
    assert!(made.success());
    fs::OpenOptions::new()
        .append(true)
        .open(bare.join("config"))
        .and_then(|mut file| file.write_all(b"[http]\nreceivepack = true\n"))
        .unwrap();
    let mut setup = obedient();
    let pins: Vec<_> = ["api", "git", "index", "files"]
        .map(|name| format!("\"{name}.example.com\" = \"{}\"", server.tls))
        .into();
    setup.tables = format!(
        "[repos.NAME.network]\nupstream_ca_file = \"{}\"\nresolve = {{ {} }}\n",
        ca.display(),
        pins.join(", ")
    );
    setup.file(".airut/network-allowlist.yaml", RULES);
    let dockerfile = format!("FROM {CLAUDE}\nCOPY claude /usr/local/bin/claude\n");
    setup.file(".airut/container/Dockerfile", &dockerfile);
    setup.file("probe.sh", PROBE);
    let repo = world.repo(&setup);
    let url = format!("https://git.example.com/git/{}", root.path().file_name().unwrap().display());
    let answer = world.ask(&repo, &format!("sh: bash probe.sh {url}"));
    let text = repo.said(&answer);
    for line in [
        "curl 1.1 200",
        "curl 2 200",
        "git same",
        "git error: 403",
        "urllib 200",
        "requests 200 /usr/lib/python3/dist-packages/requests",
        "wheel 200 /tmp/new/requests",
        "pip got idna",
        "pip refused",
        "node 200 200 200",
    ] {
        assert!(text.lines().any(|other| other.trim() == line), "{line}:\n{text}");
    }
    let log = repo.session(&answer.session().unwrap()).join("network-sandbox.log");
    let log = fs::read_to_string(log).unwrap();
    for line in [
        " BLOCKED GET https://git.example.com/other/repo.git/info/refs",
        " BLOCKED GET https://blocked.example.org/files/idna-",
        " ALLOWED GET https://files.example.com/files/idna-",
    ] {
        assert!(log.contains(line), "{line}:\n{log}");
    }
}

#[test]
fn each_stream_of_a_connection_is_judged_alone() {
    let world = Behind::with(RULES, Vec::new());
    let script = r"
const to = require('http2').connect('https://git.example.com');
const ask = (method, path) => new Promise((done, failed) => { let status;
    to.request({':method': method, ':path': path}).on('response', head => status = head[':status'])
        .on('data', () => {}).on('end', () => done(status)).on('error', failed).end() });
const wanted = [['GET', '/git/'], ['GET', '/other'], ['DELETE', '/git/'], ['GET', '/git/../x'], ['GET', '/other/git/']];
Promise.all(wanted.concat(wanted).map(([method, path]) => ask(method, path)))
    .then(codes => { console.log(codes.join(' ')); to.close() });
";
    let told = world.inside_with(&["node", "-e", script], "");
    // What git's own program answers to a path without a repository.
    assert_eq!(told, "404 403 403 400 403 404 403 403 400 403\n");
    assert_eq!(world.server.seen().len(), 2);
    world.log_with("BLOCKED DELETE https://git.example.com/git/ ");
}

#[test]
fn websockets_events_trailers_and_expectations_pass() {
    for world in Behind::each() {
        let told = world.inside_with(&["python3", "-c", include_str!("clients.py")], "");
        let expected = "events data: 0 data: 1 data: 2\nwebsocket hello there\nexpect 100 200\nrefused 403\n\
                        trailers 1234\nsent 5\n";
        assert_eq!(told, expected);
        let seen = world.server.seen();
        let up = seen.iter().rfind(|one| one.line.starts_with("POST /up ")).unwrap();
        assert_eq!(up.header("trailer x-checksum"), ["5678"]);
    }
}

#[test]
fn a_gigabyte_is_sent_in_chunks_and_the_proxy_stays_small() {
    let world = Behind::with(RULES, Vec::new());
    let send = "head -c 1000000000 /dev/zero | curl -sS -m 300 -T - https://api.example.com/count";
    let told = world.inside(&format!("{send} --http1.1"));
    assert_eq!(told, "1000000000");
    let status = format!("/proc/{}/status", world.proxy.as_ref().unwrap().pid());
    let status = fs::read_to_string(status).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.split_whitespace().next().unwrap().parse().unwrap();
    assert!(kilobytes < 64 << 10, "{kilobytes} kB");
    world.log_with(" PUT https://api.example.com/count status=200 sent=1000000000 ");
}
