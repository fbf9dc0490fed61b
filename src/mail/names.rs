//! Names of files that came by mail, made safe for a directory: a base name, clean, short, and the only one.
//! Pure: nothing here touches a file.

use crate::base::limits;
use std::collections::HashSet;

/// The base name of what a mail calls a file, without what could mislead a path, a shell or an eye; `None` where
/// nothing is left.
#[must_use]
pub fn clean(name: &str) -> Option<String> {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let seen: String = base.chars().filter(|&c| !c.is_control() && !is_unseen(c)).collect();
    let seen = seen.split_whitespace().collect::<Vec<_>>().join(" ");
    // No hidden file, and none that a command takes for an option.
    let bare = seen.trim().trim_start_matches(['.', '-', '~', ' ']).trim_end_matches(['.', ' ']);
    (!bare.is_empty()).then(|| fit(bare, ""))
}

/// Each name, numbered where it or one of `taken` was there before: `plan.pdf`, `plan-2.pdf`.
#[must_use]
pub fn unique_names(names: &[String], taken: &[String]) -> Vec<String> {
    let mut used: HashSet<String> = taken.iter().cloned().collect();
    let mut unique = Vec::with_capacity(names.len());
    for name in names {
        let numbered = (2_usize..).map(|number| fit(name, &format!("-{number}")));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !used.contains(name));
        let free = free.unwrap_or_default();
        used.insert(free.clone());
        unique.push(free);
    }
    unique
}

/// `stem` + `suffix` + `.extension`, the stem cut so that the whole is within the limit.
fn fit(name: &str, suffix: &str) -> String {
    let (stem, extension) = split(name);
    let room = limits::FILE_NAME_BYTES.saturating_sub(suffix.len() + extension.len());
    let mut end = stem.len().min(room);
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}{extension}", &stem[..end])
}

/// The name up to its extension, and the extension with its dot: `.pdf`, `.tar.gz`. A long one is none.
fn split(name: &str) -> (&str, &str) {
    let Some(dot) = name.rfind('.').filter(|&dot| dot > 0 && name.len() - dot <= 16) else {
        return (name, "");
    };
    let dot = name[..dot].strip_suffix(".tar").filter(|stem| !stem.is_empty()).map_or(dot, str::len);
    name.split_at(dot)
}

/// Marks that turn the direction of writing or take no room: `exe.pdf` can be made to look like `fdp.exe`.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fffd}' | '\u{e0000}'..='\u{e007f}')
}
