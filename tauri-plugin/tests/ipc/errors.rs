//! Every code as a page meets it, through Tauri's own IPC.

use serde_json::{Value, json};
use tauri::{
    WebviewWindowBuilder,
    ipc::{CallbackFn, InvokeBody},
    test::{INVOKE_KEY, get_ipc_response, mock_builder, mock_context, noop_assets},
    webview::InvokeRequest,
};
use tauri_plugin_sync::error::{Code, Error};

use crate::support::code;

/// Refuses with the named code, as commands of the plugin do.
#[tauri::command]
async fn refuse(name: String) -> Result<(), Error> {
    Code::ALL.iter().find(|code| code.name() == name).map_or(Ok(()), |code| Err((*code).into()))
}

#[test]
fn every_code_crosses_the_ipc_as_an_object_with_its_name_its_sentence_and_whether_to_retry() {
    let builder = mock_builder().invoke_handler(tauri::generate_handler![refuse]);
    let app = builder.build(mock_context(noop_assets())).unwrap();
    let page = WebviewWindowBuilder::new(&app, "main", Default::default()).build().unwrap();
    let url = if cfg!(any(windows, target_os = "android")) { "http://tauri.localhost" } else { "tauri://localhost" };
    for expected in Code::ALL {
        let request = InvokeRequest {
            cmd: "refuse".to_owned(),
            callback: CallbackFn(0),
            error: CallbackFn(1),
            url: url.parse().unwrap(),
            body: InvokeBody::Json(json!({ "name": expected.name() })),
            headers: Default::default(),
            invoke_key: INVOKE_KEY.to_owned(),
        };
        let refusal = get_ipc_response(&page, request).map(|_| Value::Null);
        let sent = refusal.clone().unwrap_err();
        assert_eq!(
            sent,
            json!({ "code": expected.name(), "message": expected.to_string(), "retryable": expected.retryable() })
        );
        assert_eq!(code(refusal), expected.name());
    }
}
