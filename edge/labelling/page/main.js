// The page: opening and saving of pictures, kinds, people, and the buttons.

import { ApiError, bitmap, get, onLocked, post } from "./api.js";
import { askCode, askConflict, askKind, askName, showHelp, showList } from "./dialogs.js";
import { Editor } from "./editor.js";
import { listenToKeys } from "./keys.js";
import { LabelMap } from "./labelmap.js";
import { Network } from "./network.js";
import { View, cssColour } from "./view.js";

const BEAT_MS = 10_000;
const by = (id) => document.getElementById(id);

class App {
  constructor() {
    this.view = new View(by("stage"));
    this.editor = new Editor(this.view);
    this.network = new Network(this);
    this.person = localStorage.getItem("person") ?? "";
    this.name = ""; // of the picture on the page
    this.picture = null; // the answer of the server for it
    this.kinds = [];
    this.values = new Map(); // the number of each kind, which stays while the page is open
    this.kind = "";
    this.visited = [];
    this.busy = false;
    this.working = null;
    this.armed = ""; // a key that must be pressed twice
    this.editor.changed = () => this.showTools();
    this.editor.needsKind = () => this.newKind();
    this.editor.pick = (number) => this.network.choose(number);
  }

  async start() {
    history.replaceState(null, "", "/"); // the code does not stay in the address
    onLocked(askCode);
    if (!this.person) await this.changePerson();
    this.showPerson();
    const about = await get("/api/about");
    this.network.about = about.network;
    this.showKinds(about.kinds);
    this.showCounts(about.counts);
    await this.next();
    setInterval(() => this.beat(), BEAT_MS);
  }

  // Opening

  async next() {
    await this.#open("/api/next", { after: this.name });
  }

  /** Open a picture of the list, after the request that runs. */
  async open(name) {
    while (this.busy) await this.working;
    await this.#open("/api/open", { name });
  }

  async back() {
    const name = this.visited.pop();
    if (name === undefined) return this.say("There is no earlier picture.");
    if (!(await this.#open("/api/open", { name }, true))) this.visited.push(name);
    return undefined;
  }

  /** Open a picture, unless a drawing would be lost. Returns whether it is open. */
  async #open(path, fields, isBack = false) {
    if (this.busy || this.#isUnsaved()) return false;
    return this.#alone(async () => {
      const found = await post(path, this.person, fields);
      if (this.name && this.name !== found.name && !isBack) this.visited.push(this.name);
      await this.show(found);
      return true;
    });
  }

  async show(found) {
    this.showCounts(found.counts);
    this.armed = "";
    this.name = found.name;
    this.picture = found;
    by("empty").hidden = true;
    by("layers").hidden = false;
    if (!found.name) return this.#showNothing("Every picture has a label. Open one from the list to change it.");
    this.showKinds(found.kinds);
    this.showState();
    if (found.fault) return this.#showNothing(found.fault);
    const picture = await bitmap("/picture", found.name);
    if (this.name !== found.name) return undefined;
    this.view.show(picture);
    this.#showMap(found);
    this.network.load(found.name);
    return undefined;
  }

