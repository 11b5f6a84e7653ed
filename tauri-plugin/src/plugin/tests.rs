use std::{path::Path, time::Instant};

use tauri::test::MockRuntime;
use tempfile::TempDir;
use zerok_core::{address::RelayAddress, ids::RelayKey, machine::LinkFailure};
use zerok_tokio::{
    link::{BoxFuture, Opened},
    secrets::KeyStorageChoice,
};

use super::*;

/// A network on which nothing is ever answered.
struct Silence;

impl Dialer for Silence {
    fn dial(&self, _: &RelayAddress) -> BoxFuture<'static, Result<Opened, LinkFailure>> {
        Box::pin(std::future::pending())
    }
}

const BUDGET: Duration = Duration::from_millis(300);

/// A device with something queued, on a runtime that goes on by itself.
fn stranded(directory: &Path) -> SyncState {
    let relay = RelayAddress { key: RelayKey([7; 32]), tcp: vec!["127.0.0.1:1".to_owned()], iroh: None };
    let mut options = Options::new(directory, "laptop", Arc::new(Silence));
    options.relay = Some(relay);
    options.key_storage = KeyStorageChoice::File;
    options.limits.push_timeout = Duration::from_millis(1);
    let limits = Limits { flush_budget: BUDGET, max_blob: 1 << 10, pull_page: 1 << 10 };
    let state = SyncState::new(options, limits, Box::new(|_| {}));
    async_runtime::block_on(async {
        state.enable().await.unwrap();
        state.push("milk", None).await.unwrap_err();
    });
    state
}

/// What would be wrong is a dial's ten seconds, or no end at all.
fn ends_in_time(exit: impl FnOnce(&SyncState)) {
    let temp = TempDir::new().unwrap();
    let state = stranded(temp.path());
    let began = Instant::now();
    exit(&state);
    assert!(began.elapsed() < BUDGET + Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn d17_the_end_takes_no_longer_than_its_budget_on_any_thread_and_any_runtime() {
    ends_in_time(on_exit);
    ends_in_time(|state| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(async { on_exit(state) });
    });
    ends_in_time(|state| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { on_exit(state) });
    });
}

#[test]
fn a_second_end_finds_nothing_to_do() {
    let temp = TempDir::new().unwrap();
    let state = stranded(temp.path());
    on_exit(&state);
    on_exit(&state);
    assert!(temp.path().join("lock").exists());
}

#[test]
fn coming_to_the_front_is_a_signal_and_losing_the_focus_is_none() {
    assert_eq!(trigger_of_window(&WindowEvent::Focused(true)), Some(Trigger::Foreground));
    assert_eq!(trigger_of_window(&WindowEvent::Focused(false)), None);
    assert_eq!(trigger_of_window(&WindowEvent::Destroyed), None);
    assert_eq!(trigger_of(&RunEvent::Resumed), None);
    assert_eq!(trigger_of(&RunEvent::Ready), None);
}

#[test]
fn an_absolute_directory_takes_the_place_of_the_apps_and_a_relative_one_lies_within_it() {
    let app = tauri::test::mock_app();
    let place = |config: &Config| options::<MockRuntime>(app.handle(), config, None).unwrap().data_dir;
    let own = app.path().app_data_dir().unwrap();
    assert_eq!(place(&Config::default()), own.join("sync"));
    let elsewhere = std::env::temp_dir().join("elsewhere");
    assert_eq!(place(&Config { data_dir: elsewhere.clone(), ..Config::default() }), elsewhere);
}
