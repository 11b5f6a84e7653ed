use super::*;

fn targets(text: &str) -> Vec<String> {
    links(text).into_iter().map(|link| link.target).collect()
}

fn judge(target: &str) -> Option<String> {
    broken(&shell::root().join("docs/page.md"), "# Here\n", target).unwrap()
}

#[test]
fn inline_links_images_titles_and_definitions_are_found() {
    let text = "See [a](one.md) and ![b](two.png \"title\"), [c](<three four.md>).\n\n[d]: five.md\n";
    assert_eq!(targets(text), ["one.md", "two.png", "three four.md", "five.md"]);
}

#[test]
fn what_stands_in_code_is_no_link() {
    let text = "`[a](no.md)` but [b](yes.md)\n```\n[c](no.md)\n~~~\n[d](no.md)\n```\n[e](yes.md)\n";
    assert_eq!(targets(text), ["yes.md", "yes.md"]);
}

#[test]
fn a_lone_backtick_hides_nothing() {
    assert_eq!(targets("a ` and [b](yes.md)"), ["yes.md"]);
}

#[test]
fn a_link_carries_its_line() {
    assert_eq!(links("one\n\n[a](b.md)")[0].line, 3);
}

#[test]
fn files_and_folders_of_the_repository_are_found_from_the_page() {
    assert_eq!(judge("../Cargo.toml"), None);
    assert_eq!(judge("../core/"), None);
    assert_eq!(judge("https://example.org/x"), None);
    assert_eq!(judge("../missing.rs").as_deref(), Some("does not exist"));
}

#[test]
fn a_link_must_not_leave_the_repository() {
    assert_eq!(judge("../../etc/passwd").as_deref(), Some("leaves the repository"));
}

#[test]
fn a_named_heading_must_exist() {
    assert_eq!(judge("#here"), None);
    assert_eq!(judge("#there").as_deref(), Some("names no heading of this page"));
    assert_eq!(judge("../README.md#no-such-heading").as_deref(), Some("names no heading of that page"));
}

#[test]
fn headings_become_anchors_as_forges_make_them() {
    assert_eq!(anchor_of("One push, followed end to end"), "one-push-followed-end-to-end");
    assert_eq!(anchor_of("`core`: what's in it?"), "core-whats-in-it");
    assert!(has_heading("```\n# no\n```\n### Yes  \n", "yes"));
    assert!(!has_heading("```\n# no\n```\n### Yes\n", "no"));
}
