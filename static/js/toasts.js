// Messages about what just happened live. They stay until dismissed when it matters, else eight seconds.
const STAY_MS = 8000;

export function toast(title, text, { stays = false } = {}) {
  const place = document.getElementById("toasts");
  const model = document.getElementById("toast-model");
  if (!place || !model) return;
  const notice = model.content.firstElementChild.cloneNode(true);
  notice.querySelector(".notice-title").textContent = title;
  notice.querySelector(".toast-text").textContent = text;
  notice.querySelector("button").addEventListener("click", () => notice.remove());
  while (place.children.length >= 3) place.firstElementChild.remove();
  place.append(notice);
  if (!stays) setTimeout(() => { if (!notice.matches(":hover, :focus-within")) notice.remove(); }, STAY_MS);
}
