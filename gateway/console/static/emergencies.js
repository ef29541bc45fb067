// What becomes of each lane, as it comes: asked for while an emergency stands, and while a lane has not answered. Forms stay as they are.
const EVERY_MS = 2000;

async function refresh() {
  const waiting = document.querySelectorAll("[data-lanes=waiting]");
  if (!waiting.length) return;
  const answer = document.hidden ? null : await fetch("/emergencies").catch(() => null);
  if (answer?.ok) {
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const here of waiting) {
      const there = fresh.getElementById(here.id);
      if (!there) continue;
      here.dataset.lanes = there.dataset.lanes;
      if (here.innerHTML !== there.innerHTML) here.replaceChildren(...there.childNodes);
    }
  }
  setTimeout(refresh, EVERY_MS);
}

setTimeout(refresh, EVERY_MS);
