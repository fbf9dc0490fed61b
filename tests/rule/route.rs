use airut::base::address::Address;
use airut::mail::headers::headers;
use airut::rule::route::{Route, Source, model_tag, route};

fn routed(raw: &str, subject: &str) -> (Vec<String>, Source) {
    let Route { candidates, source } = route(&headers(raw.as_bytes()).unwrap(), subject, "example.com");
    (candidates.into_iter().map(|id| id.to_string()).collect(), source)
}

#[test]
fn in_reply_to_comes_before_references_before_the_subject() {
    let raw = "References: <airut.00000001.1.x@example.com> <other@example.org>\r\n\
               \t<airut.00000002.4.ack.y@example.com>\r\n\
               In-Reply-To: <airut.00000003.2.z@EXAMPLE.com>\r\n";
    let (ids, source) = routed(raw, "Re: [ID:00000004] [id:0000000A] a");
    assert_eq!(ids, ["00000003", "00000002", "00000001", "00000004", "0000000a"]);
    assert_eq!(source, Source::InReplyTo);
    assert_eq!(routed("References: <airut.00000001.1.x@example.com>\r\n", "").1, Source::References);
    assert_eq!(routed("", "[ID:00000001]"), (vec!["00000001".to_owned()], Source::Subject));
}

#[test]
fn what_is_not_our_own_names_no_session() {
    for raw in [
        "",
        "In-Reply-To: <airut.00000001.1.x@example.org>\r\n",
        "In-Reply-To: <airut.00000001.1.x@example.com.evil.example>\r\n",
        "In-Reply-To: airut.00000001.1.x@example.com\r\n",
        "In-Reply-To: <xairut.00000001.1.x@example.com>\r\n",
        "In-Reply-To: <airut.0000001.1.x@example.com>\r\n",
        "In-Reply-To: <airut.0000000A.1.x@example.com>\r\n",
        "In-Reply-To: <airut.../../etc.x@example.com>\r\n",
        "In-Reply-To: <airut.00000001@example.com>\r\n",
        "In-Reply-To: <airut.00000001.1.x@example.com\r\n",
        "References: >><<<<@@@airut.\r\n",
    ] {
        assert_eq!(
            routed(raw, "[ID:] [ID:0000001] ID:00000001 [ID:00000001 [ID:0000000g]"),
            (vec![], Source::New),
            "{raw}"
        );
    }
}

#[test]
fn a_flood_of_ids_is_cut_off_and_each_named_once() {
    let same = "<airut.00000001.1.x@example.com> ".repeat(2_000);
    assert_eq!(routed(&format!("References: {same}\r\n"), "").0, ["00000001"]);
    let many: String = (0..2_000).map(|n| format!("<airut.{n:08x}.1.x@example.com>")).collect();
    assert_eq!(routed(&format!("References: {many}\r\n"), "").0.len(), 50);
}

#[test]
fn a_tag_in_our_address_names_the_model() {
    let own: Address = "airut@example.com".parse().unwrap();
    let tag = |to: &[&str]| {
        let to: Vec<Address> = to.iter().map(|text| text.parse().unwrap()).collect();
        model_tag(&to, &own).map(|model| model.map(|model| model.to_string()).map_err(|_| ()))
    };
    assert_eq!(tag(&["airut+opus@example.com"]), Some(Ok("opus".to_owned())));
    assert_eq!(
        tag(&["you+x@example.com", "airut@example.com", "Airut+Claude-Opus-4.1@EXAMPLE.com"]),
        Some(Ok("claude-opus-4.1".to_owned()))
    );
    assert_eq!(
        tag(&[
            "airut@example.com",
            "airut+@example.com",
            "airut+opus@example.org",
            "airut2+opus@example.com"
        ]),
        None
    );
    assert_eq!(tag(&["airut+--resume@example.com"]), Some(Err(())));
    assert_eq!(tag(&["airut+a/b@example.com"]), Some(Err(())));
    let tagged: Address = "me+airut@example.com".parse().unwrap();
    assert_eq!(
        model_tag(&["me+airut+haiku@example.com".parse().unwrap()], &tagged).unwrap().unwrap().as_str(),
        "haiku"
    );
    assert!(model_tag(&["me+airut@example.com".parse().unwrap()], &tagged).is_none());
}
