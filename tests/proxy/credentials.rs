use airut::proxy::credentials::{Masked, leaks, stand_in, swap};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

fn random() -> impl FnMut() -> u8 {
    let mut state = 7_u32;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u8
    }
}

#[test]
fn a_stand_in_has_the_length_the_prefix_and_the_alphabet_of_the_secret() {
    for (value, prefix) in [
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_"),
        ("github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPqRsT", "github_pat_"),
        ("sk-ant-api03-AbC123-def456_GHI", "sk-ant-api03-"),
        ("glpat-AbCdEfGh12345678", "glpat-"),
        ("xoxb-123456789012-AbCdEfGhIjKl", "xoxb-"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIA"),
        ("0123456789abcdef0123456789abcdef", ""),
        ("550e8400-e29b-41d4-a716-446655440000", ""),
        ("p@ss w0rd:with/odd=chars", ""),
    ] {
        let fake = stand_in(value, random()).unwrap();
        assert_eq!(fake.len(), value.len());
        assert!(fake.starts_with(prefix) && fake != value, "{fake}");
        for (f, v) in fake.bytes().zip(value.bytes()) {
            assert_eq!(f.is_ascii_alphanumeric(), v.is_ascii_alphanumeric(), "{fake}");
        }
        if value.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
            assert!(fake.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'), "{fake}");
        }
    }
}

#[test]
fn what_could_not_be_told_from_its_stand_in_is_not_masked() {
    for value in ["", "short", "ghp_", "ghp_1234567", "!!!!!!!!!!!!", "pässwörtchen"] {
        assert_eq!(stand_in(value, random()), None, "{value}");
    }
    // A source of randomness that gives the secret itself gives nothing.
    assert_eq!(stand_in("zzzzzzzzzzzz", || 25), None);
}

fn secret(headers: &[&str]) -> Masked {
    Masked {
        name: "TOKEN".to_owned(),
        value: "real-secret-value".to_owned(),
        stand_in: "fake-secret-value".to_owned(),
        scopes: vec!["api.example.com".parse().unwrap(), "*.git.example.com".parse().unwrap()],
        headers: headers.iter().map(|h| (*h).to_owned()).collect(),
        allow_foreign: false,
    }
}

fn put(name: &str, values: &[&str], host: &str, secrets: &[Masked]) -> (Vec<String>, bool) {
    let name: HeaderName = name.parse().unwrap();
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(&name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let done = swap(&mut headers, &host.parse().unwrap(), true, secrets);
    let left = headers.get_all(&name).iter().map(|v| v.to_str().unwrap_or("?").to_owned()).collect();
    (left, !done.stripped.is_empty())
}

#[test]
fn the_real_value_stands_only_in_named_headers_of_named_hosts() {
    let secrets = [secret(&["authorization", "X-Api-Key", "Cookie"])];
    let here = |name: &str, value: &str| put(name, &[value], "api.example.com", &secrets).0;
    assert_eq!(here("Authorization", "Bearer fake-secret-value"), ["Bearer real-secret-value"]);
    assert_eq!(here("Authorization", "token fake-secret-value"), ["token real-secret-value"]);
    assert_eq!(here("Authorization", "fake-secret-value"), ["real-secret-value"]);
    assert_eq!(here("X-API-KEY", "fake-secret-value"), ["real-secret-value"]);
    assert_eq!(here("Cookie", "a=b; s=fake-secret-value; c=d"), ["a=b; s=real-secret-value; c=d"]);
    assert_eq!(here("X-Other", "fake-secret-value"), ["fake-secret-value"]);
    for host in ["git.example.com", "example.com", "api.example.com.evil.org"] {
        assert_eq!(
            put("authorization", &["Bearer fake-secret-value"], host, &secrets).0,
            ["Bearer fake-secret-value"]
        );
    }
    assert_eq!(
        put("authorization", &["fake-secret-value"], "a.git.example.com", &secrets).0,
        ["real-secret-value"]
    );
}

#[test]
fn basic_credentials_are_decoded() {
    let secrets = [secret(&["Authorization"])];
    for (came, goes) in [
        ("x-access-token:fake-secret-value", Some("x-access-token:real-secret-value")),
        ("fake-secret-value:", Some("real-secret-value:")),
        ("me:my-own-password", None),
        ("fake-secret-value", None),
        ("x:fake-secret-value-and-more", None),
    ] {
        let sent = format!("Basic {}", BASE64.encode(came));
        let expected: Vec<String> =
            goes.map(|goes| format!("Basic {}", BASE64.encode(goes))).into_iter().collect();
        let (left, stripped) = put("authorization", &[&sent], "api.example.com", &secrets);
        assert_eq!(left, expected, "{came}");
        assert_eq!(stripped, goes.is_none());
    }
}

#[test]
fn foreign_credentials_are_stripped_and_duplicates_collapse() {
    let secrets = [secret(&["Authorization"])];
    for foreign in [
        "Bearer somebody-elses",
        "Bearer fake-secret-valuex",
        "Bearer fake-secret-value, Bearer other",
        "Basic !!!",
        "Digest username=\"fake-secret-value\"",
        "",
        "ü",
    ] {
        let (left, stripped) = put("authorization", &[foreign], "api.example.com", &secrets);
        assert!(left.is_empty() && stripped, "{foreign:?}: {left:?}");
    }
    let all = ["Bearer mine", "Bearer fake-secret-value", "token fake-secret-value"];
    assert_eq!(put("authorization", &all, "api.example.com", &secrets).0, ["Bearer real-secret-value"]);
}

#[test]
fn a_foreign_credential_passes_where_the_operator_lets_it_and_never_beside_a_real_one() {
    let mut open = secret(&["Authorization"]);
    open.allow_foreign = true;
    let secrets = [open.clone()];
    let (left, stripped) = put("authorization", &["Bearer mine", "Bearer too"], "api.example.com", &secrets);
    assert_eq!((left, stripped), (vec!["Bearer mine".to_owned(), "Bearer too".to_owned()], false));
    let both = ["Bearer mine", "Bearer fake-secret-value"];
    let (left, stripped) = put("authorization", &both, "api.example.com", &secrets);
    assert_eq!((left, stripped), (vec!["Bearer real-secret-value".to_owned()], true));
    // Of two secrets in one header the stricter one counts.
    let mut other = secret(&["Authorization"]);
    other.stand_in = "other-fake".to_owned();
    let (left, stripped) = put("authorization", &["Bearer mine"], "api.example.com", &[open, other]);
    assert!(left.is_empty() && stripped);
}

#[test]
fn a_cookie_that_came_in_pieces_is_one() {
    let secrets = [secret(&["Cookie"])];
    let (left, stripped) = put("cookie", &["a=b", "s=fake-secret-value"], "api.example.com", &secrets);
    assert_eq!((left, stripped), (vec!["a=b; s=real-secret-value".to_owned()], false));
}

#[test]
fn nothing_is_swapped_in_the_clear() {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer fake-secret-value"));
    let done = swap(&mut headers, &"api.example.com".parse().unwrap(), false, &[secret(&["Authorization"])]);
    assert!(headers.is_empty() && done.masked.is_empty());
}

#[test]
fn two_secrets_of_one_host_keep_apart() {
    let mut other = secret(&["Authorization"]);
    other.value = "other-real".to_owned();
    other.stand_in = "other-fake".to_owned();
    let secrets = [secret(&["Authorization"]), other];
    assert_eq!(
        put("authorization", &["Bearer other-fake"], "api.example.com", &secrets).0,
        ["Bearer other-real"]
    );
    assert_eq!(
        put("authorization", &["fake-secret-value"], "api.example.com", &secrets).0,
        ["real-secret-value"]
    );
}

#[test]
fn an_answer_that_echoes_the_secret_is_noticed() {
    let host = "api.example.com".parse().unwrap();
    let secrets = [secret(&["Authorization"])];
    assert!(leaks(&HeaderValue::from_static("you sent Bearer real-secret-value!"), &host, &secrets));
    assert!(!leaks(&HeaderValue::from_static("you sent Bearer fake-secret-value!"), &host, &secrets));
}

#[test]
fn a_masked_secret_does_not_show_in_debug_output() {
    assert!(!format!("{:?}", secret(&["Authorization"])).contains("real"));
}
