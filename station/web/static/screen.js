// Look again every second. Only what changed is replaced, so that focus and reading place stay; a change of a word is
// said aloud. Forms are never replaced: when what may be ordered has changed, the page says so and offers to look again.
"use strict";
const said = document.getElementById("said");

function parse(text) {
  return new DOMParser().parseFromString("<body>" + text + "</body>", "text/html").body;
}

function merge(place, fresh) {
  const old = new Map([...place.querySelectorAll("li.tile")].map((one) => [one.id, one]));
  const now = [...fresh.querySelectorAll("li.tile")];
  const words = [];
  const same = now.length === old.size && now.every((one) => old.has(one.id));
  for (const one of now) {
    const before = old.get(one.id);
    if (before && before.dataset.said !== one.dataset.said) words.push(one.dataset.said);
  }
  if (words.length) said.textContent = words.join(". ");
  if (!same || !now.length) {
    const focus = document.activeElement && document.activeElement.closest("li.tile");
    const id = focus && focus.id;
    place.replaceChildren(...fresh.childNodes);
    const again = id && document.getElementById(id);
    if (again) again.querySelector("a").focus();
    return;
  }
  for (const one of now) {
    const before = old.get(one.id);
    if (before.innerHTML === one.innerHTML) continue;
    const inside = before.contains(document.activeElement);
    before.className = one.className;
    before.dataset.said = one.dataset.said;
    before.replaceChildren(...one.childNodes);
    if (inside) before.querySelector("a").focus();
  }
}

function lost() {
  const words = "This screen has lost the bench. Nothing it shows is about now.";
  if (said.textContent !== words) said.textContent = words;
  document.body.classList.add("lost");
  for (const place of document.querySelectorAll("[data-from]")) {
    const note = document.createElement("p");
    note.className = "answer no";
    note.textContent = words;
    place.replaceChildren(note);
  }
}

function show(place, text, state) {
  place.replaceChildren(...parse(text).childNodes);
  if (state === place.dataset.state) return;
  const typing = [...document.querySelectorAll("form input:not([type=hidden]):not([type=radio])")].some((one) => one.value);
  if (!typing) location.reload();
  else if (!document.getElementById("changed")) {
    const note = document.createElement("p");
    note.id = "changed";
    note.className = "answer no";
    note.textContent = "This bay has changed while you were typing. Look again before you go on: ";
    const link = document.createElement("a");
    link.href = location.pathname;
    link.textContent = "look again";
    note.append(link);
    place.after(note);
    said.textContent = note.textContent;
  }
}

let leaving = false; // a form is on its way: a reload now would throw its answer away
document.addEventListener("submit", () => { leaving = true; });
window.addEventListener("pageshow", () => { leaving = false; });

let failures = 0;
async function look() {
  const place = document.querySelector("[data-from]");
  if (!place || leaving) return;
  try {
    const answer = await fetch(place.dataset.from, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    failures = 0;
    if (leaving) return;
    if (place.id === "tiles") merge(place, parse(text));
    else show(place, text, answer.headers.get("Kitbank-State"));
  } catch {
    failures += 1;
    if (failures === 3) lost();
  }
}
setInterval(look, 1000);
