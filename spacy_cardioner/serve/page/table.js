// The table of mentions.

import { colourOf, contextOf, make } from "./draw.js";
import { number, say } from "./texts.js";

// Rows that are made at a time: a long note has thousands.
const CHUNK = 200;

const KEYS = {
  text: (mention) => mention.text,
  label: (mention) => say(`labels.${mention.label}`),
  code: (mention) => mention.kb_id ?? "",
  score: (mention) => mention.score ?? -1,
  section: (mention) => (mention.section ? say(`sections.${mention.section}`) : ""),
  start: (mention) => mention.start,
};

export class Table {
  /**
   * @param table The table, with a `data-key` for each column.
   * @param ends The elements before and after it. Rows are made when they come into view.
   */
  constructor(table, ends) {
    this.head = table.tHead.rows[0];
    this.body = table.tBodies[0];
    this.table = table;
    this.key = "start";
    this.direction = 1;
    this.mentions = [];
    this.head.addEventListener("click", (event) => {
      const column = event.target.closest("[data-key]");
      if (column) this.sortBy(column.dataset.key);
    });
    const observer = new IntersectionObserver((seen) => {
      for (const { target } of seen.filter((one) => one.isIntersecting)) this.extend(target === ends[1]);
    });
    for (const end of ends) observer.observe(end);
  }

  /** Show mentions, in the order of the chosen column. */
  show(mentions) {
    this.mentions = mentions;
    this.sort();
  }

  sortBy(key) {
    this.direction = key === this.key ? -this.direction : 1;
    this.key = key;
    for (const column of this.head.cells) {
      if (column.dataset.key !== key) column.removeAttribute("aria-sort");
      else column.ariaSort = this.direction > 0 ? "ascending" : "descending";
    }
    this.sort();
  }

  sort() {
    const read = KEYS[this.key];
    const { compare } = new Intl.Collator(document.documentElement.lang, { numeric: true });
    const keyed = this.mentions.map((mention) => [read(mention), mention]);
    keyed.sort(([one, first], [other, second]) => {
      const order = typeof one === "number" ? one - other : compare(one, other);
      return this.direction * order || first.start - second.start;
    });
    this.mentions = keyed.map(([, mention]) => mention);
    this.table.ariaRowCount = this.mentions.length + 1;
    this.open(0);
  }

  /** The row of a mention, or null if the mention is not shown. */
  rowOf(mention) {
    const index = this.mentions.indexOf(mention);
    if (index < 0) return null;
    if (!this.body.rows[index - this.first]) this.open(Math.max(0, index - CHUNK / 2));
    return this.body.rows[index - this.first];
  }

  /** Make the rows from one on. */
  open(first) {
    this.first = first;
    this.body.replaceChildren();
    this.extend(true);
    const row = this.body.rows[0];
    if (row) row.querySelector("button").tabIndex = 0;
  }

  /** Make more rows, after the last or before the first. */
  extend(after) {
    const from = after ? this.first + this.body.rows.length : Math.max(0, this.first - CHUNK);
    const to = after ? from + CHUNK : this.first;
    const rows = this.mentions.slice(from, to).map((mention, n) => row(mention, from + n));
    if (after) this.body.append(...rows);
    else {
      this.body.prepend(...rows);
      this.first = from;
    }
  }
}

function row(mention, index) {
  const go = make("button", "go", make("bdi", "", mention.text));
  go.type = "button";
  go.tabIndex = -1;
  const words = contextOf(mention).flatMap((name) => [" ", make("span", "context", say(name))]);
  const name = mention.kb_name ? [" ", make("small", "", mention.kb_name)] : [];
  const result = make(
    "tr",
    "",
    cell("text", go, ...words),
    cell("label", make("span", colourOf(mention.label), say(`labels.${mention.label}`))),
    cell("code", mention.kb_id ?? "", ...name),
    cell("score", mention.score === undefined ? "" : number(mention.score, 2)),
    cell("section", mention.section ? say(`sections.${mention.section}`) : ""),
    cell("start", String(mention.start)),
  );
  result.role = "row";
  result.ariaRowIndex = index + 2;
  result.mention = mention;
  return result;
}

/** A cell. Its role is that of the element, which the element loses where the style makes it a box. */
function cell(key, ...children) {
  const head = key === "text";
  const result = make(head ? "th" : "td", key, ...children);
  if (head) result.scope = "row";
  result.role = head ? "rowheader" : "cell";
  return result;
}
