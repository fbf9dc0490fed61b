use airut::rule::authres::{AuthRes, parse};

fn results(value: &str) -> Vec<(String, String)> {
    let AuthRes { results, .. } = parse(value).unwrap_or_else(|why| panic!("{value}: {why}"));
    results.into_iter().map(|outcome| (outcome.method, outcome.result)).collect()
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    assert_eq!(results("example.org 1; none"), []);
    assert_eq!(results("example.com; spf=pass smtp.mailfrom=example.net"), [("spf".into(), "pass".into())]);
    let value =
        "example.com; auth=pass (cram-md5) smtp.auth=sender@example.net; spf=pass smtp.mailfrom=example.net";
    assert_eq!(parse(value).unwrap().results[0].all("smtp.auth").collect::<Vec<_>>(), ["sender@example.net"]);
    let value = "foo.example.net (foobar) 1 (baz); dkim (Because I like it) / 1 (One yay) = (wait for it) fail \
                 policy (A dot can go here) . (like that) expired (this surprised me) = (as I wasn't expecting it) 1362471462";
    let read = parse(value).unwrap();
    assert_eq!(read.authserv_id, "foo.example.net");
    assert_eq!((read.results[0].method.as_str(), read.results[0].result.as_str()), ("dkim", "fail"));
    assert_eq!(read.results[0].properties, [("policy.expired".to_owned(), "1362471462".to_owned())]);
}

#[test]
fn what_large_providers_write_is_read() {
    let gmail = "mx.google.com; dkim=pass header.i=@gmail.com header.s=20230601 header.b=AbC1+/2=; \
        spf=pass (google.com: domain of a@gmail.com designates 209.85.220.41 as permitted sender) smtp.mailfrom=a@gmail.com; \
        dmarc=pass (p=NONE sp=QUARANTINE dis=NONE) header.from=gmail.com";
    assert_eq!(results(gmail).last().unwrap(), &("dmarc".to_owned(), "pass".to_owned()));
    assert_eq!(parse(gmail).unwrap().results[2].all("header.from").collect::<Vec<_>>(), ["gmail.com"]);
    let fastmail = "mx1.messagingengine.com; x-csa=none; x-ptr=pass smtp.helo=m.example.com policy.ptr=m.example.com; \
        bimi=skipped (DMARC Policy is not at enforcement); arc=none (no signatures found); \
        dmarc=pass policy.published-domain-policy=none (p=none,d=none,d.eval=none) policy.policy-from=p header.from=example.com; \
        iprev=pass smtp.remote-ip=2001:db8::1 (m.example.com); spf=none smtp.mailfrom=";
    assert_eq!(results(fastmail).len(), 7);
    let yahoo = "atlas.mail.yahoo.example; dkim=pass header.i=@example.com header.s=s; dmarc=pass(p=NONE) header.from=example.com;";
    assert_eq!(results(yahoo).len(), 2);
    let opendmarc = "mail.example.com; dmarc=pass (p=reject dis=none) header.from=example.com";
    assert_eq!(results(opendmarc).len(), 1);
    let rspamd = "mail.example.com;\tdkim=pass header.d=example.com header.s=x header.b=\"abc/d=\";\tdmarc=pass (policy=reject) header.from=example.com;\tspf=pass (mail.example.com: domain of \"a b\"@example.com designates 192.0.2.1 as permitted sender) smtp.mailfrom=\"a b\"@example.com";
    assert_eq!(
        parse(rspamd).unwrap().results[2].all("smtp.mailfrom").collect::<Vec<_>>(),
        ["a b@example.com"]
    );
}

#[test]
fn what_is_quoted_or_commented_is_never_a_result() {
    for value in [
        "mail.example.com; spf=pass (dmarc=pass header.from=example.com)",
        "mail.example.com; spf=pass (a \\) ; dmarc=pass)",
        "mail.example.com; spf=pass (a (b) ; dmarc=pass)",
        "mail.example.com; spf=pass smtp.mailfrom=\"; dmarc=pass\"@example.com",
        "mail.example.com; spf=pass smtp.mailfrom=\"\\\"; dmarc=pass ;\"",
        "mail.example.com; spf=pass reason=\"dmarc=pass\"",
        "mail.example.com (; dmarc=pass); spf=pass",
        "mail.example.com; x=y dmarc.x=pass",
        "mail.example.com; x-dmarc=pass",
    ] {
        assert!(results(value).iter().all(|(method, _)| method != "dmarc"), "{value}");
    }
}

#[test]
fn what_the_grammar_does_not_allow_is_an_error() {
    for value in [
        "",
        ";",
        "mail.example.com",
        "mail.example.com;",
        "mail.example.com dmarc=pass",
        "mail.example.com 2; dmarc=pass",
        "mail.example.com; dmarc",
        "mail.example.com; dmarc=",
        "mail.example.com; =pass",
        "mail.example.com; dmarc=pass@evil.example",
        "mail.example.com; dmarc=pass.x",
        "mail.example.com; dmarc=\"pass\"",
        "mail.example.com; dmarc==pass",
        "mail.example.com; dmarc=pass header.from",
        "mail.example.com; dmarc=pass header.from=a header",
        "mail.example.com; dmarc=pass header.x= header.from=evil.example",
        "mail.example.com; dmarc=pass (unclosed",
        "mail.example.com; dmarc=pass (escaped end \\",
        "mail.example.com; dmarc=pass )",
        "mail.example.com; dmarc=pass reason=\"unclosed",
        "mail.example.com; none; dmarc=pass",
        "mail.example.com; dmarc=pass; none",
        "mail.example.com;; dmarc=pass",
        "mail.example.com; dmarc=pass, spf=pass",
        "mail.example.com; dmarc/2=pass",
        "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.com; dmarc=pass",
    ] {
        assert!(parse(value).is_err(), "{value}: {:?}", parse(value));
    }
}

#[test]
fn any_length_of_anything_takes_a_moment_only() {
    for one in
        ["(", ")", "\"", "\\", ";", "a", "a.", "=", "a=b ", ";a=b", " ", "(x)", "é", "a=b c.d=e;", ". "]
    {
        let _ = parse(&format!("id; {}", one.repeat(100_000)));
        let _ = parse(&format!("id; a=b c.{}", one.repeat(100_000)));
    }
}
