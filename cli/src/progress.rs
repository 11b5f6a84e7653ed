//! How far something has come, for a person who waits. Draws on standard error, and only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

const FRAME: Duration = Duration::from_millis(100);

/// A line that moves, or nothing.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Counts up to a total, if it is known.
    pub(crate) fn counting(output: &Output, what: &'static str, total: Option<u64>) -> Self {
        let bar = match total {
            Some(total) => ProgressBar::with_draw_target(Some(total), target(output))
                .with_style(style("{msg} {wide_bar} {pos}/{len} {eta}")),
            None => ProgressBar::with_draw_target(None, target(output)).with_style(style("{spinner} {msg} {pos}")),
        };
        Self(bar.with_message(what))
    }

    /// Turns until it is done.
    pub(crate) fn waiting(output: &Output, what: impl Into<String>) -> Self {
        let bar = ProgressBar::with_draw_target(None, target(output)).with_style(style("{spinner} {msg}"));
        bar.enable_steady_tick(FRAME);
        Self(bar.with_message(what.into()))
    }

    /// Says something else.
    pub(crate) fn say(&self, what: impl Into<String>) {
        self.0.set_message(what.into());
    }

    /// One more.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    /// One more is to be done.
    pub(crate) fn expect(&self, total: u64) {
        self.0.set_length(total);
    }

    /// So many are done.
    pub(crate) fn at(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn target(output: &Output) -> ProgressDrawTarget {
    if output.may_draw() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}

fn style(template: &str) -> ProgressStyle {
    // Only a template of ours that is wrong could fail; the plain line does as well then.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
