// Evolu's relay as it comes, on a port of its own choice, with its database in the current directory.
//
// Says `listening PORT`. Ends on SIGTERM.

import { createConsole } from "@evolu/common";
import { createRelayDeps, createRun, startRelay } from "@evolu/nodejs";

await using run = createRun({ ...createRelayDeps(), console: createConsole({ level: "error" }) });
await using relay = await run.orThrow(startRelay({ port: 0, isOwnerWithinQuota: () => true }));
console.log(`listening ${relay.port}`);
await run.deps.shutdown;
