"use strict";
// Checks a certificate of Kitbank with the browser's own cryptography (WebCrypto). Nothing is sent anywhere.
// What each check means: docs/certificates.md. The same checks in Python: station/certificate.py, custody/pdfsign.py.

const FORMAT = "kitbank-record-1";
const TYPES = {
  "application/vnd.kitbank.event+json": ["event", "real"],
  "application/vnd.kitbank.practice-event+json": ["event", "practice"],
  "application/vnd.kitbank.certificate+json": ["certificate", "real"],
  "application/vnd.kitbank.practice-certificate+json": ["certificate", "practice"],
};
const CLAIMS = ["none", "clear", "purge", "destroy"];
const UNABLE = "This browser cannot check Ed25519 signatures, so nothing was checked. Use a browser of 2025 or later, " +
  "open the page from a file or over HTTPS, or use the program: kitbank-station verify-record FILE --key KEY";
const utf8 = new TextEncoder();
const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const latin1 = (data) => new TextDecoder("latin1").decode(data);
const hex = (data) => [...new Uint8Array(data)].map((one) => one.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
const sha256 = async (data) => new Uint8Array(await crypto.subtle.digest("SHA-256", data));
const read = (data) => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));

class Bad extends Error {}

// --- DER (X.690), as far as a signature on a PDF needs it ---

function der(data, start = 0) {
  let length = data[start + 1], head = 2;
  if (length & 0x80) {
    const count = length & 0x7f;
    if (count === 0 || count > 4) throw new Bad("the signature on the PDF cannot be read");
    length = 0;
    for (let place = 0; place < count; place += 1) length = length * 256 + data[start + 2 + place];
    head += count;
  }
  const end = start + head + length;
  if (!(end <= data.length)) throw new Bad("the signature on the PDF is cut off");
  return { tag: data[start], raw: data.subarray(start, end), inside: data.subarray(start + head, end), end };
}

function parts(value) {
  const found = [];
  for (let place = 0; place < value.inside.length; ) {
    const one = der(value.inside, place);
    found.push(one);
    place = one.end;
  }
  return found;
}

function encoded(tag, ...inside) {
  const length = inside.reduce((sum, one) => sum + one.length, 0);
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  const out = new Uint8Array(1 + size.length + length);
  out.set([tag, ...size]);
  inside.reduce((place, one) => { out.set(one, place); return place + one.length; }, 1 + size.length);
  return out;
}

const SIGNED_DATA = unhex("06092a864886f70d010702"), DATA = unhex("300b06092a864886f70d010701"), ONE = unhex("020101");
const SHA256 = unhex("300d06096086480165030402010500"), RSA_SHA256 = unhex("300d06092a864886f70d01010b0500");
const DIGEST = "2a864886f70d010904"; // messageDigest (RFC 5652, 11.2)

