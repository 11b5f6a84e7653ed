use super::*;

const DOCS: &str = include_str!("../../../docs/cli.md");
const BEGIN: &str = "<!-- codes -->\n";
const END: &str = "<!-- /codes -->";

/// The table of docs/cli.md, as the code has it.
fn table() -> String {
    let mut table = "| code | exit | retryable | what it says |\n|---|---|---|---|\n".to_owned();
    for code in Code::ALL {
        let retryable = if code.retryable() { "yes" } else { "no" };
        table += &format!("| `{}` | {} | {retryable} | {code} |\n", code.name(), class(*code));
    }
    table
}

#[test]
fn every_code_has_an_exit_class() {
    for code in Code::ALL {
        assert!((2..=7).contains(&class(*code)), "{code:?} has no class");
    }
}

/// After a change of the codes: `ZEROK_WRITE_DOCS=1 cargo test -p zerok the_documented_table`.
#[test]
fn the_documented_table_is_the_code_s() {
    let (before, rest) = DOCS.split_once(BEGIN).unwrap();
    let (documented, after) = rest.split_once(END).unwrap();
    if std::env::var_os("ZEROK_WRITE_DOCS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
        return std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
    }
    assert_eq!(documented, table());
}

#[test]
fn a_failure_is_one_line_with_its_code_and_one_object() {
    let failure = Failure::new(Code::NoRelay, "Use --relay.");
    assert_eq!(failure.to_string(), "error[noRelay]: No relay is set. Give its address. Use --relay.");
    assert_eq!(
        serde_json::to_string(&failure.object().unwrap()).unwrap(),
        r#"{"error":{"code":"noRelay","message":"No relay is set. Give its address. Use --relay.","retryable":false}}"#
    );
    assert_eq!(failure.status(), 2);
}

#[test]
fn output_that_nobody_reads_is_no_failure() {
    let failure = Failure::of_output(&std::io::ErrorKind::BrokenPipe.into());
    assert_eq!((failure.status(), failure.object().is_none()), (0, true));
}

#[test]
fn a_locked_directory_says_what_to_do() {
    let failure = Failure::from(SyncError::Directory(zerok_tokio::data_dir::DataDirFault::InUse));
    assert_eq!(failure.status(), 5);
    assert!(failure.to_string().starts_with("error[alreadyRunning]: "), "{failure}");
    assert!(failure.to_string().contains("--data"), "{failure}");
}

#[test]
fn a_clause_becomes_a_sentence() {
    assert_eq!(sentence("a code has 16 characters"), "A code has 16 characters.");
    assert_eq!(sentence("Done."), "Done.");
}
