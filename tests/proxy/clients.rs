//! Real programs in a real container behind the proxy: each trusts its CA with no work by the image's author.

use crate::proxy::world::World;
use std::process::Command;

const RULES: &str = "domains: [api.example.com, plain.example.com]\n\
                     url_prefixes: [{host: git.example.com, path: '/git/*', methods: [GET, POST]}]";

fn git(args: &[&str]) -> String {
    let output = Command::new("git").args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn git_clones_fetches_and_pushes_over_https() {
    let root = tempfile::Builder::new().prefix("airut-git-").tempdir().unwrap();
    let repo = root.path().join("repo.git");
    let repo = repo.to_str().unwrap();
    git(&["init", "-q", "--bare", "-b", "main", repo]);
    git(&["-C", repo, "config", "http.receivepack", "true"]);
    let world = World::with(RULES, Vec::new());
    let url = format!("https://git.example.com/git/{}/repo.git", root.path().file_name().unwrap().display());
    // More than git puts into one piece: it asks first, then sends chunks.
    let script = format!(
        "set -e; cd /tmp; git clone -q {url} one; cd one; head -c 3000000 /dev/urandom >large; git add .; \
         git -c user.name=x -c user.email=x@example.com commit -qm large; git push -q origin HEAD:main; \
         git clone -q {url} ../two; cmp large ../two/large && git -C ../two log --format=%s; \
         git ls-remote https://git.example.com/other.git 2>&1 | grep -o 'error: 403'"
    );
    assert_eq!(world.inside(&script), "large\nerror: 403\n");
    assert_eq!(git(&["-C", repo, "log", "--format=%s", "main"]), "large\n");
    let log = world.log_with("git-receive-pack status=200 sent=3");
    assert!(
        log.contains("BLOCKED GET https://git.example.com/other.git/info/refs?service=git-upload-pack "),
        "{log}"
    );
}

#[test]
fn curl_speaks_both_versions_of_http_and_plain_http_and_uploads() {
    let world = World::with(RULES, Vec::new());
    let get = "curl -sS -m 60 -o /dev/null -w '%{http_version} %{http_code} %{size_download}\\n'";
    let script = format!(
        "{get} https://api.example.com/; {get} --http1.1 https://api.example.com/; \
         {get} http://plain.example.com/; {get} https://api.example.com/big; \
         head -c 50000000 /dev/zero | {get} -T - https://api.example.com/up; \
         head -c 50000000 /dev/zero | {get} --http1.1 -T - https://api.example.com/up; \
         {get} -L https://api.example.com/redirect; {get} --path-as-is https://git.example.com/git/../x; \
         printf 'GET / HTTP/1.1\\r\\nHost: plain.example.com\\r\\nConnection: close\\r\\n\\r\\n' | curl -sS -m 60 telnet://plain.example.com:80 | head -1"
    );
    let told = world.inside(&script);
    let lines: Vec<&str> = told.lines().map(str::trim_end).collect();
    assert_eq!(
        lines[..7],
        ["2 200 19", "1.1 200 19", "1.1 200 19", "2 200 67108864", "2 200 19", "1.1 200 19", lines[6]],
        "{told}"
    );
    // The redirect leads to a host that is not allowed.
    assert!(lines[6].starts_with("2 403"), "{told}");
    assert!(lines[7].starts_with("2 400"), "{told}");
    assert_eq!(lines[8], "HTTP/1.1 200 OK");
    world.log_with(" PUT https://api.example.com/up status=200 sent=50000000 ");
}
