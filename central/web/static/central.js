// The live part of the wall, and times in the time zone of the browser. The text of a server-sent
// event is HTML from the server's own template, in which every value is escaped.
"use strict";

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });

function showTimes(root) {
  for (const each of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(each.dateTime);
    if (each.dateTime && !Number.isNaN(moment.getTime())) {
      each.title = each.textContent;
      each.textContent = format.format(moment);
    }
  }
}

// A picture that is shown already stays where it is: it neither flickers nor is loaded again. A part
// that has only its outlines may get its picture later, so it is asked for again after a minute.
const KEEP_MS = 60000;
const shownAt = new WeakMap();

function keepPictures(target, before) {
  const now = performance.now();
  const known = new Map(before.map((each) => [each.getAttribute("src"), each]));
  for (const each of target.querySelectorAll("img")) {
    const old = known.get(each.getAttribute("src"));
    if (old && old.complete && now - shownAt.get(old) < KEEP_MS) each.replaceWith(old);
    else shownAt.set(each, now);
  }
}

function watch(target) {
  for (const each of target.querySelectorAll("img")) shownAt.set(each, performance.now());
  const link = document.getElementById("link");
  const source = new EventSource(target.dataset.live);
  source.addEventListener("wall", (event) => {
    link.hidden = true;
    // A person who has moved to a link of the wall keeps the focus.
    const focused = target.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const pictures = [...target.querySelectorAll("img")];
    target.innerHTML = event.data;
    keepPictures(target, pictures);
    showTimes(target);
    if (focused) {
      const again = [...target.querySelectorAll("a")].find((each) => each.getAttribute("href") === focused);
      if (again) again.focus();
    }
  });
  source.addEventListener("error", () => {
    // The browser connects again by itself.
    link.textContent = "No connection to the central system. The figures are old.";
    link.hidden = false;
  });
}

// The server has times in UTC. A form shows and takes them in the time zone of the browser.
function localMoments(form) {
  const pad = (number) => String(number).padStart(2, "0");
  for (const each of form.querySelectorAll("input[type=datetime-local]")) {
    if (!each.value) continue;
    const at = new Date(each.value + "Z");
    each.value = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}T${pad(at.getHours())}:${pad(at.getMinutes())}`;
  }
  form.addEventListener("formdata", (event) => {
    for (const each of form.querySelectorAll("input[type=datetime-local]")) {
      if (each.value) event.formData.set(each.name, new Date(each.value).toISOString().slice(0, 16));
    }
  });
}

for (const each of document.querySelectorAll("form[data-moments]")) localMoments(each);
for (const each of document.querySelectorAll(".pages a")) {
  if (each.pathname === location.pathname) each.setAttribute("aria-current", "page");
}
showTimes(document);
const wall = document.querySelector("[data-live]");
if (wall) watch(wall);
