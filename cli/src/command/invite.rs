//! `invite`: a code and a picture, and the wait for whoever uses them.
//!
//! ```text
//!  connect ─► open ─► waiting ─admitted─► admitted ─its first own record, or a while─► joined
//!                        └─ expired, failed, interrupted ─► failure
//! ```

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, interval, timeout_at},
};
use zerok_core::{
    address::RelayAddress,
    client::command::{ClientEvent, Report},
    error::Code,
    ids::DeviceId,
};
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
        let report = client.inspect().await?;
        let before = report.devices.iter().map(|device| device.id).collect();
        let invitation = client.create_invite().await?;
        show(&invitation, report.relay.as_ref(), output)?;
        let progress = Progress::waiting(output, "");
        let device = tokio::select! {
            device = admitted(client, &mut events, &invitation, &before, &progress) => device?,
            () = signals.stop() => {
                client.cancel_invite().await?;
                return Err(Failure::new(Code::Cancelled, "The invite is void."));
            }
        };
        progress.say("A device is in; waiting for its first sign of life");
        let heard = shown(client, &mut events, device).await;
        drop(progress);
        tell(client, device, heard, output).await
    })
    .await
}

pub(super) fn show(invitation: &Invitation, relay: Option<&RelayAddress>, output: &mut Output) -> Outcome<()> {
    let (code, url) = (invitation.code.to_string(), &invitation.url);
    // A code can only be redeemed where it was made; without a relay there is no invite.
    let relay = relay.map(ToString::to_string).unwrap_or_default();
    output.object(&InviteShape {
        code: code.clone(),
        url: url.clone(),
        relay: relay.clone(),
        expires_at: invitation.expires_at.0 / 1000,
    })?;
    if output.is_seen()
        && let Some(picture) = qr::picture(url)
    {
        output.line(picture.trim_end())?;
    }
    output.line(format_args!(
        "On the other device:\n\n    zerok join {code} --relay {relay}\n\nor with the URL, which carries the relay:\n\n    \
         zerok join '{url}'\n"
    ))
}

/// Waits for the device that uses the invite, and counts down meanwhile. `before` were in the group already.
async fn admitted(
    client: &SyncClient,
    events: &mut Receiver<ClientEvent>,
    invitation: &Invitation,
    before: &BTreeSet<DeviceId>,
    progress: &Progress,
) -> Outcome<DeviceId> {
    let mut second = interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = second.tick() => {
                let left = left(invitation);
                // The machine says so too; should that be missed, nobody waits for ever.
                if left.is_zero() {
                    return Err(Code::InviteExpired.into());
                }
                progress.say(format!("Waiting; the code is good for {}", clock(left)));
            }
            event = events.recv() => match event {
                Ok(ClientEvent::InviteUsed { device }) => return Ok(device),
                Ok(ClientEvent::InviteEnded { code }) => return Err(code.into()),
                Ok(_) => {}
                // The one that matters may be among the missed: the group itself says who is in.
                Err(RecvError::Lagged(_)) => {
                    if let Some(device) = newcomer(client.inspect().await?.devices.iter().map(|device| device.id), before) {
                        return Ok(device);
                    }
                }
                Err(RecvError::Closed) => return Err(Code::StorageFailed.into()),
            },
        }
    }
}

/// A device that was not in the group before.
pub(super) fn newcomer(mut now: impl Iterator<Item = DeviceId>, before: &BTreeSet<DeviceId>) -> Option<DeviceId> {
    now.find(|device| !before.contains(device))
}

fn left(invitation: &Invitation) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(invitation.expires_at.0).saturating_sub(now)
}

fn clock(left: Duration) -> String {
    format!("{}:{:02}", left.as_secs() / 60, left.as_secs() % 60)
}

/// Waits until the device has said something itself. Its keys are durable there then.
async fn shown(client: &SyncClient, events: &mut Receiver<ClientEvent>, device: DeviceId) -> bool {
    let deadline = Instant::now() + SHOW;
    loop {
        match timeout_at(deadline, events.recv()).await {
            Ok(Ok(ClientEvent::DeviceJoined { device: new, .. })) if new == device => return true,
            Ok(Ok(_)) => {}
            Ok(Err(RecvError::Lagged(_))) => {
                let heard = |report: Report| {
                    report.devices.iter().any(|known| known.id == device && known.last_heard.is_some())
                };
                if client.inspect().await.is_ok_and(heard) {
                    return true;
                }
            }
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
