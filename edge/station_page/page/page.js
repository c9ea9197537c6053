// The live part of the page. It asks for the present text once a second. A block that did not change
// stays as it is. The text is HTML of the server's own views, in which every value is escaped.
"use strict";

const PERIOD_MS = 1000;
const LATE_MS = 4000;
const live = document.getElementById("live");
const link = document.getElementById("link");
const known = new Map([...live.children].map((each) => [each.id, each.outerHTML]));
let tag = `"${live.dataset.tag}"`;
let answeredMs = performance.now();

function show(text) {
  const next = new DOMParser().parseFromString(text, "text/html").body;
  for (const block of [...next.children]) {
    const html = block.outerHTML;
    if (known.get(block.id) === html) continue;
    known.set(block.id, html);
    const before = document.getElementById(block.id);
    // A person who has moved to a link of this block keeps the focus.
    const at = before.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    // The same element stays, so that a screen reader reads the change of the state.
    before.replaceChildren(...[...block.childNodes].map((each) => document.adoptNode(each)));
    if (at) [...before.querySelectorAll("a")].find((each) => each.getAttribute("href") === at)?.focus();
  }
}

function note(text) {
  link.textContent = text;
  link.hidden = !text;
  live.classList.toggle("old", Boolean(text));
}

async function look() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/live", {
      headers: { "if-none-match": tag }, cache: "no-store", signal: AbortSignal.timeout(LATE_MS),
    });
    if (answer.status === 401) {
      location.reload();
      return;
    }
    if (answer.ok) {
      tag = answer.headers.get("etag");
      show(await answer.text());
    } else if (answer.status !== 304) {
      throw new Error(`status ${answer.status}`);
    }
    answeredMs = performance.now();
    note("");
  } catch {
    if (performance.now() - answeredMs > LATE_MS) note("No connection to the station. The figures are old.");
  }
}

async function watch() {
  await look();
  setTimeout(watch, PERIOD_MS);
}

document.addEventListener("visibilitychange", look);
watch();
