// Keeps relative times true while the page stays open; the words are the server's (apps/portal/figures.py).
const EVERY_MS = 20000;
const AGES = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [2592000, 86400, "d"], [31536000, 2592000, "mo"]];

export function start() {
  setInterval(refresh, EVERY_MS);
}

export function age(moment, now = Date.now()) {
  const seconds = (now - moment) / 1000;
  const distance = Math.abs(seconds);
  if (distance < 5) return "just now";
  const [, divisor, unit] = AGES.find(([below]) => distance < below) ?? [0, 31536000, "y"];
  const words = `${Math.floor(distance / divisor)} ${unit}`;
  return seconds > 0 ? `${words} ago` : `in ${words}`;
}

function refresh() {
  for (const time of document.querySelectorAll("time.time")) {
    time.querySelector(".time-relative").textContent = age(Date.parse(time.dateTime));
  }
}
