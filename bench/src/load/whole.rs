//! Loads of whole devices.

use std::time::Instant;

use bytes::Bytes;
use zerok_core::client::command::Lifecycle;

use super::{
    Done, Times, Wish,
    member::{Member, Seen},
};
use crate::trouble::Trouble;

/// Blobs pushed before anything is counted: the group is founded with the first.
const WARM: usize = 64;

/// Pushes so many blobs, never more under way than the window, and answers when the relay has acknowledged the last.
pub(super) async fn push(wish: &Wish) -> Result<Done, Trouble> {
    let mut member = Member::founder(&wish.relay, wish.padding()).await?;
    pushed(&mut member, WARM, wish).await?;
    let (before, began) = (member.seen(), Instant::now());
    pushed(&mut member, wish.count, wish).await?;
    Ok(done(began, before, member.seen()))
}

/// Queues so many blobs without a network, and pushes them when it is back: they leave together, which is what costs least.
pub(super) async fn batch(wish: &Wish) -> Result<Done, Trouble> {
    let mut member = Member::founder(&wish.relay, wish.padding()).await?;
    pushed(&mut member, WARM, wish).await?;
    member.signal(Lifecycle::NetworkChanged { available: false });
    let payload = payload(wish.size);
    (0..wish.count).for_each(|_| member.push(payload.clone()));
    member.work()?;
    // Without a network a push is answered at once: it is queued.
    member.forget_answers();
    let (before, began) = (member.seen(), Instant::now());
    member.signal(Lifecycle::NetworkChanged { available: true });
    member.work()?;
    while member.pending() > 0 {
        member.ready().await?;
        member.work()?;
    }
    Ok(done(began, before, member.seen()))
}

/// The reader knows the group and nothing of its log, and is offline while that is written. It is timed from coming back until it has
/// opened, verified and stored the last blob.
pub(super) async fn pull(wish: &Wish) -> Result<Done, Trouble> {
    let mut writer = Member::founder(&wish.relay, wish.padding()).await?;
    let mut reader = writer.admit(&wish.relay, wish.padding()).await?;
    reader.signal(Lifecycle::NetworkChanged { available: false });
    reader.work()?;
    pushed(&mut writer, wish.count, wish).await?;
    let (before, began) = (reader.seen(), Instant::now());
    reader.signal(Lifecycle::NetworkChanged { available: true });
    reader.work()?;
    while reader.seen().received < wish.count {
        reader.ready().await?;
        reader.work()?;
    }
    let after = reader.seen();
    if after.received != wish.count || after.verdicts > 0 {
        return Err(Trouble::Absurd(format!("{after:?} of {} blobs", wish.count)));
    }
    Ok(done(began, before, after))
}

/// From the call that pushes to the event that says the blob is there, opened, verified and stored. Both devices are on this thread: one
/// waits while the other works, as two of their own would.
pub(super) async fn visible(wish: &Wish) -> Result<Times, Trouble> {
    let mut writer = Member::founder(&wish.relay, wish.padding()).await?;
    let mut reader = writer.admit(&wish.relay, wish.padding()).await?;
    let payload = payload(wish.size);
    let mut micros = Vec::with_capacity(wish.count);
    for number in 1..=wish.count {
        let began = Instant::now();
        writer.push(payload.clone());
        writer.work()?;
        while reader.seen().received < number {
            tokio::select! {
                ready = reader.ready() => ready?,
                ready = writer.ready() => ready?,
            }
            writer.work()?;
            reader.work()?;
        }
        micros.push(began.elapsed().as_secs_f64() * 1e6);
        while writer.answered()? == 0 {
            writer.ready().await?;
            writer.work()?;
        }
    }
    Ok(Times { micros })
}

async fn pushed(member: &mut Member, count: usize, wish: &Wish) -> Result<(), Trouble> {
    let payload = payload(wish.size);
    let (mut asked, mut done) = (0, 0);
    while done < count {
        while asked < count.min(done + wish.window) {
            member.push(payload.clone());
            asked += 1;
        }
        member.work()?;
        let more = member.answered()?;
        done += more;
        if more == 0 {
            member.ready().await?;
        }
    }
    Ok(())
}

fn payload(size: usize) -> Bytes {
    // Sealed under a new nonce each time, so that no two blobs are alike whatever this is.
    vec![0x5a; size].into()
}

fn done(began: Instant, before: Seen, after: Seen) -> Done {
    Done {
        seconds: began.elapsed().as_secs_f64(),
        sent_bytes: after.sent_bytes - before.sent_bytes,
        received_bytes: after.received_bytes - before.received_bytes,
    }
}
