//! Rich text (RTF) as Outlook keeps it in `winmail.dat`: unpacks it, and takes out its words and lines. Bounded:
//! whatever comes, the text is no longer than `limits::REQUEST_BYTES`.

use crate::base::limits;
use crate::mail::decode;

/// What every packed text begins with in its dictionary ([MS-OXRTFCP]).
const DICTIONARY: &[u8] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \
\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
const WINDOW: usize = 4096;
const PACKED: &[u8] = b"LZFu";
const PLAIN: &[u8] = b"MELA";
/// RTF that is unpacked: markup and all, several times the text that is taken.
const UNPACKED_BYTES: usize = 4 * limits::REQUEST_BYTES;

/// The RTF of a compressed property; `None` where it is none.
#[must_use]
pub fn decompressed(packed: &[u8]) -> Option<Vec<u8>> {
    let data = packed.get(16..)?;
    match packed.get(8..12)? {
        PACKED => Some(unpacked(data)),
        PLAIN => Some(data[..data.len().min(UNPACKED_BYTES)].to_vec()),
        _ => None,
    }
}

/// Literals and references into a window of what went before, eight behind each byte of flags.
fn unpacked(data: &[u8]) -> Vec<u8> {
    let mut window = [b' '; WINDOW];
    window[..DICTIONARY.len()].copy_from_slice(DICTIONARY);
    let (mut out, mut write, mut rest) = (Vec::new(), DICTIONARY.len(), data.iter());
    let mut put = |byte: u8, write: &mut usize, window: &mut [u8; WINDOW]| {
        window[*write] = byte;
        *write = (*write + 1) % WINDOW;
        out.push(byte);
        out.len() < UNPACKED_BYTES
    };
    'all: while let Some(&flags) = rest.next() {
        for bit in 0..8 {
            let Some(&first) = rest.next() else { break 'all };
            if flags >> bit & 1 == 0 {
                if !put(first, &mut write, &mut window) {
                    break 'all;
                }
                continue;
            }
            let Some(&second) = rest.next() else { break 'all };
            let reference = usize::from(first) << 8 | usize::from(second);
            let (from, length) = (reference >> 4, (reference & 0xf) + 2);
            if from == write {
                break 'all;
            }
            for at in from..from + length {
                let byte = window[at % WINDOW];
                if !put(byte, &mut write, &mut window) {
                    break 'all;
                }
            }
        }
    }
    out
}

/// Groups whose text is not the document's.
const UNSEEN: &[&str] = &[
    "fonttbl",
    "colortbl",
    "stylesheet",
    "info",
    "pict",
    "object",
    "header",
    "footer",
    "generator",
    "filetbl",
    "listtable",
    "listoverridetable",
    "xmlnstbl",
    "themedata",
    "datastore",
    "mhtmltag",
];

/// The words and lines of a document.
#[must_use]
pub fn text(rtf: &[u8]) -> String {
    let mut reader = Reader { rest: rtf, out: Vec::new(), groups: Vec::new(), state: State::default() };
    while reader.out.len() < limits::REQUEST_BYTES && reader.step().is_some() {}
    String::from_utf8_lossy(&reader.out).into_owned()
}

#[derive(Debug, Clone, Copy)]
struct State {
    unseen: bool,
    /// Characters that follow each `\u` for readers that do not know it.
    stand_ins: usize,
}

impl Default for State {
    fn default() -> Self {
        Self { unseen: false, stand_ins: 1 }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
    groups: Vec<State>,
    state: State,
}

/// Nested groups; more is an attack.
const GROUPS: usize = 1_000;

impl Reader<'_> {
    fn step(&mut self) -> Option<()> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        match first {
            b'{' if self.groups.len() < GROUPS => self.groups.push(self.state),
            b'}' => self.state = self.groups.pop().unwrap_or_default(),
            b'\\' => self.control()?,
            b'\r' | b'\n' | b'{' => {}
            byte => self.show(&decode::text(&[byte], Some("windows-1252"))),
        }
        Some(())
    }

    fn show(&mut self, text: &str) {
        if !self.state.unseen {
            self.out.extend_from_slice(text.as_bytes());
        }
    }

    fn control(&mut self) -> Option<()> {
        let (&first, rest) = self.rest.split_first()?;
        if !first.is_ascii_alphabetic() {
            self.rest = rest;
            match first {
                b'\'' => self.hex()?,
                b'~' => self.show(" "),
                b'_' => self.show("-"),
                b'*' => self.state.unseen = true,
                b'\\' | b'{' | b'}' => self.show(&char::from(first).to_string()),
                b'\r' | b'\n' => self.show("\n"),
                _ => {}
            }
            return Some(());
        }
        let letters = self.rest.iter().take(32).take_while(|b| b.is_ascii_alphabetic()).count();
        let (word, rest) = self.rest.split_at(letters);
        let digits = rest.iter().take(8).take_while(|b| b.is_ascii_digit() || **b == b'-').count();
        let (number, rest) = rest.split_at(digits);
        self.rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse::<i32>().ok());
        self.word(std::str::from_utf8(word).ok()?, number);
        Some(())
    }

    /// A byte of the document's charset; nearly always this one.
    fn hex(&mut self) -> Option<()> {
        let (digits, rest) = self.rest.split_at_checked(2)?;
        self.rest = rest;
        let byte = std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = byte {
            self.show(&decode::text(&[byte], Some("windows-1252")));
        }
        Some(())
    }

    fn word(&mut self, word: &str, number: Option<i32>) {
        match word {
            "par" | "line" | "row" | "sect" | "page" => self.show("\n"),
            "tab" | "cell" => self.show("\t"),
            "emdash" => self.show("—"),
            "endash" => self.show("–"),
            "bullet" => self.show("•"),
            "lquote" | "rquote" => self.show("'"),
            "ldblquote" | "rdblquote" => self.show("\""),
            // Between these stands what HTML in rich text shows twice.
            "htmlrtf" => self.state.unseen = number != Some(0),
            "uc" => self.state.stand_ins = number.and_then(|n| usize::try_from(n).ok()).unwrap_or(1).min(8),
            "u" => self.unicode(number),
            "bin" => {
                let length = number.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                self.rest = self.rest.get(length..).unwrap_or_default();
            }
            word if UNSEEN.contains(&word) => self.state.unseen = true,
            _ => {}
        }
    }

    fn unicode(&mut self, number: Option<i32>) {
        let code = number.unwrap_or(0);
        let code = if code < 0 { code + 0x1_0000 } else { code };
        let shown = u32::try_from(code).ok().and_then(char::from_u32);
        self.show(&shown.unwrap_or(char::REPLACEMENT_CHARACTER).to_string());
        for _ in 0..self.state.stand_ins {
            match self.rest {
                [b'\\', b'\'', _, _, rest @ ..] => self.rest = rest,
                [b'\\' | b'{' | b'}', ..] | [] => break,
                [_, rest @ ..] => self.rest = rest,
            }
        }
    }
}
