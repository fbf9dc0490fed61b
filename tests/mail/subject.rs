use airut::mail::subject::{is_forward, reply_subject};

#[test]
fn an_answer_has_one_prefix_and_one_tag() {
    let id = "3fa9c1d2".parse().unwrap();
    for (original, answer) in [
        ("Fix it", "Re: [ID:3fa9c1d2] Fix it"),
        ("Re: Fix it", "Re: [ID:3fa9c1d2] Fix it"),
        ("RE: AW: Sv: Re[2]: Fix it", "Re: [ID:3fa9c1d2] Fix it"),
        ("Re: [ID:3fa9c1d2] Fix it", "Re: [ID:3fa9c1d2] Fix it"),
        ("AW: [ID:3fa9c1d2] Re: [id:00000000] Fix it", "Re: [ID:3fa9c1d2] Fix it"),
        ("Fix [ID:00000000] it", "Re: [ID:3fa9c1d2] Fix it"),
        ("回复：修复", "Re: [ID:3fa9c1d2] 修复"),
        ("Réf : x", "Re: [ID:3fa9c1d2] Réf : x"),
        ("Fwd: Crash", "Re: [ID:3fa9c1d2] Fwd: Crash"),
        ("note: this", "Re: [ID:3fa9c1d2] note: this"),
        ("[PATCH] x", "Re: [ID:3fa9c1d2] [PATCH] x"),
        ("", "Re: [ID:3fa9c1d2]"),
        ("Re:", "Re: [ID:3fa9c1d2]"),
        ("a\r\nBcc: x@example.com", "Re: [ID:3fa9c1d2] a  Bcc: x@example.com"),
    ] {
        assert_eq!(reply_subject(&id, original), answer, "{original:?}");
    }
    assert!(reply_subject(&id, &"ä".repeat(1_000)).len() <= 230);
    let _ = reply_subject(&id, &"Re: ".repeat(30_000));
    let _ = reply_subject(&id, &"[ID:".repeat(30_000));
}

#[test]
fn a_forward_is_known_by_its_prefix() {
    for subject in ["Fwd: x", "FW: x", "WG: x", "Fwd: Re: x", "TR : x", "[ID:3fa9c1d2] Fwd: x"] {
        assert!(is_forward(subject), "{subject}");
    }
    for subject in
        ["", "Re: x", "Re: Fwd: x", "Re: [ID:3fa9c1d2] Fwd: x", "Forward: x", "x Fwd: y", "[x] Fwd: y"]
    {
        assert!(!is_forward(subject), "{subject}");
    }
}
