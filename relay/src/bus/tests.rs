use super::*;

fn group(n: u32) -> GroupId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_le_bytes());
    GroupId(id)
}

fn grew(n: u32, head: u64) -> Announce {
    Announce::Group { group: group(n), head: Cursor(head) }
}

fn drain(bus: &Bus, machine: usize) -> Vec<String> {
    std::iter::from_fn(|| bus.inboxes[machine].take()).map(|input| format!("{input:?}")).collect()
}

#[test]
fn only_the_highest_head_of_a_group_waits() {
    let bus = Bus::new(3);
    for head in [3, 9, 5] {
        bus.announce(0, grew(1, head));
    }
    bus.announce(0, grew(2, 1));
    let expected =
        [RelayInput::Announced(grew(1, 9)), RelayInput::Announced(grew(2, 1))].map(|input| format!("{input:?}"));
    assert_eq!(drain(&bus, 1), expected);
    assert_eq!(drain(&bus, 2), expected);
    assert_eq!(drain(&bus, 0).len(), 0, "who announces knows");
    assert_eq!(drain(&bus, 1).len(), 0);
}

#[test]
fn a_machine_that_falls_too_far_behind_is_told_that_it_missed_something() {
    let bus = Bus::new(2);
    for n in 0..=TOPICS as u32 {
        bus.announce(0, grew(n, 1));
    }
    bus.announce(0, grew(7, 2));
    assert_eq!(drain(&bus, 1), [format!("{:?}", RelayInput::AnnouncedUnknown)]);
    bus.announce(0, grew(7, 3));
    assert_eq!(drain(&bus, 1).len(), 1, "and hears of what comes after");
}

#[tokio::test]
async fn a_waiting_machine_is_woken() {
    let bus = std::sync::Arc::new(Bus::new(2));
    let waiting = {
        let bus = std::sync::Arc::clone(&bus);
        tokio::spawn(async move { format!("{:?}", bus.next(1).await) })
    };
    tokio::task::yield_now().await;
    bus.announce(0, Announce::Mailbox(MailboxId([4; 16])));
    assert!(waiting.await.unwrap().contains("Mailbox"));
}
