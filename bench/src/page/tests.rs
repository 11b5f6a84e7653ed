use super::*;

#[test]
fn what_stands_between_the_marks_is_replaced_and_nothing_else() {
    let report = Report::begin(5);
    let page = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nMore.\n");
    let once = fill(&page, &report).expect("it has marks");
    assert!(once.starts_with("# Title\n\n") && once.ends_with("\n\nMore.\n") && !once.contains("old"), "{once}");
    assert!(once.contains("| figure | ours |"), "{once}");
    assert_eq!(fill(&once, &report).as_ref(), Some(&once), "written twice is written once");
}

#[test]
fn a_page_without_marks_is_left_alone() {
    let report = Report::begin(5);
    assert_eq!(fill("no marks", &report), None);
    assert_eq!(fill(BEGIN, &report), None);
}
