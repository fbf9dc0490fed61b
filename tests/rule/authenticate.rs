use airut::format::verdict::Passed;
use airut::mail::headers::headers;
use airut::rule::authenticate::{Authentication, authenticate};
use airut::rule::stamp::Stamp;

fn judge(raw: &str) -> Authentication {
    authenticate(&headers(raw.as_bytes()).unwrap(), &Stamp::named("mail.example.com"))
}

fn passed(judged: &Authentication) -> bool {
    judged.findings.iter().all(|finding| finding.check.passed == Passed::Passed)
}

fn check(judged: &Authentication, name: &str) -> (Passed, String) {
    let finding = judged.findings.iter().find(|finding| finding.check.name == name).unwrap();
    (finding.check.passed, finding.check.saw.clone())
}

const GOOD: &str = "Authentication-Results: mail.example.com; dmarc=pass header.from=legit.example\r\n\
                    From: Admin <admin@legit.example>\r\n";

#[test]
fn a_sender_that_the_own_server_vouches_for_is_authentic() {
    for raw in [
        GOOD,
        "From: admin@legit.example\nAuthentication-Results: mail.example.com; dmarc=pass\n\nbody",
        "Authentication-Results: MAIL.example.com 1; spf=fail; DMARC = PASS (p=none)\r\n header.From=Legit.Example\r\nFrom: admin@legit.example\r\n",
        "AUTHENTICATION-RESULTS: \"mail.example.com\";\r\n\tdmarc=pass\r\nFROM:\r\n \"Admin\"\r\n <admin@legit.example>\r\n",
        "Authentication-Results: mail.example.com; dmarc=pass header.from=admin@legit.example\r\nFrom: admin@legit.example\r\n",
        "From operator Mon Jan  1 00:00:00 2026\nAuthentication-Results: mail.example.com; dmarc=pass\nFrom: admin@legit.example\n",
        "Authentication-Results: mail.example.com; dmarc=pass header.from=legit.example\r\nAuthentication-Results: evil.example; dmarc=fail\r\nFrom: \"x@evil.example\" <admin@legit.example>\r\n",
    ] {
        let judged = judge(raw);
        assert!(passed(&judged), "{raw}\n{judged:#?}");
        assert_eq!(judged.from.unwrap().to_string(), "admin@legit.example");
    }
}

#[test]
fn a_sender_that_anything_speaks_against_is_not() {
    let from = "From: admin@legit.example\r\n";
    let ar = "Authentication-Results: mail.example.com;";
    for raw in [
        String::new(),
        from.to_owned(),
        format!("{ar} dmarc=pass\r\n"),
        // Not ours, not topmost.
        format!("Authentication-Results: evil.example; dmarc=pass\r\n{from}"),
        format!("Authentication-Results: evil.example; dmarc=pass\r\n{ar} dmarc=pass\r\n{from}"),
        format!("Authentication-Results: mail.example.com.evil.example; dmarc=pass\r\n{from}"),
        format!("Authentication-Results: evil.example (mail.example.com); dmarc=pass\r\n{from}"),
        format!("Authentication-Results: evil.example\r\n mail.example.com; dmarc=pass\r\n{from}"),
        format!("X-Authentication-Results: mail.example.com; dmarc=pass\r\n{from}"),
        format!("ARC-Authentication-Results: i=1; mail.example.com; dmarc=pass\r\n{from}"),
        // Not exactly one pass.
        format!("{ar} none\r\n{from}"),
        format!("{ar} spf=pass; dkim=pass\r\n{from}"),
        format!("{ar} dmarc=fail\r\n{from}"),
        format!("{ar} dmarc=none\r\n{from}"),
        format!("{ar} dmarc=permerror\r\n{from}"),
        format!("{ar} dmarc=bestguesspass\r\n{from}"),
        format!("{ar} dmarc=passed\r\n{from}"),
        format!("{ar} dmarc=pass; dmarc=fail\r\n{from}"),
        format!("{ar} dmarc=fail; dmarc=pass\r\n{from}"),
        format!("{ar} dmarc=pass; dmarc=pass\r\n{from}"),
        format!("{ar} spf=pass (dmarc=pass)\r\n{from}"),
        format!("{ar} spf=pass smtp.mailfrom=\"; dmarc=pass\"\r\n{from}"),
        format!("{ar} spf=pass smtp.mailfrom=x;dmarc=pass@evil.example; dmarc=fail\r\n{from}"),
        format!("{ar} dmarc=pass (\r\n{from}"),
        // Another domain.
        format!("{ar} dmarc=pass header.from=evil.example\r\n{from}"),
        format!("{ar} dmarc=pass header.from=example\r\n{from}"),
        format!("{ar} dmarc=pass header.from=sub.legit.example\r\n{from}"),
        format!("{ar} dmarc=pass header.from=legit.example header.from=evil.example\r\n{from}"),
        format!("{ar} dmarc=pass header.from=legit.example header.from=legit.example\r\n{from}"),
        format!("{ar} dmarc=pass header.from=\r\n{from}"),
        format!("{ar} dmarc=pass header.from=other@legit.example\r\n{from}"),
        // From that two programs could read as two senders.
        format!("{ar} dmarc=pass\r\n{from}From: a@evil.example\r\n"),
        format!("{ar} dmarc=pass\r\nFrom: a@evil.example\r\n{from}"),
        format!("{ar} dmarc=pass\r\n{from}fRoM: admin@legit.example\r\n"),
        format!("{ar} dmarc=pass\r\n{from}From : a@evil.example\r\n"),
        format!("From : a@evil.example\r\n{ar} dmarc=pass\r\n{from}"),
        format!("{ar} dmarc=pass\r\nFrom\t: admin@legit.example\r\n"),
        format!("{ar} dmarc=pass\r\n{from}no header at all\r\n"),
        format!("{ar} dmarc=pass\r\nX: a\rFrom: a@evil.example\r\n{from}"),
        format!("{ar} dmarc=pass\r\nX: a\0\r\n{from}"),
        format!(" folded from nothing\r\n{ar} dmarc=pass\r\n{from}"),
        format!("{ar} dmarc=pass\r\nFrom: admin@legit.example, a@evil.example\r\n"),
        format!("{ar} dmarc=pass\r\nFrom: a@evil.example (Admin <admin@legit.example>)\r\n"),
        format!("{ar} dmarc=pass\r\nFrom: Admins: admin@legit.example;\r\n"),
        format!("{ar} dmarc=pass\r\nFrom: \"a@evil.example\" <admin@legit.example>\r\n"),
        format!("{ar} dmarc=pass\r\nFrom:\r\n"),
        // Below the empty line nothing is a header.
        format!("{ar} dmarc=pass\r\n\r\n{from}"),
        format!("{from}\r\n{ar} dmarc=pass\r\n"),
    ] {
        let judged = judge(&raw);
        assert!(!passed(&judged), "{raw}\n{judged:#?}");
    }
}

