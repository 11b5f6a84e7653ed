//! `invite`: a code and a picture, and the wait for whoever uses them.
//!
//! ```text
//!  connect ─► open ─► waiting ─admitted─► admitted ─its first own record, or a while─► joined
//!                        └─ expired, failed, interrupted ─► failure
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, interval, timeout_at},
};
use zerok_core::{client::command::ClientEvent, error::Code, ids::DeviceId};
use zerok_tokio::{Invitation, SyncClient};

use crate::{
    device::{Setting, connect, with},
    exit::{Done, Failure, Outcome},
    names::Names,
    output::{Output, harmless},
    progress::Progress,
    qr,
    shape::{EventShape, InviteShape},
    signals::Signals,
};

/// How long an admitted device may take to show itself. It is a member by then and needs this device no more.
const SHOW: Duration = Duration::from_secs(15);

pub(crate) async fn run(setting: &Setting, output: &mut Output) -> Outcome {
    let mut signals = Signals::listen().map_err(|error| Failure::new(Code::NotAllowed, format!("{error}.")))?;
    let client = setting.open().await?;
    with(client, async |client| {
        connect(client, setting.patience).await?;
        let mut events = client.events();
        let invitation = client.create_invite().await?;
        show(&invitation, output)?;
        let progress = Progress::waiting(output, "");
        let device = tokio::select! {
            device = admitted(&mut events, &invitation, &progress) => device?,
            () = signals.stop() => {
                client.cancel_invite().await?;
                return Err(Failure::new(Code::Cancelled, "The invite is void."));
            }
        };
        progress.say("A device is in; waiting for its first sign of life");
        let heard = shown(&mut events, device).await;
        drop(progress);
        tell(client, device, heard, output).await
    })
    .await
}

fn show(invitation: &Invitation, output: &mut Output) -> Outcome<()> {
    let code = invitation.code.to_string();
    if output.is_seen() && !output.is_json() {
        if let Some(picture) = qr::picture(&invitation.url) {
            output.line(picture.trim_end())?;
        }
        return output.line(format_args!("Scan the picture, or type on the other device:\n\n    zerok join {code}\n"));
    }
    output.object(&InviteShape {
        code: code.clone(),
        url: invitation.url.clone(),
        expires_at: invitation.expires_at.0 / 1000,
    })?;
    output.line(format_args!("{code}\n{}", invitation.url))
}

/// Waits for the device that uses the invite, and counts down meanwhile.
async fn admitted(
    events: &mut Receiver<ClientEvent>,
    invitation: &Invitation,
    progress: &Progress,
) -> Outcome<DeviceId> {
    let mut second = interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = second.tick() => progress.say(format!("Waiting; the code is good for {}", left(invitation))),
            event = events.recv() => match event {
                Ok(ClientEvent::InviteUsed { device }) => return Ok(device),
                Ok(ClientEvent::InviteEnded { code }) => return Err(code.into()),
                Ok(_) => {}
                // So many events at once that this one may be among the lost: nobody can say any more how it ended.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(Code::StorageFailed.into()),
            },
        }
    }
}

fn left(invitation: &Invitation) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_millis(invitation.expires_at.0).saturating_sub(now).as_secs();
    format!("{}:{:02}", left / 60, left % 60)
}

/// Waits until the device has said something itself. Its keys are durable there then.
async fn shown(events: &mut Receiver<ClientEvent>, device: DeviceId) -> bool {
    let deadline = Instant::now() + SHOW;
    loop {
        match timeout_at(deadline, events.recv()).await {
            Ok(Ok(ClientEvent::DeviceJoined { device: new, .. })) if new == device => return true,
            Ok(Ok(_) | Err(RecvError::Lagged(_))) => {}
            Ok(Err(RecvError::Closed)) | Err(_) => return false,
        }
    }
}

async fn tell(client: &SyncClient, device: DeviceId, heard: bool, output: &mut Output) -> Outcome {
    let mut names = Names::default();
    names.learn(client, std::iter::once(device)).await?;
    let name = names.of(device);
    output.object(&EventShape::Joined { device: device.to_string(), name: name.map(str::to_owned), heard })?;
    let name = harmless(name.unwrap_or("a device"));
    output.line(format_args!("{name} has joined ({device})"))?;
    if !heard {
        output.note("It has its keys but has not shown itself yet; it will when it next syncs.");
    }
    Ok(Done::Well)
}
