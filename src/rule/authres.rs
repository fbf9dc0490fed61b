//! Parses `Authentication-Results` by the grammar of RFC 8601 section 2.2. Comments and quoted strings are
//! never results; what does not parse is an error, never a partial answer. One pass, no recursion.

/// One header's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthRes {
    /// Who says so.
    pub authserv_id: String,
    /// Empty for `none`.
    pub results: Vec<Outcome>,
}

/// What one method found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// In lower case.
    pub method: String,
    /// In lower case.
    pub result: String,
    /// `ptype.property` in lower case, and the value as written. `reason` stands here too.
    pub properties: Vec<(String, String)>,
}

impl Outcome {
    /// The values given for a property, in order.
    pub fn all<'a>(&'a self, property: &str) -> impl Iterator<Item = &'a str> {
        let property = property.to_owned();
        self.properties.iter().filter(move |(name, _)| *name == property).map(|(_, value)| value.as_str())
    }
}

/// Reads an unfolded header value.
///
/// # Errors
/// What the grammar does not allow, and where.
pub fn parse(value: &str) -> Result<AuthRes, String> {
    let mut scan = Scan { text: value, at: 0 };
    scan.blank()?;
    let authserv_id = scan.value()?;
    if scan.blank()? {
        scan.version()?;
        scan.blank()?;
    }
    let results = scan.results(false)?;
    Ok(AuthRes { authserv_id, results })
}

/// The same, of a server that writes no authserv-id: the results begin at once.
///
/// # Errors
/// As `parse`.
pub fn parse_bare(value: &str) -> Result<AuthRes, String> {
    let mut scan = Scan { text: value, at: 0 };
    scan.blank()?;
    let results = scan.results(true)?;
    Ok(AuthRes { authserv_id: String::new(), results })
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn done(&self) -> bool {
        self.at == self.text.len()
    }

    fn wrong<T>(&self, wanted: &str) -> Result<T, String> {
        let rest: String = self.text[self.at..].chars().take(20).collect();
        Err(format!("{wanted} is wanted at {rest:?}"))
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.peek() == Some(wanted) {
            self.next();
            return Ok(());
        }
        self.wrong(&format!("{wanted:?}"))
    }

    /// CFWS (RFC 5322 section 3.2.2): whether there was any.
    fn blank(&mut self) -> Result<bool, String> {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(c) = self.peek() {
            match c {
                '(' => depth += 1,
                ')' if depth > 0 => depth -= 1,
                '\\' if depth > 0 => drop(self.next()),
                ' ' | '\t' => {}
                _ if depth > 0 => {}
                _ => break,
            }
            // The escaped character may have been the last: then the comment does not end.
            if self.next().is_none() {
                break;
            }
        }
        if depth > 0 {
            return Err("a comment does not end".to_owned());
        }
        Ok(self.at > start)
    }

    fn take(&mut self, part: fn(char) -> bool) -> &str {
        let start = self.at;
        while self.peek().is_some_and(part) {
            self.next();
        }
        &self.text[start..self.at]
    }

    /// `Keyword` (RFC 5321 section 4.1.2), in lower case; underscores are in use.
    fn keyword(&mut self) -> Result<String, String> {
        let word = self.take(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_').to_ascii_lowercase();
        if word.is_empty() { self.wrong("a keyword") } else { Ok(word) }
    }

    /// An optional version; only 1 is known (section 2.2).
    fn version(&mut self) -> Result<(), String> {
        match self.take(|c| c.is_ascii_digit()) {
            "" | "1" => Ok(()),
            other => Err(format!("version {other:?} is not known")),
        }
    }

    /// A value: a token or a quoted string, or both run together as in `"local part"@domain`. More characters
    /// are let pass than RFC 2045 has in a token, since servers write addresses and base64 bare; none of
    /// those that end or open something.
    fn value(&mut self) -> Result<String, String> {
        let mut value = String::new();
        let start = self.at;
        loop {
            match self.peek() {
                Some('"') => self.quoted(&mut value)?,
                Some(c) if !c.is_whitespace() && !c.is_control() && !";()\\".contains(c) => {
                    value.push(c);
                    self.next();
                }
                _ => break,
            }
        }
        if self.at == start { self.wrong("a value") } else { Ok(value) }
    }

    fn quoted(&mut self, value: &mut String) -> Result<(), String> {
        self.expect('"')?;
        while let Some(c) = self.next() {
            match c {
                '"' => return Ok(()),
                '\\' => value.extend(self.next()),
                c => value.push(c),
            }
        }
        Err("a quotation does not end".to_owned())
    }

    /// All to the end; the first stands bare or, as all others, behind a semicolon.
    fn results(&mut self, bare: bool) -> Result<Vec<Outcome>, String> {
        let mut results = Vec::new();
        let mut none = false;
        let mut first = bare;
        while !self.done() {
            if !std::mem::take(&mut first) {
                self.expect(';')?;
                self.blank()?;
                // Several servers end the list with a semicolon.
                if self.done() && (none || !results.is_empty()) {
                    break;
                }
            }
            match self.outcome()? {
                Some(_) if none => return Err("results beside \"none\"".to_owned()),
                Some(outcome) => results.push(outcome),
                None if results.is_empty() && !none => none = true,
                None => return Err("\"none\" beside results".to_owned()),
            }
        }
        if results.is_empty() && !none {
            return Err("no results and no \"none\"".to_owned());
        }
        Ok(results)
    }

    /// `method=result` with its properties, or `None` for `none`.
    fn outcome(&mut self) -> Result<Option<Outcome>, String> {
        let method = self.keyword()?;
        self.blank()?;
        if method == "none" && matches!(self.peek(), None | Some(';')) {
            return Ok(None);
        }
        if self.peek() == Some('/') {
            self.next();
            self.blank()?;
            self.version()?;
            self.blank()?;
        }
        self.expect('=')?;
        self.blank()?;
        let result = self.keyword()?;
        let mut properties = Vec::new();
        loop {
            let apart = self.blank()?;
            if matches!(self.peek(), None | Some(';')) {
                return Ok(Some(Outcome { method, result, properties }));
            }
            if !apart {
                return self.wrong("a blank");
            }
            properties.push(self.property()?);
        }
    }

    fn property(&mut self) -> Result<(String, String), String> {
        let mut name = self.keyword()?;
        self.blank()?;
        while self.peek() == Some('.') {
            self.next();
            self.blank()?;
            name.push('.');
            name.push_str(&self.keyword()?);
            self.blank()?;
        }
        self.expect('=')?;
        let apart = self.blank()?;
        // `smtp.mailfrom=;` is what servers write for the null sender.
        if matches!(self.peek(), None | Some(';')) {
            return Ok((name, String::new()));
        }
        let value = self.value()?;
        // An empty value followed by the next property must not swallow it.
        if apart && value.contains('=') {
            return Err(format!("the value of {name} is missing"));
        }
        Ok((name, value))
    }
}
