//! A relay on this machine, and apps without a window.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        mpsc::{self, Receiver, Sender},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tauri::{
    App, Listener as _, RunEvent, WebviewWindow, WebviewWindowBuilder, async_runtime,
    http::HeaderMap,
    ipc::{CallbackFn, InvokeBody, InvokeResponseBody},
    plugin::{Builder as PluginBuilder, TauriPlugin},
    test::{INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder, mock_context, noop_assets},
    utils::acl::ExecutionContext,
    webview::InvokeRequest,
};
use tauri_plugin_sync::Builder;
use tempfile::TempDir;
use zerok_relay::{Config, Server, serve};

/// For what has to happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

const COMMANDS: [&str; 18] = [
    "enable",
    "disable",
    "create_invite",
    "cancel_invite",
    "join_invite",
    "push",
    "pull",
    "status",
    "last_cursor",
    "now",
    "ack",
    "accept_full_push",
    "pending",
    "info",
    "devices",
    "leave",
    "set_relay",
    "visibility",
];

const EVENTS: [&str; 12] = [
    "connected",
    "disconnected",
    "blob-available",
    "blob-synced",
    "blob-reissued",
    "device-joined",
    "joined",
    "invite-used",
    "invite-ended",
    "progress",
    "status",
    "error",
];

/// What a page is refused with.
pub(crate) fn code(refusal: Result<Value, Value>) -> String {
    let error = refusal.expect_err("a refusal");
    let fields = ["code", "message", "retryable", "details"];
    let object = error.as_object().unwrap_or_else(|| panic!("{error} is no object"));
    assert!(object.keys().all(|key| fields.contains(&key.as_str())), "{error}");
    assert!(error["message"].as_str().is_some_and(|message| message.ends_with('.')), "{error}");
    assert!(error["retryable"].is_boolean(), "{error}");
    error["code"].as_str().unwrap().to_owned()
}

/// A relay and the directories of devices.
pub(crate) struct World {
    pub(crate) temp: TempDir,
    config: Config,
    relay: Mutex<Option<Server>>,
    pub(crate) address: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let temp = TempDir::new().unwrap();
        let mut config = Config::new(temp.path().join("relay"));
        config.http = None;
        config.iroh = None;
        config.store.reserve_bytes = 0;
        config.tcp = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let relay = async_runtime::block_on(serve(config.clone())).unwrap();
        // The same port after a restart.
        config.tcp = relay.tcp_addr();
        let address = relay.address().to_string();
        Self { temp, config, relay: Mutex::new(Some(relay)), address }
    }

    pub(crate) fn stop_relay(&self) {
        let relay = self.relay.lock().unwrap().take().unwrap();
        async_runtime::block_on(relay.shutdown());
    }

    pub(crate) fn start_relay(&self) {
        let relay = async_runtime::block_on(serve(self.config.clone())).unwrap();
        *self.relay.lock().unwrap() = Some(relay);
    }

    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// `plugins.sync` of a device that knows the relay.
    pub(crate) fn config(&self, name: &str) -> Value {
        let mut config = local(&self.directory(name));
        config["relay"] = json!(self.address);
        config
    }

    /// A device that knows the relay and is enabled.
    pub(crate) fn device(&self, name: &str) -> Device {
        let device = Device::new(self.config(name));
        device.ok("enable", json!({}));
        device
    }

    /// Two devices of one group.
    pub(crate) fn pair(&self) -> (Device, Device) {
        let (laptop, phone) = (self.device("laptop"), self.device("phone"));
        let invite = laptop.invite();
        phone.ok("join_invite", json!({ "invite": invite["url"] }));
        phone.ok("now", json!({}));
        (laptop, phone)
    }
}

/// `plugins.sync` of a device that knows no relay.
pub(crate) fn local(directory: &Path) -> Value {
    json!({ "dataDir": directory, "keyStorage": "file", "pushTimeoutMs": 5000 })
}

/// Hears from the first moment: the device may be open before the app is built.
fn ears(tell: Sender<(String, Value)>) -> TauriPlugin<MockRuntime> {
    PluginBuilder::new("ears")
        .setup(move |app, _| {
            for name in EVENTS {
                let tell = tell.clone();
                app.listen_any(format!("sync://{name}"), move |event| {
                    let _over = tell.send((name.to_owned(), serde_json::from_str(event.payload()).unwrap()));
                });
            }
            Ok(())
        })
        .build()
}

/// An app with one page, and everything it hears.
pub(crate) struct Device {
    pub(crate) app: Mutex<Option<App<MockRuntime>>>,
    page: WebviewWindow<MockRuntime>,
    heard: Mutex<Receiver<(String, Value)>>,
    pub(crate) channel: Mutex<Receiver<(u32, Value)>>,
}

impl Device {
    pub(crate) fn new(config: Value) -> Self {
        Self::with(Builder::new(), config)
    }

    pub(crate) fn with(builder: Builder<MockRuntime>, config: Value) -> Self {
        Self::start(builder, config).unwrap()
    }

