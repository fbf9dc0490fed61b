use airut::mail::folder::{decode, encode};

#[test]
fn folder_names_beyond_ascii_are_written_as_the_protocol_wants() {
    assert_eq!(encode("INBOX"), "INBOX");
    assert_eq!(encode("A & B"), "A &- B");
    assert_eq!(encode("Entwürfe"), "Entw&APw-rfe");
    // The RFC's own example.
    assert_eq!(encode("~peter/mail/台北/日本語"), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
    assert_eq!(encode("😀"), "&2D3eAA-");
}

#[test]
fn names_are_read_back_as_they_were_written_and_others_stay_as_they_are() {
    for name in ["INBOX", "A & B", "Entwürfe", "~peter/mail/台北/日本語", "😀", "&", ""] {
        assert_eq!(decode(&encode(name)), name);
    }
    for odd in ["a & b", "&!-", "&AA-", "&2D0-", "open &APw"] {
        assert_eq!(decode(odd), odd);
    }
}
