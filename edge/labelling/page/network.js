// The proposals of the network for one picture. A person accepts, corrects or dismisses each.

import { bitmap, get } from "./api.js";
import { cssColour } from "./view.js";

export class Network {
  constructor(app) {
    this.app = app;
    this.box = document.getElementById("network");
    this.rows = document.getElementById("proposals");
    this.verdict = document.getElementById("verdict");
    this.severityButton = document.getElementById("show-severity");
    this.wanted = false; // whether the severity map is shown, also on the next pictures
    this.about = null;
    this.severityButton.addEventListener("click", () => this.toggleSeverity());
    document.getElementById("accept-all").addEventListener("click", () => this.acceptAll());
  }

  /** Ask for the proposal of a picture, and show it if that picture is still on the page. */
  async load(name) {
    this.box.hidden = this.about === null;
    this.rows.replaceChildren();
    if (!this.about) return;
    this.verdict.textContent = "The network looks at this picture …";
    let found = { state: "waiting" };
    while (found.state === "waiting" && this.app.name === name) {
      found = await get("/api/proposal", name).catch((error) => ({ state: "made", fault: error.message, defects: [] }));
    }
    if (this.app.name !== name || found.state !== "made") return;
    if (found.fault) {
      this.verdict.textContent = found.fault;
      return;
    }
    const limit = this.about.limit.toFixed(1);
    this.verdict.textContent = `${found.decision}, score ${found.score.toFixed(1)}; rejected from ${limit}`;
    this.app.editor.proposals = found.defects;
    this.show();
    if (this.wanted) this.#severity(name);
  }

  show() {
    const { editor } = this.app;
    this.rows.replaceChildren(
      ...editor.proposals.map((proposal, number) => {
        const row = document.createElement("div");
        row.className = number === editor.chosen ? "proposal chosen" : "proposal";
        const name = document.createElement("button");
        const percent = Math.round(proposal.confidence * 100);
        name.className = "grow";
        name.textContent = `${proposal.kind}, severity ${proposal.severity}, ${percent} %`;
        name.style.setProperty("--kind", cssColour(this.app.valueOf(proposal.kind)));
        name.setAttribute("aria-pressed", String(number === editor.chosen));
        name.addEventListener("click", () => this.choose(number));
        row.append(
          name,
          button("✓", `Accept ${proposal.kind} (A)`, () => this.accept(number)),
          button("✎", `Correct ${proposal.kind} (C)`, () => this.correct(number)),
          button("✕", `Dismiss ${proposal.kind} (X)`, () => this.dismiss(number)),
        );
        return row;
      }),
    );
    document.getElementById("accept-all").disabled = !editor.proposals.length;
    editor.drawMarks();
  }

  choose(number) {
    this.app.editor.chosen = number;
    const { outline } = this.app.editor.proposals[number];
    this.app.view.reveal(...outline[0]);
    this.show();
  }

  /** Choose the next proposal. */
  step() {
    const { proposals, chosen } = this.app.editor;
    if (proposals.length) this.choose((chosen + 1) % proposals.length);
  }

  accept(number = this.app.editor.chosen) {
    const proposal = this.#take(number);
    if (!proposal) return;
    const { map } = this.app.editor;
    map.begin();
    map.fillRuns(proposal.runs, this.app.valueOf(proposal.kind));
    map.commit();
    this.app.editor.refresh();
    this.app.say(`accepted: ${proposal.kind}`);
  }

  acceptAll() {
    while (this.app.editor.proposals.length && !this.app.editor.readOnly) this.accept(0);
  }

  correct(number = this.app.editor.chosen) {
    const proposal = this.#take(number);
    if (!proposal) return;
    this.app.chooseKind(proposal.kind);
    this.app.editor.correct(proposal.outline, this.app.valueOf(proposal.kind));
    this.app.say("Move the points, then close the polygon (Enter).");
  }

  dismiss(number = this.app.editor.chosen) {
    const proposal = this.#take(number);
    if (proposal) this.app.say(`dismissed: ${proposal.kind}`);
  }

  async toggleSeverity() {
    if (!this.about) return;
    this.wanted = !this.wanted;
    this.severityButton.setAttribute("aria-pressed", String(this.wanted));
    if (this.wanted && this.app.name) await this.#severity(this.app.name);
    else this.app.view.severity.hidden = true;
  }

  #take(number) {
    const { editor } = this.app;
    if (editor.readOnly || !editor.proposals[number]) return null;
    const [proposal] = editor.proposals.splice(number, 1);
    editor.chosen = Math.min(editor.chosen, editor.proposals.length - 1);
    this.show();
    return proposal;
  }

  async #severity(name) {
    try {
      const map = await bitmap("/severity", name);
      if (this.app.name === name && this.wanted) this.app.view.showSeverity(map);
    } catch (error) {
      this.app.say(error.message);
    }
  }
}

function button(text, title, act) {
  const made = document.createElement("button");
  made.textContent = text;
  made.title = title;
  made.setAttribute("aria-label", title);
  made.addEventListener("click", act);
  return made;
}