// The signature on a PDF (RFC 5652 inside PDF 32000-1, 12.8): returns the SHA-256 of the signer's X.509 certificate.
async function pdfSigner(data) {
  const text = latin1(data);
  const ranges = [...text.matchAll(/\/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]/g)];
  if (ranges.length !== 1) throw new Bad(`the PDF has ${ranges.length} signatures, not one`);
  const [first, before, after, rest] = ranges[0].slice(1).map(Number);
  if (first !== 0 || before >= after || after + rest !== data.length) {
    throw new Bad("the signature does not cover the whole PDF: something was added or cut off");
  }
  // Every byte in the hole is then signed, or the signature, or what it must be (RFC 5652, 5.1): nothing can hide there.
  const hole = /^<([0-9A-F]+)>$/.exec(text.slice(before, after));
  if (!hole || hole[1].length % 2) throw new Bad("the place of the signature in the PDF was changed");
  const cms = unhex(hole[1]), outer = der(cms);
  if (outer.end !== cms.length) throw new Bad("something was added beside the signature in the PDF");
  const content = parts(parts(parts(outer)[1])[0]);
  const certificates = content.filter((one) => one.tag === 0xa0).flatMap(parts);
  const signers = parts(content[content.length - 1]);
  if (certificates.length !== 1 || signers.length !== 1) throw new Bad("the PDF must have one signer");
  const about = parts(parts(certificates[0])[0]); // TBSCertificate (RFC 5280, 4.1): version, serial, ., issuer, ., ., key
  const [, , , attributes, , signature] = parts(signers[0]);
  const issued = encoded(0x30, about[3].raw, about[1].raw);
  const signerInfo = encoded(0x30, ONE, issued, SHA256, attributes.raw, RSA_SHA256, signature.raw);
  const certificate = encoded(0xa0, certificates[0].raw);
  const signedData = encoded(0x30, ONE, encoded(0x31, SHA256), DATA, certificate, encoded(0x31, signerInfo));
  if (attributes.tag !== 0xa0 || signature.tag !== 0x04 || hex(encoded(0x30, SIGNED_DATA, encoded(0xa0, signedData))) !== hex(cms)) {
    throw new Bad("the PDF is signed in a way that this page does not know, or its signature was changed");
  }
  const said = parts(attributes).map(parts).find(([name]) => hex(name.inside) === DIGEST);
  const covered = new Uint8Array(before + rest);
  covered.set(data.subarray(0, before));
  covered.set(data.subarray(after), before);
  if (!said || hex(parts(said[1])[0].inside) !== hex(await sha256(covered))) {
    throw new Bad("the PDF was changed after it was signed");
  }
  const signed = Uint8Array.from(attributes.raw);
  signed[0] = 0x31; // what is signed is the SET, not the implicit tag (RFC 5652, 5.4)
  const how = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("spki", about[6].raw, how, false, ["verify"]);
  if (!(await crypto.subtle.verify(how, key, signature.inside, signed))) {
    throw new Bad("the signature on the PDF does not fit");
  }
  return hex(await sha256(certificates[0].raw));
}

// Files attached to a PDF, which Kitbank stores as they are.
function attached(data) {
  const text = latin1(data), found = [];
  for (const one of text.matchAll(/\/Type\s*\/EmbeddedFile[^]{0,200}?\/Length\s+(\d+)[^]{0,200}?stream\r?\n/g)) {
    const start = one.index + one[0].length;
    found.push(data.subarray(start, start + Number(one[1])));
  }
  return found;
}

// --- DSSE envelopes and Ed25519 ---

async function keyring(lines) {
  const ring = new Map();
  for (const line of lines) {
    const [, digits, name] = /^\s*([0-9a-fA-F]{64})\s*(.*)$/.exec(line) || [];
    if (digits) {
      const raw = unhex(digits);
      const key = await crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
      ring.set(hex(await sha256(raw)), { key, name: name || "a key that you gave" });
    } else if (line.trim()) {
      throw new Bad(`this is no public key: "${line.trim().slice(0, 70)}". A key has 64 digits and letters a to f`);
    }
  }
  return ring;
}

async function opened(envelope, trusted, brought) {
  const { payloadType, payload, signatures } = read(envelope);
  if (!(payloadType in TYPES)) throw new Bad("something signed for another purpose is in this file");
  const inside = bytes(payload), type = utf8.encode(payloadType);
  const head = utf8.encode(`DSSEv1 ${type.length} ${payloadType} ${inside.length} `);
  const signed = new Uint8Array(head.length + inside.length);
  signed.set(head);
  signed.set(inside, head.length);
  for (const ring of [trusted, brought]) {
    for (const { keyid, sig } of signatures) {
      const found = ring.get(keyid);
      if (!found) continue;
      if (!(await crypto.subtle.verify({ name: "Ed25519" }, found.key, bytes(sig), signed))) {
        throw new Bad(`a signature does not fit (key ${keyid.slice(0, 16)}): the record was changed`);
      }
      const [what, world] = TYPES[payloadType];
      return { what, world, keyid, known: ring === trusted, name: found.name, hash: hex(await sha256(inside)), data: read(inside) };
    }
  }
  throw new Bad("signed by a key that is neither in your list nor in the file");
}

// --- the whole check ---

