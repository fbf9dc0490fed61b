//! Reads `From` by the strict grammar: one mailbox (RFC 5322 section 3.4, with the UTF-8 of RFC 6532).
//! What two programs could read as two different addresses is refused, never guessed at.

use crate::base::address::Address;

/// Who a `From` header names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    pub address: Address,
    /// The display name as written, encoded words not decoded.
    pub name: Option<String>,
    /// A quoted display name holds an `@`: a careless checker may have taken that for the address, so it
    /// has to be told which domain was checked.
    pub needs_domain: bool,
}

/// The one mailbox of a `From` value.
///
/// # Errors
/// What keeps it from being one plain mailbox, for people to read.
pub fn sender(value: &str) -> Result<Sender, String> {
    let tokens = tokens(value)?;
    let open = tokens.iter().position(|token| token.kind == Kind::Special('<'));
    let (name, address) = match open {
        Some(open) => (&tokens[..open], angle(&tokens[open + 1..])?),
        None => (&tokens[..0], tokens.as_slice()),
    };
    Ok(Sender { address: address_of(address)?, name: display(name)?, needs_domain: name.iter().any(has_at) })
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Atom(String),
    Quoted(String),
    Special(char),
}

#[derive(Debug)]
struct Token {
    kind: Kind,
    /// Nothing, no blank and no comment, stands between this and the one before.
    glued: bool,
}

fn has_at(token: &Token) -> bool {
    matches!(&token.kind, Kind::Quoted(text) if text.contains('@'))
}

fn tokens(value: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = value.chars().peekable();
    let mut glued = false;
    while let Some(c) = chars.next() {
        let kind = match c {
            ' ' | '\t' => {
                glued = false;
                continue;
            }
            '(' => {
                comment(&mut chars)?;
                glued = false;
                continue;
            }
            '"' => Kind::Quoted(quoted(&mut chars)?),
            '<' | '>' | '@' | '.' | ',' | ':' | ';' | '\\' | '[' | ']' | ')' => Kind::Special(c),
            c if c.is_control() => return Err("it holds a control character".to_owned()),
            c => {
                let mut atom = String::from(c);
                while let Some(&c) =
                    chars.peek().filter(|&&c| !c.is_control() && !" \t()<>@,;:\\\"[].".contains(c))
                {
                    atom.push(c);
                    chars.next();
                }
                Kind::Atom(atom)
            }
        };
        tokens.push(Token { kind, glued });
        glued = true;
    }
    Ok(tokens)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// After the opening parenthesis; nested ones are counted, not called, so depth costs nothing.
fn comment(chars: &mut Chars) -> Result<(), String> {
    let mut depth = 1;
    while let Some(c) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '\\' => drop(chars.next()),
            '@' | '<' | '>' => return Err("a comment looks like an address".to_owned()),
            _ => {}
        }
        if depth == 0 {
            return Ok(());
        }
    }
    Err("a comment does not end".to_owned())
}

/// After the opening quotation mark.
fn quoted(chars: &mut Chars) -> Result<String, String> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(text),
            '\\' => text.extend(chars.next()),
            '<' | '>' => return Err("the quoted name looks like an address".to_owned()),
            c if c.is_control() && c != '\t' => return Err("it holds a control character".to_owned()),
            c => text.push(c),
        }
    }
    Err("a quotation does not end".to_owned())
}

fn angle(tokens: &[Token]) -> Result<&[Token], String> {
    match tokens.split_last() {
        Some((last, address)) if last.kind == Kind::Special('>') && last.glued => Ok(address),
        _ => Err("it is not one address: something follows '>', or it is missing".to_owned()),
    }
}

fn display(tokens: &[Token]) -> Result<Option<String>, String> {
    let mut name = String::new();
    for token in tokens {
        if !name.is_empty() && !token.glued {
            name.push(' ');
        }
        match &token.kind {
            Kind::Atom(text) | Kind::Quoted(text) => name.push_str(text),
            // An unquoted dot is old grammar (RFC 5322 section 4.1) and common: `John Q. Public`.
            Kind::Special('.') => name.push('.'),
            Kind::Special(c) => return Err(format!("{c:?} stands unquoted before the address")),
        }
    }
    Ok((!name.is_empty()).then_some(name))
}

fn address_of(tokens: &[Token]) -> Result<Address, String> {
    let mut text = String::new();
    for (at, token) in tokens.iter().enumerate() {
        if at > 0 && !token.glued {
            return Err("it is not one address: blanks or comments stand within".to_owned());
        }
        match &token.kind {
            Kind::Atom(atom) => text.push_str(atom),
            Kind::Special(c @ ('.' | '@')) => text.push(*c),
            Kind::Quoted(_) => return Err("a quoted local part is not taken".to_owned()),
            Kind::Special(c) => return Err(format!("{c:?} stands in the address; one mailbox is wanted")),
        }
    }
    text.parse().map_err(|error: crate::base::address::NotAnAddress| error.to_string())
}
