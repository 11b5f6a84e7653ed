//! No statement of the store reads a whole table: what a push, a pull or a connect costs must not grow with the backlog.

use super::*;

/// The sources whose statements are looked at.
const SOURCES: [&str; 8] = [
    include_str!("../append.rs"),
    include_str!("../digests.rs"),
    include_str!("../load.rs"),
    include_str!("../mailbox.rs"),
    include_str!("../member.rs"),
    include_str!("../sweep.rs"),
    include_str!("../transaction.rs"),
    include_str!("../writer.rs"),
];

/// Every literal handed to `prepare_cached`, with Rust's line continuations left in: SQL does not mind white space.
fn statements() -> impl Iterator<Item = String> {
    SOURCES.into_iter().flat_map(|source| source.split("prepare_cached(").skip(1)).map(|rest| {
        let literal = rest.trim_start().strip_prefix('"').expect("statements are literals");
        literal[..literal.find('"').expect("a literal ends")].to_owned()
    })
}

#[test]
fn no_statement_scans_a_table() {
    let rig = rig();
    let conn = super::super::schema::reader(rig.path()).unwrap();
    let mut looked_at = 0;
    for sql in statements().filter(|sql| !["BEGIN IMMEDIATE", "COMMIT"].contains(&sql.as_str())) {
        let mut explain =
            conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let nulls = vec![rusqlite::types::Null; explain.parameter_count()];
        let steps: Vec<String> = explain
            .query_map(rusqlite::params_from_iter(nulls), |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for step in steps {
            let scans = step.starts_with("SCAN") && !["SCAN meta", "SCAN CONSTANT ROW"].contains(&step.as_str());
            assert!(!scans, "{step}: {sql}");
            assert!(!step.contains("TEMP B-TREE") || sql.contains("members"), "{step}: {sql}");
        }
        looked_at += 1;
    }
    assert!(looked_at > 35, "only {looked_at} statements found");
}
