// The answer for a note: its text, the table, and what connects them.

import { describe } from "./describe.js";
import { CONTEXT, draw, make } from "./draw.js";
import { Filters } from "./filters.js";
import { places } from "./offsets.js";
import { arrows, reveal } from "./panes.js";
import { Problem } from "./service.js";
import { Table } from "./table.js";
import { say } from "./texts.js";

// How long one points at a mention before the other pane scrolls to it, in milliseconds.
const STAY = 150;

export class Result {
  /**
   * @param root The element of the result.
   * @param changed Called with the mentions that are shown.
   * @param wanted Called with a label that is to be looked for too.
   */
  constructor(root, changed, wanted) {
    const find = (id) => root.querySelector(`#${id}`);
    this.root = root;
    this.changed = changed;
    this.text = find("marked");
    this.details = find("details");
    this.panes = [find("text-pane"), find("table-pane")];
    this.table = new Table(root.querySelector("table"), root.querySelectorAll(".end"));
    this.filters = new Filters(find("filters"), () => this.filter(), wanted);
    arrows(this.text, "mark[tabindex]");
    arrows(find("rows"), "button");
    root.addEventListener("mouseover", (event) => this.pointAt(event));
    root.addEventListener("focusin", (event) => this.pointAt(event));
    root.addEventListener("click", (event) => this.goAcross(event));
    root.addEventListener("keydown", (event) => event.key === "Enter" && this.goAcross(event));
    // What is copied from the text is the note: the browser would add line ends.
    this.text.addEventListener("copy", (event) => {
      const copied = getSelection().getRangeAt(0).cloneContents().textContent;
      event.clipboardData.setData("text/plain", copied);
      event.preventDefault();
    });
  }

  /**
   * Show an answer.
   *
   * @param labels The labels that were looked for.
   * @param others Labels that the pipeline also knows.
   */
  show(text, answer, labels, others) {
    const place = places(text);
    for (const mention of answer.entities) {
      mention.from = place(mention.start);
      mention.to = place(mention.end);
      if (text.slice(mention.from, mention.to) !== mention.text) {
        throw new Problem(say("problems.offsets"));
      }
    }
    this.sections = (answer.sections ?? []).map((one) => ({ ...one, from: place(one.start) }));
    this.noteText = text;
    this.mentions = answer.entities;
    this.labels = [labels, others];
    this.text.lang = answer.lang ?? "";
    this.write();
    for (const pane of this.panes) pane.scrollTop = 0;
  }

  /** Write the answer into the page, in the language of the interface. */
  write() {
    const sections = this.sections.map(({ from, category }) => ({ from, name: say(`sections.${category}`) }));
    for (const name of CONTEXT) this.root.style.setProperty(`--${name}`, JSON.stringify(say(name)));
    this.details.dataset.idle = say("idle");
    this.text.replaceChildren(draw(this.noteText, this.mentions, sections, describe));
    this.filters.offer(this.mentions, ...this.labels);
    this.point(null);
    this.filter();
  }

  filter() {
    const matches = this.filters.matches;
    const shown = this.mentions.filter(matches);
    const visible = new Set(shown);
    for (const mention of this.mentions) {
      for (const mark of mention.marks) turn(mark, visible.has(mention));
    }
    const marks = this.text.querySelectorAll("mark[tabindex]");
    if (marks.length && ![...marks].some((mark) => mark.tabIndex === 0)) marks[0].tabIndex = 0;
    this.table.show(shown);
    this.changed(shown);
  }

  // Pointing at a mention, by the mouse or the focus, shows it in both panes.

  pointAt({ target }) {
    const source = target.closest("mark:not(.off), #rows tr");
    if (!source) return;
    if (source.mention !== this.pointed) this.point(source.mention);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.scrollTo(source), STAY);
  }

  point(mention) {
    for (const one of this.root.querySelectorAll(".lit")) one.classList.remove("lit");
    this.pointed = mention;
    this.details.replaceChildren();
    if (!mention) return;
    for (const one of [...mention.marks, this.table.rowOf(mention)]) one?.classList.add("lit");
    const { kind, facts } = describe(mention);
    this.details.append(make("strong", "", kind), ...facts.map((fact) => make("span", "", fact)));
  }

  /** Scroll the other pane to a mention that is pointed at. */
  scrollTo(source) {
    const [text, table] = this.panes;
    const { mention } = source;
    if (mention !== this.pointed) return;
    if (source.tagName === "TR") reveal(text, mention.marks[0]);
    else if (this.table.rowOf(mention)) reveal(table, this.table.rowOf(mention));
  }

  /** A name in the table leads to the text, and Enter in the text to the table. */
  goAcross(event) {
    const { type, target } = event;
    const row = target.closest("#rows tr");
    if (row && type === "click" && target.closest("button")) row.mention.marks[0].focus();
    else if (type === "keydown" && target.matches("mark")) {
      event.preventDefault(); // it would press the button that gets the focus
      this.table.rowOf(target.mention)?.querySelector("button").focus();
    }
  }
}

/** Show or hide a mark. Its text stays. */
function turn(mark, on) {
  mark.classList.toggle("off", !on);
  if (mark.classList.contains("cont")) return;
  if (!on) mark.removeAttribute("tabindex");
  else if (!mark.hasAttribute("tabindex")) mark.tabIndex = -1;
  if (on) mark.setAttribute("role", "link");
  else mark.removeAttribute("role");
}
