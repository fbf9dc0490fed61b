use airut::base::fault::{Fault, Kind};
use airut::format::secret::Secret;
use airut::tool::secret::resolve;

const KEY: &str = "repos.one.secrets.TOKEN";
const VALUE: &str = "s3cr3t-value";

fn command(argv: &[&str]) -> Secret {
    Secret::Command(argv.iter().map(|&word| word.to_owned()).collect())
}

fn refused(secret: &Secret) -> Fault {
    let error = resolve(secret, KEY).unwrap_err();
    let fault = error.downcast_ref::<Fault>().unwrap_or_else(|| panic!("{error:#}")).clone();
    assert_eq!(fault.kind, Kind::Config);
    assert!(fault.message.contains(KEY), "{fault}");
    assert!(!format!("{error:?} {fault:?}").contains(VALUE), "{error:?}");
    fault
}

#[test]
fn each_source_gives_its_value() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, format!("{VALUE}\n")).unwrap();
    for secret in [
        Secret::Literal(VALUE.to_owned()),
        Secret::File(file),
        command(&["printf", "%s\\n", VALUE]),
        command(&["sh", "-c", "printf '%s' \"$1\"; echo noise >&2", "sh", VALUE]),
    ] {
        assert_eq!(resolve(&secret, KEY).unwrap(), VALUE, "{secret:?}");
    }
    // A variable that cargo sets for every test.
    let name = Secret::Env("CARGO_PKG_NAME".to_owned());
    assert_eq!(resolve(&name, KEY).unwrap(), "airut");
}

#[test]
fn one_newline_at_the_end_goes_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    for (text, value) in [(" a b \n", " a b "), ("a\n\n", "a\n"), ("a", "a"), ("\na\n", "\na")] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(resolve(&Secret::File(file.clone()), KEY).unwrap(), value);
    }
}

#[test]
fn what_is_missing_or_empty_is_the_configurations_fault() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("empty"), "\n").unwrap();
    std::fs::write(path("binary"), [b's', 0xff, 0xfe]).unwrap();
    std::fs::write(path("huge"), vec![b'x'; 100 << 10]).unwrap();
    assert!(
        refused(&Secret::Env("AIRUT_NO_SUCH_VARIABLE".to_owned())).message.contains("AIRUT_NO_SUCH_VARIABLE")
    );
    assert!(refused(&Secret::File(path("missing"))).message.contains("missing"));
    assert!(refused(&Secret::File(path("empty"))).message.contains("empty"));
    refused(&Secret::File(path("binary")));
    refused(&Secret::File(path("huge")));
    refused(&Secret::File(dir.path().to_owned()));
    refused(&Secret::Literal(String::new()));
    refused(&Secret::Command(Vec::new()));
    assert!(refused(&command(&["no-such-program-here"])).message.contains("no-such-program-here"));
    refused(&command(&["true"]));
}

#[test]
fn a_command_that_fails_is_named_and_nothing_of_what_it_printed() {
    let fault =
        refused(&command(&["sh", "-c", &format!("echo {VALUE}; echo no key for {VALUE} >&2; exit 2")]));
    assert!(fault.message.contains("sh failed") && !fault.message.contains("no key"), "{fault}");
}

#[test]
fn a_command_is_not_read_by_a_shell() {
    assert_eq!(resolve(&command(&["printf", "%s", "$HOME;id"]), KEY).unwrap(), "$HOME;id");
}

#[test]
fn a_systemd_credential_is_one_word_and_where_there_is_none_another_way_is_named() {
    // Tests do not run as a unit with credentials.
    let fault = refused(&Secret::Credential("token".to_owned()));
    assert!(fault.hint.unwrap().contains("LoadCredential="));
}
