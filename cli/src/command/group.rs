//! `rename`, `leave`: this device within its group.

use crate::{
    device::{Setting, connect, with},
    exit::{Done, Failure, Outcome},
    output::Output,
    progress::Progress,
    shape::OkShape,
};
use zerok_core::error::Code;

/// `rename`. The new name travels as a record of its own, which may have to wait for the relay.
pub(crate) async fn rename(setting: &Setting, output: &mut Output, name: &str) -> Outcome {
    let client = setting.open().await?;
    with(client, async |client| {
        client.rename(name).await.map_err(Failure::of_naming)?;
        let progress = Progress::waiting(output, "Telling the other devices");
        let told = match connect(client, setting.patience).await {
            Ok(()) => client.sync_now().await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        drop(progress);
        told.map_err(|failure| match failure.code() {
            Some(Code::Offline | Code::NoRelay) => Failure::pending("The name is changed here."),
            _ => failure,
        })?;
        output.object(&OkShape::OK)?;
        output.note("Renamed");
        Ok(Done::Well)
    })
    .await
}

/// `leave`. Tries to send what is queued first, since it would be lost. Other devices see one that is silent from now on.
pub(crate) async fn leave(setting: &Setting, output: &mut Output, force: bool) -> Outcome {
    let client = setting.open().await?;
    with(client, async |client| {
        if !force && client.status().pending > 0 && connect(client, setting.patience).await.is_ok() {
            let _progress = Progress::waiting(output, "Sending what is queued");
            // What is still queued makes the call below refuse, with a sentence of its own.
            let _judged_below = client.sync_now().await;
        }
        client.leave(force).await?;
        output.object(&OkShape::OK)?;
        output.note("This device has left its group and erased its data. The others are not told and still list it.");
        Ok(Done::Well)
    })
    .await
}
