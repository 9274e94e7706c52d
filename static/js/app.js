// What every page runs. Each module wires itself to data attributes; nothing here is needed to read or change a page.
import { start as copy } from "./copy.js";
import { start as dialogs } from "./dialogs.js";
import { start as keys } from "./keys.js";
import { start as palette } from "./palette.js";
import { start as preferences } from "./preferences.js";
import { start as rows } from "./rows.js";
import { start as times } from "./times.js";

document.documentElement.classList.add("scripted");
for (const start of [copy, dialogs, keys, palette, preferences, rows, times]) start();

const stream = document.querySelector("[data-live]");
if (stream) import("./live.js").then((live) => live.start(stream));
if (document.querySelector("[data-passkey]")) import("./passkeys.js").then((passkeys) => passkeys.start());
