// Appearance and density: the server remembers them in cookies; with scripts they change without a round trip.
const YEAR_S = 31536000;

export function start() {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-preferences]");
    const button = event.submitter;
    if (!form || !button?.name) return;
    event.preventDefault();
    remember(button.name, button.value);
    for (const other of form.querySelectorAll(`[name="${button.name}"]`)) other.setAttribute("aria-pressed", String(other === button));
  }, true);
}

function remember(name, value) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `ig_${name}=${value}; path=/; max-age=${YEAR_S}; samesite=lax${secure}`;
  if (name === "theme") {
    const root = document.documentElement;
    if (value === "auto") delete root.dataset.theme; else root.dataset.theme = value;
    document.querySelector("meta[name=color-scheme]").content = value === "auto" ? "light dark" : value;
  }
  if (name === "density") for (const table of document.querySelectorAll("[data-density]")) table.dataset.density = value;
}
