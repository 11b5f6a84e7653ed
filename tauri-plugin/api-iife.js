if ('__TAURI__' in window) {
var __TAURI_PLUGIN_SYNC__ = (function (exports) {
    'use strict';

    /******************************************************************************
    Copyright (c) Microsoft Corporation.

    Permission to use, copy, modify, and/or distribute this software for any
    purpose with or without fee is hereby granted.

    THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH
    REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY
    AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
    INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM
    LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR
    OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR
    PERFORMANCE OF THIS SOFTWARE.
    ***************************************************************************** */
    /* global Reflect, Promise, SuppressedError, Symbol, Iterator */


    function __classPrivateFieldGet(receiver, state, kind, f) {
        if (kind === "a" && !f) throw new TypeError("Private accessor was defined without a getter");
        if (typeof state === "function" ? receiver !== state || !f : !state.has(receiver)) throw new TypeError("Cannot read private member from an object whose class did not declare it");
        return kind === "m" ? f : kind === "a" ? f.call(receiver) : f ? f.value : state.get(receiver);
    }

    function __classPrivateFieldSet(receiver, state, value, kind, f) {
        if (typeof state === "function" ? receiver !== state || true : !state.has(receiver)) throw new TypeError("Cannot write private member to an object whose class did not declare it");
        return (state.set(receiver, value)), value;
    }

    typeof SuppressedError === "function" ? SuppressedError : function (error, suppressed, message) {
        var e = new Error(message);
        return e.name = "SuppressedError", e.error = error, e.suppressed = suppressed, e;
    };

    // Copyright 2019-2024 Tauri Programme within The Commons Conservancy
    // SPDX-License-Identifier: Apache-2.0
    // SPDX-License-Identifier: MIT
    var _Channel_instances, _Channel_onmessage, _Channel_nextMessageIndex, _Channel_pendingMessages, _Channel_messageEndIndex, _Channel_deliver;
    /**
     * Invoke your custom commands.
     *
     * This package is also accessible with `window.__TAURI__.core` when [`app.withGlobalTauri`](https://v2.tauri.app/reference/config/#withglobaltauri) in `tauri.conf.json` is set to `true`.
     * @module
     */
    /**
     * A key to be used to implement a special function
     * on your types that define how your type should be serialized
     * when passing across the IPC.
     * @example
     * Given a type in Rust that looks like this
     * ```rs
     * #[derive(serde::Serialize, serde::Deserialize)
     * enum UserId {
     *   String(String),
     *   Number(u32),
     * }
     * ```
     * `UserId::String("id")` would be serialized into `{ String: "id" }`
     * and so we need to pass the same structure back to Rust
     * ```ts
     * import { SERIALIZE_TO_IPC_FN } from "@tauri-apps/api/core"
     *
     * class UserIdString {
     *   id
     *   constructor(id) {
     *     this.id = id
     *   }
     *
     *   [SERIALIZE_TO_IPC_FN]() {
     *     return { String: this.id }
     *   }
     * }
     *
     * class UserIdNumber {
     *   id
     *   constructor(id) {
     *     this.id = id
     *   }
     *
     *   [SERIALIZE_TO_IPC_FN]() {
     *     return { Number: this.id }
     *   }
     * }
     *
     * type UserId = UserIdString | UserIdNumber
     * ```
     *
     */
    // if this value changes, make sure to update it in:
    // 1. ipc.js
    // 2. process-ipc-message-fn.js
    const SERIALIZE_TO_IPC_FN = '__TAURI_TO_IPC_KEY__';
    /**
     * Stores the callback in a known location, and returns an identifier that can be passed to the backend.
     * The backend uses the identifier to `eval()` the callback.
     *
     * @return An unique identifier associated with the callback function.
     *
     * @since 1.0.0
     */
    function transformCallback(
    // TODO: Make this not optional in v3
    callback, once = false) {
        return window.__TAURI_INTERNALS__.transformCallback(callback, once);
    }
    /**
     * A message channel used to stream values from Rust to the frontend.
     *
     * A `Channel` is the JavaScript counterpart of [`tauri::ipc::Channel`](https://docs.rs/tauri/2/tauri/ipc/struct.Channel.html).
     * Pass an instance as a command argument and the Rust command can declare a
     * `tauri::ipc::Channel<T>` parameter with the same name; every value sent from
     * Rust is then delivered to {@linkcode Channel.onmessage}. Messages are delivered
     * in the order they were sent, even when they arrive out of order.
     *
     * The channel stays alive until the Rust `Channel` is dropped, so it can be used
     * for long-running work such as download progress or log streaming.
     *
     * Raw byte payloads are delivered to the frontend as an `ArrayBuffer` rather than
     * a JSON value, so declare the channel as `Channel<ArrayBuffer>` when the Rust
     * side sends `tauri::ipc::InvokeResponseBody::Raw` — for example through a
     * `Channel<tauri::ipc::Response>` whose values are built with
     * `tauri::ipc::Response::new(bytes)`.
     *
     * @example
     * ```typescript
     * import { Channel, invoke } from '@tauri-apps/api/core';
     *
     * const onEvent = new Channel<string>();
     * onEvent.onmessage = (message) => {
     *   console.log(`got download event ${message}`);
     * };
     *
     * await invoke('download', { url: 'https://tauri.app', onEvent });
     * ```
     *
     * The matching Rust command:
     * ```rust
     * #[tauri::command]
     * async fn download(url: String, on_event: tauri::ipc::Channel<String>) -> tauri::Result<()> {
     *   on_event.send("started".to_string())?;
     *   on_event.send("finished".to_string())?;
     *   Ok(())
     * }
     * ```
     *
     * @since 2.0.0
     */
    class Channel {
        constructor(onmessage) {
            _Channel_instances.add(this);
            _Channel_onmessage.set(this, void 0);
            // the index is used as a mechanism to preserve message order
            _Channel_nextMessageIndex.set(this, 0);
            _Channel_pendingMessages.set(this, []);
            _Channel_messageEndIndex.set(this, void 0);
            __classPrivateFieldSet(this, _Channel_onmessage, onmessage || (() => { }));
            this.id = transformCallback((rawMessage) => {
                const index = rawMessage.index;
                if ('end' in rawMessage) {
                    if (index == __classPrivateFieldGet(this, _Channel_nextMessageIndex, "f")) {
                        this.cleanupCallback();
                    }
                    else {
                        __classPrivateFieldSet(this, _Channel_messageEndIndex, index);
                    }
                    return;
                }
                const message = rawMessage.message;
                // Process the message if we're at the right order
                if (index == __classPrivateFieldGet(this, _Channel_nextMessageIndex, "f")) {
                    __classPrivateFieldGet(this, _Channel_instances, "m", _Channel_deliver).call(this, message);
                    __classPrivateFieldSet(this, _Channel_nextMessageIndex, __classPrivateFieldGet(this, _Channel_nextMessageIndex, "f") + 1);
                    // process pending messages
                    while (__classPrivateFieldGet(this, _Channel_nextMessageIndex, "f") in __classPrivateFieldGet(this, _Channel_pendingMessages, "f")) {
                        const message = __classPrivateFieldGet(this, _Channel_pendingMessages, "f")[__classPrivateFieldGet(this, _Channel_nextMessageIndex, "f")];
                        __classPrivateFieldGet(this, _Channel_instances, "m", _Channel_deliver).call(this, message);
                        // eslint-disable-next-line @typescript-eslint/no-array-delete
                        delete __classPrivateFieldGet(this, _Channel_pendingMessages, "f")[__classPrivateFieldGet(this, _Channel_nextMessageIndex, "f")];
                        __classPrivateFieldSet(this, _Channel_nextMessageIndex, __classPrivateFieldGet(this, _Channel_nextMessageIndex, "f") + 1);
                    }
                    if (__classPrivateFieldGet(this, _Channel_nextMessageIndex, "f") === __classPrivateFieldGet(this, _Channel_messageEndIndex, "f")) {
                        this.cleanupCallback();
                    }
                }
                // Queue the message if we're not
                else {
                    // eslint-disable-next-line security/detect-object-injection
                    __classPrivateFieldGet(this, _Channel_pendingMessages, "f")[index] = message;
                }
            });
        }
        cleanupCallback() {
            window.__TAURI_INTERNALS__.unregisterCallback(this.id);
        }
        /**
         * The handler called for every message sent by the Rust side of this channel.
         *
         * Assigning a new handler replaces the previous one; messages that arrived
         * before a handler was set are not replayed, so set it (or pass it to the
         * constructor) before sending the channel to the backend.
         */
        set onmessage(handler) {
            __classPrivateFieldSet(this, _Channel_onmessage, handler);
        }
        get onmessage() {
            return __classPrivateFieldGet(this, _Channel_onmessage, "f");
        }
        [(_Channel_onmessage = new WeakMap(), _Channel_nextMessageIndex = new WeakMap(), _Channel_pendingMessages = new WeakMap(), _Channel_messageEndIndex = new WeakMap(), _Channel_instances = new WeakSet(), _Channel_deliver = function _Channel_deliver(message) {
            try {
                __classPrivateFieldGet(this, _Channel_onmessage, "f").call(this, message);
            }
            catch (error) {
                // A throwing handler must not stall the channel: the message index would
                // never advance and every later message would stay queued. Rethrow
                // asynchronously so the error is still reported as uncaught.
                queueMicrotask(() => {
                    throw error;
                });
            }
        }, SERIALIZE_TO_IPC_FN)]() {
            return `__CHANNEL__:${this.id}`;
        }
        toJSON() {
            // eslint-disable-next-line security/detect-object-injection
            return this[SERIALIZE_TO_IPC_FN]();
        }
    }
    /**
     * Sends a message to the backend.
     * @example
     * ```typescript
     * import { invoke } from '@tauri-apps/api/core';
     * await invoke('login', { user: 'tauri', password: 'poiwe3h4r5ip3yrhtew9ty' });
     * ```
     *
     * @param cmd The command name.
     * @param args The optional arguments to pass to the command.
     * @param options The request options.
     * @return A promise resolving or rejecting to the backend response.
     *
     * @since 1.0.0
     */
    async function invoke(cmd, args = {}, options) {
        return window.__TAURI_INTERNALS__.invoke(cmd, args, options);
    }

    /**
     * One kind of error for everything that goes wrong, whoever said it.
     *
     * The plugin rejects with an object; Tauri itself, which refuses a call before the plugin sees it, with a bare sentence. Both become
     * a {@link SyncError} with a code to branch on. Messages are for people and may change; codes are final.
     */
    /** Why a call failed, or what the plugin reported by the event `error`. */
    class SyncError extends Error {
        /** Stable, camelCase. Tauri's own refusals are `notAllowed`, `invalidArgs` and `invoke`. */
        code;
        /** Whether the same call may succeed later without anybody changing anything. */
        retryable;
        constructor(info, options) {
            super(info.message, options);
            this.name = 'SyncError';
            this.code = info.code;
            this.retryable = info.retryable;
            if (info.details !== undefined)
                this.details = info.details;
        }
        /** Turns whatever a call was rejected with into a `SyncError`. `permission` is what the call needs a window to have. */
        static from(reason, permission) {
            if (reason instanceof SyncError)
                return reason;
            if (isInfo(reason))
                return new SyncError(reason);
            const message = reason instanceof Error ? reason.message : String(reason);
            const code = codeOf(message);
            if (code !== 'notAllowed' || permission === undefined)
                return new SyncError({ code, message, retryable: false }, { cause: reason });
            // Tauri names it in debug builds only.
            const named = `${message.replace(/\.?$/, '.')} It needs the permission ${permission}.`;
            return new SyncError({ code, message: named, retryable: false, details: { permission } }, { cause: reason });
        }
    }
    /** For a call that cannot be meant: it never leaves the page. */
    function invalidArgs(message) {
        return new SyncError({ code: 'invalidArgs', message, retryable: false });
    }
    function isInfo(reason) {
        if (typeof reason !== 'object' || reason === null)
            return false;
        const { code, message, retryable } = reason;
        return typeof code === 'string' && typeof message === 'string' && typeof retryable === 'boolean';
    }
    /** Tauri's refusals have no code, only a wording, of which release builds have less. */
    function codeOf(message) {
        if (/\b(not allowed|explicitly denied)\b/i.test(message))
            return 'notAllowed';
        if (/^invalid args\b/i.test(message))
            return 'invalidArgs';
        return 'invoke';
    }

    /**
     * Bytes and numbers at the border: a pull's answer is taken apart here, and what goes out is checked.
     *
     * A pull answers with one binary frame, because the same bytes as JSON take twenty times as long:
     *
     * ```text
     * u32 LE header length │ header, JSON │ payloads, back to back, in the order of header.blobs
     * ```
     *
     * Where the web view has no binary channel (Android, a strict content security policy), the very same frame arrives as an array of
     * numbers. Never guesses: a frame that does not add up is an error, not a shorter answer.
     */
    /** Takes a pull's answer apart. Every blob gets bytes of its own, so that keeping one does not keep the page. */
    function decodePull(answer) {
        const frame = bytesOf(answer);
        if (frame.length < 4)
            throw broken('it ends within its first number');
        const length = new DataView(frame.buffer, frame.byteOffset, 4).getUint32(0, true);
        const end = 4 + length;
        if (end > frame.length)
            throw broken('it ends within its header');
        const header = headerOf(frame.subarray(4, end));
        let at = end;
        const blobs = header.blobs.map(({ len, ...blob }) => {
            if (!isCount(len) || at + len > frame.length)
                throw broken('it ends within a blob');
            const data = frame.slice(at, at + len);
            at += len;
            return { ...blob, cursor: safeCursor(blob.cursor), data };
        });
        if (at !== frame.length)
            throw broken('bytes are left over');
        return {
            blobs,
            hasMore: header.hasMore,
            maxCursor: safeCursor(header.maxCursor),
            truncated: header.truncated,
        };
    }
    /** A cursor the plugin sent. Above 2^53 - 1 JSON has already rounded it, and a rounded cursor would skip or repeat blobs. */
    function safeCursor(cursor) {
        if (isCount(cursor))
            return cursor;
        throw broken(`${String(cursor)} is no cursor`);
    }
    /** A cursor the caller gave. */
    function givenCursor(cursor, name) {
        if (isCount(cursor))
            return cursor;
        throw invalidArgs(`${name} must be a whole number from 0 to 2^53 - 1, not ${String(cursor)}`);
    }
    /** The caller's bytes as they are now: what they do with the array afterwards changes nothing. */
    function givenBytes(data) {
        // Arrays of another realm fail `instanceof`; a look at the kind does not.
        if (ArrayBuffer.isView(data) && data.BYTES_PER_ELEMENT === 1) {
            return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
        }
        throw invalidArgs('push takes a Uint8Array; encode text with `new TextEncoder().encode(text)`');
    }
    function bytesOf(answer) {
        if (ArrayBuffer.isView(answer))
            return new Uint8Array(answer.buffer, answer.byteOffset, answer.byteLength);
        if (Array.isArray(answer))
            return Uint8Array.from(answer);
        if (Object.prototype.toString.call(answer) === '[object ArrayBuffer]')
            return new Uint8Array(answer);
        throw broken('it is not made of bytes');
    }
    function headerOf(bytes) {
        let header;
        try {
            header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
        }
        catch (cause) {
            throw broken('its header is no JSON', cause);
        }
        if (!Array.isArray(header?.blobs))
            throw broken('its header names no blobs');
        return header;
    }
    function isCount(value) {
        return Number.isSafeInteger(value) && value >= 0;
    }
    /** The two halves of the plugin do not fit each other: versions apart, most likely. */
    function broken(why, cause) {
        const message = `The plugin's answer cannot be read: ${why}. Are the crate and the npm package of one version?`;
        return new SyncError({ code: 'invoke', message, retryable: false }, { cause });
    }

    /**
     * The last known status, so that `status()` and `lastCursor()` can answer at once although every question to Rust takes a while.
     *
     * Events bring each change as a whole; a snapshot fills what came before the page listened. An event may overtake a snapshot that was
     * taken earlier, and the older answer must not undo the newer one: a snapshot counts only when no event came while it was under way.
     * Dropping it loses nothing, as each change has its event; a few more tries make the end of a call fresh even in a storm of them.
     */
    const TRIES = 3;
    /** Before anything is known: the truth of a fresh start. */
    const UNKNOWN = {
        state: 'disabled',
        indicator: 'offline',
        pending: 0,
        lastCursor: 0,
        lastSyncedAt: null,
        attempt: 0,
        lastError: null,
    };
    class StatusCache {
        #status = UNKNOWN;
        #changes = 0;
        #ask;
        /** `ask` fetches a snapshot from the plugin. */
        constructor(ask) {
            this.#ask = ask;
        }
        /** A copy: nobody can change what the next caller reads. */
        get status() {
            return { ...this.#status };
        }
        /** An event brought the whole status. */
        changed(status) {
            this.#changes += 1;
            this.#keep(status);
        }
        /** Asks, and answers with what the plugin said even where an event has overtaken it. */
        async refresh() {
            for (let tries = 1;; tries += 1) {
                const before = this.#changes;
                const status = await this.#ask();
                if (this.#changes === before) {
                    this.#keep(status);
                    return this.status;
                }
                if (tries === TRIES)
                    return status;
            }
        }
        #keep(status) {
            this.#status = { ...status, lastCursor: safeCursor(status.lastCursor) };
        }
    }

    /**
     * `consume`: hands every blob to the app, in order, and acknowledges it once the app has dealt with it. Then follows live.
     *
     * A blob may come twice after a crash, never not at all. Handlers run one at a time. Acknowledgements trail the handlers by at most
     * one call, so that a backlog of small blobs does not wait for the disk between each two; before the next page they are settled.
     *
     * ```text
     *            nothing there                  event, or a while after a retryable failure
     *   pull ───────────────────► wait ──────────────────────────────────────────► pull
     *    │ blobs                    │ signal
     *    ▼                          ▼
     *   handler, ack ─► pull      resolved            handler rejects: the blob stays unacknowledged, and so do we
     * ```
     */
    /** After a retryable failure without any news. */
    const RETRY_MS = 5_000;
    async function consume(feed, handler, signal) {
        const bell = new Bell();
        const ring = () => bell.ring();
        // Watching comes before the first pull: what arrives in between rings the bell for the next one.
        const unwatch = feed.watch(ring);
        signal?.addEventListener('abort', ring);
        const acks = new Acks((cursor) => feed.ack(cursor));
        let after;
        try {
            while (!signal?.aborted) {
                bell.rest();
                const page = await next(feed, after);
                if (page === 'later') {
                    await bell.wait(RETRY_MS);
                    continue;
                }
                if (page === 'elsewhere') {
                    after = undefined;
                    continue;
                }
                for (const blob of page.blobs) {
                    if (signal?.aborted)
                        break;
                    await handler(blob);
                    acks.add(blob.cursor);
                }
                if (signal?.aborted)
                    break;
                // The rest of the page were this device's own blobs.
                if (page.blobs.length > 0)
                    acks.add(page.maxCursor);
                await acks.settled();
                after = page.maxCursor;
                if (page.blobs.length === 0 && !page.hasMore)
                    await bell.wait();
            }
        }
        finally {
            unwatch();
            signal?.removeEventListener('abort', ring);
            // What was handled is handled, also when a later blob failed. Its own failure only means that a blob comes again.
            await acks.settled().catch(() => undefined);
        }
    }
    async function next(feed, after) {
        try {
            return await feed.pull(after);
        }
        catch (reason) {
            const error = SyncError.from(reason);
            if (error.retryable)
                return 'later';
            // The device left its group and is in another one: positions begin anew.
            if (error.code === 'cursorUnknown' && after !== undefined)
                return 'elsewhere';
            throw error;
        }
    }
    /** Remembers having rung while nobody waited. */
    class Bell {
        #rung = false;
        #wake;
        ring() {
            this.#rung = true;
            this.#wake?.();
        }
        rest() {
            this.#rung = false;
        }
        /** Until it rings, or for `limit` milliseconds. */
        async wait(limit) {
            if (this.#rung)
                return;
            let timer;
            await new Promise((resolve) => {
                this.#wake = resolve;
                if (limit !== undefined)
                    timer = setTimeout(resolve, limit);
            });
            clearTimeout(timer);
            this.#wake = undefined;
        }
    }
    /** At most one acknowledgement under way; the highest of those that wait goes next. */
    class Acks {
        #send;
        #highest;
        #running = Promise.resolve();
        #idle = true;
        constructor(send) {
            this.#send = send;
        }
        add(cursor) {
            this.#highest = cursor;
            if (!this.#idle)
                return;
            this.#idle = false;
            this.#running = this.#drain();
            // Heard by `settled`, which may be a few handlers away.
            this.#running.catch(() => undefined);
        }
        /** Rejects when an acknowledgement failed. */
        settled() {
            return this.#running;
        }
        async #drain() {
            while (this.#highest !== undefined) {
                const cursor = this.#highest;
                this.#highest = undefined;
                await this.#send(cursor);
            }
            this.#idle = true;
        }
    }

    // Copyright 2019-2024 Tauri Programme within The Commons Conservancy
    // SPDX-License-Identifier: Apache-2.0
    // SPDX-License-Identifier: MIT
    /**
     * The event system allows you to emit events to the backend and listen to events from it.
     *
     * This package is also accessible with `window.__TAURI__.event` when [`app.withGlobalTauri`](https://v2.tauri.app/reference/config/#withglobaltauri) in `tauri.conf.json` is set to `true`.
     *
     * @remarks All commands used by this module (`core:event:allow-listen`,
     * `allow-unlisten`, `allow-emit` and `allow-emit-to`) are part of the
     * `core:event:default` permission set, which is enabled by default, so no extra
     * capability configuration is needed.
     *
     * @module
     */
    /**
     * The built-in event names emitted by Tauri itself.
     *
     * These are the raw names behind the `on*` helpers of the `Window` and `Webview`
     * classes (e.g. `Window.onResized` listens to {@linkcode TauriEvent.WINDOW_RESIZED}).
     * Prefer those helpers when one exists, since they also decode the payload into
     * the matching class (`PhysicalSize`, `PhysicalPosition`, ...).
     *
     * @example
     * ```typescript
     * import { listen, TauriEvent } from '@tauri-apps/api/event';
     * const unlisten = await listen(TauriEvent.WINDOW_DESTROYED, (event) => {
     *   console.log('a window was destroyed', event.payload);
     * });
     * ```
     *
     * @since 1.1.0
     */
    var TauriEvent;
    (function (TauriEvent) {
        /** A window was resized. Payload: the new inner size, in physical pixels. See `Window.onResized`. */
        TauriEvent["WINDOW_RESIZED"] = "tauri://resize";
        /** A window was moved. Payload: the new outer position, in physical pixels. See `Window.onMoved`. */
        TauriEvent["WINDOW_MOVED"] = "tauri://move";
        /**
         * The user requested a window to be closed (e.g. clicked the close button).
         * See `Window.onCloseRequested`, which also handles preventing the close.
         */
        TauriEvent["WINDOW_CLOSE_REQUESTED"] = "tauri://close-requested";
        /** A window was destroyed, i.e. it is gone and its label can be reused. */
        TauriEvent["WINDOW_DESTROYED"] = "tauri://destroyed";
        /** A window gained focus. See `Window.onFocusChanged`. */
        TauriEvent["WINDOW_FOCUS"] = "tauri://focus";
        /** A window lost focus. See `Window.onFocusChanged`. */
        TauriEvent["WINDOW_BLUR"] = "tauri://blur";
        /**
         * The scale factor of the monitor a window is on changed, or the window moved to
         * a monitor with a different scale factor. See `Window.onScaleChanged`.
         */
        TauriEvent["WINDOW_SCALE_FACTOR_CHANGED"] = "tauri://scale-change";
        /** The system or window theme changed. See `Window.onThemeChanged`. */
        TauriEvent["WINDOW_THEME_CHANGED"] = "tauri://theme-changed";
        /** A new window was created. */
        TauriEvent["WINDOW_CREATED"] = "tauri://window-created";
        /**
         * The window's event loop was suspended.
         *
         * #### Platform-specific
         *
         * - **Android:** emitted when the activity is paused.
         * - **Other platforms:** never emitted.
         */
        TauriEvent["WINDOW_SUSPENDED"] = "tauri://suspended";
        /**
         * The window's event loop was resumed after being suspended.
         *
         * #### Platform-specific
         *
         * - **Android:** emitted when the activity is resumed.
         * - **Other platforms:** never emitted.
         */
        TauriEvent["WINDOW_RESUMED"] = "tauri://resumed";
        /** A new webview was created. */
        TauriEvent["WEBVIEW_CREATED"] = "tauri://webview-created";
        /** The user dragged files onto a webview. See `Webview.onDragDropEvent`. */
        TauriEvent["DRAG_ENTER"] = "tauri://drag-enter";
        /** The user is moving dragged files over a webview. See `Webview.onDragDropEvent`. */
        TauriEvent["DRAG_OVER"] = "tauri://drag-over";
        /** The user dropped files onto a webview. See `Webview.onDragDropEvent`. */
        TauriEvent["DRAG_DROP"] = "tauri://drag-drop";
        /** The drag operation left the webview or was cancelled. See `Webview.onDragDropEvent`. */
        TauriEvent["DRAG_LEAVE"] = "tauri://drag-leave";
    })(TauriEvent || (TauriEvent = {}));
    /**
     * Unregister the event listener associated with the given name and id.
     *
     * @ignore
     * @param event The event name
     * @param eventId Event identifier
     * @returns
     */
    async function _unlisten(event, eventId) {
        window.__TAURI_EVENT_PLUGIN_INTERNALS__.unregisterListener(event, eventId);
        await invoke('plugin:event|unlisten', {
            event,
            eventId
        });
    }
    /**
     * Listen to an emitted event to any {@link EventTarget|target}.
     *
     * @example
     * ```typescript
     * import { listen } from '@tauri-apps/api/event';
     * const unlisten = await listen<string>('error', (event) => {
     *   console.log(`Got error, payload: ${event.payload}`);
     * });
     *
     * // call unlisten when your handler goes out of scope e.g. the component is unmounted
     * unlisten();
     * ```
     *
     * @param event Event name. Must include only alphanumeric characters, `-`, `/`, `:` and `_`.
     * @param handler Event handler callback.
     * @param options Event listening options.
     * @returns A promise resolving to a function to unlisten to the event.
     *
     * @remarks Listeners bound to a window or webview are removed automatically when
     * that window or webview is destroyed, so you do not need to unlisten just to
     * avoid leaking across a window close. You should still call the returned
     * function when the listener's own scope ends — for example on page navigation
     * or when a component unmounts — otherwise the handler keeps running for the
     * lifetime of the webview.
     *
     * @since 1.0.0
     */
    async function listen(event, handler, options) {
        var _a;
        const target = ((_a = void 0 ) !== null && _a !== void 0 ? _a : { kind: 'Any' });
        return invoke('plugin:event|listen', {
            event,
            target,
            handler: transformCallback(handler)
        }).then((eventId) => {
            return async () => _unlisten(event, eventId);
        });
    }

    /**
     * Events: one listener in the web view for each kind, for the life of the page; handlers come and go in a list of this page.
     *
     * Why not one listener a handler: taking a listener back is asynchronous, and taken back before its registration has arrived it
     * throws and stays. With a list, `off()` works at once, twice, and before anything was ever registered. All kinds are subscribed
     * together and before the first command leaves, so what a command causes is heard. A reload drops the page's listeners with the page.
     */
    const NAMES = Object.keys({
        connected: 0,
        disconnected: 0,
        'blob-available': 0,
        'blob-synced': 0,
        'blob-reissued': 0,
        'device-joined': 0,
        joined: 0,
        'invite-used': 0,
        'invite-ended': 0,
        progress: 0,
        status: 0,
        error: 0,
    });
    class EventHub {
        #handlers = new Map();
        #listening;
        /** Resolves when every event is heard; rejects when the page may not listen. Starts it the first time. */
        listening() {
            this.#listening ??= Promise.all(NAMES.map((name) => this.#subscribe(name))).then(() => undefined, (reason) => {
                throw SyncError.from(reason, 'core:event:allow-listen');
            });
            return this.#listening;
        }
        on(event, handler) {
            if (!NAMES.includes(event)) {
                throw new SyncError({ code: 'invalidArgs', message: `there is no event \`${event}\``, retryable: false });
            }
            // An entry of its own: the same function given twice is called twice, and each `off` takes back one.
            const entry = { run: handler };
            let entries = this.#handlers.get(event);
            if (entries === undefined)
                this.#handlers.set(event, (entries = new Set()));
            entries.add(entry);
            return () => {
                entries.delete(entry);
            };
        }
        once(event, handler) {
            const off = this.on(event, (payload) => {
                off();
                handler(payload);
            });
            return off;
        }
        async #subscribe(name) {
            await listen(`sync://${name}`, ({ payload }) => {
                this.#dispatch(name, name === 'error' ? SyncError.from(payload) : payload);
            });
        }
        #dispatch(name, payload) {
            // A copy: a handler may take itself or others off. One taken off meanwhile is not called any more.
            const entries = this.#handlers.get(name);
            for (const entry of [...(entries ?? [])]) {
                if (!entries?.has(entry))
                    continue;
                try {
                    entry.run(payload);
                }
                catch (error) {
                    // One app's faulty handler must not keep the others, or the cache, from hearing.
                    console.error(`a handler of the sync event \`${name}\` failed`, error);
                }
            }
        }
    }

    /**
     * Tells the plugin when the page comes to the front or leaves it, and when the web view finds a network again.
     *
     * Coming back is when a sleeping connection is noticed and redialled; platforms tell the native side unreliably, and the page hears of
     * it on all of them. The plugin takes these as hints: repeated, missing or out of order does no harm. That the web view believes itself
     * offline is not passed on: it may be wrong where the relay stands in the next room, and a link that is down is noticed anyway.
     */
    /** Calls `tell` at each change. What it answers is of no interest: a window without the right to tell is no fault. */
    function watchVisibility(tell) {
        if (typeof document === 'undefined')
            return;
        document.addEventListener('visibilitychange', () => {
            tell(document.visibilityState === 'visible').catch(() => undefined);
        });
        // A reason to look after the link now, as coming to the front is.
        window.addEventListener('online', () => void tell(true).catch(() => undefined));
    }

    /**
     * The object an app talks to: each command of the plugin as a method, with its bytes, errors and events in order.
     *
     * Does nothing until first used, so a page that merely loads the script asks for nothing. Keeps no secrets and no data: those live in
     * Rust, and a reloaded page loses nothing but its handlers. Every rejection is a {@link SyncError}, save for an aborted wait and for
     * what a `consume` handler threw.
     */
    class Sync {
        #events = new EventHub();
        #cache = new StatusCache(() => this.#call('sync_status'));
        #started;
        #consuming = false;
        get ready() {
            return this.#start().ready;
        }
        async enable() {
            await this.#call('sync_enable');
            await this.#freshen();
        }
        async disable() {
            await this.#call('sync_disable');
            await this.#freshen();
        }
        createInvite() {
            return this.#call('sync_create_invite');
        }
        async cancelInvite() {
            await this.#call('sync_cancel_invite');
        }
        async joinInvite(invite) {
            await this.#call('sync_join_invite', { invite });
            await this.#freshen();
        }
        async leave(options = {}) {
            await this.#call('sync_leave', { force: options.force ?? false });
            await this.#freshen();
        }
        devices() {
            return this.#call('sync_devices');
        }
        async setRelay(address) {
            await this.#call('sync_set_relay', { address });
            await this.#freshen();
        }
        async push(data, options = {}) {
            const bytes = givenBytes(data);
            // Beside a body of bytes there is room only in headers, and those are ASCII.
            const key = options.idempotencyKey;
            const headers = key === undefined ? undefined : { headers: { 'idempotency-key': encodeURIComponent(key) } };
            const result = await this.#call('sync_push', bytes, headers);
            return { ...result, cursor: safeCursor(result.cursor) };
        }
        async pull(afterCursor, options = {}) {
            const page = await this.#pull(afterCursor ?? undefined, options);
            await this.#freshen();
            return page;
        }
        async ack(cursor) {
            await this.#ack(cursor);
            await this.#freshen();
        }
        async acceptFullPush() {
            await this.#call('sync_accept_full_push');
        }
        async consume(handler, options = {}) {
            if (this.#consuming) {
                const message = 'This page consumes already; end that one by its signal first.';
                throw new SyncError({ code: 'alreadyConsuming', message, retryable: false });
            }
            this.#consuming = true;
            try {
                const feed = {
                    pull: (after) => this.#pull(after, {}),
                    ack: (cursor) => this.#ack(cursor),
                    watch: (news) => {
                        const offs = [this.on('blob-available', news), this.on('joined', news), this.on('connected', news)];
                        return () => offs.forEach((off) => off());
                    },
                };
                await consume(feed, handler, options.signal);
            }
            finally {
                this.#consuming = false;
            }
        }
        async syncNow({ signal, onProgress } = {}) {
            signal?.throwIfAborted();
            let over = false;
            const args = {};
            if (onProgress !== undefined) {
                args.onProgress = new Channel((progress) => {
                    if (!over)
                        onProgress(progress);
                });
            }
            try {
                await unlessAborted(this.#call('sync_now', args), signal);
            }
            finally {
                over = true;
            }
            await this.#freshen();
        }
        status() {
            this.#start();
            return this.#cache.status;
        }
        lastCursor() {
            return this.status().lastCursor;
        }
        getStatus() {
            return this.#cache.refresh();
        }
        async getLastCursor() {
            return safeCursor(await this.#call('sync_last_cursor'));
        }
        pending() {
            return this.#call('sync_pending');
        }
        info() {
            return this.#call('sync_info');
        }
        on(event, handler) {
            this.#start();
            return this.#events.on(event, handler);
        }
        once(event, handler) {
            this.#start();
            return this.#events.once(event, handler);
        }
        async #pull(after, options) {
            const args = {};
            if (after !== undefined)
                args['afterCursor'] = givenCursor(after, 'afterCursor');
            if (options.own !== undefined)
                args['own'] = options.own;
            if (options.maxBytes !== undefined)
                args['maxBytes'] = options.maxBytes;
            return decodePull(await this.#call('sync_pull', args));
        }
        async #ack(cursor) {
            await this.#call('sync_ack', { cursor: givenCursor(cursor, 'cursor') });
        }
        /** First listen, then ask: the other way round, a change in between would be missed. */
        #start() {
            if (this.#started !== undefined)
                return this.#started;
            this.#events.on('status', (status) => this.#cache.changed(status));
            const listening = this.#events.listening();
            // `this.#started` is set before anything below runs: commands wait for `listening` and do not start a second time.
            const ready = listening.then(() => this.#cache.refresh()).then(() => undefined);
            // Whoever waits for them hears of a failure; that nobody waits is no fault of its own.
            listening.catch(() => undefined);
            ready.catch(() => undefined);
            watchVisibility((visible) => this.#call('sync_visibility', { visible }));
            return (this.#started = { listening, ready });
        }
        /** Every command goes through here: once events are heard, so that none it causes is missed, and with one kind of error. */
        async #call(command, args, options) {
            try {
                // A window that may not listen may still have the right to call.
                await this.#start().listening.catch(() => undefined);
                return await invoke(`plugin:sync|${command}`, args, options);
            }
            catch (reason) {
                throw SyncError.from(reason, `sync:allow-${command.replaceAll('_', '-')}`);
            }
        }
        /** After a call that changes the status: what `status()` says next is not older than that call. */
        async #freshen() {
            // The call itself has succeeded. A window without the right to ask lives by its events.
            await this.#cache.refresh().catch(() => undefined);
        }
    }
    async function unlessAborted(call, signal) {
        if (signal === undefined)
            return call;
        let leave = () => undefined;
        const aborted = new Promise((_, reject) => {
            leave = () => reject(signal.reason);
            signal.addEventListener('abort', leave);
        });
        try {
            return await Promise.race([call, aborted]);
        }
        finally {
            signal.removeEventListener('abort', leave);
        }
    }

    /**
     * `@0k-sync/tauri-plugin`: zero-knowledge sync for a Tauri app's page.
     *
     * ```ts
     * import { sync } from '@0k-sync/tauri-plugin';
     *
     * await sync.enable();
     * sync.on('status', ({ indicator }) => showBadge(indicator));
     * sync.consume((blob) => mergeIntoLocalDb(blob.data)).catch(showError);
     *
     * await saveInLocalDb(change);                 // first here, at once
     * await sync.push(encode(change)).catch((error) => {
     *   if (error.code !== 'pending') throw error; // it is safe, and leaves by itself
     * });
     * ```
     *
     * # Layout
     * - `client`: the `sync` object. `types`: what goes in and out. `errors`: one class for every failure.
     * - `events`: handlers. `cache`: the status at hand. `codec`: bytes and cursors. `consume`: the loop. `visibility`: front or not.
     */
    /** The plugin, for this page. */
    const sync = new Sync();

    exports.SyncError = SyncError;
    exports.sync = sync;

    return exports;

})({});
Object.defineProperty(window.__TAURI__, 'sync', { value: __TAURI_PLUGIN_SYNC__ });
}
