use airut::base::id::RepoName;
use airut::format::config::{Config, Tls, check, literal_secret, place, read, resolve};
use airut::format::secret::Secret;
use std::path::{Path, PathBuf};

/// As the plan has it.
const EXAMPLE: &str = r#"max_concurrent = 3

[repos.my-project]
git_url = "https://github.com/you/my-project.git"
authorized_senders = ["you@example.com", "*@company.example"]
trusted_authserv_id = "mail.example.com"

[repos.my-project.mail]
from = "Airut <airut@example.com>"
imap = { host = "mail.example.com", port = 993, username = "airut", password = { env = "EMAIL_PASSWORD" } }
smtp = { host = "mail.example.com", port = 465, username = "airut", password = { env = "EMAIL_PASSWORD" } }

[repos.my-project.secrets]
ANTHROPIC_API_KEY = { env = "ANTHROPIC_API_KEY" }

[repos.my-project.masked_secrets.GH_TOKEN]
value = { env = "GH_TOKEN" }
scopes = ["github.com", "*.github.example"]
headers = ["Authorization"]
"#;

fn name(text: &str) -> RepoName {
    text.parse().unwrap()
}

fn resolved(text: &str) -> Config {
    let mut config = read(text).unwrap_or_else(|error| panic!("{error}"));
    let problems = resolve(&mut config, Some(Path::new("/home/a")), Some(Path::new("/home/a/.local/state")));
    assert!(problems.is_empty(), "{problems:?}");
    config
}

/// Every problem with its place, one a line.
fn problems(text: &str) -> String {
    let mut config = match read(text) {
        Ok(config) => config,
        Err(error) => return error.to_string(),
    };
    let mut found = resolve(&mut config, Some(Path::new("/home/a")), Some(Path::new("/home/a/.local/state")));
    found.extend(check(&config));
    found.into_iter().map(|problem| place(text, problem).to_string()).collect::<Vec<_>>().join("\n")
}

/// The example with one line replaced.
fn with(line: &str, other: &str) -> String {
    assert_eq!(EXAMPLE.matches(line).count(), 1, "{line}");
    EXAMPLE.replace(line, other)
}

fn second(from: &str) -> String {
    let (_, repo) = from.split_once("[repos").unwrap();
    format!("{from}\n[repos{}", repo.replace("my-project", "second"))
}

#[test]
fn the_example_is_sound_and_has_the_defaults() {
    assert_eq!(problems(EXAMPLE), "");
    let config = resolved(EXAMPLE);
    let repo = &config.repos[&name("my-project")];
    assert_eq!(config.max_concurrent, 3);
    assert_eq!(config.shutdown_timeout, 60);
    assert_eq!((repo.session_max_age_days, repo.max_sessions, repo.max_storage), (7, 100, None));
    assert_eq!(repo.limits, airut::format::config::Limits::default());
    assert_eq!(repo.session_access, airut::format::config::SessionAccess::Participants);
    assert!(!repo.refusal_notice && !repo.reply_to_all);
    assert!(!repo.allow_unsandboxed);
    assert_eq!(repo.storage_dir.as_deref(), Some(Path::new("/home/a/.local/state/airut/my-project")));
    assert_eq!(repo.mail.from.name.as_deref(), Some("Airut"));
    assert_eq!(repo.mail.from.address.to_string(), "airut@example.com");
    let imap = repo.mail.imap.as_ref().unwrap();
    assert_eq!((imap.tls, imap.port(), imap.folder.as_str()), (Tls::Implicit, 993, "INBOX"));
    assert_eq!(repo.container.memory.as_deref(), Some("4g"));
    let bare = EXAMPLE.replace("max_concurrent = 3\n", "");
    assert_eq!(resolved(&bare).max_concurrent, 3);
}