async function check(data, lines, printed) {
  const checks = [], ok = (yes, name, text) => checks.push({ yes, name, text });
  const trusted = await keyring(lines);
  let signer = "", files = [], record = null;
  if (latin1(data.subarray(0, 5)) === "%PDF-") {
    signer = await pdfSigner(data);
    ok(true, "PDF", "signed as a whole, and not one byte of it was changed or added since");
    files = attached(data);
    record = files.map(attempt).find((one) => one && one.format === FORMAT);
    if (!record) throw new Bad("this PDF has no record of Kitbank in it");
  } else {
    record = attempt(data);
    if (record && record.payload) record = { envelope: btoa(JSON.stringify(record)) }; // a bare envelope
  }
  if (!record || !(record.envelope || record.statement)) throw new Bad("this is neither a certificate nor a record of Kitbank");
  const brought = await keyring([record.key, ...(record.keys || [])].filter(Boolean));
  const event = record.envelope ? await opened(bytes(record.envelope), trusted, brought) : null;
  const paper = record.statement ? await opened(bytes(record.statement), trusted, brought) : null;
  if ((event && event.what !== "event") || (paper && paper.what !== "certificate")) throw new Bad("a part of this file is not what it says");
  for (const [one, what] of [[event, "Record"], [paper, "Certificate"]]) {
    if (one) ok(one.known ? true : null, what, `signed by ${one.known ? one.name : "A KEY THAT IS NOT IN YOUR LIST"} (key ${one.keyid.slice(0, 16)})`);
  }
  if (signer) ok(Boolean(paper) && paper.data.document === signer, "PDF's key", "is the one that the station vouches for");
  if (event && paper) await agree(event, paper, ok);
  if (event) await evidence(event, record, files.filter((one) => (attempt(one) || {}).format !== FORMAT), ok);
  const name = event ? event.hash : paper.data.event;
  ok(true, "Name", `of the record: ${name}`);
  if (printed) ok(printed.length >= 8 && name.startsWith(printed), "Your paper", `names the record ${printed}`);
  const later = event ? await related(record, trusted, brought, ok) : [];
  return { checks, event, paper, name, later, world: (event || paper).world };
}

function attempt(data) {
  try { return read(data); } catch { return null; }
}

async function agree(event, paper, ok) {
  const body = event.data.body, shown = paper.data.certificate;
  ok(event.world === paper.world && paper.data.event === event.hash, "Certificate", "speaks of exactly the record that is in this file");
  const destroyed = event.data.kind === "medium.retired" && body.how === "destroyed";
  const most = event.data.kind === "medium.wiped" ? body.claim : destroyed ? "destroy" : "none";
  const fits = CLAIMS.includes(shown.claim) && CLAIMS.indexOf(shown.claim) <= CLAIMS.indexOf(most);
  ok(fits && (body.outcome === undefined || body.outcome === shown.outcome), "Words", "say no more than the record");
}

async function evidence(event, record, beside, ok) {
  for (const name of ["evidence", "plan"]) {
    const digest = event.data.body[name], found = (record.attachments || {})[digest];
    if (typeof digest !== "string") continue;
    if (found === undefined) ok(null, name[0].toUpperCase() + name.slice(1), "is not in this file, so it was not compared");
    else ok(hex(await sha256(bytes(found))) === digest, name[0].toUpperCase() + name.slice(1), `is the one that was signed (${digest.slice(0, 16)})`);
  }
  for (const one of beside) ok(hex(await sha256(one)) === event.data.body.evidence, "Attached evidence", "is the one that was signed");
}

// What was said of the record by others; a doubt counts whoever said it, since whoever made the file put it in.
async function related(record, trusted, brought, ok) {
  const said = [];
  for (const text of record.related || []) {
    const one = await opened(bytes(text), trusted, brought);
    const body = one.data.body;
    said.push({ kind: one.data.kind, body, known: one.known, about: body.wipe || body.event || "" });
    if (!one.known) ok(null, "Said besides", `${one.data.kind}, by a key that is not in your list`);
  }
  return said;
}

// --- what a person sees ---

const answer = document.getElementById("answer");

function add(parent, tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  parent.append(made);
  return made;
}

function told(kind, title, text) {
  answer.replaceChildren();
  const box = add(answer, "div", undefined, `verdict ${kind}`);
  add(box, "h2", title);
  if (text) add(box, "p", text);
  return box;
}

