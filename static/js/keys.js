// Keyboard: "/" searches the list, "g" and a letter go to a page, "?" shows help, Ctrl K opens the palette.
import { openModal } from "./dialogs.js";
import { openPalette } from "./palette.js";

const WAIT_MS = 1200;
let waitingSince = 0;

export function start() {
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
      if (openPalette()) event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
    if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); } else if (openPalette()) event.preventDefault();
    } else if (event.key === "?") {
      event.preventDefault();
      openModal(document.getElementById("keyboard-help"));
    } else if (event.key === "g") {
      waitingSince = Date.now();
      return;
    } else if (Date.now() - waitingSince < WAIT_MS && /^[a-z]$/.test(event.key)) {
      const link = document.querySelector(`[data-go="${event.key}"]`);
      if (link) { event.preventDefault(); link.click(); }
    }
    waitingSince = 0;
  });
}

function typing(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}
