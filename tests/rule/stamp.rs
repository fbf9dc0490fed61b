//! Headers as the providers write them, with the names of people and hosts exchanged.

use crate::support::mutate::mutations;
use airut::base::address::SenderPattern;
use airut::format::config::Provider;
use airut::format::verdict::{Decision, Passed, Verdict};
use airut::mail::headers::verdict;
use airut::rule::authorize::Policy;
use airut::rule::stamp::Stamp;

const GOOGLE: &str = include_str!("../fixtures/provider/google.eml");
const MICROSOFT365: &str = include_str!("../fixtures/provider/microsoft365.eml");
const FASTMAIL: &str = include_str!("../fixtures/provider/fastmail.eml");
const ALL: [(Provider, &str); 3] =
    [(Provider::Google, GOOGLE), (Provider::Microsoft365, MICROSOFT365), (Provider::Fastmail, FASTMAIL)];

fn judged(provider: Provider, raw: &str) -> Verdict {
    let senders: [SenderPattern; 1] = ["you@example.com".parse().unwrap()];
    let policy = Policy {
        stamp: Stamp::of_provider(provider),
        max_mail_age_days: 7,
        authorized_senders: &senders,
        own_address: &"airut@example.net".parse().unwrap(),
    };
    verdict(raw.as_bytes(), &policy, "2026-11-24T03:00:00Z".parse().unwrap())
}

/// The check that fails, and what it saw.
#[track_caller]
fn refused(provider: Provider, raw: &str) -> (String, String) {
    let verdict = judged(provider, raw);
    assert_eq!(verdict.decision, Decision::Refused, "{raw}\n{verdict:#?}");
    let failed = verdict.checks.into_iter().find(|check| check.passed == Passed::Failed).unwrap();
    (failed.name, failed.saw)
}

fn with(raw: &str, from: &str, to: &str) -> String {
    assert!(raw.contains(from), "{from}");
    raw.replace(from, to)
}

/// As if the provider had written no stamp, and the sender one, at the top of what he wrote.
fn only_the_senders(raw: &str, stamps: &str) -> String {
    let (mut kept, mut skipping) = (String::new(), false);
    for line in raw.split_inclusive("\r\n") {
        if !line.starts_with([' ', '\t']) {
            skipping = line.starts_with("Authentication-Results:");
        }
        if line.starts_with("DKIM-Signature:") {
            kept.push_str(stamps);
        }
        if !skipping {
            kept.push_str(line);
        }
    }
    kept
}

fn stamps_of(raw: &str) -> String {
    let mut stamps = String::new();
    let mut inside = false;
    for line in raw.split_inclusive("\r\n") {
        if !line.starts_with([' ', '\t']) {
            inside = line.starts_with("Authentication-Results:");
        }
        if inside {
            stamps.push_str(line);
        }
    }
    stamps
}

#[test]
fn mail_as_each_provider_delivers_it_is_accepted_with_every_check_shown() {
    for (provider, raw) in ALL {
        let verdict = judged(provider, raw);
        assert_eq!(verdict.decision, Decision::Accepted, "{provider} {verdict:#?}");
        let id = verdict.checks.iter().find(|check| check.name == "authserv-id").unwrap();
        assert!(id.wanted.ends_with(&format!("(provider = \"{provider}\")")), "{id:?}");
        let from = verdict.checks.iter().find(|check| check.name == "header.from").unwrap();
        assert_eq!(from.saw, "example.com");
    }
    let edge = judged(Provider::Microsoft365, MICROSOFT365).checks;
    let edge = edge.iter().find(|check| check.name == "edge").unwrap();
    assert_eq!(edge.saw, "bn1pepf00004687.mail.protection.outlook.com");
}

#[test]
fn no_provider_is_taken_for_another() {
    for (provider, _) in ALL {
        for (other, raw) in ALL.into_iter().filter(|(other, _)| *other != provider) {
            let (check, _) = refused(provider, raw);
            assert!(
                ["authentication-results", "authserv-id"].contains(&check.as_str()),
                "{provider} {other} {check}"
            );
        }
    }
}

#[test]
fn what_is_no_pass_for_the_domain_of_from_is_refused() {
    for (provider, raw) in ALL {
        for result in ["fail", "none", "bestguesspass", "permerror"] {
            let (check, _) = refused(provider, &with(raw, "dmarc=pass", &format!("dmarc={result}")));
            assert_eq!(check, "dmarc", "{provider}");
        }
        let other = with(raw, "header.from=example.com", "header.from=evil.example");
        assert_eq!(refused(provider, &other), ("header.from".to_owned(), "evil.example".to_owned()));
        let (check, saw) = refused(provider, &with(raw, "header.from=example.com", ""));
        assert!(check == "header.from" && saw.contains("always gives it"), "{provider} {check} {saw}");
    }
}

