//! `join`: become a member of the group of a device that invites.

use std::io::{BufRead as _, IsTerminal as _, Read as _, stdin};

use zerok_core::{client::command::Report, error::Code, pairing::invite::Invite};
use zerok_tokio::{Joined, SyncError};

use crate::{
    device::{Setting, address, with},
    exit::{Done, Failure, Outcome},
    output::Output,
    place,
    progress::Progress,
    shape::JoinShape,
};

/// Most bytes of an invite that are read.
const LONGEST: u64 = 16 * 1024;

pub(crate) async fn run(
    setting: &Setting,
    output: &mut Output,
    invite: Option<&str>,
    relay: Option<&str>,
    name: Option<String>,
) -> Outcome {
    let invite = match invite.filter(|invite| *invite != "-") {
        Some(invite) => invite.to_owned(),
        None => asked(output)?,
    };
    let invite = invite.trim();
    // Read first: a mistyped code must not leave a directory behind.
    let parsed: Invite = invite.parse().map_err(|fault| Failure::from(SyncError::Invite(fault)))?;
    let relay = relay.map(address).transpose()?;
    match &parsed {
        Invite::Code(_) if relay.is_none() && !setting.exists() => return Err(no_relay()),
        Invite::Qr(picture) if relay.as_ref().is_some_and(|relay| relay.key != picture.relay.key) => {
            return Err(Failure::new(Code::InvalidArgs, "The URL names another relay than --relay. Leave one out."));
        }
        _ => {}
    }
    let client = setting.open_as(&name.unwrap_or_else(place::device_name), relay.clone()).await?;
    with(client, async |client| {
        let report = client.inspect().await?;
        if report.devices.len() > 1 {
            return Err(Code::AlreadyInGroup.into());
        }
        if client.info().relay_mismatch
            && let Some(relay) = relay
        {
            // A device alone has nobody to lose: the relay that is named is the one to use.
            client.set_relay(&relay.to_string()).await?;
        }
        let progress = Progress::waiting(output, "Pairing");
        let joined = client.join_invite(invite).await.map_err(|error| match error.code() {
            Code::NoRelay => no_relay(),
            _ => Failure::of_naming(error),
        })?;
        progress.say("Fetching what the group has");
        let synced = client.sync_now().await;
        drop(progress);
        let report = client.inspect().await?;
        tell(&report, joined, output)?;
        if let Err(error) = synced {
            output.note(format_args!("Not everything is here yet: {error}"));
        }
        Ok(Done::Well)
    })
    .await
}

/// The invite from standard input. What stands in a command line every other user of the computer can read.
fn asked(output: &mut Output) -> Outcome<String> {
    if stdin().is_terminal() {
        output.note("The code, or the URL:");
    }
    let mut line = String::new();
    // A URL is far shorter; more would be no invite.
    stdin().lock().take(LONGEST).read_line(&mut line).map_err(|error| Failure::of_input("Standard input", &error))?;
    if line.trim().is_empty() {
        return Err(Failure::new(Code::InvalidArgs, "There is no code on standard input."));
    }
    Ok(line)
}

fn tell(report: &Report, joined: Joined, output: &mut Output) -> Outcome<()> {
    let Some(identity) = report.identity else { return Err(Code::StorageFailed.into()) };
    output.object(&JoinShape {
        device: identity.device.to_string(),
        group: identity.group.to_string(),
        history_complete: joined.history_complete,
        needs_full_push: joined.needs_full_push,
    })?;
    output.line(format_args!("Joined a group of {} devices", report.devices.len()))?;
    if !joined.history_complete {
        output.note("The relay no longer has the group's first blobs; another device has to push its state again.");
    }
    Ok(())
}

fn no_relay() -> Failure {
    Failure::new(Code::NoRelay, "A code does not carry it: use --relay, or the invite's URL instead of the code.")
}
