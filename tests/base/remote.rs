use airut::base::remote::Remote;
use std::path::Path;

fn remote(text: &str) -> Remote {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_usual_forms_are_taken_as_they_are() {
    for text in [
        "https://git.example.com/you/x.git",
        "https://git.example.com:8443/x",
        "http://git.example.com/x",
        "ssh://git@git.example.com:2222/x.git",
        "git://git.example.com/x",
        "git@git.example.com:you/x.git",
        "git.example.com:x.git",
        "file:///srv/git/x.git",
        "/srv/git/x.git",
    ] {
        assert_eq!(remote(text).public(), text);
        assert!(remote(text).credentials().is_none() && !remote(text).has_secret(), "{text}");
    }
    assert_eq!(remote("~/x.git").below_home(Path::new("/home/a")).public(), "/home/a/x.git");
}

#[test]
fn credentials_are_taken_out_of_the_url() {
    let found = remote("https://you:p%40ss%2Fword@git.example.com:8443/x.git");
    assert_eq!(found.public(), "https://git.example.com:8443/x.git");
    assert_eq!(found.origin(), Some("https://git.example.com:8443"));
    let credentials = found.credentials().unwrap();
    assert_eq!((credentials.user.as_str(), credentials.password.as_deref()), ("you", Some("p@ss/word")));
    assert!(found.has_secret());
    let shown = format!("{found} {found:?}");
    assert!(!shown.contains("p@ss") && !shown.contains("p%40ss"), "{shown}");
    // The last '@' ends them, as git and curl have it.
    assert_eq!(remote("https://a:b@c@git.example.com/x").public(), "https://git.example.com/x");
    assert!(!remote("https://you@git.example.com/x").has_secret());
    assert!(remote("https://ghp_0123456789abcdefghij@git.example.com/x").has_secret());
}

#[test]
fn no_url_becomes_an_option_or_a_program() {
    for text in [
        "",
        "x.git",
        "./x.git",
        "-oProxyCommand=x:y",
        "--upload-pack=x",
        "ext::sh -c x",
        "ext::sh",
        "fd::7",
        "ssh://-oProxyCommand=x/y",
        "ssh://-x@git.example.com/y",
        "git@-oProxyCommand=x:y",
        "https:///x",
        "https://git.example.com/x\n",
        "https://git.example.com/a b",
        "ftp://git.example.com/x",
        "file://host/x",
        "ssh://you:password@git.example.com/x",
        "http://you:password@git.example.com/x",
        "https://you:pass%0aword@git.example.com/x",
        "https://you:%zz@git.example.com/x",
    ] {
        let error = text.parse::<Remote>().expect_err(text).to_string();
        assert!(
            !error.contains("password")
                || error.contains("takes no password")
                || error.contains("user or password"),
            "{error}"
        );
    }
}
