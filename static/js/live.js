// Live pages: one websocket (graphql-transport-ws) to the tenant's changes, with a sign that says whether it is heard.
// What a change means for a page is told by data-live: `entity` and `home` are drawn anew by the server, a `list`
// offers to be. After a gap the socket asks for what happened behind the last event that it has seen.
import { toast } from "./toasts.js";

const CHANGES = "subscription Changes($tenant: ID!, $since: String) { changes(tenantId: $tenant, since: $since) { eventId id refKind op kind version edge { source target } } }";
const QUIET_MS = 400; // several changes in a row are drawn once
const LONGEST_WAIT_MS = 30000;
const SLOW_HOME_MS = 2000;

let sign, region, since, timer, heard = 0;

export function start(element) {
  region = element;
  sign = document.getElementById("live-sign");
  if (!window.graphqlWs) return;
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  say("connecting");
  const client = window.graphqlWs.createClient({
    url: `${scheme}//${location.host}/graphql/ws`,
    connectionParams: { "x-ig-tenant": region.dataset.tenant },
    keepAlive: 15000,
    retryAttempts: Infinity,
    retryWait: (tries) => new Promise((done) => setTimeout(done, Math.min(LONGEST_WAIT_MS, 500 * 2 ** tries) * (0.75 + Math.random() / 2))),
    shouldRetry: () => true,
    on: {
      connected: () => say("live"),
      closed: () => say("reconnecting"),
    },
  });
  listen(client);
  addEventListener("pagehide", () => client.dispose());
}

function listen(client) {
  // Written out when the subscription is sent, so that a reconnect asks for what was missed.
  const tenant = region.dataset.tenant;
  const variables = { toJSON: () => ({ tenant, since: since ?? null }) };
  client.subscribe({ query: CHANGES, variables }, {
    next: ({ data, errors }) => {
      if (errors?.length) return;
      since = data.changes.eventId;
      take(data.changes);
    },
    error: () => say("off"),
    complete: () => say("off"),
  });
}

function say(state) {
  if (sign) sign.dataset.state = state;
}

function take(change) {
  const { live, id } = region.dataset;
  if (live === "entity") {
    if (change.refKind === "entity" && change.id === id) {
      if (change.op === "deleted") toast("This entity was deleted", "What you see is how it was.", { stays: true });
      else if (Number(region.dataset.version) < change.version) later(() => redraw("#entity", told));
    } else if (change.refKind === "edge" && (!change.edge || [change.edge.source, change.edge.target].includes(id))) {
      if (change.edge) later(() => redraw("#entity"));
    }
  } else if (live === "home") {
    later(() => redraw("#home"), SLOW_HOME_MS);
  } else if (live === "list") {
    heard += 1;
    offer();
  }
}

function later(act, wait = QUIET_MS) {
  clearTimeout(timer);
  timer = setTimeout(act, wait);
}

// Fetches this page again and puts the part that changed in place; the reader's place and focus stay.
async function redraw(selector, then) {
  const answer = await fetch(location.href, { headers: { "x-requested-with": "fetch" } });
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(selector);
  const old = document.querySelector(selector);
  if (!fresh || !old || old.querySelector(":popover-open") || document.querySelector("dialog[open]")) return;
  const opened = [...old.querySelectorAll("details")].map((one) => one.open);
  const focused = document.activeElement?.id;
  const before = [...old.querySelectorAll("dd")].map((one) => one.textContent);
  old.replaceWith(fresh);
  [...fresh.querySelectorAll("details")].forEach((one, at) => { if (opened[at] !== undefined) one.open = opened[at]; });
  for (const [at, one] of [...fresh.querySelectorAll("dd")].entries()) if (before[at] !== one.textContent) one.parentElement.classList.add("changed");
  window.htmx?.process(fresh);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  region = fresh.matches("[data-live]") ? fresh : region;
  then?.(fresh);
}

function told(fresh) {
  const newest = fresh.querySelector(".timeline > li");
  const who = newest?.querySelector(".timeline-meta > span")?.textContent ?? "Someone";
  toast(`Now version ${fresh.dataset.version}`, `Changed by ${who}, just now.`);
}

function offer() {
  let note = document.getElementById("live-offer");
  if (!note) {
    note = document.createElement("a");
    note.id = "live-offer";
    note.className = "live-offer";
    note.href = location.href;
    region.prepend(note);
  }
  note.textContent = heard === 1 ? "1 change since you opened this list. Show it" : `${heard.toLocaleString("en")} changes since you opened this list. Show them`;
}
