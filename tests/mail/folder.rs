use airut::mail::folder::encode;

#[test]
fn folder_names_beyond_ascii_are_written_as_the_protocol_wants() {
    assert_eq!(encode("INBOX"), "INBOX");
    assert_eq!(encode("A & B"), "A &- B");
    assert_eq!(encode("Entwürfe"), "Entw&APw-rfe");
    // The RFC's own example.
    assert_eq!(encode("~peter/mail/台北/日本語"), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
    assert_eq!(encode("😀"), "&2D3eAA-");
}
