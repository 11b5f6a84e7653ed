//! The table on a page of the documentation: written by the program, so that no number is typed.

use std::{fs, path::Path};

use crate::{report::Report, table, trouble::Trouble};

const BEGIN: &str = "<!-- figures: written by `cargo xtask bench page`; do not edit -->";
const END: &str = "<!-- end of figures -->";

/// Puts a run's table between the two marks of a page.
///
/// # Errors
/// The page has no marks, or is no file.
pub fn write(report: &Report, page: &Path) -> Result<(), Trouble> {
    let text = fs::read_to_string(page).map_err(Trouble::at(page))?;
    let filled = fill(&text, report)
        .ok_or_else(|| Trouble::Process(format!("{} has no marks for the figures", page.display())))?;
    fs::write(page, filled).map_err(Trouble::at(page))
}

fn fill(text: &str, report: &Report) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    let Report { commit, date, machine, rounds, .. } = report;
    let place = format!(
        "Measured {date} at commit `{commit}`, on {} cores of {}, {}; {rounds} rounds.",
        machine.cores, machine.cpu, machine.kernel
    );
    Some(format!("{before}{BEGIN}\n\n{place}\n\n{}\n{END}{after}", table::markdown(report)))
}

#[cfg(test)]
mod tests;
