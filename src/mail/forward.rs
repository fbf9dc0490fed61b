//! The line that mail programs put above a mail that they pass on, in the common languages. What follows it is what
//! the author sends, and no quote.

/// Between dashes, in lower case.
const FORWARDED: &[&str] = &[
    "forwarded message",
    "forwarded mail",
    "weitergeleitete nachricht",
    "weitergeleitete e-mail",
    "message transféré",
    "message transmis",
    "mensaje reenviado",
    "messaggio inoltrato",
    "doorgestuurd bericht",
    "mensagem encaminhada",
    "mensagem reencaminhada",
    "vidarebefordrat meddelande",
    "videresendt meddelelse",
    "videresendt melding",
    "wiadomość przekazana dalej",
    "przekazana wiadomość",
    "treść przekazanej wiadomości",
    "přeposlaná zpráva",
    "přeposlaná správa",
    "välitetty viesti",
    "edelleenlähetetty viesti",
    "пересылаемое сообщение",
    "пересланное сообщение",
    "перенаправленное сообщение",
    "переслане повідомлення",
    "iletilen mesaj",
    "yönlendirilmiş mesaj",
    "továbbított üzenet",
    "mesaj redirecționat",
    "προωθημένο μήνυμα",
    "הודעה שהועברה",
    "رسالة معاد توجيهها",
    "转发邮件信息",
    "转发的邮件",
    "转发邮件",
    "转发的消息",
    "轉寄的郵件",
    "轉寄郵件",
    "轉寄訊息",
    "転送メッセージ",
    "転送されたメッセージ",
    "전달된 메시지",
    "전달된 메일",
    "thư chuyển tiếp",
];

/// As Apple Mail writes it, without dashes, before a colon.
const BEGIN: &[&str] = &[
    "begin forwarded message",
    "anfang der weitergeleiteten nachricht",
    "début du message transféré",
    "début du message réexpédié",
    "inicio del mensaje reenviado",
    "inizio messaggio inoltrato",
    "begin doorgestuurd bericht",
    "início da mensagem encaminhada",
    "início da mensagem reencaminhada",
    "vidarebefordrat brev",
    "start på videresendt besked",
    "videresendt melding",
    "początek przekazywanej wiadomości",
    "začátek přeposílané zprávy",
    "välitetty viesti alkaa",
    "начало переадресованного сообщения",
    "iletilen mesajın başlangıcı",
    "továbbított levél kezdete",
    "以下是转发的邮件",
    "以下是轉寄的郵件",
    "転送されたメッセージ",
    "전달된 메시지",
];

/// Whether a line says that a mail which is passed on begins here.
#[must_use]
pub fn is_mark(line: &str) -> bool {
    let line = line.trim();
    if line.is_empty() || line.len() > 200 {
        return false;
    }
    let words = line.trim_matches(|c: char| matches!(c, '-' | '*' | '_' | '—') || c.is_whitespace());
    let words = words.to_lowercase();
    if line.trim_start_matches('*').starts_with("--") {
        // mutt names the sender there.
        return FORWARDED.contains(&words.as_str()) || words.starts_with("forwarded message from ");
    }
    words.strip_suffix([':', '：']).is_some_and(|words| BEGIN.contains(&words.trim_end()))
}
