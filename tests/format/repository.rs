use airut::format::repository::{EnvValue, Repository, parse};
use std::time::Duration;

fn why(text: &str) -> String {
    format!("{:#}", parse(text).unwrap_err())
}

#[test]
fn a_file_of_an_existing_repository_is_read() {
    let text = r#"
default_model: sonnet
timeout: 6000
network:
  sandbox_enabled: false   # a comment
container_env:
  ANTHROPIC_API_KEY: !secret ANTHROPIC_API_KEY
  GH_TOKEN: !secret? OTHER_NAME
  PLAIN: "text"
  NUMBER: 0x10
  SWITCH: no
  EMPTY: ""
"#;
    let found = parse(text).unwrap();
    assert_eq!(found.default_model.as_str(), "sonnet");
    assert_eq!(found.timeout, Duration::from_secs(6000));
    assert!(!found.sandbox_enabled);
    let env = |name: &str| found.container_env[&name.parse().unwrap()].clone();
    let secret = |name: &str, optional| EnvValue::Secret { name: name.parse().unwrap(), optional };
    assert_eq!(env("ANTHROPIC_API_KEY"), secret("ANTHROPIC_API_KEY", false));
    assert_eq!(env("GH_TOKEN"), secret("OTHER_NAME", true));
    assert_eq!(env("PLAIN"), EnvValue::Text("text".into()));
    assert_eq!(env("NUMBER"), EnvValue::Text("0x10".into()));
    assert_eq!(env("SWITCH"), EnvValue::Text("no".into()));
    assert_eq!(env("EMPTY"), EnvValue::Text(String::new()));
    assert_eq!(found.container_env.len(), 6);
}

#[test]
fn what_is_not_written_has_its_default() {
    let default = Repository::default();
    assert_eq!(default.default_model.as_str(), "opus");
    assert_eq!(default.timeout, Duration::from_secs(300));
    assert!(default.sandbox_enabled);
    for text in [
        "",
        "\n",
        "# nothing\n",
        "---\n",
        "network:\n",
        "timeout:\ndefault_model: ~\n",
        "container_env: {}\n",
    ] {
        assert_eq!(parse(text).unwrap_or_else(|error| panic!("{text:?}: {error:#}")), default, "{text:?}");
    }
}

#[test]
fn the_host_s_environment_is_not_to_be_read() {
    let why = why("container_env:\n  KEY: !env HOST_KEY\n");
    assert!(why.starts_with(".airut/airut.yaml:2:"), "{why}");
    assert!(why.contains("key container_env.KEY: !env is refused: the environment of the host"), "{why}");
    assert!(why.contains("allowed: !secret NAME"), "{why}");
}

#[test]
fn an_error_names_line_column_key_and_what_is_allowed() {
    for (text, parts) in [
        ("timeout: 9\n", [":1:10: key timeout:", "10 to 86400"]),
        ("timeout: 86401\n", [":1:10: key timeout:", "10 to 86400"]),
        ("timeout: -1\n", [":1:10: key timeout:", "10 to 86400"]),
        ("timeout: soon\n", [":1:10: key timeout:", "whole seconds"]),
        ("\ndefault_model: --resume\n", [":2:16: key default_model:", "a-z, 0-9"]),
        ("default_model: !secret X\n", [":1:", "!secret is not allowed here"]),
        ("network:\n  sandbox_enabled: maybe\n", [":2:20: key network.sandbox_enabled:", "true or false"]),
        ("container_env:\n  A-B: x\n", [":2:3: key container_env:", "A-Z, a-z, 0-9"]),
        (
            "container_env:\n  A: !secret a-b\n",
            [":2:", "key container_env.A: \"a-b\" is not a variable name"],
        ),
        ("container_env:\n  A: !secret\n", [":2:", "key container_env.A:"]),
        (
            "container_env:\n  A: !vault x\n",
            [":2:", "!vault is not known; allowed: text, !secret NAME, !secret? NAME"],
        ),
        ("container_env:\n  A:\n", [":2:", "key container_env.A: has no value"]),
        ("container_env:\n  A: \"a\\nb\"\n", [":2:", "one line"]),
    ] {
        let why = why(text);
        for part in parts {
            assert!(why.contains(part), "{text:?}: {why}");
        }
        assert!(why.starts_with(".airut/airut.yaml:") && !why.contains('\n'), "{text:?}: {why}");
    }
}

#[test]
fn an_unknown_key_is_named_with_those_that_are_known() {
    let error = why("timeout: 60\nmodel: opus\n");
    assert!(error.starts_with(".airut/airut.yaml:2:"), "{error}");
    assert!(
        error.contains("key \"model\": not known; allowed: default_model, timeout, network, container_env"),
        "{error}"
    );
    let error = why("network:\n  sandbox: true\n");
    assert!(error.starts_with(".airut/airut.yaml:2:"), "{error}");
    assert!(error.contains("key \"sandbox\": not known; allowed: sandbox_enabled"), "{error}");
}

#[test]
fn a_value_of_the_wrong_shape_is_an_error_with_its_place() {
    for (text, place, key) in [
        ("timeout: [60]\n", ":1:", "key timeout:"),
        ("timeout:\n  a: b\n", ":2:", "key timeout"),
        ("network: yes\n", ":1:", "key network:"),
        ("container_env:\n  - A\n", ":2:", "key container_env:"),
        ("container_env:\n  A: {b: c}\n", ":2:", "key container_env.A:"),
        ("timeout: 60\ntimeout: 70\n", ":2:", "key timeout: is there twice"),
        ("container_env:\n  A: x\n  A: y\n", ":3:", "key container_env.A: is there twice"),
    ] {
        let why = why(text);
        assert!(why.starts_with(&format!(".airut/airut.yaml{place}")), "{text:?}: {why}");
        assert!(why.contains(key), "{text:?}: {why}");
        assert!(why.contains("; allowed: "), "{text:?}: {why}");
    }
}

#[test]
fn what_is_no_yaml_is_an_error_with_its_place() {
    for text in [
        "a: b: c\n",
        "timeout: 60\n\tx",
        "- 1\n",
        "text",
        "timeout: 60\n---\ntimeout: 70\n",
        "{",
        "!secret X",
        "\u{0}",
    ] {
        let why = why(text);
        assert!(why.starts_with(".airut/airut.yaml:") && !why.contains('\n'), "{text:?}: {why}");
    }
}

#[test]
fn names_that_the_sandbox_needs_are_refused() {
    for name in [
        "CLAUDE_CONFIG_DIR",
        "IS_SANDBOX",
        "SSL_CERT_FILE",
        "NODE_EXTRA_CA_CERTS",
        "LD_PRELOAD",
        "https_proxy",
        "HOME",
        "AIRUT_X",
    ] {
        let why = why(&format!("container_env:\n  {name}: x\n"));
        assert!(why.contains(&format!(":2:3: key container_env.{name}: ")), "{why}");
    }
    assert!(parse("container_env:\n  LD_LIBRARY_PATH: /opt/lib\n  PATH: /bin\n").is_ok());
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let refs = vec![format!("*a{}", n - 1); 10].join(", ");
        text += &format!("a{n}: &a{n} [{refs}]\n");
    }
    assert!(parse(&text).is_err());
    assert!(parse(&"[".repeat(100_000)).is_err());
    assert!(parse(&format!("timeout: {}\n", "9".repeat(1 << 19))).is_err());
}
