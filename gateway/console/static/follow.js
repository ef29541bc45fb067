// What became of a command of a lane: asked for until it is known, and said as it comes.
const EVERY_MS = 500;
const LONGEST_MS = 30000; // it acts within 8 s or not at all; a barrier that is said to move later than this is no longer waited for
const OVER = { done: "good", expired: "bad", refused: "bad", fault: "bad" };

/** Says in `place` what became of the command that it names; resolves once that is known. */
export async function follow(place) {
  const { command } = place?.dataset ?? {};
  if (!command) return;
  const [states, actions] = [JSON.parse(place.dataset.states), JSON.parse(place.dataset.actions)];
  const until = performance.now() + LONGEST_MS;
  do {
    const answer = await fetch(command).catch(() => null);
    const given = answer?.ok ? await answer.json() : null;
    if (place.dataset.command !== command) return; // another one is followed here meanwhile
    if (given) {
      const said = `${given.lane} ${actions[given.action]}: ${states[given.state]}${given.detail ? ` (${given.detail})` : ""}`;
      if (place.textContent !== said) place.textContent = said;
      place.className = `notice ${OVER[given.state] ?? ""}`;
      place.hidden = false;
      if (OVER[given.state]) return;
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  } while (performance.now() < until);
}
