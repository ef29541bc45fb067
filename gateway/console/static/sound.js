// The sound that calls somebody, for who has asked for it in this browser. Each switch of a page is the same one.
const STORED = "parkgate-sound";
const RANG = "parkgate-rang";
const ONE_MS = 1500; // within this, several tabs ring once

const switches = document.querySelectorAll("[data-sound]");
let on = false;
try { on = localStorage.getItem(STORED) === "on"; } catch { /* off, then */ }

function turn(to) {
  on = to;
  for (const one of switches) one.checked = to;
}

turn(on);
for (const one of switches) {
  one.addEventListener("change", () => {
    turn(one.checked);
    try { localStorage.setItem(STORED, on ? "on" : "off"); } catch { /* this page only, then */ }
    if (on) sound(1);
  });
}
addEventListener("storage", ({ key, newValue }) => { if (key === STORED) turn(newValue === "on"); });

/** One tone for what is new, several for what cannot wait. */
export function ring(tones = 1) {
  if (!on) return;
  if (navigator.locks) navigator.locks.request("parkgate-ring", () => unlessAnother(tones));
  else sound(tones);
}

async function unlessAnother(tones) {
  try {
    const [told, at] = (localStorage.getItem(RANG) ?? "").split(" ").map(Number);
    if (told >= tones && Date.now() - at < ONE_MS) return;
    // Where this tab may not, the next one tries.
    if (await sound(tones)) localStorage.setItem(RANG, `${tones} ${Date.now()}`);
  } catch { /* nothing is stored here: each rings, then */ }
}

/** Whether it was to be heard: a page that nobody has touched may be kept silent by the browser. */
async function sound(tones) {
  const air = new AudioContext();
  await Promise.race([air.resume(), new Promise((over) => setTimeout(over, 300))]);
  if (air.state !== "running") {
    air.close();
    return false;
  }
  const loudness = new GainNode(air, { gain: 0.15 });
  loudness.connect(air.destination);
  for (let nth = 0; nth < tones; nth += 1) {
    const tone = new OscillatorNode(air, { frequency: 880 });
    tone.connect(loudness);
    tone.start(air.currentTime + nth * 0.4);
    tone.stop(air.currentTime + nth * 0.4 + 0.25);
  }
  setTimeout(() => air.close(), tones * 400 + 100);
  return true;
}
