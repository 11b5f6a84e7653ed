use zerok_tokio::link::{BoxFuture, Opened};

use super::*;
use crate::store::Settings;

/// An acceptor that gives up, as an endpoint does that somebody closed.
struct Closed;

impl Acceptor for Closed {
    fn accept(&mut self) -> BoxFuture<'_, Option<Opened>> {
        Box::pin(async { None })
    }
}

#[tokio::test]
async fn a_listener_that_ends_by_itself_shows_in_health_and_ends_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    let db = Arc::new(RelayDb::open(temp.path(), Settings::default(), Vec::new()).unwrap());
    let (drain, draining) = watch::channel(false);
    let deaf = Arc::new(AtomicBool::new(false));
    let observed = Observed {
        db,
        machines: Vec::new(),
        draining: draining.clone(),
        deaf: Arc::clone(&deaf),
        started: Instant::now(),
        data: temp.path().to_owned(),
    };
    assert_eq!(http::standing(&observed).await, ("ok", true));

    let (machine, _requests) = mpsc::channel(1);
    let (mut running, mut accepting) = (JoinSet::new(), JoinSet::new());
    running.spawn(async move {
        // A machine that ends when it is told to.
        let mut draining = draining.clone();
        let _told = draining.wait_for(|drain| *drain).await;
        0
    });
    accepting.spawn(deal(Box::new(Closed), vec![machine], Pseudonyms::default()));
    let (watched, told) = (Arc::clone(&deaf), drain.subscribe());
    let supervised = tokio::spawn(async move { supervise(running, accepting, &[], told, &watched).await });
    while !deaf.load(Ordering::Relaxed) {
        tokio::task::yield_now().await;
    }
    assert!(!supervised.is_finished(), "open links go on");
    assert_eq!(http::standing(&observed).await, ("deaf", false));
    drain.send_replace(true);
    assert_eq!(supervised.await.unwrap(), Ending::Drained);
}