  #showMap(found) {
    const map = new LabelMap(found.width, found.height);
    for (const [kind, runs] of Object.entries(found.masks)) map.fillRuns(runs, this.valueOf(kind));
    map.dirty = [0, 0, map.width - 1, map.height - 1];
    this.saved = map.data.slice();
    const [drawn] = Object.keys(found.masks);
    if (drawn && !this.kinds.includes(this.kind)) this.chooseKind(drawn);
    this.editor.start(map, Boolean(found.refused));
  }

  #showNothing(line) {
    by("layers").hidden = true;
    by("empty").hidden = false;
    by("empty").textContent = line;
    this.network.box.hidden = true;
    this.editor.start(null, true);
    this.showState();
  }

  // Saving

  /** Save a label and open the next picture. stay: the picture stays open. */
  async decide(label, { stay = false, kind = "" } = {}) {
    const { editor, picture } = this;
    if (!this.name || this.busy || !editor.map) return;
    if (editor.readOnly) return this.say(picture.refused);
    if (editor.isDrawing) return this.say("Close the polygon with Enter, or discard it with Esc.");
    const isEmpty = editor.map.isEmpty;
    if (label !== "bad" && label !== "skipped" && !isEmpty && this.armed !== label) {
      this.armed = label;
      return this.say("The drawing on this picture would be deleted. Press again to do so.");
    }
    const masks = {};
    if (label === "bad" || label === "skipped") {
      for (const value of editor.map.values()) masks[this.kindOf(value)] = editor.map.runsOf(value);
    }
    const fields = { name: this.name, version: picture.version, label, kind: isEmpty ? kind : "", masks };
    await this.#alone(() => this.#save(fields, stay));
    if (!stay && this.justSaved) await this.next();
  }

  async #save(fields, stay) {
    this.justSaved = false;
    try {
      const saved = await post("/api/save", this.person, fields);
      this.picture = { ...this.picture, ...saved };
      this.showCounts(saved.counts);
      this.showKinds(saved.kinds);
      if (fields.label === "none" || fields.label === "good") this.#showMap(this.picture);
      else this.saved = this.editor.map.data.slice();
      this.showState();
      this.say(`saved: ${fields.name}, ${fields.label === "none" ? "not labelled" : fields.label}`);
      this.justSaved = true;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 409) throw error;
      const answer = await askConflict(error);
      const found = await post("/api/open", this.person, { name: this.name });
      if (answer === "theirs") return this.show(found);
      this.picture = found;
      return this.#save({ ...fields, version: found.version }, stay);
    }
    return undefined;
  }

  /** Take the drawing back to what is saved, as a step that can be undone. */
  revert() {
    const { map, readOnly } = this.editor;
    if (!map || readOnly) return;
    this.editor.dropPolygon();
    map.begin();
    map.clear();
    map.data.set(this.saved);
    map.commit();
    this.editor.refresh();
    this.say("This is the saved drawing.");
  }

  undo() {
    if (this.editor.draft) this.editor.removePoint();
    else if (!this.editor.map?.undo()) this.say("Nothing to undo on this picture; P opens the previous one.");
    this.editor.refresh();
  }

  redo() {
    if (!this.editor.map?.redo()) this.say("Nothing to redo.");
    this.editor.refresh();
  }

  #isUnsaved() {
    if (!this.isChanged) return false;
    this.say("The drawing is not saved: B saves it, R goes back to the saved state.");
    return true;
  }

  get isChanged() {
    const { map } = this.editor;
    if (this.editor.isDrawing) return true;
    const isTouched = Boolean(map && (map.done.length || map.undone.length));
    return isTouched && !map.equals(this.saved);
  }

  // Kinds

  valueOf(kind) {
    if (!this.values.has(kind)) this.values.set(kind, this.values.size + 1);
    return this.values.get(kind);
  }

  kindOf(value) {
    return [...this.values].find(([, each]) => each === value)[0];
  }

  chooseKind(kind) {
    this.kind = kind;
    this.editor.value = this.valueOf(kind);
    this.showKinds(this.kinds);
  }

  async newKind() {
    if (this.editor.readOnly) return;
    await askKind(async (kind) => {
      const added = await post("/api/kind", this.person, { kind });
      this.kind = added.kind;
      this.editor.value = this.valueOf(added.kind);
      this.showKinds(added.kinds);
    });
  }

  showKinds(kinds) {
    this.kinds = kinds;
    if (!kinds.includes(this.kind) && kinds.length) {
      [this.kind] = kinds;
      this.editor.value = this.valueOf(this.kind);
    }
    const made = kinds.map((kind, number) => {
      const button = document.createElement("button");
      button.textContent = kind;
      button.setAttribute("role", "radio");
      button.setAttribute("aria-checked", String(kind === this.kind));
      button.style.setProperty("--kind", cssColour(this.valueOf(kind)));
      if (number < 9) button.title = `${kind} (${number + 1})`;
      button.addEventListener("click", () => this.chooseKind(kind));
      return button;
    });
    const add = document.createElement("button");
    add.id = "add-kind";
    add.textContent = "+ kind";
    add.title = "Add a kind (K)";
    add.addEventListener("click", () => this.newKind());
    by("kinds").replaceChildren(...made, add);
  }

  // People

  async changePerson() {
    this.person = await askName(this.person);
    localStorage.setItem("person", this.person);
    this.showPerson();
  }

  showPerson() {
    by("person").textContent = this.person || "Name";
  }

  async beat() {
    try {
      const found = await post("/api/beat", this.person, { name: this.name });
      this.showCounts(found.counts);
      if (found.kinds.join("\n") !== this.kinds.join("\n")) this.showKinds(found.kinds);
      if (this.picture) this.picture.held_by = found.held[this.name] ?? "";
      this.showState();
      const { none = 0, unfinished = 0 } = found.counts;
      if (!this.name && none + unfinished > 0) await this.next(); // a picture came into the folder
    } catch (error) {
      this.say(error.message);
    }
  }

  // Display

  say(line) {
    by("status").textContent = line;
  }

  showCounts(counts) {
    const done = (counts.good ?? 0) + (counts.bad ?? 0) + (counts.skipped ?? 0);
    by("counts").textContent = `${done} of ${counts.all}: ${counts.good ?? 0} good, ${counts.bad ?? 0} bad, ${counts.skipped ?? 0} skipped`;
  }

  showState() {
    const found = this.picture ?? {};
    const words = { none: "not labelled", unfinished: "its last save did not finish", undefined: "" };
    const label = words[found.label] ?? found.label;
    by("name").textContent = this.name;
    by("state").textContent = [label, found.kind, found.by, (found.utc ?? "").slice(0, 16).replace("T", " ")]
      .filter(Boolean)
      .join(", ");
    by("remark").textContent = [found.remark, ...(found.remarks ?? [])].filter(Boolean).join("\n");
    const banner = found.refused || (found.held_by ? `${found.held_by} has this picture open too.` : "");
    by("banner").hidden = !banner;
    by("banner").textContent = banner;
    this.showTools();
  }

  showTools() {
    const { editor } = this;
    for (const button of document.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-checked", String(button.dataset.tool === editor.tool));
    }
    by("undo").disabled = !editor.map?.done.length && !editor.draft;
    by("redo").disabled = !editor.map?.undone.length;
    by("draft").hidden = !editor.draft;
    by("close-polygon").disabled = (editor.draft?.points.length ?? 0) < 3;
    by("size").value = editor.radius;
    by("size-px").textContent = `${2 * editor.radius + 1} px`;
    by("stage").dataset.tool = editor.tool;
    const open = Boolean(this.name && editor.map) && !editor.readOnly;
    for (const id of ["good", "bad", "skip"]) by(id).disabled = !open;
    by("back").disabled = !this.visited.length;
    // Between strokes only: it looks at every pixel.
    if (!editor.stroke) by("bad-kind").disabled = !open || !this.kind || !editor.map.isEmpty;
    by("take-back").disabled = !open || (this.picture.label ?? "none") === "none";
  }

  chooseTool(tool) {
    if (this.editor.draft && tool !== "polygon") return this.say("Close the polygon with Enter, or discard it with Esc.");
    this.editor.tool = tool;
    this.editor.refresh();
    return undefined;
  }

  setRadius(radius) {
    this.editor.radius = Math.min(60, Math.max(0, radius));
    this.editor.refresh();
  }

  /** Run one request at a time; an error is shown. A key that is pressed meanwhile does nothing. */
  #alone(work) {
    this.busy = true;
    document.body.classList.add("busy");
    this.working = this.#guarded(work);
    return this.working;
  }

  async #guarded(work) {
    try {
      return await work();
    } catch (error) {
      this.say(error.message);
      return false;
    } finally {
      this.busy = false;
      document.body.classList.remove("busy");
    }
  }
}

