//! References: `NAME:ITEM`, or `ITEM` where only one repository can be meant; `-` reads them from standard input.

use crate::base::fault::Fault;
use crate::base::id::RepoName;
use crate::disk::repo::Repo;
use anyhow::{Context, Result};
use std::io::BufRead;

/// The repository and the item of each reference.
pub fn read(references: &[String], repos: &[Repo]) -> Result<Vec<(RepoName, String)>> {
    let mut texts = Vec::new();
    for text in references {
        if text == "-" {
            for line in std::io::stdin().lock().lines() {
                texts.push(line.context("cannot read references from standard input")?);
            }
        } else {
            texts.push(text.clone());
        }
    }
    texts
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
        .map(|text| parse(text, repos))
        .collect()
}

fn parse(text: &str, repos: &[Repo]) -> Result<(RepoName, String)> {
    if let Some((name, item)) = text.split_once(':') {
        let repo = repos.iter().find(|repo| repo.name.as_str() == name);
        let repo =
            repo.ok_or_else(|| Fault::usage(format!("{text}: there is no repository {name:?} here")))?;
        return Ok((repo.name.clone(), item.to_owned()));
    }
    match repos {
        [repo] => Ok((repo.name.clone(), text.to_owned())),
        _ => Err(Fault::usage(format!("{text}: which repository?"))
            .hint(format!("write NAME:{text}, or give --repo NAME"))
            .into()),
    }
}
