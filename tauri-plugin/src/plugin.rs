//! From a configuration to a Tauri plugin, and where its signals come from.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use tauri::{
    AppHandle, Emitter as _, Manager, RunEvent, Runtime, WindowEvent, async_runtime,
    plugin::{Builder as PluginBuilder, TauriPlugin},
};
use zerok_tokio::{FirstOf, Options, link::Dialer, tcp::TcpDialer};

use crate::{
    commands,
    config::{Builder, Config, Listener},
    lifecycle::Trigger,
    names,
    slot::Sink,
    state::{Limits, SyncState},
};

/// The plugin as `plugins.sync` sets it up.
pub fn init<R: Runtime>() -> TauriPlugin<R, Option<Config>> {
    Builder::new().build()
}

/// Sync from everything that manages state: apps, handles, windows, web views.
pub trait SyncExt<R: Runtime> {
    /// The one client of this app.
    ///
    /// # Panics
    /// When the plugin was not registered.
    fn sync(&self) -> &SyncState;
}

impl<R: Runtime, T: Manager<R>> SyncExt<R> for T {
    fn sync(&self) -> &SyncState {
        self.state::<SyncState>().inner()
    }
}

impl<R: Runtime> Builder<R> {
    /// The plugin.
    pub fn build(self) -> TauriPlugin<R, Option<Config>> {
        choose_tls_provider();
        PluginBuilder::<R, Option<Config>>::new("sync")
            .invoke_handler(tauri::generate_handler![
                commands::sync_enable,
                commands::sync_disable,
                commands::sync_create_invite,
                commands::sync_cancel_invite,
                commands::sync_join_invite,
                commands::sync_push,
                commands::sync_pull,
                commands::sync_status,
                commands::sync_last_cursor,
                commands::sync_now,
                commands::sync_ack,
                commands::sync_accept_full_push,
                commands::sync_pending,
                commands::sync_info,
                commands::sync_devices,
                commands::sync_leave,
                commands::sync_set_relay,
                commands::sync_visibility,
            ])
            .setup(move |app, api| {
                let mut config: Config = api.config().clone().unwrap_or_default();
                self.edits.into_iter().for_each(|edit| edit(&mut config));
                let mut options = options(app, &config, self.dialer)?;
                options.start_afresh = self.start_afresh;
                let limits = Limits {
                    flush_budget: Duration::from_millis(config.flush_budget_ms),
                    max_blob: config.max_blob_bytes,
                    pull_page: config.pull_page_bytes,
                };
                let state = SyncState::new(options, limits, sink(app.clone(), self.listener));
                app.manage(state.clone());
                // The window waits for none of it.
                async_runtime::spawn(async move {
                    state.on(Trigger::Launched).await;
                    if config.auto_enable {
                        // A refusal shows in the status.
                        let _refused = state.enable().await;
                    }
                });
                Ok(())
            })
            .on_event(|app, event| {
                // Exit rather than ExitRequested: that one may be prevented.
                if let RunEvent::Exit = event {
                    on_exit(app.sync());
                } else if let Some(trigger) = trigger_of(event) {
                    signal(app.sync(), trigger);
                }
            })
            .build()
    }
}

/// Acts on a trigger in the background.
pub(crate) fn signal(state: &SyncState, trigger: Trigger) {
    let state = state.clone();
    async_runtime::spawn(async move { state.on(trigger).await });
}

/// The end of the process waits for what is on its way, no longer than the budget. Waits for a message rather than on the runtime: that
/// works whatever thread and runtime this is called on, and ends in time even if the runtime stands still.
fn on_exit(state: &SyncState) {
    let (done, over) = mpsc::sync_channel(1);
    let (budget, state) = (state.limits().flush_budget, state.clone());
    async_runtime::spawn(async move {
        state.on(Trigger::Exit).await;
        // Nobody waits any more when the budget has passed.
        let _late = done.send(());
    });
    let _over = over.recv_timeout(budget);
}

/// What an event of the platform means. `Resumed` without a window is a tick of the event loop, whatever its name says.
fn trigger_of(event: &RunEvent) -> Option<Trigger> {
    match event {
        RunEvent::WindowEvent { event, .. } => trigger_of_window(event),
        _ => None,
    }
}

/// Windows lose the focus to each other all the time: that means nothing.
fn trigger_of_window(event: &WindowEvent) -> Option<Trigger> {
    match event {
        WindowEvent::Focused(true) => Some(Trigger::Foreground),
        #[cfg(mobile)]
        WindowEvent::Resumed => Some(Trigger::Foreground),
        #[cfg(mobile)]
        WindowEvent::Suspended => Some(Trigger::Background),
        _ => None,
    }
}

fn options<R: Runtime>(
    app: &AppHandle<R>,
    config: &Config,
    dialer: Option<Arc<dyn Dialer>>,
) -> Result<Options, Box<dyn std::error::Error>> {
    let relay = config.check()?;
    let name = config.device_name.clone().unwrap_or_else(|| names::of_device(&app.package_info().name));
    // An absolute path takes the place of the app's directory.
    let directory = app.path().app_data_dir()?.join(&config.data_dir);
    let mut options = Options::new(directory, name, dialer.unwrap_or_else(ways));
    options.relay = relay;
    options.key_storage = config.key_storage.into();
    options.limits.push_timeout = Duration::from_millis(config.push_timeout_ms);
    options.scheme.clone_from(&config.scheme);
    Ok(options)
}

fn sink<R: Runtime>(app: AppHandle<R>, listener: Option<Listener<R>>) -> Sink {
    Box::new(move |event| {
        if let Some(listener) = &listener {
            listener(&app, event);
        }
        if let Err(error) = app.emit(&format!("sync://{}", event.name()), event) {
            tracing::warn!(%error, event = event.name(), "not emitted");
        }
    })
}

/// TCP where it gets through, since it is the cheaper one; iroh where it does not.
fn ways() -> Arc<dyn Dialer> {
    let tcp: Arc<dyn Dialer> = Arc::new(TcpDialer);
    Arc::new(FirstOf(std::iter::once(tcp).chain(iroh()).collect()))
}

/// An endpoint of this process alone: who a device is, is none of the transport's business. Binds nothing before it dials.
#[cfg(feature = "iroh")]
fn iroh() -> Option<Arc<dyn Dialer>> {
    let mut secret = [0; 32];
    // Without randomness there is no key to make either; what needs one will say so.
    getrandom::fill(&mut secret).ok()?;
    Some(Arc::new(zerok_iroh::IrohDialer::new(zerok_iroh::Options::new(&secret))))
}

#[cfg(not(feature = "iroh"))]
fn iroh() -> Option<Arc<dyn Dialer>> {
    None
}

/// With iroh in the tree, an HTTP client of any other plugin finds no TLS provider by itself and aborts the process.
#[cfg(feature = "iroh")]
fn choose_tls_provider() {
    // One that the app has chosen stays.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(not(feature = "iroh"))]
fn choose_tls_provider() {}

#[cfg(test)]
mod tests;
