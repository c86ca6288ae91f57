// Nothing here may show what is no longer so. Whatever happens (the server hangs, the machine slept), data that are older
// than OLD are taken away by a clock of their own, which waits for no answer.
//
// Look again every second. Only what changed is replaced, so that focus and reading place stay; a change of a word is
// said aloud. Forms are never replaced: when what may be ordered has changed, the page says so and offers to look again.
"use strict";
const said = document.getElementById("said");
const WITHIN = 3000; // ms in which an answer must be here
const OLD = 6000; // ms
let heard = [Date.now(), performance.now()]; // the second does not jump, and does not go on while the machine sleeps

function old() {
  const wall = Date.now() - heard[0];
  return wall > OLD || wall < -1000 || performance.now() - heard[1] > OLD;
}

function within(ms) {
  if (AbortSignal.timeout) return AbortSignal.timeout(ms);
  const control = new AbortController();
  setTimeout(() => control.abort(), ms);
  return control.signal;
}

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
  if (document.body.classList.contains("lost")) return;
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
let looking = false;
async function look() {
  const place = document.querySelector("[data-from]");
  if (!place || leaving || looking) return;
  looking = true;
  const asked = [Date.now(), performance.now()];
  try {
    const answer = await fetch(place.dataset.from, { cache: "no-store", signal: within(WITHIN) });
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    failures = 0;
    if (leaving) return;
    heard = asked;
    if (old()) return; // it was on its way while the machine slept
    if (document.body.classList.contains("lost")) {
      document.body.classList.remove("lost");
      said.textContent = "";
    }
    if (place.id === "tiles") merge(place, parse(text));
    else show(place, text, answer.headers.get("Kitbank-State"));
  } catch {
    failures += 1;
    if (failures >= 3) lost();
  } finally {
    looking = false;
  }
}

function watch() {
  if (old()) lost();
}
setInterval(look, 1000);
setInterval(watch, 500);
for (const news of ["pageshow", "focus", "resume"]) window.addEventListener(news, watch);
document.addEventListener("visibilitychange", watch);