#[test]
fn a_stamp_that_the_sender_wrote_does_not_count() {
    for (provider, raw) in ALL {
        // The provider's says no, the sender's below it says yes.
        let own = with(raw, "dmarc=pass", "dmarc=fail");
        let forged = with(&own, "DKIM-Signature:", &format!("{}DKIM-Signature:", stamps_of(raw)));
        assert_eq!(refused(provider, &forged).0, "dmarc", "{provider}");
    }
    // The same where the provider wrote none at all, for the one whose stamp carries no name.
    let forged = only_the_senders(MICROSOFT365, &stamps_of(MICROSOFT365));
    let (check, saw) = refused(Provider::Microsoft365, &forged);
    assert_eq!(check, "edge");
    assert_eq!(saw, "the header is below that by bn1pepf00004687.mail.protection.outlook.com");
    // Nor with a Received of his own below it.
    let edge =
        "Received: from x by y.mail.protection.outlook.com with SMTP; Tue, 24 Nov 2026 02:12:03 +0000\r\n";
    let forged = only_the_senders(MICROSOFT365, &format!("{}{edge}", stamps_of(MICROSOFT365)));
    assert_eq!(refused(Provider::Microsoft365, &forged).0, "edge");
    let elsewhere =
        with(MICROSOFT365, ".mail.protection.outlook.com", ".mail.protection.outlook.com.evil.example");
    assert_eq!(refused(Provider::Microsoft365, &elsewhere).0, "edge");
    let comment = with(
        MICROSOFT365,
        "by\r\n BN1PEPF00004687.mail",
        "(by x.mail.protection.outlook.com)\r\n by evil.mail",
    );
    let comment = with(&comment, "evil.mail.protection.outlook.com", "evil.example");
    assert_eq!(refused(Provider::Microsoft365, &comment).0, "edge");
}

#[test]
fn a_stamp_over_several_headers_is_by_one_host_and_ends_with_the_hop() {
    let other = with(
        FASTMAIL,
        "phl-mx-07.messagingengine.com;\r\n    dkim=pass",
        "evil.messagingengine.com;\r\n    dkim=pass",
    );
    let (check, saw) = refused(Provider::Fastmail, &other);
    assert_eq!(check, "authserv-id");
    assert_eq!(saw, "phl-mx-07.messagingengine.com, evil.messagingengine.com");
    let all = with(
        FASTMAIL,
        "Authentication-Results: phl-mx-07.messagingengine.com",
        "Authentication-Results: messagingengine.com",
    );
    assert_eq!(refused(Provider::Fastmail, &all).0, "authserv-id");
    let lookalike =
        with(FASTMAIL, "Authentication-Results: phl-mx-07.", "Authentication-Results: phl-mx-07.x");
    assert_eq!(refused(Provider::Fastmail, &lookalike).0, "authserv-id");
    // The one with DMARC stands behind the next hop's beginning.
    let later = with(
        FASTMAIL,
        "Authentication-Results: phl-mx-07.messagingengine.com;\r\n    dkim",
        "Received: from x by y; Mon, 23 Nov 2026 21:12:02 -0500\r\nAuthentication-Results: phl-mx-07.messagingengine.com;\r\n    dkim",
    );
    assert_eq!(refused(Provider::Fastmail, &later), ("dmarc".to_owned(), "no dmarc result".to_owned()));
    let twice = with(FASTMAIL, "bimi=skipped", "dmarc=pass header.from=example.com; bimi=skipped");
    assert_eq!(refused(Provider::Fastmail, &twice).0, "dmarc");
}

#[test]
fn a_name_where_there_should_be_none_is_refused() {
    for named in ["mx.google.com; spf=pass", "x 1; spf=pass", "; spf=pass"] {
        let raw = with(
            MICROSOFT365,
            "Authentication-Results: spf=pass (sender IP is 192.0.2.7)",
            &format!("Authentication-Results: {named}"),
        );
        let (check, _) = refused(Provider::Microsoft365, &raw);
        assert_eq!(check, "authentication-results", "{named}");
    }
}

#[test]
fn no_damage_to_a_stamp_lets_anybody_else_in() {
    for (provider, raw) in ALL {
        mutations(raw.as_bytes(), 3_000, |raw| {
            let verdict = judged(provider, &String::from_utf8_lossy(raw));
            let accepted = verdict.decision == Decision::Accepted;
            assert!(!accepted || verdict.from.unwrap().to_string() == "you@example.com");
        });
    }
}

#[test]
fn no_name_at_all_trusts_no_header_without_a_name() {
    assert!(!Stamp::named("").is_by("") && Stamp::named("mx.example.com").is_by("MX.example.com"));
    assert!(Stamp::of_provider(Provider::Microsoft365).is_by(""));
}
