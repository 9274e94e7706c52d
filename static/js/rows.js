// Tables: arrow keys (or j and k) move from row to row, Enter follows the focused row's link.
export function start() {
  document.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const focused = document.activeElement;
    if (focused instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(focused.tagName) && !focused.matches("[data-search]")) return;
    if (focused?.matches("[data-search]") && event.key.length === 1) return;
    if (document.querySelector("dialog[open], [popover]:popover-open")) return;
    const table = focused?.closest("[data-rows]") ?? document.querySelector("[data-rows]");
    if (!table) return;
    const links = [...table.querySelectorAll("tbody .row-link")];
    const at = links.findIndex((link) => link.closest("tr").contains(focused));
    if (at < 0 && event.key === "ArrowUp") return;
    const next = links[at < 0 ? 0 : at + step];
    if (next) { event.preventDefault(); next.focus(); next.scrollIntoView({ block: "nearest" }); }
  });
}
