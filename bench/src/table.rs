//! The table: one line for each row of a figure, for a terminal or for a page of the documentation.

use crate::{
    figure::{Goal, Row},
    report::{Measured, Report},
    spread::Spread,
};

const HEADS: [&str; 6] = ["figure", "ours", "floor or peer", "ratio", "goal", "met"];

/// As text, in columns.
pub fn text(report: &Report) -> String {
    let rows: Vec<[String; 6]> = std::iter::once(HEADS.map(str::to_owned)).chain(lines(report)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    for note in notes(report) {
        out.push_str(&format!("\n{note}"));
    }
    out
}

/// As Markdown.
pub fn markdown(report: &Report) -> String {
    let line = |cells: [String; 6]| format!("| {} |\n", cells.join(" | "));
    let mut out = line(HEADS.map(str::to_owned)) + "|---|---|---|---|---|---|\n";
    out.extend(lines(report).map(line));
    for note in notes(report) {
        out.push_str(&format!("\n- {note}"));
    }
    out.push('\n');
    out
}

fn lines(report: &Report) -> impl Iterator<Item = [String; 6]> + '_ {
    report.figures.iter().flat_map(|measured| measured.outcome.rows.iter().map(cells))
}

fn cells(row: &Row) -> [String; 6] {
    let cpu = row.relay_cpu.map(|millis| format!(", {} ms CPU each", number(millis))).unwrap_or_default();
    let met = match row.met() {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    [
        row.title.clone(),
        format!("{} {}{cpu}", number(row.ours.median), row.unit).trim().to_owned(),
        row.base.as_ref().map(|base| format!("{}: {}", base.name, number(base.value.median))).unwrap_or_default(),
        row.ratio.map(spread).unwrap_or_default(),
        match row.goal {
            Goal::AtLeast(least) => format!("≥ {}", number(least)),
            Goal::AtMost(most) => format!("≤ {}", number(most)),
            Goal::Shown => String::new(),
        },
        met.to_owned(),
    ]
}

fn notes(report: &Report) -> impl Iterator<Item = String> + '_ {
    report.figures.iter().flat_map(|Measured { name, outcome, left_out, .. }| {
        let left_out = left_out.iter().map(move |why| format!("{name}: left out: {why}"));
        let noted = outcome.rows.iter().flat_map(|row| row.notes.iter().map(|note| format!("{}: {note}", row.title)));
        left_out.chain(noted)
    })
}

fn spread(ratio: Spread) -> String {
    if ratio.min == ratio.max {
        return number(ratio.median);
    }
    format!("{} ({}–{})", number(ratio.median), number(ratio.min), number(ratio.max))
}

/// Three digits that say something, and no more than are there.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let plain = format!("{value:.digits$}");
    let (whole, rest) = plain.split_once('.').map_or((plain.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let grouped: Vec<String> =
        whole.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    match rest {
        Some(rest) => format!("{}.{rest}", grouped.join(",")),
        None => grouped.join(","),
    }
}

#[cfg(test)]
mod tests;