#[test]
fn a_port_follows_from_how_the_connection_is_protected() {
    for (tls, imap_port, smtp_port) in [("implicit", 993, 465), ("starttls", 143, 587)] {
        let text = EXAMPLE
            .replace("port = 993", &format!("tls = \"{tls}\""))
            .replace("port = 465", &format!("tls = \"{tls}\""));
        let config = resolved(&text);
        let mail = &config.repos[&name("my-project")].mail;
        assert_eq!(mail.imap.as_ref().unwrap().port(), imap_port);
        assert_eq!(mail.smtp.as_ref().unwrap().port(), smtp_port);
    }
}

#[test]
fn a_secret_is_a_text_or_a_place() {
    for (written, expected) in [
        ("\"x\"", Secret::Literal("x".into())),
        ("{ env = \"NAME\" }", Secret::Env("NAME".into())),
        ("{ file = \"~/key\" }", Secret::File("/home/a/key".into())),
        (
            "{ command = [\"pass\", \"show\", \"x\"] }",
            Secret::Command(vec!["pass".into(), "show".into(), "x".into()]),
        ),
        ("{ credential = \"key\" }", Secret::Credential("key".into())),
    ] {
        let config = resolved(&with("{ env = \"ANTHROPIC_API_KEY\" }", written));
        let found = &config.repos[&name("my-project")].secrets[&"ANTHROPIC_API_KEY".parse().unwrap()];
        assert!(*found == expected, "{written}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_those_that_are_known() {
    let error = problems(&with("max_concurrent = 3", "max_concurent = 3"));
    assert!(error.starts_with("1:1: key max_concurent: is not known; allowed: max_concurrent, "), "{error}");
    let error = problems(&with("port = 993", "prot = 993"));
    assert!(
        error.starts_with("10:37: key repos.my-project.mail.imap.prot: is not known; allowed: host, port"),
        "{error}"
    );
    let error = problems(&EXAMPLE.replace("[repos.my-project.secrets]", "[repos.my-project.secret]"));
    assert!(error.starts_with("13:"), "{error}");
    assert!(error.contains("key repos.my-project.secret: is not known; allowed: git_url, "), "{error}");
}

#[test]
fn an_error_names_line_column_key_and_what_is_allowed() {
    for (line, other, expected) in [
        (
            "max_concurrent = 3",
            "max_concurrent = \"3\"",
            "1:18: key max_concurrent: is a string; allowed: a whole number",
        ),
        (
            "max_concurrent = 3",
            "max_concurrent = -1",
            "1:18: key max_concurrent: is an integer; allowed: a whole number",
        ),
        ("max_concurrent = 3", "max_concurrent = 0", "1:1: key max_concurrent: 0 is not; allowed: 1 to 1000"),
        ("max_concurrent = 3", "max_concurrent = ", "1:18: key max_concurrent: "),
        (
            "[repos.my-project.secrets]",
            "[repos.my-project.limits]\nsender_mails_per_hour = 0\n[repos.my-project.secrets]",
            "14:1: key repos.my-project.limits.sender_mails_per_hour: nothing would be answered; allowed: 1 or more",
        ),
        (
            "[repos.my-project.secrets]",
            "[repos.my-project.limits]\nrepo_usd_per_day = nan\n[repos.my-project.secrets]",
            "14:1: key repos.my-project.limits.repo_usd_per_day: is no amount of money; allowed: more than 0",
        ),
        (
            "max_concurrent = 3",
            "max_concurrent = 3\nmax_concurrent = 4",
            "2:1: key max_concurrent: is there twice",
        ),
        (
            "git_url = \"https://github.com/you/my-project.git\"\n",
            "",
            "3:1: key repos.my-project: git_url is missing",
        ),
        (
            "\"https://github.com/you/my-project.git\"",
            "\"--upload-pack=x\"",
            "4:11: key repos.my-project.git_url: not a git URL",
        ),
        (
            "\"you@example.com\"",
            "\"you\"",
            "5:22: key repos.my-project.authorized_senders: \"you\" is not a mail address",
        ),
        (
            "\"mail.example.com\"\n\n",
            "\"\"\n\n",
            "6:23: key repos.my-project.trusted_authserv_id: \"\" is not a host name",
        ),
        (
            "\"mail.example.com\"\n\n",
            "\"mail.example.com\"\nmax_storage = \"0\"\n\n",
            "7:1: key repos.my-project.max_storage: no session would have room; allowed: more than 0",
        ),
        (
            "\"mail.example.com\"\n\n",
            "\"mail.example.com\"\nmax_storage = \"20 GB\"\n\n",
            "7:15: key repos.my-project.max_storage: \"20 GB\" is no size; allowed: a number with k, m, g or t",
        ),
        (
            "{ env = \"ANTHROPIC_API_KEY\" }",
            "{ evn = \"X\" }",
            "14:21: key repos.my-project.secrets.ANTHROPIC_API_KEY: a secret is a string, or",
        ),
        ("[repos.my-project]", "[repos.My]", "3:8: key repos.My: \"My\" is not a repository name"),
        (
            "port = 993",
            "tls = \"ssl\"",
            "10:43: key repos.my-project.mail.imap.tls: `ssl` is not known; allowed: implicit, starttls, none",
        ),
    ] {
        let error = problems(&with(line, other));
        assert!(error.starts_with(expected), "{other}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn no_value_that_could_be_a_secret_is_repeated() {
    for (line, other) in [
        ("[repos.my-project.secrets]\n", "[repos.my-project]\nsecrets = \"hunter22\"\n[x]\n"),
        ("{ env = \"ANTHROPIC_API_KEY\" }", "{ env = [\"hunter22\"] }"),
        ("{ env = \"ANTHROPIC_API_KEY\" }", "[\"hunter22\"]"),
        ("https://github.com/", "https://u:hunter22@ github.com/"),
        ("https://github.com/", "ftp://u:hunter22@github.com/"),
        ("value = { env = \"GH_TOKEN\" }", "value = { env = \"GH_TOKEN\", file = \"hunter22\" }"),
    ] {
        let error = problems(&with(line, other));
        assert!(!error.is_empty() && !error.contains("hunter22"), "{other}: {error}");
    }
}

#[test]
fn there_is_at_least_one_repository() {
    assert_eq!(
        problems("[repos]\n"),
        "1:2: key repos: there is no repository; at least one [repos.NAME] is needed"
    );
    assert!(problems("").contains("repos is missing"), "{}", problems(""));
}

#[test]
fn two_repositories_do_not_share_a_mailbox() {
    let error = problems(&second(EXAMPLE));
    assert!(error.contains("key repos.second.mail.imap: is the mailbox of my-project as well"), "{error}");
    assert!(error.starts_with("28:1:"), "{error}");
    assert_eq!(problems(&second(EXAMPLE).replacen("port = 993", "folder = \"two\"", 1)), "");
    // Spelled otherwise it is the same one.
    let text = second(EXAMPLE).replacen(
        "host = \"mail.example.com\", port = 993",
        "host = \"MAIL.example.com\", folder = \"Inbox\"",
        1,
    );
    assert!(problems(&text).contains("is the mailbox of"), "{}", problems(&text));
    let maildir = second(EXAMPLE)
        .lines()
        .map(|line| if line.starts_with("imap") { "maildir = \"~/Mail/\"" } else { line })
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        problems(&maildir).contains("key repos.second.mail.maildir: is the mailbox of"),
        "{}",
        problems(&maildir)
    );
    let other = maildir.replacen("~/Mail/", "/home/a/Mail", 1);
    assert!(problems(&other).contains("is the mailbox of"), "{}", problems(&other));
}

#[test]
fn two_repositories_do_not_share_storage() {
    let two = second(EXAMPLE).replacen("port = 993", "folder = \"two\"", 1);
    let at = |one: &str, other: &str| {
        let text = two.replacen("git_url", &format!("storage_dir = \"{one}\"\ngit_url"), 1);
        let at = text.rfind("git_url").unwrap();
        problems(&format!("{}storage_dir = \"{other}\"\n{}", &text[..at], &text[at..]))
    };
    assert_eq!(at("/srv/one", "/srv/two"), "");
    for (one, other) in [
        ("/srv/one", "/srv/one/"),
        ("/srv/one", "/srv/one/two"),
        ("/srv/one/two", "/srv/one"),
        ("~/x", "/home/a/x"),
    ] {
        assert!(
            at(one, other).contains("key repos.second.storage_dir: "),
            "{one} {other}: {}",
            at(one, other)
        );
        assert!(at(one, other).contains("overlaps that of my-project"), "{one} {other}: {}", at(one, other));
    }
    for shared in ["~/.local/state/airut", "~/.local/state", "~/.local/state/airut/slots"] {
        assert!(
            at("/srv/one", shared).contains("all repositories share"),
            "{shared}: {}",
            at("/srv/one", shared)
        );
    }
    assert!(at("/srv/one", "/srv/two/../one").contains("'..'"));
    assert!(at("/srv/one", "two").contains("is relative"));
}

#[test]
fn there_is_one_way_in_and_one_way_out() {
    let smtp = EXAMPLE.lines().find(|line| line.starts_with("smtp")).unwrap();
    let imap = EXAMPLE.lines().find(|line| line.starts_with("imap")).unwrap();
    assert_eq!(problems(&with(imap, "")), "", "fetch --stdin needs no mailbox");
    assert!(
        problems(&with(imap, &format!("{imap}\nmaildir = \"/x\"")))
            .contains("mail.maildir: there is imap as well")
    );
    for out in [
        "",
        "sendmail = \"/usr/sbin/sendmail\"\nreply_maildir = \"/y\"",
        &format!("{smtp}\nsendmail = \"/usr/sbin/sendmail\""),
    ] {
        let error = problems(&with(smtp, out));
        assert!(error.starts_with("8:"), "{error}");
        assert!(
            error.contains("key repos.my-project.mail: there must be exactly one way out"),
            "{out}: {error}"
        );
    }
    assert_eq!(problems(&with(smtp, "sendmail = \"/usr/sbin/sendmail\"")), "");
    let circle = EXAMPLE.replace(imap, "maildir = \"/x\"").replace(smtp, "reply_maildir = \"/x\"");
    assert!(problems(&circle).contains("answers would come back in"));
}

#[test]
fn mail_goes_in_the_clear_to_loopback_only() {
    let text = |host: &str| {
        with("host = \"mail.example.com\", port = 465", &format!("host = \"{host}\", tls = \"none\""))
    };
    for host in ["localhost", "127.0.0.1", "127.1.2.3", "::1"] {
        assert_eq!(problems(&text(host)), "", "{host}");
    }
    for host in ["mail.example.com", "192.0.2.7", "localhost.example.com", "127.0.0.1.example.com", "0.0.0.0"]
    {
        assert!(
            problems(&text(host)).contains("key repos.my-project.mail.smtp.tls: "),
            "{host}: {}",
            problems(&text(host))
        );
    }
    assert!(problems(&text("not a host")).contains("mail.smtp.host: is neither"));
}

#[test]
fn a_server_is_signed_in_to_by_one_way_or_smtp_not_at_all() {
    let rest = ", username = \"airut\", password = { env = \"EMAIL_PASSWORD\" } }\n\n";
    assert_eq!(problems(&with(rest, " }\n\n")), "");
    let token = "oauth2 = { command = [\"token\"] }";
    assert_eq!(problems(&with(rest, &format!(", username = \"airut\", {token} }}\n\n"))), "");
    for wrong in [
        ", username = \"airut\" }\n\n".to_owned(),
        ", password = { env = \"X\" } }\n\n".to_owned(),
        format!(", {token} }}\n\n"),
        format!(", username = \"airut\", password = {{ env = \"X\" }}, {token} }}\n\n"),
    ] {
        let error = problems(&with(rest, &wrong));
        assert!(error.starts_with("11:1: key repos.my-project.mail.smtp: has "), "{wrong}{error}");
    }
    let imap = "username = \"airut\", password = { env = \"EMAIL_PASSWORD\" } }\nsmtp";
    assert_eq!(problems(&with(imap, &format!("username = \"airut\", {token} }}\nsmtp"))), "");
    for wrong in [
        "username = \"airut\" }\nsmtp".to_owned(),
        format!("username = \"airut\", password = {{ env = \"X\" }}, {token} }}\nsmtp"),
    ] {
        assert_eq!(
            problems(&with(imap, &wrong)),
            "10:1: key repos.my-project.mail.imap: has to sign in by exactly one way; allowed: password or oauth2"
        );
    }
}

/// The example with `oauth2` in place of the mailbox's password.
fn with_oauth2(keys: &str) -> String {
    let imap = "password = { env = \"EMAIL_PASSWORD\" } }\nsmtp";
    with(imap, &format!("oauth2 = {{ {keys} }} }}\nsmtp"))
}

#[test]
fn a_token_comes_by_one_of_three_ways() {
    let url = "token_url = \"https://login.example.com/token\", client_id = \"id\"";
    for keys in [
        "command = [\"oauth-token\", \"airut\"]".to_owned(),
        format!("{url}, client_secret = {{ env = \"S\" }}, scope = \"https://mail.example.com/.default\""),
        format!(
            "{url}, client_secret = {{ file = \"~/secret\" }}, refresh_token = {{ credential = \"token\" }}"
        ),
        format!("{url}, refresh_token = {{ command = [\"pass\", \"token\"] }}, ca_file = \"~/ca.pem\""),
    ] {
        assert_eq!(problems(&with_oauth2(&keys)), "", "{keys}");
    }
    let keys = format!("{url}, client_secret = {{ file = \"~/secret\" }}, ca_file = \"~/ca.pem\"");
    let config = resolved(&with_oauth2(&keys));
    let oauth2 = config.repos[&name("my-project")].mail.imap.as_ref().unwrap().oauth2.clone().unwrap();
    assert!(oauth2.client_secret == Some(Secret::File("/home/a/secret".into())));
    assert_eq!(oauth2.ca_file.as_deref(), Some(Path::new("/home/a/ca.pem")));
}

#[test]
fn ways_to_a_token_that_do_not_fit_together_are_refused_with_line_and_key() {
    let url = "token_url = \"https://login.example.com/token\"";
    for (keys, key, why) in [
        ("", "", "token_url is missing; allowed: command alone; or "),
        (url, "", "client_id is missing; "),
        (&format!("{url}, client_id = \"id\""), "", "client_secret or refresh_token is missing; "),
        ("client_id = \"id\", client_secret = { env = \"S\" }", "", "token_url is missing; "),
        (&format!("{url}, command = [\"x\"]"), ".token_url", "stands beside command; "),
        ("command = [\"x\"], scope = \"mail\"", ".scope", "stands beside command; "),
        ("command = []", ".command", "the command is empty; "),
        ("command = [\"./x\"]", ".command", "the command is relative; "),
        (
            &format!("{url}, client_id = \"\", client_secret = {{ env = \"S\" }}"),
            ".client_id",
            "is empty or holds",
        ),
        (
            &format!("{url}, client_id = \"id\", client_secret = \"\""),
            ".client_secret",
            "is empty; allowed: the secret",
        ),
    ] {
        let error = problems(&with_oauth2(keys));
        let wanted = format!("key repos.my-project.mail.imap.oauth2{key}: {why}");
        assert!(error.starts_with("10:") && error.contains(&wanted), "{keys}\n{error}");
    }
    let error = problems(&with_oauth2("tokenurl = \"x\""));
    assert!(error.contains("oauth2.tokenurl: is not known; allowed: command, token_url, "), "{error}");
}

#[test]
fn secrets_are_sent_to_a_token_service_in_the_clear_to_this_machine_only() {
    let keys = |url: &str| {
        with_oauth2(&format!("token_url = \"{url}\", client_id = \"i\", client_secret = {{ env = \"S\" }}"))
    };
    for url in
        ["http://127.0.0.1:8080/token", "http://localhost/token", "http://[::1]:80/", "https://x.example"]
    {
        assert_eq!(problems(&keys(url)), "", "{url}");
    }
    for url in [
        "http://login.example.com/token",
        "http://localhost.example.com/",
        "http://127.0.0.1.example.com/",
        "http://localhost@example.com/",
        "https://user:s3cret@example.com/",
        "https:///token",
        "https://x.example/a b",
        "ftp://x.example/",
        "login.example.com",
        "",
    ] {
        let error = problems(&keys(url));
        assert!(error.contains("mail.imap.oauth2.token_url: "), "{url}: {error}");
        assert!(
            error.contains("allowed: an https:// address, or http:// to this machine only"),
            "{url}: {error}"
        );
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn a_secret_of_a_token_that_stands_in_the_file_is_found() {
    let keys = "token_url = \"https://x.example/\", client_id = \"i\", refresh_token = \"written\"";
    let found = literal_secret(&resolved(&with_oauth2(keys))).unwrap();
    assert_eq!(found.join("."), "repos.my-project.mail.imap.oauth2.refresh_token");
}

#[test]
fn a_masked_secret_says_where_it_belongs() {
    let scopes = "[\"github.com\", \"*.github.example\"]";
    for wrong in [
        "[]",
        "[\"\"]",
        "[\"*\"]",
        "[\"*.com\"]",
        "[\"https://github.com\"]",
        "[\"a.*.com\"]",
        "[\"127.0.0.1\"]",
    ] {
        let error = problems(&with(scopes, wrong));
        assert!(error.contains("key repos.my-project.masked_secrets.GH_TOKEN.scopes: "), "{wrong}: {error}");
        assert!(error.starts_with("18:1:"), "{wrong}: {error}");
    }
    for wrong in ["[]", "[\"\"]", "[\"Host\"]", "[\"A: b\"]", "[\"Transfer-Encoding\"]"] {
        let error = problems(&with("[\"Authorization\"]", wrong));
        assert!(error.contains("key repos.my-project.masked_secrets.GH_TOKEN.headers: "), "{wrong}: {error}");
    }
    let error = problems(&with("masked_secrets.GH_TOKEN", "masked_secrets.ANTHROPIC_API_KEY"));
    assert!(error.contains("is among the secrets, too"), "{error}");
}

#[test]
fn limits_of_the_sandbox_are_such() {
    let text = |line: &str| format!("{EXAMPLE}\n[repos.my-project.container]\n{line}\n");
    for right in
        ["memory = \"512m\"", "memory = \"4G\"", "memory = \"1073741824\"", "cpus = 1.5", "pids = 64"]
    {
        assert_eq!(problems(&text(right)), "", "{right}");
    }
    for wrong in [
        "memory = \"\"",
        "memory = \"4gb\"",
        "memory = \"g\"",
        "memory = \"0g\"",
        "memory = \"-1\"",
        "memory = \"+4g\"",
        "cpus = 0",
        "cpus = nan",
        "pids = 0",
    ] {
        let error = problems(&text(wrong));
        assert!(
            error.starts_with("22:") && error.contains("key repos.my-project.container."),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn a_place_of_a_secret_must_be_one() {
    for wrong in [
        "\"\"",
        "{ env = \"\" }",
        "{ env = \"A B\" }",
        "{ command = [] }",
        "{ command = [\"./x\"] }",
        "{ credential = \"../x\" }",
        "{ file = \"key\" }",
    ] {
        let error = problems(&with("{ env = \"ANTHROPIC_API_KEY\" }", wrong));
        assert!(
            error.starts_with("14:1: key repos.my-project.secrets.ANTHROPIC_API_KEY: "),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn a_literal_secret_is_found_wherever_it_stands() {
    assert_eq!(literal_secret(&resolved(EXAMPLE)), None);
    for (line, other, key) in [
        ("https://github.com", "https://u:pw@github.com", "repos.my-project.git_url"),
        ("{ env = \"GH_TOKEN\" }", "\"x\"", "repos.my-project.masked_secrets.GH_TOKEN.value"),
        ("{ env = \"ANTHROPIC_API_KEY\" }", "\"x\"", "repos.my-project.secrets.ANTHROPIC_API_KEY"),
    ] {
        let found = literal_secret(&resolved(&with(line, other))).unwrap();
        assert_eq!(found.join("."), key);
    }
}

#[test]
fn without_a_home_only_what_is_named_in_full_is_found() {
    let mut config = read(EXAMPLE).unwrap();
    assert!(!resolve(&mut config, None, None).is_empty());
    let mut config = read(&format!("state_dir = \"/var/lib/airut\"\n{EXAMPLE}")).unwrap();
    assert!(resolve(&mut config, None, None).is_empty());
    let dir: Option<PathBuf> = config.repos[&name("my-project")].storage_dir.clone();
    assert_eq!(dir, Some("/var/lib/airut/my-project".into()));
}

#[test]
fn the_network_says_what_is_open_and_which_way_leads_out() {
    let with = |line: &str| format!("{EXAMPLE}\n[repos.my-project.network]\n{line}\n");
    let good = resolved(&with(
        "allow_private = [\"10.0.0.0/8\", \"fd00::1\"]\nupstream_proxy = \"http://proxy.example.com:3128\"",
    ));
    let network = &good.repos[&name("my-project")].network;
    assert!(network.allow_private[0].contains("10.9.8.7".parse().unwrap()));
    let proxy = network.upstream_proxy.as_ref().unwrap();
    assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.example.com", 3128));
    for (line, why) in [
        ("allow_private = [\"10.0.0.1/8\"]", "is 10.0.0.0/8 meant?); allowed: ranges like"),
        ("allow_private = [\"internal\"]", "\"internal\" is no range of addresses; allowed: ranges like"),
        (
            "upstream_proxy = \"proxy.example.com:3128\"",
            "does not begin with http://; allowed: http://HOST:PORT",
        ),
        ("upstream_proxy = \"http://proxy.example.com\"", "has no port; allowed"),
        ("upstream_proxy = \"http://proxy.example.com:3128/\"", "has no port; allowed"),
        ("upstream_proxy = \"http://[::1:3128\"", "has a malformed host; allowed"),
        ("upstream_proxy = \"http://me:hunter2@proxy.example.com:3128\"", "holds a user; allowed"),
    ] {
        let told = problems(&with(line));
        assert!(told.starts_with("22:") && told.contains("network.") && told.contains(why), "{line}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn the_results_of_the_mail_server_are_known_by_its_id_or_its_provider() {
    let id = "trusted_authserv_id = \"mail.example.com\"";
    for provider in ["google", "microsoft365", "fastmail"] {
        assert_eq!(problems(&with(id, &format!("provider = \"{provider}\""))), "");
    }
    let both = problems(&with(id, &format!("{id}\nprovider = \"google\"")));
    let wanted =
        "7:1: key repos.my-project.provider: stands beside trusted_authserv_id; allowed: one of the two";
    assert_eq!(both, wanted);
    let neither = problems(&with(id, ""));
    let wanted = "3:8: key repos.my-project: trusted_authserv_id is missing, so that nobody could be told apart; \
                  allowed: it, or provider";
    assert_eq!(neither, wanted);
    let empty = problems(&with(id, "trusted_authserv_id = \"\""));
    assert!(
        empty.starts_with("6:23: key repos.my-project.trusted_authserv_id: \"\" is not a host name"),
        "{empty}"
    );
    let unknown = problems(&with(id, "provider = \"hotmail\""));
    assert!(unknown.contains("is not known; allowed: fastmail, google, microsoft365"), "{unknown}");
}

#[test]
fn mail_may_not_be_older_than_what_is_remembered() {
    let id = "trusted_authserv_id = \"mail.example.com\"\n";
    for (days, sound) in [(0, false), (1, true), (28, true), (29, false)] {
        let found = problems(&with(id, &format!("{id}max_mail_age_days = {days}\n")));
        let wanted = "7:1: key repos.my-project.max_mail_age_days: ";
        assert!(if sound { found.is_empty() } else { found.starts_with(wanted) }, "{days}: {found}");
    }
    assert_eq!(resolved(EXAMPLE).repos[&name("my-project")].max_mail_age_days, 7);
}
