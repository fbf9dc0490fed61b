//! The words that mail programs put above a quote, in the common languages: who wrote it, and when.
//! Only recognised by several signs at once; a sentence of the author's own must not be taken for one.

/// "wrote", as it stands at the end of such a line or before the name.
const WROTE: &[&str] = &[
    "wrote",
    "writes",
    "schrieb",
    "a écrit",
    "a ecrit",
    "escribió",
    "escribio",
    "ha scritto",
    "escreveu",
    "schreef",
    "skrev",
    "napisał",
    "napisal",
    "pisze",
    "napsal",
    "kirjoitti",
    "написал",
    "пишет",
    "пише",
    "a scris",
    "yazdı",
    "írta",
    "έγραψε",
    "のメール",
    "書きました",
    "写道",
    "寫道",
    "작성",
    "כתב",
    "كتب",
    "viết",
    "menulis",
    "napísal",
    "je napisao",
    "rašė",
    "kirjutas",
];

/// "Original message" between dashes.
const ORIGINAL: &[&str] = &[
    "original message",
    "ursprüngliche nachricht",
    "originalnachricht",
    "message d'origine",
    "message original",
    "mensaje original",
    "messaggio originale",
    "oorspronkelijk bericht",
    "mensagem original",
    "ursprungligt meddelande",
    "originalmeddelande",
    "oprindelig meddelelse",
    "opprinnelig melding",
    "wiadomość oryginalna",
    "původní zpráva",
    "alkuperäinen viesti",
    "исходное сообщение",
    "orijinal mesaj",
    "原始邮件",
    "原始郵件",
    "原始信息",
    "回复的原邮件",
    "元のメッセージ",
    "원본 메시지",
    "reply message",
    "urspr. nachricht",
    "eredeti üzenet",
];

/// The first line of the block of headers that Outlook puts above a quote.
const FROM: &[&str] = &[
    "from",
    "von",
    "de",
    "da",
    "van",
    "från",
    "fra",
    "od",
    "от",
    "lähettäjä",
    "kimden",
    "发件人",
    "寄件者",
    "差出人",
    "보낸 사람",
    "feladó",
];
/// The second: when.
const SENT: &[&str] = &[
    "sent",
    "date",
    "gesendet",
    "datum",
    "envoyé",
    "enviado",
    "enviado el",
    "enviada em",
    "fecha",
    "inviato",
    "data",
    "verzonden",
    "skickat",
    "sendt",
    "dato",
    "wysłano",
    "odesláno",
    "lähetetty",
    "päivämäärä",
    "дата",
    "отправлено",
    "gönderme tarihi",
    "tarih",
    "发送时间",
    "日期",
    "寄件日期",
    "送信日時",
    "日付",
    "보낸 날짜",
    "날짜",
    "elküldve",
    "dátum",
];
/// Those below: to whom, and what about.
const OTHERS: &[&str] = &[
    "to",
    "cc",
    "subject",
    "an",
    "betreff",
    "à",
    "objet",
    "para",
    "asunto",
    "assunto",
    "a",
    "oggetto",
    "aan",
    "onderwerp",
    "till",
    "ämne",
    "til",
    "emne",
    "do",
    "temat",
    "komu",
    "předmět",
    "vastaanottaja",
    "aihe",
    "кому",
    "тема",
    "kime",
    "konu",
    "收件人",
    "主题",
    "收件者",
    "主旨",
    "宛先",
    "件名",
    "받는 사람",
    "제목",
    "címzett",
    "tárgy",
];

