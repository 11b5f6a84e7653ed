//! Atomicity, order, reopening, a full disk, and the counter that lies outside.

use super::*;

pub fn d6_a_load_sees_every_batch_before_it_and_answers_keep_their_order<T: ClientTrial>() {
    let mut store = T::new();
    for id in 1..=400 {
        store.ask(StoreOutput::Persist { batch: BatchId(id), ops: vec![enqueue(id, b"blob"), number(id)] });
        if id % 100 == 0 {
            store.ask(StoreOutput::Load { load: LoadId(id), query: ClientQuery::Open });
        }
    }
    let (mut durable, mut loaded) = (0, 0);
    while durable < 400 || loaded < 400 {
        match store.answer() {
            StoreInput::Persisted { batch, outcomes } => {
                assert!(batch.0 > durable && outcomes.is_empty(), "{batch:?} after {durable}");
                durable = batch.0;
            }
            StoreInput::Loaded { load, answer: Ok(ClientAnswer::Opened(image)) } => {
                loaded += 100;
                assert_eq!((load.0, image.outbox.len() as u64), (loaded, loaded), "nothing later, nothing missing");
                assert_eq!(durable, loaded, "what a load shows is acknowledged before it");
            }
            other => panic!("{other:?}"),
        }
    }
}

pub fn a_batch_is_applied_in_its_order<T: ClientTrial>() {
    let mut store = T::new();
    let acked = ClientOp::Acked { id: OutboxId(1), position: Some(Position(9)) };
    store.persist(1, vec![enqueue(1, b"a"), acked.clone(), ClientOp::Remove(OutboxId(1)), enqueue(1, b"b")]).unwrap();
    store.persist(2, vec![deliver(5, b"x"), ClientOp::Trim(Position(5)), deliver(4, b"y")]).unwrap();
    assert_eq!(store.image().outbox, [entry(1, b"b")]);
    assert_eq!(store.inbox(0, 1000, true), [(4, Bytes::from_static(b"y"))]);
    // An acknowledgement of what is gone is void, also for what takes its number later.
    store.persist(3, vec![ClientOp::Remove(OutboxId(1)), acked, enqueue(1, b"c")]).unwrap();
    assert_eq!(store.image().outbox, [entry(1, b"c")]);
}

pub fn everything_survives_a_reopen<T: ClientTrial>() {
    let mut store = T::new();
    store.persist(1, vec![ClientOp::Reserve(7), ledger("l"), enqueue(1, b"x"), deliver(3, b"y")]).unwrap();
    let (image, inbox) = (store.image(), store.inbox(0, 1000, true));
    let mut store = store.reopen();
    assert_eq!((store.image(), store.inbox(0, 1000, true)), (image, inbox));
    store.persist(1, vec![enqueue(2, b"z")]).unwrap();
    assert_eq!(store.outbox_ids(), [1, 2]);
}

pub fn d7_a_batch_without_room_leaves_no_trace_and_later_ones_are_refused_until_it_is_read_again<T: ClientTrial>() {
    let mut store = T::with_little_room();
    store.persist(1, vec![enqueue(1, b"fits")]).unwrap();
    let before = store.image();
    let large = vec![7; 1 << 20];
    assert_eq!(store.persist(2, vec![enqueue(2, b"small"), enqueue(3, &large), ledger("x")]), Err(StoreFailure::Full));
    assert_eq!(
        store.persist(3, vec![enqueue(4, b"would fit")]),
        Err(StoreFailure::Full),
        "it may rest on the lost one"
    );
    assert_eq!(store.inbox(0, 1000, true), [], "reading goes on, and is not what ends it");
    assert_eq!(store.persist(4, vec![enqueue(5, b"would fit")]), Err(StoreFailure::Full));
    assert_eq!(store.image(), before);
    store.persist(5, vec![enqueue(6, b"fits again")]).unwrap();
    assert_eq!(store.outbox_ids(), [1, 6]);
}

pub fn d11_the_counter_never_goes_down_and_no_copy_takes_it_back<T: ClientTrial>() {
    let mut store = T::new();
    store.persist(1, vec![ClientOp::Reserve(64), ledger("old")]).unwrap();
    let (copy, mut store) = store.copy();
    store.persist(1, vec![ClientOp::Reserve(128), ledger("new")]).unwrap();
    store.persist(2, vec![ClientOp::Reserve(100)]).unwrap();
    assert_eq!(store.image().reserved, 128);
    let mut store = store.restore(copy);
    let image = store.image();
    assert_eq!(
        (image.reserved, image.ledger.as_deref()),
        (128, Some(&b"old"[..])),
        "the database is older than it says"
    );
}
