use airut::format::secret::Secret;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    secret: Secret,
}

fn read(value: &str) -> Result<Secret, String> {
    toml::from_str::<File>(&format!("secret = {value}")).map(|file| file.secret).map_err(|e| e.to_string())
}

#[test]
fn a_secret_is_a_string_or_one_place() {
    assert_eq!(read("'x'").unwrap(), Secret::Literal("x".to_owned()));
    assert_eq!(read("{ env = 'A' }").unwrap(), Secret::Env("A".to_owned()));
    assert_eq!(read("{ file = '/a' }").unwrap(), Secret::File("/a".into()));
    assert_eq!(
        read("{ command = ['pass', 'x'] }").unwrap(),
        Secret::Command(vec!["pass".into(), "x".into()])
    );
    assert_eq!(read("{ credential = 'a' }").unwrap(), Secret::Credential("a".to_owned()));
}

#[test]
fn anything_else_is_refused_with_what_is_allowed() {
    for value in [
        "1",
        "{}",
        "{ envv = 'A' }",
        "{ env = 'A', file = '/a' }",
        "{ command = 'pass x' }",
        "['x']",
        "{ Env = 'A' }",
    ] {
        let error = read(value).unwrap_err();
        assert!(error.contains("{ env = \"NAME\" }"), "{value}: {error}");
    }
}

#[test]
fn no_value_is_shown_when_a_secret_is_printed_for_debugging() {
    let shown = format!(
        "{:?} {:?}",
        Secret::Literal("s3cret".to_owned()),
        Secret::Command(vec!["pass".into(), "--key=s3cret".into()])
    );
    assert!(!shown.contains("s3cret"), "{shown}");
}
