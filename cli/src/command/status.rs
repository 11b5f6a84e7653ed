//! `status`, `devices`: how things stand.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zerok_core::{
    client::{
        command::Report,
        status::{ConnectionState, Indicator, Status},
    },
    error::Code,
    time::UnixMillis,
};

use crate::{
    device::{SET_RELAY, Setting, connect, not_set_up, with},
    exit::{Done, Outcome},
    output::{Output, harmless},
    progress::Progress,
    shape::{DeviceShape, StatusShape},
};

/// `status`. That the relay is out of reach is an answer here, no failure.
pub(crate) async fn status(setting: &Setting, output: &mut Output, offline: bool) -> Outcome {
    let client = setting.open().await?;
    with(client, async |client| {
        if client.inspect().await?.identity.is_none() {
            return Err(not_set_up());
        }
        if !offline {
            let _progress = Progress::waiting(output, "Asking the relay");
            // The status says what came of it.
            let _told_below = connect(client, setting.patience).await;
        }
        let report = client.inspect().await?;
        let status = settled(&report, offline);
        output.object(&StatusShape::from(status))?;
        let own = report.devices.iter().find(|device| device.own).map(|own| harmless(&own.name)).unwrap_or_default();
        output.line(format_args!("{} {}", status.indicator.glyph(), describe(&status, offline)))?;
        output.line(format_args!("device   {own}, in a group of {}", report.devices.len()))?;
        output.line(format_args!("pending  {}", report.status.pending))?;
        let synced = report.status.last_synced_at.map_or("never".to_owned(), |at| ago(at, now()));
        output.line(format_args!("synced   {synced}"))?;
        if !report.verdicts.is_empty() {
            output.line(format_args!("history  {} findings; see `zerok doctor`", report.verdicts.len()))?;
        }
        Ok(Done::Well)
    })
    .await
}

/// `devices`.
pub(crate) async fn devices(setting: &Setting, output: &mut Output) -> Outcome {
    let client = setting.open().await?;
    with(client, async |client| {
        let report = client.inspect().await?;
        if report.identity.is_none() {
            return Err(not_set_up());
        }
        for device in &report.devices {
            output.object(&DeviceShape::from(device))?;
            let heard = match (device.own, device.last_heard) {
                (true, _) => "this device".to_owned(),
                (false, Some(at)) => format!("last heard {}", ago(at, now())),
                (false, None) => "not heard yet".to_owned(),
            };
            output.line(format_args!("{}  {}  {heard}", device.id, harmless(&device.name)))?;
        }
        Ok(Done::Well)
    })
    .await
}

/// How things stand once this command ends: nobody goes on trying, and without a relay there is nothing to try.
fn settled(report: &Report, offline: bool) -> Status {
    let status = report.status;
    match status.state {
        _ if report.relay.is_none() => Status { last_error: Some(Code::NoRelay), ..status },
        // The relay took longer than this command waits.
        ConnectionState::Connecting if !offline => Status {
            state: ConnectionState::Offline,
            indicator: Indicator::Offline,
            last_error: Some(Code::Offline),
            ..status
        },
        // One failed attempt is all there is going to be.
        ConnectionState::Reconnecting if status.indicator != Indicator::Failed => {
            Status { indicator: Indicator::Offline, ..status }
        }
        _ => status,
    }
}

fn describe(status: &Status, offline: bool) -> String {
    match (status.state, status.last_error) {
        (_, Some(Code::NoRelay)) => format!("{} {SET_RELAY}", Code::NoRelay),
        (_, Some(code)) if code != Code::Offline => code.to_string(),
        (ConnectionState::Connected, _) => "connected".to_owned(),
        (ConnectionState::Disabled, _) => "disabled".to_owned(),
        _ if offline => "the relay was not asked".to_owned(),
        _ => "the relay cannot be reached".to_owned(),
    }
}

/// The wall clock.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// How long ago, roughly, as a person says it.
pub(crate) fn ago(at: UnixMillis, now: UnixMillis) -> String {
    let Some(seconds) = now.0.checked_sub(at.0).map(|passed| Duration::from_millis(passed).as_secs()) else {
        return "in the future, says the clock".to_owned();
    };
    let (count, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}