    pub(crate) fn start(builder: Builder<MockRuntime>, config: Value) -> Result<Self, String> {
        let mut context = mock_context(noop_assets());
        context.config_mut().plugins.0.insert("sync".to_owned(), config);
        for command in COMMANDS {
            let command = format!("plugin:sync|sync_{command}");
            context.runtime_authority_mut().__allow_command(command, ExecutionContext::Local);
        }
        let (sent, channel) = mpsc::channel();
        let (tell, heard) = mpsc::channel();
        let app = mock_builder()
            .plugin(ears(tell))
            .plugin(builder.build())
            .channel_interceptor(move |_, callback, _, body| {
                let InvokeResponseBody::Json(text) = body else { return false };
                sent.send((callback.0, serde_json::from_str(text).unwrap())).is_ok()
            })
            .build(context)
            .map_err(|error| error.to_string())?;
        let page = WebviewWindowBuilder::new(&app, "main", Default::default()).build().unwrap();
        Ok(Self { app: Mutex::new(Some(app)), page, heard: Mutex::new(heard), channel: Mutex::new(channel) })
    }

    /// What a page's `invoke` brings.
    pub(crate) fn call(&self, command: &str, arguments: Value) -> Result<Value, Value> {
        self.request(command, InvokeBody::Json(arguments), HeaderMap::new()).map(|body| match body {
            InvokeResponseBody::Json(text) => serde_json::from_str(&text).unwrap(),
            InvokeResponseBody::Raw(bytes) => json!({ "bytes": bytes.len() }),
        })
    }

    pub(crate) fn ok(&self, command: &str, arguments: Value) -> Value {
        self.call(command, arguments).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    pub(crate) fn request(
        &self,
        command: &str,
        body: InvokeBody,
        headers: HeaderMap,
    ) -> Result<InvokeResponseBody, Value> {
        // What a web view's own requests come from.
        let url =
            if cfg!(any(windows, target_os = "android")) { "http://tauri.localhost" } else { "tauri://localhost" };
        let request = InvokeRequest {
            cmd: format!("plugin:sync|sync_{command}"),
            callback: CallbackFn(0),
            error: CallbackFn(1),
            url: url.parse().unwrap(),
            body,
            headers,
            invoke_key: INVOKE_KEY.to_owned(),
        };
        get_ipc_response(&self.page, request)
    }

    pub(crate) fn push(&self, data: &[u8]) -> Result<Value, Value> {
        let body = self.request("push", InvokeBody::Raw(data.to_vec()), HeaderMap::new())?;
        let InvokeResponseBody::Json(text) = body else { panic!("bytes for an answer") };
        Ok(serde_json::from_str(&text).unwrap())
    }

    /// The header of a page and its payloads.
    pub(crate) fn pull(&self, arguments: Value) -> Result<(Value, Vec<Vec<u8>>), Value> {
        let body = self.request("pull", InvokeBody::Json(arguments), HeaderMap::new())?;
        let InvokeResponseBody::Raw(bytes) = body else { panic!("JSON for a page") };
        let (length, rest) = bytes.split_first_chunk::<4>().unwrap();
        let (header, mut rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        let header: Value = serde_json::from_slice(header).unwrap();
        let mut payloads = Vec::new();
        for blob in header["blobs"].as_array().unwrap() {
            let (payload, after) = rest.split_at(usize::try_from(blob["len"].as_u64().unwrap()).unwrap());
            payloads.push(payload.to_vec());
            rest = after;
        }
        assert!(rest.is_empty(), "nothing after the payloads");
        Ok((header, payloads))
    }

    /// An invite of a device that may just have been enabled.
    pub(crate) fn invite(&self) -> Value {
        self.ok("now", json!({}));
        self.ok("create_invite", json!({}))
    }

    /// The payload of the next event of this name. What came before it is forgotten.
    pub(crate) fn hears(&self, name: &str) -> Value {
        self.hears_until(name, |_| true).pop().unwrap().1
    }

    /// Every event up to the wanted one.
    pub(crate) fn hears_until(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Vec<(String, Value)> {
        let heard = self.heard.lock().unwrap();
        let until = Instant::now() + PATIENCE;
        let mut all = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (event, payload) =
                heard.recv_timeout(left).unwrap_or_else(|_| panic!("`{name}` was never heard, but {all:?}"));
            let last = event == name && wanted(&payload);
            all.push((event, payload));
            if last {
                return all;
            }
        }
    }

    /// Waits until the status is as wanted.
    pub(crate) fn status(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.ok("status", json!({}));
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < until, "still {status}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs the app until its page is closed, as a user does it: to its `Exit`.
    pub(crate) fn close(&self) {
        let app = self.app.lock().unwrap().take().unwrap();
        let page = self.page.clone();
        app.run_return(move |_, event| {
            if let RunEvent::Ready = event {
                page.close().unwrap();
            }
        });
    }
}
