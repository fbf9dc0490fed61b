//! Two readers of one path; and wildcards.

use crate::attacks::stage::{Case, Stage, get};

const RULES: &str = "url_prefixes:\n  - {host: git.example.com, path: '/git/*', methods: [GET]}\n  \
                     - {host: api.example.com, path: '/repos/org/repo*'}\n  \
                     - {host: npm.example.com, path: '/@scope%2fname'}\n";

const PATHS: [(&str, &str); 30] = [
    ("/git/../other", "dot segment"),
    ("/git/x/../../other", "dot segment"),
    ("/git/..", "dot segment"),
    ("/git/.", "dot segment"),
    ("/git/%2e%2e", "dot segment"),
    ("/git/%2E./other", "dot segment"),
    ("/git/..%2fother", "dot segment"),
    ("/git/x%2F..%2f..%2Fother", "dot segment"),
    ("/git/..;a=b/other", "dot segment"),
    ("/git/.;/../other", "dot segment"),
    ("/git/%2e%2e%3bx/other", "dot segment"),
    ("/git/..?/../other", "dot segment"),
    ("/git/%252e%252e/other", "encoded twice"),
    ("/git/%25%32%65%25%32%65/other", "encoded twice"),
    ("/git/%2525", "encoded twice"),
    ("/git/..\\other", "backslash"),
    ("/git/%5c..%5cother", "encoded backslash"),
    ("/git/%00", "control character"),
    ("/git/%0aHost:%20evil.example.org", "control character"),
    ("/git/%7f", "control character"),
    ("/git/%u002e%u002e/other", "no encoding"),
    ("/git/%2", "no encoding"),
    ("/git/%", "no encoding"),
    ("//git/x", "other paths"),
    ("/./git/x", "dot segment"),
    ("/Git/x", "other paths"),
    ("/git%2fx", "other paths"),
    ("/git", "other paths"),
    ("/;/git/x", "other paths"),
    ("/other?/git/x", "other paths"),
];

#[test]
fn two_readers_of_one_path_find_none_and_a_wildcard_means_what_is_documented() {
    let stage = Stage::new(RULES, Vec::new());
    let case = |host: &str, path: &str, log: &str| get(host, host, path).logs(log);
    let mut cases: Vec<Case> = PATHS.iter().map(|(path, log)| case("git.example.com", path, log)).collect();
    // The other protocol has no request line.
    let paths = PATHS.iter().filter(|(path, _)| !path.contains('\\')).step_by(3);
    let h2 = |path: &str, log: &str| {
        let host = "git.example.com";
        let fields = [(":method", "GET"), (":scheme", "https"), (":authority", host), (":path", path)];
        Case::h2(host, &fields, log)
    };
    cases.extend(paths.chain(&[("*", "BLOCKED")]).map(|(path, log)| h2(path, log)));
    // By the protocol's own rules no request: its stream is reset before there is one.
    cases.extend(["git/x", ""].map(|path| h2(path, "").silent()));
    cases.extend([
        case("git.example.com", "https://git.example.com/git/../other", "dot segment"),
        case("npm.example.com", "/@scope/name", "other paths"),
        case("npm.example.com", "/@scope%252Fname", "encoded twice"),
        case("npm.example.com", "/@scope%2Fname/x", "other paths"),
        case("npm.example.com", "/@scope%2F..%2Fname", "dot segment"),
        case("api.example.com", "/repos/org/rep", "other paths"),
        case("api.example.com", "/repos/org/repo/../../other/secret", "dot segment"),
    ]);
    stage.refused(&cases);
    // What names one thing only works in its spellings; and an open end also fits the neighbour, as is documented.
    let allowed = [
        ("npm.example.com", "/@scope%2fname"),
        ("api.example.com", "/repos/org/repo"),
        ("api.example.com", "/repos/org/repo-evil"),
        ("api.example.com", "/repos/org/repo/x/y"),
    ];
    let told = stage.make(&allowed.map(|(host, path)| get(host, host, path)));
    assert!(told.iter().all(|told| told.codes == [200]), "{told:?}");
    let seen = stage.world.server.seen();
    assert!(seen[0].line.starts_with("GET /@scope%2Fname "), "{seen:?}");
}
