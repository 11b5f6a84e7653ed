//! What the doctor says.

use std::collections::BTreeSet;

use serde::Serialize;
use zerok_core::{
    client::{command::Report, status::ConnectionState},
    error::Code,
};

use super::{advice::advice, redact::Redact};
use crate::{
    exit::Outcome,
    output::{Output, harmless},
};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// Worth knowing; by itself no reason for a bad exit status.
    Warning,
    /// Wrong.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) check: &'static str,
    pub(crate) state: State,
    pub(crate) code: Option<&'static str>,
    /// What was found; the cause, if it is a problem.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) advice: Option<String>,
}

impl Check {
    /// As it should be.
    pub(crate) fn fine(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: State::Ok, code: None, message: message.into(), advice: None }
    }

    /// Worth knowing.
    pub(crate) fn warning(check: &'static str, code: Code, message: impl Into<String>) -> Self {
        Self { state: State::Warning, ..Self::problem(check, code, message) }
    }

    /// Wrong, with the usual advice for its code.
    pub(crate) fn problem(check: &'static str, code: Code, message: impl Into<String>) -> Self {
        let advice = Some(advice(code).to_owned());
        Self { check, state: State::Problem, code: Some(code.name()), message: message.into(), advice }
    }

    /// Wrong, in the code's own words.
    pub(crate) fn of_code(check: &'static str, code: Code) -> Self {
        Self::problem(check, code, code.to_string())
    }

    /// Not so bad after all: something else does as well.
    pub(crate) fn relax(&mut self) {
        if self.state == State::Problem {
            self.state = State::Warning;
        }
    }

    /// Wrong in a way that no command would run into.
    pub(crate) fn odd(
        check: &'static str,
        state: State,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { check, state, code: None, message: message.into(), advice: Some(advice.into()) }
    }
}

/// The whole report.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    pub(crate) checks: Vec<Check>,
    pub(crate) facts: Option<Facts>,
}

/// What the device is, as far as others may see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Facts {
    device: Option<String>,
    group: Option<String>,
    epoch: Option<String>,
    devices: usize,
    relay: Option<String>,
    state: ConnectionState,
    head: u64,
    acked: u64,
    last_cursor: u64,
    relay_cursor: u64,
    pending: u64,
    verdicts: usize,
    last_synced_at: Option<u64>,
    last_error: Option<&'static str>,
    key_storage: &'static str,
}

impl Facts {
    pub(crate) fn new(report: &Report, key_storage: &'static str, redact: &Redact) -> Self {
        Self {
            device: report.identity.map(|identity| identity.device.to_string()),
            group: report.identity.map(|identity| redact.id(&identity.group.to_string())),
            epoch: report.identity.map(|identity| identity.kid.to_string()),
            devices: report.devices.len(),
            relay: report.relay.as_ref().map(|relay| redact.relay(relay)),
            state: report.status.state,
            head: report.head.0,
            acked: report.acked.0,
            last_cursor: report.status.last_cursor.0,
            relay_cursor: report.relay_cursor.0,
            pending: report.status.pending,
            verdicts: report.verdicts.len(),
            last_synced_at: report.status.last_synced_at.map(|at| at.0),
            last_error: report.status.last_error.map(Code::name),
            key_storage,
        }
    }
}

#[derive(Serialize)]
struct DiagnosisShape<'a> {
    healthy: bool,
    version: &'static str,
    system: String,
    checks: &'a [Check],
    facts: &'a Option<Facts>,
}

impl Diagnosis {
    /// Whether nothing is wrong.
    pub(crate) fn is_healthy(&self) -> bool {
        self.checks.iter().all(|check| check.state != State::Problem)
    }

    /// Prints it: one object, or a line for each check and each fact.
    pub(crate) fn tell(&self, output: &mut Output) -> Outcome<()> {
        let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
        output.object(&DiagnosisShape {
            healthy: self.is_healthy(),
            version: env!("CARGO_PKG_VERSION"),
            system: system.clone(),
            checks: &self.checks,
            facts: &self.facts,
        })?;
        let mut advised = BTreeSet::new();
        for check in &self.checks {
            let mark = match check.state {
                State::Ok => "ok      ",
                State::Warning => "warning ",
                State::Problem => "PROBLEM ",
            };
            let code = check.code.map(|code| format!("[{code}] ")).unwrap_or_default();
            output.line(format_args!("{mark} {:<10} {code}{}", check.check, harmless(&check.message)))?;
            // One fault shows in several places; what to do about it is said once.
            if let Some(advice) = check.advice.as_ref().filter(|advice| advised.insert(*advice)) {
                output.line(format_args!("{:20}→ {advice}", ""))?;
            }
        }
        output.line(format_args!("\nzerok {} on {system}", env!("CARGO_PKG_VERSION")))?;
        // The same names as in JSON, so that the two can be compared.
        if let Some(serde_json::Value::Object(facts)) = self.facts.as_ref().and_then(|f| serde_json::to_value(f).ok()) {
            for (name, value) in &facts {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                output.line(format_args!("  {name:<13} {value}"))?;
            }
        }
        Ok(())
    }
}
