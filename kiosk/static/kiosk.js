// The kiosk works without this. It moves the focus, counts down, and lets a scanner be used on every screen.
"use strict";
(() => {
  const body = document.body;
  const field = document.getElementById("text");
  if (field) {
    field.focus();
    document.addEventListener("pointerup", (event) => {
      if (!event.target.closest("button, a, input")) field.focus();
    });
  }

  // A keyboard-wedge scanner types a code and ends with Enter. On the first screen the field takes it; elsewhere there
  // is nothing to type into, so eight characters of a code in a row are a scan, from slow scanners too: it must not
  // press the button that happens to be in focus.
  let typed = "", last = 0;
  document.addEventListener("keydown", (event) => {
    if (event.target === field || event.ctrlKey || event.altKey || event.metaKey) return;
    const quick = event.timeStamp - last < 300;
    last = event.timeStamp;
    if (event.key === "Enter" && quick && typed.length >= 8) {
      event.preventDefault();
      event.stopPropagation();
      const wedge = document.getElementById("wedge");
      wedge.elements.text.value = typed;
      typed = "";
      wedge.submit();
    } else if (/^[\w:/.-]$/.test(event.key)) {
      typed = quick ? typed + event.key : event.key;
    } else if (event.key !== "Shift") {
      typed = "";
    }
  }, true);

  // A second press of a button while the first is under way does nothing.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.replace("/");
  });

  const warnAfter = 1000 * Number(body.dataset.warn), resetAfter = 1000 * Number(body.dataset.reset);
  const dialog = document.getElementById("waiting");
  if (!dialog || !warnAfter) return;
  let quietSince = Date.now(), toldAt = Date.now();
  const tell = () => {
    toldAt = Date.now();
    const form = new URLSearchParams({ token: body.dataset.token });
    fetch("/more-time", { method: "POST", body: form, redirect: "manual", keepalive: true }).catch(() => {});
  };
  const awake = () => {
    if (dialog.open) return;
    quietSince = Date.now();
    if (quietSince - toldAt > 10000) tell();
  };
  for (const kind of ["pointerdown", "keydown", "input", "scroll"]) document.addEventListener(kind, awake, true);
  document.getElementById("waiting-more").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => { quietSince = Date.now(); tell(); });
  setInterval(() => {
    const quiet = Date.now() - quietSince;
    if (quiet >= warnAfter && !dialog.open) dialog.showModal();
    if (dialog.open) {
      const left = Math.max(0, Math.ceil((warnAfter + resetAfter - quiet) / 1000));
      document.getElementById("waiting-left").textContent = String(left);
      if (quiet >= warnAfter + resetAfter + 1500) location.replace("/");
    }
  }, 500);
})();
