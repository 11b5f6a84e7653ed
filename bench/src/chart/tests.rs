use super::*;
use crate::{figure::Outcome, report::Measured};

fn report(series: Vec<Series>) -> Report {
    let outcome = Outcome { rows: Vec::new(), series };
    let figures = vec![Measured { name: "backlog".to_owned(), outcome, left_out: None, took: 1.0 }];
    Report { figures, ..Report::begin(1) }
}

fn series(name: &str, points: &[(f64, f64)]) -> Series {
    Series { name: name.to_owned(), points: points.to_vec() }
}

#[test]
fn each_series_has_a_line_and_a_label_that_no_other_label_covers() {
    let picture = draw(&report(vec![
        series("ours", &[(0.0, 40_000.0), (50_000.0, 39_000.0)]),
        series("a & b", &[(0.0, 39_500.0), (50_000.0, 38_900.0)]),
    ]))
    .expect("two series");
    assert_eq!(picture.matches(r#"class="line"#).count(), 2, "{picture}");
    assert!(picture.contains(">ours 39,000/s<") && picture.contains(">a &amp; b 38,900/s<"), "{picture}");
    let label = |name: &str| {
        let before = picture.split(&format!(">{name} ")).next().and_then(|text| text.rsplit("y=\"").next());
        before.and_then(|text| text.split('"').next()).and_then(|text| text.parse::<f64>().ok()).expect("a place")
    };
    assert!((label("ours") - label("a &amp; b")).abs() >= 15.0);
}

#[test]
fn a_run_without_rates_has_no_picture() {
    assert!(draw(&report(Vec::new())).is_err());
    assert!(draw(&report(vec![series("ours", &[])])).is_err());
}
