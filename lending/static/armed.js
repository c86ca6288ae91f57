// Armed scanning: keeps the field in focus, sends scans one after the other, and says each verdict with a tone.
// Without this script every scan is an ordinary form and the verdict an ordinary page.

const place = document.getElementById("armed");
const TONES = {
  yes: [[880, 0, 0.09], [1320, 0.1, 0.14]],
  no: [[196, 0, 0.22], [147, 0.24, 0.34]],
  again: [[587, 0, 0.1], [587, 0.16, 0.1]],
  info: [[659, 0, 0.14]],
  mode: [[523, 0, 0.07], [659, 0.08, 0.07], [784, 0.16, 0.1]],
  paused: [[392, 0, 0.25]],
};
let audio = null;
let waiting = [];
let busy = false;
let hiding = 0;

function play(tone) {
  try {
    audio ??= new AudioContext();
    if (audio.state === "suspended") audio.resume().catch(() => {});
    for (const [pitch, start, length] of TONES[tone] ?? TONES.info) {
      const voice = audio.createOscillator();
      const level = audio.createGain();
      voice.type = tone === "no" ? "square" : "sine";
      voice.frequency.value = pitch;
      level.gain.setValueAtTime(0.0001, audio.currentTime + start);
      level.gain.exponentialRampToValueAtTime(0.25, audio.currentTime + start + 0.01);
      level.gain.exponentialRampToValueAtTime(0.0001, audio.currentTime + start + length);
      voice.connect(level).connect(audio.destination);
      voice.start(audio.currentTime + start);
      voice.stop(audio.currentTime + start + length + 0.02);
    }
    place.dataset.played = tone; // for the tests: a tone was asked for
  } catch {
    // No sound here: icon, word and colour say the same.
  }
}

const field = () => place.querySelector("#code");

function keepFocus() {
  const open = field();
  if (open && !["INPUT", "BUTTON", "A"].includes(document.activeElement?.tagName ?? "")) open.focus();
}

function countDown() {
  clearTimeout(hiding);
  const undo = place.querySelector(".kb-undo");
  if (!undo) return;
  const left = Number(undo.dataset.left) * 1000;
  undo.style.setProperty("--kb-left", `${left}ms`);
  undo.classList.add("kb-undo--runs");
  hiding = setTimeout(() => { undo.remove(); keepFocus(); }, left);
}

function show(part) {
  const typed = field()?.value ?? "";
  const fresh = new DOMParser().parseFromString(`<div>${part}</div>`, "text/html").body.firstElementChild;
  const old = field();
  const next = fresh.querySelector("#code");
  if (old && next) next.replaceWith(old); // the field itself stays: no key that a scanner types is lost
  const said = place.querySelector("[role=status]");
  const says = fresh.querySelector("[role=status]");
  if (said && says) {
    said.replaceChildren(...says.childNodes); // the live region stays, so that it is read out
    says.replaceWith(said);
  }
  place.replaceChildren(...fresh.childNodes);
  if (old) {
    old.value = typed;
    old.setSelectionRange(typed.length, typed.length);
  }
  const open = field();
  if (open) open.focus();
  place.classList.toggle("kb-armed--on", Boolean(place.querySelector(".kb-armed__count")));
  const big = place.querySelector(".kb-big");
  if (big?.dataset.sound === "on") play(big.dataset.tone);
  countDown();
}

function lost(codes) {
  const big = place.querySelector(".kb-big");
  big.className = "kb-big kb-big--no";
  const said = big.querySelector("[role=status]");
  said.querySelector(".kb-big__words").textContent = "Not recorded";
  said.querySelector(".kb-big__detail").textContent =
    `The service did not answer. Scan again: ${codes.join(", ")}. What is in the list was recorded.`;
  big.querySelectorAll("form").forEach((one) => one.remove());
  if (big.dataset.sound === "on") play("no");
}

async function send(form, data) {
  const answer = await fetch(form.action, {
    method: "POST", body: new URLSearchParams(data), headers: { "X-Kitbank-Part": "1" }, credentials: "same-origin",
  });
  if (answer.redirected) { location.assign(answer.url); return; } // signed out meanwhile
  if (!answer.ok) throw new Error(String(answer.status));
  show(await answer.text());
}

async function work() {
  if (busy) return;
  busy = true;
  while (waiting.length) {
    const [form, data] = waiting.shift();
    try {
      await send(form, data);
    } catch {
      const codes = [[form, data], ...waiting].map(([, one]) => one.get("code") ?? "the undo");
      waiting = []; // what was not sent must be scanned again, and is said so
      lost(codes);
    }
  }
  busy = false;
}

place.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.armed) return;
  event.preventDefault();
  const data = new FormData(form);
  if (form.dataset.armed === "scan") {
    const code = String(data.get("code") ?? "").trim();
    field().value = "";
    if (!code) return;
  }
  waiting.push([form, data]);
  work();
});

document.addEventListener("click", () => setTimeout(keepFocus, 0));
countDown();
keepFocus();
