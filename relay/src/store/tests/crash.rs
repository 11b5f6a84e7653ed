//! A process killed in the middle of its work. The child is this very test binary, told by its environment to be the victim.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use super::*;

const DIR: &str = "ZEROK_RELAY_CRASH_DIR";
const FIRST: &str = "ZEROK_RELAY_CRASH_FIRST";

/// Not a test of its own: pushes for ever and says what was acknowledged, if its environment asks for it.
#[test]
fn victim() {
    let (Ok(dir), Ok(first)) = (std::env::var(DIR), std::env::var(FIRST)) else { return };
    let mut rig = open(Path::new(&dir), 2, Settings::default());
    let first: u64 = first.parse().unwrap();
    let mut out = std::io::stdout().lock();
    for n in first.. {
        let machine = usize::try_from(n % 2).unwrap();
        let group = u8::try_from(n % 3).unwrap();
        rig.submit(machine, vec![RelayOp::Append(run(group, [blob(n, 700)]))]);
        if n % 16 == 0 {
            rig.submit(machine, vec![RelayOp::Sweep { now: UnixMillis(NOON), clamp: Duration::from_secs(1) }]);
        }
        // Several under way, so that the kill lands in the middle of a group commit.
        if n >= first + 8 {
            for end in &rig.ends {
                while let Ok(input) = end.answers.try_recv() {
                    if let StoreInput::Persisted { outcomes, .. } = input {
                        for outcome in outcomes {
                            if let RelayOutcome::Appended { head, .. } = outcome {
                                writeln!(out, "acked {}", head.0).unwrap();
                            }
                        }
                    }
                }
            }
            out.flush().unwrap();
        }
    }
}

#[test]
fn g10_kill_nine_under_load_loses_no_acknowledged_blob() {
    let dir = tempfile::tempdir().unwrap();
    let mut next = 0;
    let mut relay_id = None;
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::crash::victim", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path())
            .env(FIRST, next.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acked = 0_u64;
        let wanted = 20 + round * 17;
        for line in &mut lines {
            if line.unwrap().contains("acked ") {
                acked += 1;
            }
            if acked >= wanted {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said by the time it died counts as well.
        acked += lines.map_while(Result::ok).filter(|line| line.contains("acked ")).count() as u64;
        assert!(acked >= wanted, "the victim died by itself");

        let mut rig = open(dir.path(), 1, Settings::default());
        assert_eq!(*relay_id.get_or_insert(rig.db.relay_id()), rig.db.relay_id(), "sound, so never set aside");
        let mut stored = 0;
        for group in 0..3 {
            let page = rig.page(group, all_after(0));
            let cursors: Vec<_> = page.entries.iter().map(|(cursor, _)| cursor.0).collect();
            assert!(cursors.iter().copied().eq(1..=page.head.0), "a hole or a stray in group {group}");
            stored += page.head.0;
        }
        assert!(stored >= next + acked, "{acked} acknowledged, {} stored", stored - next);
        next = stored;
        // Pushed one after the other by two machines: what is stored is some of what was sent, in each group's order.
        next += 1000;
        let fill = (stored..next).map(|n| RelayOp::Append(run(u8::try_from(n % 3).unwrap(), [blob(n | 1 << 40, 10)])));
        rig.persist(fill.collect());
        let conn = rusqlite::Connection::open(dir.path().join(super::super::FILE)).unwrap();
        let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
    }
}
