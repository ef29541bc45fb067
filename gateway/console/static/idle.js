// A terminal that several people use is locked when nobody has used it for so long, in all its tabs at once. The server counts as well.
const form = document.getElementById("lock");
const soon = document.getElementById("lock-soon");
const LOCK_MS = form.dataset.minutes * 60_000;
const SOON_MS = Math.min(60_000, LOCK_MS / 2); // before that it is said, and any key goes on
const TOLD_MS = 60_000;
const LOOK_MS = 2_000;
const STORED = "parkgate-used";
let last = Date.now(); // when it was used, here or in another tab
let told = last;

function elsewhere() {
  try { return Number(localStorage.getItem(STORED)) || 0; } catch { return 0; /* each tab for itself, then */ }
}

function remember() {
  try { localStorage.setItem(STORED, last); } catch { /* the same */ }
}

function use() {
  const now = Date.now();
  if (now - Math.max(last, elsewhere()) >= LOCK_MS) return; // too late: the next look locks
  last = now;
  remember();
  if (soon.textContent) soon.replaceChildren();
  if (now - told < TOLD_MS) return;
  told = now;
  const body = new URLSearchParams({ csrf: form.elements.csrf.value });
  fetch("/used", { method: "POST", body }).then(({ redirected }) => { if (redirected) location.reload(); }, () => {});
}

function look() {
  last = Math.max(last, elsewhere());
  const unused = Date.now() - last;
  if (unused >= LOCK_MS) form.submit();
  else if (unused < LOCK_MS - SOON_MS) soon.replaceChildren();
  else if (!soon.textContent) soon.append(Object.assign(document.createElement("p"), { className: "notice", textContent: soon.dataset.soon }));
}

remember();
for (const kind of ["pointerdown", "keydown", "wheel"]) addEventListener(kind, use, { passive: true });
addEventListener("pageshow", look);
document.addEventListener("visibilitychange", look);
setInterval(look, LOOK_MS);