const app = new App();
const clicks = {
  list: () => showList(app.name, (name) => app.open(name)).catch((error) => app.say(error.message)),
  help: showHelp,
  person: () => app.changePerson(),
  back: () => app.back(),
  good: () => app.decide("good"),
  bad: () => app.decide("bad"),
  skip: () => app.decide("skipped"),
  next: () => app.next(),
  "bad-kind": () => app.decide("bad", { kind: app.kind }),
  "take-back": () => app.decide("none", { stay: true }),
  undo: () => app.undo(),
  redo: () => app.redo(),
  revert: () => app.revert(),
  fit: () => app.view.fit(),
  "close-polygon": () => app.editor.closePolygon(),
  "drop-polygon": () => app.editor.dropPolygon(),
};
for (const [id, act] of Object.entries(clicks)) by(id).addEventListener("click", act);
for (const button of document.querySelectorAll("[data-tool]")) {
  button.addEventListener("click", () => app.chooseTool(button.dataset.tool));
}
by("size").addEventListener("input", () => app.setRadius(Number(by("size").value)));
listenToKeys(app, clicks);
window.addEventListener("beforeunload", (event) => {
  if (app.isChanged) event.preventDefault();
});
window.addEventListener("pagehide", () => {
  post("/api/leave", app.person || "?", {}, true).catch(() => {});
});
app.start().catch((error) => app.say(error.message));
