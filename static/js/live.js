// Live pages: one websocket (graphql-transport-ws) to what the page shows, with a sign that says whether it is heard and
// that pauses it. What news means for a page is told by data-live: most are drawn anew by the server, a `list` offers to be.
// After a break or a pause the socket asks for what happened behind the last event that it has seen.
import { toast } from "./toasts.js";

const FIELDS = {
  changes: "subscription Changes($tenant: ID!, $since: String) { changes(tenantId: $tenant, since: $since) { eventId id refKind op kind version edge { source target } } }",
  jobs: "subscription Jobs($tenant: ID!) { jobProgress(tenantId: $tenant) { id progress finishedAt } }",
  job: "subscription Job($tenant: ID!, $id: ID) { jobProgress(tenantId: $tenant, id: $id) { id progress finishedAt } }",
  usage: "subscription Usage($tenant: ID!) { usageUpdated(tenantId: $tenant) { limits { measure used } } }",
};
// For each data-live: what it hears, the part that is drawn anew, and how long several news in a row are drawn once.
const PAGES = {
  entity: { hears: ["changes"], part: "#entity", every: 400 },
  home: { hears: ["changes", "jobs", "usage"], part: "#home", every: 4000 },
  list: { hears: ["changes"] },
  jobs: { hears: ["jobs"], part: "#imports-live", every: 1000 },
  job: { hears: ["job"], part: "#import", every: 1000 },
  limits: { hears: ["usage"], part: "#limits", every: 2000 },
};
const WORDS = { live: "Live. Pause", paused: "Paused. Go on", connecting: "Connecting. Pause", reconnecting: "Reconnecting. Pause", off: "Not live. Try again" };
const LONGEST_WAIT_MS = 30000;
const UNHEARD_MS = 5000; // what moves is looked at so often while nothing is heard
const KEPT = "ig-live-paused";

let sign, region, page, client, since, timer, pending, heard = 0, state = "none";
const told = new Map(); // how far each import was when it was last told

export function start(element) {
  region = element;
  page = PAGES[region.dataset.live];
  since = region.dataset.since; // what happened while the page was on its way is told too
  sign = document.getElementById("live-sign");
  const allowed = (document.querySelector(".shell")?.dataset.hears ?? "").split(" ");
  page = { ...page, hears: page.hears.filter((one) => allowed.includes(one === "job" ? "jobs" : one)) };
  setInterval(() => { if (region.dataset.moving !== undefined && state !== "live" && state !== "paused") later(); }, UNHEARD_MS);
  if (!window.graphqlWs || !page.hears.length) return;
  sign?.addEventListener("click", () => (state === "paused" || state === "off" ? resume() : pause()));
  addEventListener("pagehide", () => client?.dispose());
  document.addEventListener("visibilitychange", () => { if (!document.hidden && pending) draw(); });
  if (sessionStorage.getItem(KEPT)) say("paused");
  else connect();
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  say("connecting");
  const mine = client = window.graphqlWs.createClient({
    url: `${scheme}//${location.host}/graphql/ws`,
    connectionParams: { "x-ig-tenant": region.dataset.tenant },
    keepAlive: 15000,
    retryAttempts: Infinity,
    retryWait: (tries) => new Promise((done) => setTimeout(done, Math.min(LONGEST_WAIT_MS, 500 * 2 ** tries) * (0.75 + Math.random() / 2))),
    shouldRetry: () => true,
    on: {
      connected: () => client === mine && say("live"),
      closed: () => client === mine && say("reconnecting"),
    },
  });
  for (const name of page.hears) listen(mine, name);
}

function pause() {
  const old = client;
  client = undefined;
  old?.dispose();
  sessionStorage.setItem(KEPT, "1");
  say("paused");
}

function resume() {
  sessionStorage.removeItem(KEPT);
  client?.dispose();
  connect();
  if (!since) everything();
}