/// What telephones and web mail write below a text, in lower case.
const MOBILE: &[&str] = &[
    "sent from my ",
    "sent from outlook",
    "sent from mail for",
    "sent from yahoo",
    "sent with proton",
    "sent from proton",
    "sent via my ",
    "get outlook for",
    "outlook für ios beziehen",
    "outlook für android beziehen",
    "obtenir outlook pour",
    "télécharger outlook pour",
    "obtener outlook para",
    "ottieni outlook per",
    "obter o outlook para",
    "outlook voor ios downloaden",
    "outlook voor android downloaden",
    "hämta outlook för",
    "pobierz outlook dla",
    "获取 outlook for",
    "von meinem ",
    "gesendet von ",
    "gesendet mit ",
    "envoyé de mon",
    "envoyé depuis mon",
    "envoyé à partir de",
    "enviado desde mi",
    "enviado do meu",
    "enviado a partir do",
    "inviato da ",
    "verzonden vanaf mijn",
    "skickat från min",
    "sendt fra min",
    "wysłane z ",
    "odesláno z ",
    "lähetetty ",
    "отправлено с ",
    "iphoneから送信",
    "发自我的",
    "從我的",
    "나의 iphone에서",
];

/// Where the text ends because a program marked that all below is another mail.
#[must_use]
pub fn boundary(lines: &[&str]) -> Option<usize> {
    let last_quoted = lines.iter().rposition(|line| line.starts_with('>')).unwrap_or(0);
    (0..lines.len()).find(|&at| {
        let bare = at >= last_quoted;
        is_original(lines[at]) || is_header_block(&lines[at..]) || (bare && is_unmarked(&lines[at..]))
    })
}

/// Where the line, or up to four, begins that ends `lines` and says who wrote what follows.
#[must_use]
pub fn above(lines: &[&str]) -> Option<usize> {
    let last = lines.last()?;
    if is_original(last) {
        return Some(lines.len() - 1);
    }
    if !is_colon_last(last) {
        return None;
    }
    let mut joined = String::new();
    for start in (lines.len().saturating_sub(4)..lines.len()).rev() {
        let line = lines[start].trim();
        if line.is_empty() || is_quoted(line) {
            break;
        }
        joined = format!("{line} {joined}");
        if names_author(&joined)
            && (begins_like_one(line) || (joined.len() > line.len() + 1 && has_sender(line)))
        {
            return Some(start);
        }
    }
    // None of the known first words: the line itself, if it names somebody and a time.
    names_author(last).then(|| lines.len() - 1)
}

/// Where a block of headers begins that ends `lines`, with the line of dashes above it.
#[must_use]
pub fn headers_above(lines: &[&str]) -> Option<usize> {
    let is_header = |line: &&str| {
        let is_one = |word: String| [FROM, SENT, OTHERS].iter().any(|words| words.contains(&word.as_str()));
        line.trim().is_empty() || header_word(line).is_some_and(is_one)
    };
    let start = lines.iter().rposition(|line| !is_header(line)).map_or(0, |last| last + 1);
    let dashes = start.checked_sub(1).filter(|&at| is_original(lines[at]));
    let is_block = lines[start..].iter().filter(|line| !line.trim().is_empty()).count() >= 3;
    if is_block { Some(dashes.unwrap_or(start)) } else { None }
}

/// Whether a quote begins with the line that says who wrote it, within its marks.
#[must_use]
pub fn begins_with_one(quote: &[&str]) -> bool {
    let bare: Vec<&str> = quote
        .iter()
        .map(|line| line.trim_start_matches(['>', ' ']))
        .filter(|line| !line.is_empty())
        .take(4)
        .collect();
    let end = bare.iter().position(|line| is_colon_last(line));
    end.is_some_and(|end| above(&bare[..=end]) == Some(0))
}

/// Marks of the direction of writing may follow the colon.
fn is_colon_last(line: &str) -> bool {
    let is_mark =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    line.trim_end_matches(|c: char| c.is_whitespace() || is_mark(c)).ends_with([':', '：'])
}

/// An address and a date, in a line that a program broke.
fn has_sender(line: &str) -> bool {
    line.contains('@') && line.contains('<') && line.bytes().filter(u8::is_ascii_digit).count() >= 4
}

