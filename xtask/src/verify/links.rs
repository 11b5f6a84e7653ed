//! Links in the documentation lead somewhere.
//!
//! Reads every Markdown file of the repository and checks what points inside it: the file must exist, and the heading too where
//! one is named. Addresses on the web are not visited. Knows inline links, images and reference definitions; what stands in code is
//! no link.

use std::path::{Component, Path, PathBuf};

use super::{Mode, report::Outcome};
use crate::shell::{self, Failure};

pub(super) fn check(_: Mode) -> Result<Outcome, Failure> {
    let pages = shell::files(|path| path.extension().is_some_and(|kind| kind == "md"))?;
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in &pages {
        let text = read(page)?;
        for link in links(&text) {
            count += 1;
            if let Some(why) = broken(page, &text, &link.target)? {
                wrong.push(format!("{}:{}: `{}` {why}", shell::relative(page), link.line, link.target));
            }
        }
    }
    if wrong.is_empty() {
        return Ok(Outcome::Passed(format!("{count} links on {} pages", pages.len())));
    }
    Err(Failure::new(wrong.join("\n")))
}

#[derive(Debug, PartialEq, Eq)]
struct Link {
    line: usize,
    target: String,
}

/// Why a link leads nowhere, if it does.
fn broken(page: &Path, text: &str, target: &str) -> Result<Option<String>, Failure> {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    // `mailto:`, `https:` and the like lead outside.
    if file.contains(':') {
        return Ok(None);
    }
    if file.is_empty() {
        return Ok((!has_heading(text, anchor)).then(|| "names no heading of this page".to_owned()));
    }
    let folder = page.parent().unwrap_or(page);
    let Some(path) = inside(&folder.join(file)) else { return Ok(Some("leaves the repository".to_owned())) };
    if !path.exists() {
        return Ok(Some("does not exist".to_owned()));
    }
    if anchor.is_empty() || path.extension().is_none_or(|kind| kind != "md") {
        return Ok(None);
    }
    Ok((!has_heading(&read(&path)?, anchor)).then(|| "names no heading of that page".to_owned()))
}

/// The path without `..`, unless that leads out of the repository. Links are resolved as a web page would: by name.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain.starts_with(shell::root()).then_some(plain)
}

/// Everything a page links to, in order.
fn links(text: &str) -> Vec<Link> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let plain = without_code(line);
        let mut rest = plain.as_str();
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            found.extend(target(rest).map(|target| Link { line: number, target }));
        }
        let definition = plain.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        found.extend(definition.and_then(|(_, rest)| target(rest)).map(|target| Link { line: number, target }));
    }
    found
}

/// The target at the start of `text`, up to the closing parenthesis or a title.
fn target(text: &str) -> Option<String> {
    let text = text.trim_start();
    let target = match text.strip_prefix('<') {
        Some(quoted) => quoted.split('>').next(),
        None => text.split([')', ' ']).next(),
    };
    target.filter(|target| !target.is_empty()).map(str::to_owned)
}

/// The numbered lines outside fenced code.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fence: Option<&str> = None;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
            (None, None) => lines.push((index + 1, line)),
        }
    }
    lines
}

/// The line with its code spans blanked out. An unclosed backtick is a plain character.
fn without_code(line: &str) -> String {
    let pieces: Vec<&str> = line.split('`').collect();
    let spans = pieces.len() - 1;
    let mut plain = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        let code = index % 2 == 1 && index < spans;
        if !code {
            plain.push_str(piece);
        }
    }
    plain
}

fn has_heading(text: &str, anchor: &str) -> bool {
    let headings = prose(text).into_iter().filter_map(|(_, line)| {
        let marks = line.chars().take_while(|c| *c == '#').count();
        (1..=6).contains(&marks).then(|| line[marks..].strip_prefix(' ')).flatten()
    });
    headings.map(anchor_of).any(|known| known == anchor)
}

/// The name a heading has in a link: lower case, spaces as dashes, other punctuation gone.
fn anchor_of(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| Failure::io(shell::relative(path), &e))
}

#[cfg(test)]
mod tests;