function listen(mine, name) {
  // Written out when the subscription is sent, so that a reconnect asks for what was missed.
  const { tenant, id } = region.dataset;
  const variables = { toJSON: () => ({ tenant, ...(name === "changes" ? { since: since ?? null } : {}), ...(name === "job" ? { id } : {}) }) };
  mine.subscribe({ query: FIELDS[name], variables }, {
    next: ({ data, errors, extensions }) => {
      if (client !== mine) return;
      if (extensions?.discontinuity) everything();
      if (errors?.length || !data) return;
      if (data.changes) {
        since = data.changes.eventId;
        change(data.changes);
      } else if (data.jobProgress) job(data.jobProgress);
      else if (data.usageUpdated) usage(data.usageUpdated);
    },
    error: (why) => {
      if (client !== mine) return;
      // So long away that not everything can be told any more: draw it all, and go on from now.
      if (since && Array.isArray(why) && why[0]?.extensions?.oldest !== undefined) {
        since = undefined;
        everything();
        listen(mine, name);
      } else say("off");
    },
    complete: () => {},
  });
}

function say(now) {
  state = now;
  if (!sign) return;
  sign.dataset.state = now;
  sign.title = sign.ariaLabel = WORDS[now] ?? "";
}

function change(news) {
  const { id, version } = region.dataset;
  if (region.dataset.live === "entity") {
    if (news.refKind === "entity" && news.id === id) {
      if (news.op === "deleted") toast("This entity was deleted", "What you see is how it was.", { stays: true });
      else if (Number(version) < news.version) later();
    } else if (news.refKind === "edge" && news.edge && [news.edge.source, news.edge.target].includes(id)) later();
  } else if (page.part) later();
  else {
    heard += 1;
    offer(heard === 1 ? "1 change since you opened this list. Show it" : `${heard.toLocaleString("en")} changes since you opened this list. Show them`);
  }
}

function job(news) {
  const known = told.get(news.id);
  told.set(news.id, news.progress);
  // One that had ended before the page was made is on it.
  if (known !== undefined || !news.finishedAt || region.dataset.moving !== undefined) later();
}

function usage(news) {
  const now = JSON.stringify(news);
  const known = told.get("usage");
  told.set("usage", now);
  if (known !== undefined && known !== now) later();
}

function everything() {
  if (page.part) later();
  else offer("This list may have changed meanwhile. Show it as it is now");
}

// Draws once for several news, and not at all while nobody looks.
function later() {
  pending = true;
  timer ??= setTimeout(() => { timer = undefined; if (!document.hidden) draw(); }, page.every);
}

function draw() {
  if (!pending || timer) return;
  pending = false;
  redraw(page.part);
}

// Fetches this page again and puts the part that changed in place; the reader's place and focus stay.
async function redraw(selector) {
  const answer = await fetch(location.href, { headers: { "x-requested-with": "fetch" } }).catch(() => undefined);
  // The server ends, or has too much to do: what was told must show all the same.
  if (!answer || answer.status >= 500 || answer.status === 429) return void setTimeout(later, UNHEARD_MS);
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(selector);
  const old = document.querySelector(selector);
  if (!fresh || !old) return;
  if (old.querySelector(":popover-open") || document.querySelector("dialog[open]")) return void later();
  const opened = [...old.querySelectorAll("details")].map((one) => one.open);
  const focused = document.activeElement?.id;
  const before = [...old.querySelectorAll("dd")].map((one) => one.textContent);
  const version = Number(old.dataset.version);
  old.replaceWith(fresh);
  [...fresh.querySelectorAll("details")].forEach((one, at) => { if (opened[at] !== undefined) one.open = opened[at]; });
  for (const [at, one] of [...fresh.querySelectorAll("dd")].entries()) if (before[at] !== one.textContent) one.parentElement.classList.add("changed");
  window.htmx?.process(fresh);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  region = fresh.matches("[data-live]") ? fresh : region;
  if (Number(fresh.dataset.version) > version) changed(fresh);
}

function changed(fresh) {
  const newest = fresh.querySelector(".timeline > li");
  const who = newest?.querySelector(".timeline-meta > span")?.textContent ?? "Someone";
  toast(`Now version ${fresh.dataset.version}`, `Changed by ${who}, just now.`);
}

function offer(words) {
  let note = document.getElementById("live-offer");
  if (!note) {
    note = document.createElement("a");
    note.id = "live-offer";
    note.className = "live-offer";
    note.href = location.href;
    region.prepend(note);
  }
  note.textContent = words;
}
