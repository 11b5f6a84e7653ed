//! What a page may call. Each command reads its arguments, asks [`SyncState`], and shapes the answer.
//!
//! Commands that are not `async` run on the main thread: they read the last known status and wait for nothing.

#![allow(clippy::needless_pass_by_value, reason = "Tauri hands arguments over by value")]

use serde_json::Value;
use tauri::{
    Runtime, State, Webview,
    ipc::{Channel, JavaScriptChannelId, Request, Response},
};

use crate::{
    binary::{self, Given},
    error::Error,
    events::Progress,
    lifecycle::Trigger,
    plugin,
    shapes::{Device, Info, Invite, PushResult, Status},
    state::SyncState,
};

/// The largest whole number that JavaScript holds exactly.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

#[tauri::command]
pub(crate) async fn sync_enable(state: State<'_, SyncState>) -> Result<(), Error> {
    state.enable().await
}

#[tauri::command]
pub(crate) async fn sync_disable(state: State<'_, SyncState>) -> Result<(), Error> {
    state.disable().await
}

#[tauri::command]
pub(crate) async fn sync_create_invite(state: State<'_, SyncState>) -> Result<Invite, Error> {
    state.create_invite().await
}

#[tauri::command]
pub(crate) async fn sync_cancel_invite(state: State<'_, SyncState>) -> Result<(), Error> {
    state.cancel_invite().await
}

#[tauri::command]
pub(crate) async fn sync_join_invite(state: State<'_, SyncState>, invite: String) -> Result<(), Error> {
    state.join_invite(&invite).await.map(drop)
}

/// The payload is the request's body, so it takes no named argument.
#[tauri::command]
pub(crate) async fn sync_push(state: State<'_, SyncState>, request: Request<'_>) -> Result<PushResult, Error> {
    let client = state.client().await?;
    let given = Given::read(request.body(), request.headers(), state.limits().max_blob)?;
    state.push_given(&client, given).await
}

#[tauri::command]
pub(crate) async fn sync_pull(
    state: State<'_, SyncState>,
    after_cursor: Option<Value>,
    own: Option<bool>,
    max_bytes: Option<Value>,
) -> Result<Response, Error> {
    let after = after_cursor.map(|value| whole("afterCursor", &value)).transpose()?;
    let bytes = max_bytes.map(|value| whole("maxBytes", &value)).transpose()?;
    let bytes = bytes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
    let pulled = state.pull(after, bytes, own.unwrap_or(false)).await?;
    Ok(Response::new(binary::page(&pulled)?))
}

#[tauri::command]
pub(crate) fn sync_status(state: State<'_, SyncState>) -> Status {
    state.status()
}

#[tauri::command]
pub(crate) fn sync_last_cursor(state: State<'_, SyncState>) -> u64 {
    state.last_cursor()
}

#[tauri::command]
pub(crate) async fn sync_now<R: Runtime>(
    webview: Webview<R>,
    state: State<'_, SyncState>,
    on_progress: Option<JavaScriptChannelId>,
) -> Result<(), Error> {
    let channel: Option<Channel<Progress>> = on_progress.map(|id| id.channel_on(webview));
    let report = |progress| {
        if let Some(channel) = &channel {
            // A page that is gone needs no progress.
            let _gone = channel.send(progress);
        }
    };
    state.sync_now(report).await
}

#[tauri::command]
pub(crate) async fn sync_ack(state: State<'_, SyncState>, cursor: Option<Value>) -> Result<(), Error> {
    state.ack(whole("cursor", &cursor.unwrap_or_default())?).await
}

#[tauri::command]
pub(crate) async fn sync_accept_full_push(state: State<'_, SyncState>) -> Result<(), Error> {
    state.accept_full_push().await
}

#[tauri::command]
pub(crate) fn sync_pending(state: State<'_, SyncState>) -> u64 {
    state.pending()
}

#[tauri::command]
pub(crate) async fn sync_info(state: State<'_, SyncState>) -> Result<Info, Error> {
    state.info().await
}

#[tauri::command]
pub(crate) async fn sync_devices(state: State<'_, SyncState>) -> Result<Vec<Device>, Error> {
    state.devices().await
}

#[tauri::command]
pub(crate) async fn sync_leave(state: State<'_, SyncState>, force: Option<bool>) -> Result<(), Error> {
    state.leave(force.unwrap_or(false)).await
}

#[tauri::command]
pub(crate) async fn sync_set_relay(state: State<'_, SyncState>, address: String) -> Result<(), Error> {
    state.set_relay(&address).await
}

#[tauri::command]
pub(crate) fn sync_visibility(state: State<'_, SyncState>, visible: bool) {
    plugin::signal(&state, if visible { Trigger::Foreground } else { Trigger::Background });
}

/// A whole number that JavaScript can mean exactly: anything else is refused rather than rounded.
fn whole(name: &str, value: &Value) -> Result<u64, Error> {
    let number = value.as_u64().filter(|number| *number <= MAX_SAFE_INTEGER);
    number.ok_or_else(|| Error::invalid(format!("{name} must be a whole number from 0 to 2^53 - 1, not {value}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cursor_is_a_whole_number_that_javascript_holds_exactly() {
        assert_eq!(whole("cursor", &json!(0)), Ok(0));
        assert_eq!(whole("cursor", &json!(MAX_SAFE_INTEGER)), Ok(MAX_SAFE_INTEGER));
        for bad in
            [json!(-1), json!(1.5), json!(MAX_SAFE_INTEGER + 1), json!(1e300), json!("7"), json!(null), json!([7])]
        {
            let error = whole("cursor", &bad).unwrap_err();
            assert_eq!(error.code, zerok_core::error::Code::InvalidArgs);
            assert!(error.details.unwrap()["reason"].as_str().unwrap().contains("cursor must be"), "{bad}");
        }
    }
}