function show(found) {
  const { checks, event, paper, name, later, world } = found;
  const failed = checks.filter((one) => one.yes === false);
  const unknown = [event, paper].some((one) => one && !one.known);
  const doubts = (one) => one.body.agreed === false || one.body.accepted === false || one.kind === "record.disputed";
  const against = later.some((one) => one.about === name && doubts(one));
  const shown = paper && paper.data.certificate;
  const outcome = event ? event.data.body.outcome || (event.data.body.how === "destroyed" ? "DONE" : "NOT_RUN") : shown.outcome;
  const claim = shown ? shown.claim : event.data.body.claim || "none";
  const wiped = outcome === "DONE" && claim !== "none" && !against && !(shown && shown.standing === "not-shown");
  if (failed.length) told("bad", "DO NOT TRUST THIS", failed.map((one) => `${one.name}: this does not hold.`).join(" "));
  else if (unknown) told("unsure", "Signed, but by nobody you trust", "The signatures fit keys that are not in your list. Anybody can make such a file. Put in the key of the station.");
  else if (!wiped) told("bad", "Genuine, and it says: NOT shown to be wiped", `Outcome ${outcome}. Treat the drive as full of somebody's data.`);
  else if (world === "practice") told("training", `PRACTICE. It says: ${outcome}, level ${claim}`, "Genuine, and it says nothing about any real drive.");
  else told("good", `Genuine. It says: ${outcome}, level ${claim[0].toUpperCase()}${claim.slice(1)}`, "What that means, and what it does not prove, is below.");
  if (world === "practice") add(answer, "p", "PRACTICE: this says nothing about any real drive.", "training note");
  add(answer, "h2", "What was checked");
  const list = add(answer, "ul", undefined, "checks");
  for (const one of checks) {
    const item = add(list, "li");
    add(item, "b", one.yes ? "✔ holds" : one.yes === null ? "? not shown" : "✘ DOES NOT HOLD");
    item.append(` ${one.name}: ${one.text}`);
  }
  if (!failed.length) says(event, shown, name);
}

function says(event, shown, name) {
  add(answer, "h2", shown ? shown.title : "What the record says");
  for (const text of shown ? shown.summary : []) add(answer, "p", text);
  if (!shown) {
    const { kind, subject, at, body } = event.data;
    const rows = { kind, subject, at, ...body };
    rowsOf(Object.entries(rows).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]));
    return;
  }
  for (const one of shown.sections) {
    add(answer, "h3", one.title);
    rowsOf(one.fields);
    const [heads, ...rows] = one.table;
    (heads || []).slice(1).forEach((head, column) => {
      add(answer, "h4", head);
      rowsOf(rows.map((row) => [row[0], row[column + 1]]));
    });
  }
}

function rowsOf(rows) {
  const list = add(answer, "dl");
  for (const [name, value] of rows) {
    const row = add(list, "div");
    add(row, "dt", name);
    add(row, "dd", value);
  }
}

async function able() {
  if (!globalThis.crypto || !crypto.subtle) return false;
  try {
    await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
    return true;
  } catch { return false; }
}

let current = null;

async function run(focus) {
  if (!current) return told("unsure", "Choose a file first");
  if (!(await able())) return told("unsure", "Nothing was checked", UNABLE);
  const lines = document.getElementById("keys").value.split("\n");
  const printed = document.getElementById("printed").value.toLowerCase().replace(/[^0-9a-z]/g, "");
  try {
    show(await check(current, lines, printed));
  } catch (error) {
    const text = error instanceof Bad ? error.message : "the file is damaged, or it is none of Kitbank's";
    told("bad", "DO NOT TRUST THIS", `${text[0].toUpperCase()}${text.slice(1)}.`);
  }
  if (focus) answer.focus();
}

async function take(file) {
  if (!file) return;
  current = new Uint8Array(await file.arrayBuffer());
  await run(true);
}

const given = JSON.parse(document.getElementById("data").textContent);
document.getElementById("keys").value = Object.entries(given.keys).map(([name, key]) => `${key} ${name}`).join("\n");
document.getElementById("file").addEventListener("change", (event) => take(event.target.files[0]));
document.getElementById("form").addEventListener("submit", (event) => { event.preventDefault(); run(true); });
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  take(event.dataTransfer.files[0]);
});
if (given.record) { current = bytes(given.record); run(false); }
