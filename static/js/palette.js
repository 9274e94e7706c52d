// Command palette: a combobox over what the server says this viewer may open. Follows the ARIA combobox pattern.
import { openModal } from "./dialogs.js";

const DELAY_MS = 120;
let dialog, input, list, timer, request;

export function start() {
  dialog = document.getElementById("palette");
  if (!dialog) return;
  input = dialog.querySelector("input");
  list = document.getElementById("palette-list");
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Results");
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-palette-open]");
    if (opener && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); openPalette(); }
  });
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(load, DELAY_MS); });
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { event.preventDefault(); move(step); }
    if (event.key === "Enter") { event.preventDefault(); chosen()?.click(); }
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option) return;
    dialog.close();
    run(option.dataset);
  });
}

export function openPalette() {
  if (!dialog) return false;
  if (!dialog.open) { input.value = ""; openModal(dialog); load(); }
  return true;
}

async function load() {
  request?.abort();
  request = new AbortController();
  try {
    const answer = await fetch(`${dialog.dataset.source}?q=${encodeURIComponent(input.value)}`, { signal: request.signal, headers: { "x-requested-with": "fetch" } });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    list.innerHTML = await answer.text();
    move(0);
  } catch (error) {
    if (error.name === "AbortError") return;
    list.textContent = "The search did not answer. Check your connection and type again.";
  }
}

function options() { return [...list.querySelectorAll("[role=option]")]; }
function chosen() { return list.querySelector("[aria-selected=true]"); }

function move(step) {
  const all = options();
  const at = all.indexOf(chosen());
  const next = all[(Math.max(at, step > 0 ? at : 0) + step + all.length) % all.length] ?? null;
  for (const option of all) option.setAttribute("aria-selected", String(option === next));
  if (next) { input.setAttribute("aria-activedescendant", next.id); next.scrollIntoView({ block: "nearest" }); } else input.removeAttribute("aria-activedescendant");
}

function run({ href, press }) {
  if (href) location.assign(href);
  else if (press) document.querySelector(press)?.click();
}
