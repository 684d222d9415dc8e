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
   * @param end An element after it. Rows are made when it comes into view.
   */
  constructor(table, end) {
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
    new IntersectionObserver((seen) => {
      if (seen.some((one) => one.isIntersecting)) this.extend(this.body.rows.length + CHUNK);
    }).observe(end);
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
    this.body.replaceChildren();
    this.extend(CHUNK);
  }

  /** The row of a mention, or null if the mention is not shown. */
  rowOf(mention) {
    const index = this.mentions.indexOf(mention);
    if (index >= this.body.rows.length) this.extend(index + CHUNK);
    return this.body.rows[index] ?? null;
  }

  extend(wanted) {
    const from = this.body.rows.length;
    const rows = this.mentions.slice(from, wanted).map((mention, n) => row(mention, from + n));
    if (rows.length && from === 0) rows[0].querySelector("button").tabIndex = 0;
    this.body.append(...rows);
  }
}

function row(mention, index) {
  const go = make("button", "go", make("bdi", "", mention.text));
  go.type = "button";
  go.tabIndex = -1;
  const first = make("th", "", go);
  first.scope = "row";
  first.append(...contextOf(mention).flatMap((name) => [" ", make("span", "context", say(name))]));
  const result = make(
    "tr",
    "",
    first,
    make("td", "", make("span", colourOf(mention.label), say(`labels.${mention.label}`))),
    make("td", "code", mention.kb_id ?? "", ...(mention.kb_name ? [" ", make("small", "", mention.kb_name)] : [])),
    make("td", "number", mention.score === undefined ? "" : number(mention.score, 2)),
    make("td", "", mention.section ? say(`sections.${mention.section}`) : ""),
    make("td", "number", String(mention.start)),
  );
  result.ariaRowIndex = index + 2;
  result.mention = mention;
  return result;
}
