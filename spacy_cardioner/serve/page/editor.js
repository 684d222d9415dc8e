// The note that the user gives: typed, pasted, dropped or opened.

import { wellFormed } from "./offsets.js";
import { Problem } from "./service.js";
import { say } from "./texts.js";

const UNNAMED = "note";

export class Editor {
  /** @param opened Called when a file was opened: with the error if it failed, and a notice. */
  constructor(textarea, input, opened) {
    this.textarea = textarea;
    this.note = { id: UNNAMED, text: "" };
    // The text of a file stays as it is, with its line ends, until somebody edits it.
    textarea.addEventListener("input", () => {
      this.note = { id: this.note.id, text: wellFormed(textarea.value) };
    });
    const take = async (files) => {
      try {
        opened(null, await this.read(files));
      } catch (error) {
        opened(error);
      }
    };
    input.addEventListener("change", () => {
      if (input.files.length) take([...input.files]);
      input.value = "";
    });
    this.catchDrops(take);
  }

  /** Show a note. */
  show(text, id = UNNAMED) {
    this.note = { id, text };
    this.textarea.value = text;
  }

  async read(files) {
    if (files.length !== 1) throw new Problem(say("problems.files"));
    const [file] = files;
    const [text, notice] = decode(await file.arrayBuffer());
    if (text.includes("\0")) throw new Problem(say("problems.binary"));
    this.show(text, file.name.replace(/\.txt$/i, "").replace(/\p{Control}/gu, " ") || UNNAMED);
    return notice;
  }

  catchDrops(take) {
    const mark = (on) => document.body.classList.toggle("dropping", on);
    const dropped = (event) => event.dataTransfer?.types.includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!dropped(event)) return;
      event.preventDefault();
      mark(true);
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) mark(false);
    });
    document.addEventListener("drop", (event) => {
      mark(false);
      if (!dropped(event)) return;
      event.preventDefault();
      take([...event.dataTransfer.files]);
    });
  }
}

/** The text of a file, and a notice. A file that is not UTF-8 is from an old Windows program. */
function decode(data) {
  try {
    return [new TextDecoder("utf-8", { fatal: true }).decode(data), ""]; // without its mark
  } catch {
    return [new TextDecoder("windows-1252").decode(data), say("problems.encoding")];
  }
}
