// Draws a note with its mentions, with the elements and classes of spacy_cardioner/view.py: the style
// is view.css. Only the text of the note is in the text of the elements, character by character.

export const CONTEXT = ["negated", "uncertain", "historical", "hypothetical", "family", "allergy"];
const LABELS = ["ENFERMEDAD", "FARMACO", "SINTOMA", "PROCEDIMIENTO"];
const OTHERS = 4;
const DEEPEST = 4;
// A part of the text that is laid out on its own has at least so many characters, and ends with a
// line, unless that is far too long.
const PART = 2000;
const LONGEST_LINE = 8000;
const SPECIAL =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** The context of a mention, in the order of the legend. */
export function contextOf(mention) {
  return CONTEXT.filter((name) => mention[name]);
}

/** The class of the colour of a label: `view.colour_of`. */
export function colourOf(label) {
  const index = LABELS.indexOf(label);
  return `l${index >= 0 ? index : LABELS.length + (crc32(label) % OTHERS)}`;
}

function crc32(text) {
  let sum = ~0;
  for (const byte of new TextEncoder().encode(text)) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

/** An element with classes and children, which are elements or strings. */
export function make(tag, classes = "", ...children) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  element.append(...children);
  return element;
}

/**
 * Draw a note.
 *
 * @param mentions Mentions with `from` and `to`, places in the string. They may overlap.
 * @param sections `{from, name}` of each section.
 * @param describe What is known of a mention, in words: `describe.describe`.
 * @returns {DocumentFragment} In it, each mark has its mention as `mark.mention`, and each mention
 *   its marks as `mention.marks`.
 */
export function draw(text, mentions, sections, describe) {
  return new Drawing(text, describe).draw(mentions, sections);
}

class Drawing {
  constructor(text, describe) {
    this.text = text;
    this.describe = describe;
    this.place = 0;
    this.open = []; // {mention, mark, first, height}, the outermost first
    this.result = document.createDocumentFragment();
    this.startPart();
  }

  draw(mentions, sections) {
    const ordered = mentions.toSorted(
      (one, other) => one.from - other.from || other.to - one.to || (one.label < other.label ? -1 : 1),
    );
    const titles = sections.toSorted((one, other) => other.from - one.from);
    for (const mention of ordered) {
      mention.marks = [];
      while (titles.length && titles.at(-1).from <= mention.from) this.section(titles.pop());
      this.advance(mention.from);
      this.start(mention, true);
    }
    while (titles.length) this.section(titles.pop());
    this.advance(this.text.length);
    return this.result;
  }

  startPart() {
    this.part = make("div", "part");
    this.filled = 0;
    this.result.append(this.part);
  }

  get inside() {
    return this.open.at(-1)?.mark ?? this.part;
  }

  section({ from, name }) {
    this.advance(from);
    const title = make("b");
    title.dataset.section = name;
    this.inside.append(title);
  }

  /** Write the text up to a place, and end the mentions that end before or there. */
  advance(place) {
    for (;;) {
      const ends = this.open.map((one) => one.mention.to).filter((end) => end <= place);
      if (!ends.length) break;
      const end = Math.min(...ends);
      this.write(end);
      // A mark that another one crosses ends with it, and goes on in a mark after it.
      const outermost = this.open.findIndex((one) => one.mention.to === end);
      const closed = this.open.slice(outermost);
      for (const one of closed.toReversed()) this.close(one, end);
      const goingOn = closed.map((one) => one.mention).filter((mention) => mention.to > end);
      for (const mention of goingOn.toSorted((one, other) => other.to - one.to)) {
        this.start(mention, false);
      }
    }
    this.write(place);
  }

  write(end) {
    while (!this.open.length) {
      const cut = this.find("\n", PART, end) ?? this.find(" ", PART + LONGEST_LINE, end);
      if (cut === null) break;
      this.content(cut);
      this.startPart();
    }
    this.content(end);
  }

  /** The place after a sign, before which the part has at least so many characters. */
  find(sign, enough, end) {
    const from = this.place + Math.max(0, enough - this.filled);
    const found = this.text.slice(from, end).indexOf(sign);
    return from < end && found >= 0 ? from + found + 1 : null;
  }

  content(end) {
    const piece = this.text.slice(this.place, end);
    this.filled += piece.length;
    let written = 0;
    for (const { 0: sign, index } of piece.matchAll(SPECIAL)) {
      // A carriage return that no line feed follows is a line end, too.
      const after = this.text[this.place + index + 1];
      if (sign === "\r" && after === "\n") continue;
      const unseen = make("u", "", sign);
      unseen.dataset.u = sign === "\r" ? "" : `U+${hexadecimal(sign)}`;
      this.inside.append(piece.slice(written, index), unseen);
      written = index + 1;
    }
    if (written < piece.length) this.inside.append(piece.slice(written));
    this.place = end;
  }

  start(mention, first) {
    const mark = make("mark");
    const { label, name, facts } = this.describe(mention);
    mark.dataset.label = label;
    mark.mention = mention;
    mention.marks.push(mark);
    if (first) {
      mark.setAttribute("role", "link");
      mark.ariaLabel = name;
      mark.setAttribute("aria-description", facts.join(", "));
      mark.tabIndex = -1;
      mark.append(...contextOf(mention).map((name) => make("i", name)));
    }
    this.inside.append(mark);
    this.open.push({ mention, mark, first, height: 1 });
  }

  close(one, end) {
    this.open.pop();
    const height = Math.min(one.height, DEEPEST);
    const classes = [colourOf(one.mention.label), ...contextOf(one.mention)];
    if (height > 1) classes.push(`n${height}`);
    if (!one.first) classes.push("cont");
    if (one.mention.to > end) classes.push("more");
    one.mark.className = classes.join(" ");
    const outer = this.open.at(-1);
    if (outer) outer.height = Math.max(outer.height, one.height + 1);
  }
}

function hexadecimal(character) {
  return character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
}
