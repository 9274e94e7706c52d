// Buttons with data-copy put that text on the clipboard and say so.
export function start() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const label = button.dataset.label ?? (button.dataset.label = button.getAttribute("aria-label"));
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      say(button, "Copied");
    } catch {
      say(button, "Copy was refused by the browser; select the text instead");
    }
    setTimeout(() => say(button, label), 2500);
  });
}

function say(button, words) {
  button.setAttribute("aria-label", words);
  button.title = words;
  button.toggleAttribute("data-copied", words === "Copied");
}
