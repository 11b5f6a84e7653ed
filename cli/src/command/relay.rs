//! `set-relay`, `sync`: this device and its relay.

use tokio::sync::broadcast::error::RecvError;
use zerok_core::client::command::ClientEvent;
use zerok_tokio::SyncClient;

use crate::{
    device::{Setting, address, connect, with},
    exit::{Done, Failure, Outcome},
    output::Output,
    progress::Progress,
    shape::{OkShape, StatusShape},
};

/// `set-relay`.
pub(crate) async fn set_relay(setting: &Setting, output: &mut Output, text: &str) -> Outcome {
    address(text)?;
    let client = setting.open().await?;
    with(client, async |client| {
        client.set_relay(text).await?;
        output.object(&OkShape::OK)?;
        output.note("The other devices have to be given the same relay");
        Ok(Done::Well)
    })
    .await
}

/// `sync`. Afterwards the relay holds what was here, and what the relay had is here.
pub(crate) async fn sync(setting: &Setting, output: &mut Output) -> Outcome {
    let client = setting.open().await?;
    with(client, async |client| {
        connect(client, setting.patience).await?;
        follow(client, output).await?;
        output.object(&StatusShape::from(client.status()))?;
        output.note("Everything is at the relay, and everything there is here");
        Ok(Done::Well)
    })
    .await
}

async fn follow(client: &SyncClient, output: &Output) -> Outcome<()> {
    let progress = Progress::counting(output, "Syncing", Some(0));
    let mut events = client.events();
    let mut most = 0;
    let synced = client.sync_now();
    tokio::pin!(synced);
    loop {
        tokio::select! {
            synced = &mut synced => return synced.map_err(Failure::from),
            event = events.recv() => match event {
                Ok(ClientEvent::Progress { to_push, to_pull }) => {
                    let left = to_push + to_pull;
                    most = most.max(left);
                    progress.expect(most);
                    progress.at(most - left);
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                // The call says why.
                Err(RecvError::Closed) => return synced.await.map_err(Failure::from),
            },
        }
    }
}
