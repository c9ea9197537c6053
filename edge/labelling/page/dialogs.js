// The dialogs: name, new kind, conflict, code, and the list of pictures.

import { get } from "./api.js";

const MOST_ROWS = 500;
const LABELS = { none: "not labelled", unfinished: "not saved completely", good: "good", bad: "bad", skipped: "skipped" };

const by = (id) => document.getElementById(id);

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close("cancel"));
}

/** Return whether a dialog is open. */
export function isOpen() {
  return document.querySelector("dialog[open]") !== null;
}

/** Open a dialog and wait until it is closed. Returns the value of its button. */
function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}

/** Ask for the name of the person until there is one. */
export async function askName(known) {
  by("name-input").value = known;
  let name = "";
  while (!name) {
    await ask(by("name-dialog"));
    name = by("name-input").value.trim() || known;
  }
  return name;
}

/** Ask for a new kind. add: saves it, and throws an error that is shown. */
export async function askKind(add) {
  by("kind-input").value = "";
  by("kind-error").textContent = "";
  for (;;) {
    const answer = await ask(by("kind-dialog"));
    const kind = by("kind-input").value.trim();
    if (answer !== "ok" || !kind) return;
    try {
      await add(kind);
      return;
    } catch (error) {
      by("kind-error").textContent = error.message;
    }
  }
}

/** Ask which of two labels stays. Returns "theirs" or "mine". */
export function askConflict(error) {
  const who = error.data.by || "Another program";
  by("conflict-text").textContent = `${who} has saved it since you opened it. Your drawing is still here.`;
  const dialog = by("conflict-dialog");
  dialog.showModal();
  return new Promise((resolve) => {
    const choose = (answer) => () => {
      dialog.close();
      resolve(answer);
    };
    by("take-theirs").onclick = choose("theirs");
    by("keep-mine").onclick = choose("mine");
    dialog.oncancel = (event) => event.preventDefault();
  });
}

/** Ask for the code of the command. */
export async function askCode(refused) {
  by("login-error").textContent = refused;
  let code = "";
  while (!code) {
    await ask(by("login-dialog"));
    code = by("login-input").value.trim();
  }
  return code;
}

export function showHelp() {
  by("help-dialog").showModal();
}

/** Show the list of all pictures; open: opens one. */
export async function showList(current, open) {
  const { pictures, held } = await get("/api/pictures");
  const draw = () => {
    const label = by("list-filter").value;
    const part = by("list-search").value.toLowerCase();
    const rows = pictures.filter(
      (each) => (!label || each.label === label) && each.name.toLowerCase().includes(part),
    );
    const shown = rows.slice(0, MOST_ROWS).map((each) => row(each, held, each.name === current, open));
    if (rows.length > MOST_ROWS) {
      const more = document.createElement("p");
      more.textContent = `and ${rows.length - MOST_ROWS} more: enter a part of the name`;
      shown.push(more);
    }
    by("list-rows").replaceChildren(...shown);
  };
  by("list-filter").onchange = draw;
  by("list-search").oninput = draw;
  draw();
  by("list-dialog").showModal();
  by("list-rows").querySelector("[aria-current]")?.scrollIntoView({ block: "center" });
}

function row(picture, held, isCurrent, open) {
  const made = document.createElement("button");
  const name = document.createElement("span");
  const about = document.createElement("span");
  name.textContent = picture.name;
  about.textContent = [
    LABELS[picture.label] + (picture.masks.length ? ` (${picture.masks.join(", ")})` : ""),
    picture.by,
    held[picture.name] ? `open: ${held[picture.name]}` : "",
  ].filter(Boolean).join(", ");
  about.className = `label ${picture.label}`;
  if (isCurrent) made.setAttribute("aria-current", "true");
  made.append(name, about);
  made.addEventListener("click", () => {
    by("list-dialog").close();
    open(picture.name);
  });
  return made;
}