#[test]
fn a_passing_error_of_the_server_is_waited_for() {
    let judged =
        judge("Authentication-Results: mail.example.com; dmarc=temperror\r\nFrom: admin@legit.example\r\n");
    assert_eq!(check(&judged, "dmarc").0, Passed::Later);
    let both = judge(
        "Authentication-Results: mail.example.com; dmarc=temperror; dmarc=pass\r\nFrom: a@legit.example\r\n",
    );
    assert_eq!(check(&both, "dmarc").0, Passed::Failed);
    let other = judge("Authentication-Results: evil.example; dmarc=temperror\r\nFrom: a@legit.example\r\n");
    assert_eq!(check(&other, "dmarc").0, Passed::Skipped);
}

#[test]
fn the_operator_is_shown_the_id_that_was_received() {
    let judged =
        judge("Authentication-Results: mx7.example.net; dmarc=pass\r\nFrom: admin@legit.example\r\n");
    assert_eq!(check(&judged, "authserv-id"), (Passed::Failed, "mx7.example.net".to_owned()));
    let broken = judge("Authentication-Results: mx7.example.net; dmarc=pass\r\nFrom: nobody\r\n");
    assert_eq!(check(&broken, "authserv-id").1, "mx7.example.net");
}

#[test]
fn a_domain_is_the_same_in_unicode_and_as_it_stands_in_the_dns() {
    for (from, given) in [
        ("a@münchen.example", "xn--mnchen-3ya.example"),
        ("a@xn--mnchen-3ya.example", "münchen.example"),
        ("a@MÜNCHEN.example", "XN--MNCHEN-3YA.example"),
        ("a@münchen.example", "a@xn--mnchen-3ya.example"),
    ] {
        let judged = judge(&format!(
            "Authentication-Results: mail.example.com; dmarc=pass header.from={given}\r\nFrom: {from}\r\n"
        ));
        assert!(passed(&judged), "{from} {given} {judged:#?}");
    }
    for (from, given) in [
        ("a@münchen.example", "munchen.example"),
        ("a@münchen.example", "muenchen.example"),
        ("a@münchen.example", "xn--mnchen-3y.example"),
        ("a@straße.example", "strasse.example"),
        ("a@xn--mnchen-3ya.example", "b@münchen.example"),
        // Letters that only look it: full-width, and one that is mapped to two.
        ("a@ｅxample.com", "example.com"),
        ("a@ﬁsh.example", "fish.example"),
    ] {
        let judged = judge(&format!(
            "Authentication-Results: mail.example.com; dmarc=pass header.from={given}\r\nFrom: {from}\r\n"
        ));
        assert!(!passed(&judged), "{from} {given} {judged:#?}");
    }
}
