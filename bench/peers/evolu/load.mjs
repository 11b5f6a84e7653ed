// A load on Evolu's relay, made of Evolu's own parts: its protocol messages, its encryption, its storage.
//
//   node load.mjs push PORT OWNER COUNT WINDOW   one message each, so many unanswered; times of every tenth of them
//   node load.mjs batch PORT OWNER COUNT SIZE    so many in one message, one message at a time
//   node load.mjs pull PORT OWNER COUNT          into an empty storage in memory, without decrypting
//   node load.mjs visible PORT OWNER COUNT       from one client's push to another's decrypted value, one at a time
//
// OWNER is a number: the same one names the same log. Prints one line of JSON, times in microseconds.

import { createConsole, createId, createRandomBytes, createSqlite } from "@evolu/common";
import {
  applyProtocolMessageAsClient,
  createAppOwner,
  createBaseSqliteStorageTables,
  createProtocolMessageForSync,
  createProtocolMessageFromCrdtMessages,
  createRelaySqliteStorage,
  createRelayStorageTables,
  createTimestamp,
  decryptAndDecodeDbChange,
  SubscriptionFlags,
} from "@evolu/common/local-first";
import { createRelayDeps, createRun } from "@evolu/nodejs";
import { createHash, randomBytes as fill } from "node:crypto";
import WebSocket from "ws";

const PAYLOAD = 1024;

const [mode, port, ownerNumber, countText, extra] = process.argv.slice(2);
const count = Number(countText);
const owner = createAppOwner(new Uint8Array(createHash("sha256").update(`owner ${ownerNumber}`).digest()));
const randomBytes = createRandomBytes();
const encode = createProtocolMessageFromCrdtMessages({ randomBytes });
const micros = () => Number(process.hrtime.bigint() / 1000n);

// Evolu orders by the clock, so every message gets a millisecond and a counter that no other has.
let millis = Date.now();
let counter = 0;
const change = (insert = true) => {
  counter += 1;
  if (counter === 60_000) [millis, counter] = [millis + 1, 0];
  return {
    timestamp: createTimestamp({ millis, counter }),
    change: {
      table: "blob",
      id: createId({ randomBytes }),
      values: { data: new Uint8Array(fill(PAYLOAD)) },
      isInsert: insert,
      isDelete: null,
    },
  };
};

const dial = () =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}?ownerId=${owner.id}`);
    socket.binaryType = "nodebuffer";
    socket.once("error", reject);
    socket.once("open", () => resolve(socket));
  });

const storage = async (run) => {
  const sqlite = await run.orThrow(createSqlite("bench", { mode: "memory" }));
  const deps = { ...run.deps, sqlite };
  createBaseSqliteStorageTables(deps);
  createRelayStorageTables(deps);
  return { sqlite, storage: createRelaySqliteStorage(deps)({ isOwnerWithinQuota: () => true }) };
};

/** Sends messages made beforehand, a window of them unanswered. Answers the times of each tenth. */
const push = async (messages, window) => {
  const socket = await dial();
  const tenths = [];
  let sent = 0;
  let answered = 0;
  const began = micros();
  let tenth = began;
  await new Promise((resolve, reject) => {
    const fillWindow = () => {
      while (sent < messages.length && sent - answered < window) socket.send(messages[sent++]);
    };
    socket.on("message", () => {
      answered += 1;
      if (answered % Math.ceil(messages.length / 10) === 0) {
        const now = micros();
        tenths.push(now - tenth);
        tenth = now;
      }
      if (answered === messages.length) resolve();
      else fillWindow();
    });
    socket.on("close", () => reject(new Error("the relay has closed the link")));
    fillWindow();
  });
  const took = micros() - began;
  socket.removeAllListeners("close");
  socket.close();
  return { took, tenths };
};

const pull = async (run) => {
  const { storage: into } = await storage(run);
  const deps = { ...run.deps, storage: into };
  const client = run.create(deps);
  const began = micros();
  const socket = await dial();
  let bytes = 0;
  await new Promise((resolve, reject) => {
    socket.on("message", (message) => {
      bytes += message.length;
      void (async () => {
        const applied = await client(
          applyProtocolMessageAsClient(new Uint8Array(message), { writeKey: owner.writeKey }),
        );
        if (!applied.ok) reject(new Error(JSON.stringify(applied.error)));
        else if (applied.value.type === "Response") socket.send(applied.value.message);
        else resolve();
      })();
    });
    socket.send(createProtocolMessageForSync(deps)(owner.id, SubscriptionFlags.None));
  });
  const took = micros() - began;
  const got = into.getSize(ownerBytes(owner.id));
  socket.close();
  if (got !== count) throw new Error(`pulled ${got} of ${count}`);
  return { took, bytes };
};

const ownerBytes = (id) => new Uint8Array(Buffer.from(id, "base64url"));

const visible = async (run) => {
  const [writer, reader] = [await dial(), await dial()];
  const { storage: empty } = await storage(run);
  const seen = { resolve: () => {} };
  let read = null;
  // What a client does with a broadcast, as far as the storage: there the message is decrypted and its value taken.
  const deps = {
    ...run.deps,
    storage: {
      ...empty,
      writeMessages: (_owner, messages) => () => {
        for (const message of messages) read = decryptAndDecodeDbChange(message, owner.encryptionKey);
        return { ok: true };
      },
    },
  };
  const client = run.create(deps);
  const subscribed = new Promise((resolve) => reader.once("message", resolve));
  reader.send(createProtocolMessageForSync(deps)(owner.id, SubscriptionFlags.Subscribe));
  await subscribed;
  reader.on("message", (message) => {
    void client(applyProtocolMessageAsClient(new Uint8Array(message), { writeKey: owner.writeKey })).then(() => {
      if (read?.ok) seen.resolve();
    });
  });
  const times = [];
  for (let number = 0; number < count; number += 1) {
    read = null;
    const arrived = new Promise((resolve) => (seen.resolve = resolve));
    const answered = new Promise((resolve) => writer.once("message", resolve));
    const began = micros();
    writer.send(encode(owner, [change()]));
    await arrived;
    times.push(micros() - began);
    await answered;
  }
  writer.close();
  reader.close();
  return { times };
};

const single = () => Array.from({ length: count }, () => encode(owner, [change()]));
const batches = (size) =>
  Array.from({ length: Math.ceil(count / size) }, () => encode(owner, Array.from({ length: size }, () => change())));

const run = createRun({ ...createRelayDeps(), console: createConsole({ level: "error" }) });
const modes = {
  push: () => push(single(), Number(extra)),
  batch: () => push(batches(Number(extra)), 1),
  pull: () => pull(run),
  visible: () => visible(run),
};
console.log(JSON.stringify(await modes[mode]()));
process.exit(0);
