// Holds the one stream of all tabs, and tells each what it says.
import { stream } from "./stream.js";

const ports = new Map(); // each tab's, and whether it needs the whole board
let end;
let whose;
let standing; // the newest that was said of emergencies

const tell = (what) => (value) => ports.forEach((whole, port) => (whole || value.emergencies) && port.postMessage([what, value]));

function show(board) {
  if (board.emergencies) standing = board;
  tell("show")(board);
}

function begin(who) {
  end?.();
  [whose, standing] = [who, undefined];
  end = stream({ show, state: tell("state"), gone: () => tell("gone")(""), whole: [...ports.values()].some(Boolean) });
}

function hello(port, { whole, who }) {
  ports.set(port, whole);
  // Who comes anew needs the whole, with which the stream begins; it is also of whoever is signed in by now.
  if (whole || !end || who !== whose) begin(who);
  else if (standing) port.postMessage(["show", { at: standing.at, emergencies: standing.emergencies }]);
}

function bye(port) {
  ports.delete(port);
  if (ports.size) return;
  end?.();
  end = undefined;
}

addEventListener("connect", ({ ports: [port] }) => {
  port.onmessage = ({ data }) => (data === "bye" ? bye(port) : hello(port, data));
});
