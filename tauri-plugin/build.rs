//! Writes the permissions of every command and hands the JavaScript API to apps that want it as a global.

const COMMANDS: &[&str] = &[
    "sync_enable",
    "sync_disable",
    "sync_create_invite",
    "sync_cancel_invite",
    "sync_join_invite",
    "sync_push",
    "sync_pull",
    "sync_status",
    "sync_last_cursor",
    "sync_now",
    "sync_ack",
    "sync_accept_full_push",
    "sync_pending",
    "sync_info",
    "sync_devices",
    "sync_leave",
    "sync_set_relay",
    "sync_visibility",
];

fn main() {
    tauri_plugin::Builder::new(COMMANDS)
        // Made from guest-js by `npm run build`, and committed.
        .global_api_script_path("./api-iife.js")
        .build();
}
