//! `doctor`: one report of what is wrong, why, and what to do about it.
//!
//! Looks, and changes nothing but what `--settle` asks for. The report can be shown to others: no secret is in it, and no host, name
//! or path unless `--full` is given.
//!
//! # Layout
//! - `report`: checks and facts, as text and JSON. `advice`: what to do about a code. `redact`: what is left out.
//! - `storage`: directory, key, store. `reach`: the relay, transport by transport. `clock`, `health`: whether this clock can be right.

mod advice;
mod clock;
mod health;
mod reach;
mod redact;
mod report;
mod storage;

use zerok_core::{address::RelayAddress, client::command::Report, error::Code, time::UnixMillis};
use zerok_tokio::SyncClient;

use self::{
    redact::Redact,
    report::{Check, Diagnosis, Facts},
    storage::Ground,
};
use crate::{
    command::status::now,
    device::{Setting, address, close, connect},
    exit::{Done, Outcome},
    output::Output,
    progress::Progress,
    shape::verdict_sentence,
};

/// What was asked of the doctor.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// A relay to dial besides the device's own.
    pub(crate) relay: Option<String>,
    /// The relay's health page.
    pub(crate) health: Option<String>,
    /// Leave nothing out.
    pub(crate) full: bool,
    /// Forget findings about the history once reported.
    pub(crate) settle: bool,
}

pub(crate) async fn run(setting: &Setting, output: &mut Output, asked: &Asked) -> Outcome {
    let progress = Progress::waiting(output, "Examining");
    let diagnosis = examine(setting, asked, now()).await?;
    drop(progress);
    diagnosis.tell(output)?;
    Ok(if diagnosis.is_healthy() { Done::Well } else { Done::Unwell })
}

/// Examines. `now` is what the wall clock says.
async fn examine(setting: &Setting, asked: &Asked, now: UnixMillis) -> Outcome<Diagnosis> {
    let named = asked.relay.as_deref().map(address).transpose()?;
    let redact = Redact::new(asked.full);
    let mut diagnosis = Diagnosis::default();
    match storage::open(setting, &redact, &mut diagnosis.checks).await {
        Ground::Open(client) => {
            let examined = with_client(&client, setting, asked, named, now, &redact, &mut diagnosis).await;
            close(client).await;
            examined?;
        }
        Ground::Closed => {
            if let Some(relay) = &named {
                let found = reach::transports(&setting.ways, relay, setting.dial_patience(), &redact).await;
                diagnosis.checks.extend(found.checks.into_iter().map(reach::of_named));
            }
            clock::check(now, &clock::Evidence::default(), &mut diagnosis.checks);
        }
    }
    if let Some(url) = &asked.health {
        health::check(url, now, setting.dial_patience(), &mut diagnosis.checks).await;
    }
    Ok(diagnosis)
}

async fn with_client(
    client: &SyncClient,
    setting: &Setting,
    asked: &Asked,
    named: Option<RelayAddress>,
    now: UnixMillis,
    redact: &Redact,
    diagnosis: &mut Diagnosis,
) -> Outcome<()> {
    let before = client.inspect().await?;
    let named = named.filter(|named| before.relay.as_ref() != Some(named));
    // All at the same time: who asks the doctor has waited before.
    let patience = setting.dial_patience();
    let dial = async |relay: Option<&RelayAddress>| match relay {
        Some(relay) => Some(reach::transports(&setting.ways, relay, patience, redact).await),
        None => None,
    };
    let proof = async {
        match (&before.relay, &before.identity) {
            (Some(_), Some(_)) => Some(connect(client, patience).await),
            _ => None,
        }
    };
    let (own, other, proof) = tokio::join!(dial(before.relay.as_ref()), dial(named.as_ref()), proof);
    let mut reached = Ok(());
    match own {
        Some(own) => {
            diagnosis.checks.extend(own.checks);
            if let Some(proof) = proof {
                diagnosis.checks.push(reach::handshake(&proof, own.answered));
                reached = proof;
            }
        }
        None => diagnosis.checks.push(Check::of_code("relay", Code::NoRelay)),
    }
    diagnosis.checks.extend(other.into_iter().flat_map(|other| other.checks).map(reach::of_named));
    let report = client.inspect().await?;
    membership(&report, &mut diagnosis.checks);
    queue(&report, &mut diagnosis.checks);
    history(&report, &mut diagnosis.checks);
    last_error(&report, reached.err().and_then(|failure| failure.code()), &mut diagnosis.checks);
    clock::check(now, &clock::Evidence::of(&report), &mut diagnosis.checks);
    if let (true, Some((last, _))) = (asked.settle, report.verdicts.last()) {
        client.settle(*last).await?;
    }
    diagnosis.facts = Some(Facts::new(&report, client.info().key_storage.name(), redact));
    Ok(())
}

fn membership(report: &Report, checks: &mut Vec<Check>) {
    checks.push(match (&report.identity, report.devices.len()) {
        (None, _) => Check::of_code("group", Code::NotEnabled),
        (Some(_), 1) => Check::fine("group", "This device is alone in its group."),
        (Some(_), devices) => Check::fine("group", format!("The group has {devices} devices.")),
    });
}

fn queue(report: &Report, checks: &mut Vec<Check>) {
    checks.push(match report.status.pending {
        0 => Check::fine("queue", "Nothing waits for the relay."),
        pending => Check::warning("queue", Code::Pending, format!("{pending} blobs wait for the relay.")),
    });
}

fn history(report: &Report, checks: &mut Vec<Check>) {
    if report.verdicts.is_empty() {
        checks.push(Check::fine("history", "Nothing is missing and nothing was altered."));
    }
    for (_, verdict) in &report.verdicts {
        checks.push(Check::problem("history", verdict.code(), verdict_sentence(verdict)));
    }
}

/// What the client says went wrong last, unless the relay's check has just said it.
fn last_error(report: &Report, told: Option<Code>, checks: &mut Vec<Check>) {
    match report.status.last_error {
        Some(code) if Some(code) != told && code != Code::Offline => checks.push(Check::of_code("lastError", code)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
