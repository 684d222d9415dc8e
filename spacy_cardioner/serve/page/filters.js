// Which mentions are shown: by label, context, score and words.

import { CONTEXT, colourOf, contextOf, make } from "./draw.js";
import { number, say } from "./texts.js";

// The box of the mentions that no context is known of.
const NONE = "none";

export class Filters {
  /**
   * @param changed Called when other mentions are to be shown.
   * @param wanted Called with a label that the pipeline knows and has not looked for.
   */
  constructor(root, changed, wanted) {
    this.labels = root.querySelector("#labels");
    this.contexts = root.querySelector("#contexts");
    this.threshold = root.querySelector("#threshold");
    this.lowest = root.querySelector("#lowest");
    this.search = root.querySelector("#search");
    root.addEventListener("input", (event) => {
      if (event.target.dataset.wanted) {
        event.target.checked = false; // until there is an answer
        wanted(event.target.value);
      } else {
        this.write();
        changed();
      }
    });
  }

  /**
   * Offer what can be chosen from. What was left out stays left out.
   *
   * @param mentions All mentions of the note.
   * @param looked The labels that the pipeline looked for.
   * @param others Labels that it also knows.
   */
  offer(mentions, looked, others) {
    const off = new Set(this.boxes(":not(:checked):not([data-wanted])").map((box) => box.value));
    const labels = count(mentions, (mention) => [mention.label]);
    const contexts = count(mentions, contextNames);
    const all = [...new Set([...looked, ...labels.keys()])];
    all.sort((one, other) => (colourOf(one) + one < colourOf(other) + other ? -1 : 1));
    this.labels.replaceChildren(
      ...all.map((label) => chip(label, colourOf(label), `labels.${label}`, labels.get(label) ?? 0, off)),
      ...others.map((label) => chip(label, colourOf(label), `labels.${label}`)),
    );
    const names = [...CONTEXT, NONE].filter((name) => contexts.has(name));
    this.contexts.replaceChildren(...names.map((name) => chip(name, "context", name, contexts.get(name), off)));
    this.contexts.parentElement.hidden = names.every((name) => name === NONE);
    const least = mentions.reduce((score, mention) => Math.min(score, mention.score ?? 1), 0.99);
    const untouched = this.threshold.value === this.threshold.min;
    this.threshold.min = Math.floor(100 * least) / 100;
    if (untouched) this.threshold.value = this.threshold.min;
    this.write();
  }

  /** Whether a mention is shown. */
  get matches() {
    const off = new Set(this.boxes(":not(:checked)").map((box) => box.value));
    const lowest = Number(this.threshold.value);
    const words = plain(this.search.value.trim());
    return (mention) =>
      !off.has(mention.label) &&
      !contextNames(mention).some((name) => off.has(name)) &&
      (mention.score ?? 1) >= lowest &&
      (!words || searched(mention).includes(words));
  }

  /** What a download has: the labels that are shown (null: all that were looked for), and the lowest score. */
  get chosen() {
    const boxes = [...this.labels.querySelectorAll("input:not([data-wanted])")];
    const labels = boxes.filter((box) => box.checked).map((box) => box.value);
    const { value, min } = this.threshold;
    return {
      labels: labels.length === boxes.length ? null : labels,
      min_score: Number(value) > Number(min) ? Number(value) : 0,
    };
  }

  boxes(which = "") {
    return [this.labels, this.contexts].flatMap((part) => [...part.querySelectorAll(`input${which}`)]);
  }

  write() {
    this.lowest.textContent = number(Number(this.threshold.value), 2);
    this.threshold.ariaValueText = this.lowest.textContent;
  }
}

function contextNames(mention) {
  const names = contextOf(mention);
  return names.length ? names : [NONE];
}

function searched(mention) {
  mention.searched ??= plain(`${mention.text}\n${mention.kb_id ?? ""}\n${mention.kb_name ?? ""}`);
  return mention.searched;
}

/** Without capitals and accents. */
function plain(text) {
  return text.normalize("NFD").replace(/\p{Mark}/gu, "").toLowerCase();
}

function count(mentions, names) {
  const counts = new Map();
  for (const name of mentions.flatMap(names)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** A box with the number of mentions; without a number, for a label that was not looked for. */
function chip(value, classes, key, n, off) {
  const box = make("input");
  box.type = "checkbox";
  box.value = value;
  box.autocomplete = "off";
  box.checked = n !== undefined && !off.has(value);
  if (n === undefined) box.dataset.wanted = "yes";
  const name = make("span", classes, say(key));
  name.title = value;
  return make("label", "", box, name, n === undefined ? "" : ` ${number(n)}`);
}
