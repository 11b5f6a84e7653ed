//! Push rate against backlog, as an SVG picture.
//!
//! A flat line is what is wanted; how far the lines lie apart needs a logarithm. Colours follow the reader's choice of light or dark, and
//! are told apart by labels at the lines' ends, too.

use std::fmt::Write as _;

use crate::{figure::Series, report::Report, table::number, trouble::Trouble};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 412.0;
/// Where the plot lies: left, top, right, bottom. The labels stand to its right.
const PLOT: [f64; 4] = [70.0, 56.0, 590.0, 340.0];

/// Line colours: for light backgrounds, and for dark ones.
const COLOURS: [(&str, &str); 5] = [
    ("#0b62c4", "#6cb2ff"),
    ("#b3261e", "#ff8a80"),
    ("#2e7d32", "#81c784"),
    ("#7b4fb5", "#c9a4ff"),
    ("#9a6a00", "#ffca58"),
];

/// Draws every series of a run.
///
/// # Errors
/// The run measured none.
pub fn draw(report: &Report) -> Result<String, Trouble> {
    let series: Vec<&Series> = report.figures.iter().flat_map(|measured| &measured.outcome.series).collect();
    let points = || series.iter().flat_map(|series| &series.points);
    let most = points().map(|point| point.0).fold(0.0, f64::max);
    let rates = || points().map(|point| point.1).filter(|rate| *rate > 0.0);
    let (low, high) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
    if high <= 0.0 || most <= 0.0 {
        return Err(Trouble::Missing(
            "this run measured no rates against a backlog; run the figure `backlog`".to_owned(),
        ));
    }
    let (low, high) = (low.log10().floor(), high.log10().ceil());
    let [left, top, right, bottom] = PLOT;
    let x = |backlog: f64| left + backlog / most * (right - left);
    let y = |rate: f64| bottom - (rate.max(1e-9).log10() - low) / (high - low) * (bottom - top);

    let mut out = head(report);
    let mut decade = low;
    while decade <= high {
        let (rate, at) = (10_f64.powf(decade), y(10_f64.powf(decade)));
        let _ = write!(out, r#"<path class="grid" d="M{left} {at:.1}H{right}"/>"#);
        let _ =
            writeln!(out, r#"<text x="{}" y="{:.1}" text-anchor="end">{}</text>"#, left - 8.0, at + 4.0, number(rate));
        decade += 1.0;
    }
    for step in 0..=5 {
        let backlog = most * f64::from(step) / 5.0;
        let (at, below) = (x(backlog), bottom + 20.0);
        let _ = writeln!(out, r#"<text x="{at:.1}" y="{below}" text-anchor="middle">{}</text>"#, number(backlog));
    }
    let mut taken: Vec<f64> = Vec::new();
    for (index, series) in series.iter().enumerate() {
        let class = index % COLOURS.len();
        let path: Vec<String> =
            series.points.iter().map(|point| format!("{:.1} {:.1}", x(point.0), y(point.1))).collect();
        let _ = writeln!(out, r#"<path class="line c{class}" d="M{}"/>"#, path.join("L"));
        for point in &series.points {
            let _ = write!(out, r#"<circle class="f{class}" cx="{:.1}" cy="{:.1}" r="3"/>"#, x(point.0), y(point.1));
        }
        if let Some((backlog, rate)) = series.points.last() {
            let mut at = y(*rate) + 4.0;
            // Two labels in one place are none.
            while taken.iter().any(|other| (other - at).abs() < 15.0) {
                at += 15.0;
            }
            taken.push(at);
            let mut label = format!("{} {}/s", escaped(&series.name), number(rate.round()));
            if *backlog < most {
                // Not to be compared with rates at the end of the others.
                let _ = write!(label, " at {}", number(backlog.round()));
            }
            let _ = writeln!(out, r#"<text class="f{class}" x="{}" y="{at:.1}">{label}</text>"#, right + 10.0);
        }
    }
    out.push_str("</svg>\n");
    Ok(out)
}

fn head(report: &Report) -> String {
    let mut style = String::from(
        "text{font:13px system-ui,sans-serif;fill:#333}.t{font-weight:600;font-size:15px}.grid{stroke:#8886;fill:none}.line{fill:none;stroke-width:2.5}",
    );
    let mut dark = String::from("text{fill:#ccc}");
    for (index, (light, bright)) in COLOURS.iter().enumerate() {
        let _ = write!(style, ".c{index}{{stroke:{light}}}.f{index}{{fill:{light}}}");
        let _ = write!(dark, ".c{index}{{stroke:{bright}}}.f{index}{{fill:{bright}}}");
    }
    let [left, top, right, bottom] = PLOT;
    let (middle, below, machine) = (f64::midpoint(left, right), bottom + 42.0, &report.machine);
    let measured =
        escaped(&format!("{}, commit {}; {} cores of {}", report.date, report.commit, machine.cores, machine.cpu));
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Durable pushes per second against the backlog of the group's log">
<style>{style}@media (prefers-color-scheme:dark){{{dark}}}</style>
<text class="t" x="{left}" y="22">Durable pushes per second, window 64, by blobs already in the log</text>
<text x="{left}" y="{}">log scale</text>
<text x="{middle}" y="{below}" text-anchor="middle">blobs in the log</text>
<text x="{left}" y="{}" font-size="11">{measured}</text>
"#,
        top - 14.0,
        HEIGHT - 4.0
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