/// Whether a line is marked as quoted; the `>:` that a broken attribution ends with is not.
#[must_use]
pub fn is_quoted(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('>') && line != ">:"
}

/// Whether a line is what a telephone adds.
#[must_use]
pub fn is_mobile_signature(line: &str) -> bool {
    let line = line.trim().trim_start_matches(['[', '*', '_', '(']).to_lowercase();
    line.chars().count() <= 120 && MOBILE.iter().any(|start| line.starts_with(start))
}

fn has_verb(text: &str) -> bool {
    WROTE.iter().any(|verb| text.contains(verb))
}

fn names_author(text: &str) -> bool {
    if text.len() > 600 {
        return false;
    }
    let lower = text.to_lowercase();
    let digits = lower.bytes().filter(u8::is_ascii_digit).count();
    (has_verb(&lower) && (digits > 0 || lower.contains('@') || lower.trim_end().ends_with("writes:")))
        || (lower.contains('@') && digits >= 3)
        || (has_verb(&lower) && lower.split_whitespace().count() <= 6)
}

/// `On`, `Am`, `Le`, a number, …: the first word of such a line, so that a broken one is taken whole.
fn begins_like_one(line: &str) -> bool {
    const FIRST: &[&str] = &[
        "on", "am", "le", "el", "il", "em", "op", "den", "dne", "w", "dnia", "la", "pe", "a", "at",
        "tirsdag", "вт", "в",
    ];
    let word = line.split_whitespace().next().unwrap_or_default().to_lowercase();
    FIRST.contains(&word.as_str())
        || word.starts_with(|c: char| c.is_ascii_digit())
        || word.starts_with(['於', '于', '在'])
}

/// `-----Original Message-----`
fn is_original(line: &str) -> bool {
    let line = line.trim();
    if !line.starts_with("--") || line.len() > 200 {
        return false;
    }
    let words = line.trim_matches(['-', ' ', '*']).to_lowercase();
    // Notes and Zoho write who wrote it between the dashes.
    line.ends_with("--") && (ORIGINAL.contains(&words.as_str()) || (words.contains('@') && has_verb(&words)))
}

/// `From:`, then `Sent:` or `Date:`, and at least one of `To:`, `Subject:` below: the block as Outlook writes it.
/// Headers that somebody pasted seldom stand in that order.
fn is_header_block(lines: &[&str]) -> bool {
    let has =
        |line: &str, words: &[&str]| header_word(line).is_some_and(|word| words.contains(&word.as_str()));
    let second = match lines.first() {
        Some(line) if has(line, FROM) => SENT,
        // As web.de and GMX have it.
        Some(line) if has(line, &["gesendet", "sent"]) => FROM,
        _ => return false,
    };
    let mut next = lines[1..].iter().filter(|line| !line.trim().is_empty());
    next.next().is_some_and(|line| has(line, second)) && next.take(3).any(|line| has(line, OTHERS))
}

/// The word before the colon, in lower case and without the stars of bold type.
fn header_word(line: &str) -> Option<String> {
    let line = line.trim().trim_start_matches('*');
    let end = line.find([':', '：']).filter(|&end| end <= 40)?;
    Some(line[..end].trim_end_matches(['*', ' ', '\u{a0}']).to_lowercase())
}

/// An attribution with the full date and address, below which nothing is marked as quoted: some programs leave
/// the quote bare.
fn is_unmarked(lines: &[&str]) -> bool {
    let Some((line, below)) = lines.split_first() else {
        return false;
    };
    let line = line.trim_end();
    if !is_colon_last(line) || line.len() > 600 {
        return false;
    }
    let lower = line.to_lowercase();
    let has_time =
        lower.as_bytes().windows(3).any(|w| w[0].is_ascii_digit() && w[1] == b':' && w[2].is_ascii_digit());
    has_time
        && lower.contains('@')
        && has_verb(&lower)
        && begins_like_one(line)
        && below.iter().any(|line| !line.trim().is_empty())
}
