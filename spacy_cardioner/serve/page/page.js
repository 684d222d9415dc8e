// The page: what is entered, what is asked, what is shown.

import { make } from "./draw.js";
import { Editor } from "./editor.js";
import { Result } from "./result.js";
import * as service from "./service.js";
import { preferred, say, use } from "./texts.js";

const ENDINGS = { brat: ".zip", jsonl: ".jsonl", tsv: ".tsv" };

const find = (id) => document.getElementById(id);
const [text, status, problem, language, pipeline] = ["text", "status", "problem", "language", "pipeline"].map(find);

let pipelines = []; // of the service
let found = null; // the answer that is shown
let running = new AbortController(); // stops the request that runs
let offering = new AbortController(); // stops the request for the pipelines

const editor = new Editor(text, find("file"), (error, notice) => {
  edit();
  if (error) tell(error.message);
  else annotate({}, notice);
});
const result = new Result(find("result"), summarise, (label) =>
  annotate({ pipeline: found.pipeline, labels: [...found.labels, label] }),
);

/** What is asked for: by the user, and `more`. */
function options(more) {
  const name = pipeline.value || null;
  const asked = pipelines.filter((one) => one.name === (name ?? one.name));
  const context = asked.every((one) => one.context?.length !== 0);
  return { pipeline: name, lang: language.value, labels: null, min_score: 0, context, ...more };
}

async function annotate(more = {}, notice = "") {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const { note } = editor;
  tell(notice);
  try {
    if (!note.text.trim()) throw new service.Problem(say("problems.empty"));
    wait(true);
    const asked = options(more);
    show(note, asked, await service.annotate(note, asked, signal));
  } catch (error) {
    if (!signal.aborted) fail(error);
    if (!signal.aborted && found) result.filter(); // the answer before is still there
  }
  if (!signal.aborted) wait(false);
}

function show(note, asked, answer) {
  const { labels: known = [], active = [] } = pipelines.find((one) => one.name === answer.pipeline) ?? {};
  const labels = asked.labels ?? active;
  found = { ...answer, note, asked, labels };
  try {
    result.show(note.text, answer, labels, known.filter((label) => !labels.includes(label)));
  } catch (error) {
    found = null;
    turn(false);
    throw error;
  }
  turn(true);
}

/** Say how many mentions are shown, and what found them. */
function summarise(shown) {
  const n = found.entities.length;
  const many = shown.length === n ? say("found", { n }) : say("shown", { shown: shown.length, n });
  const version = pipelines.find((one) => one.name === found.pipeline)?.version ?? "";
  const name = say(`languages.${found.lang}`);
  const choice = new Set(pipelines.map(({ lang }) => lang)).size > 1;
  const guessed = choice && found.asked.lang === "auto" && !found.asked.pipeline;
  const spoken = guessed ? say("guessed", { name }) : name;
  const without = found.asked.context ? [] : [say("contextless")];
  status.textContent = [many, `${found.pipeline} ${version}`, spoken, ...without].join(" · ");
}

/** Show the result, or the editor. */
function turn(reading) {
  const focused = document.activeElement;
  find("result").hidden = find("edit").hidden = !reading;
  find("editor").hidden = find("annotate").hidden = reading;
  if (reading && (focused === text || focused === find("annotate"))) find("edit").focus();
}

function edit() {
  running.abort();
  found = null;
  wait(false);
  turn(false);
  status.textContent = "";
  text.focus();
}

function wait(on) {
  document.body.classList.toggle("busy", on);
  if (on) status.textContent = say("busy");
}

/** Tell what went wrong; nothing if nothing did. */
function tell(message = "") {
  problem.hidden = !message;
  problem.textContent = message;
  if (message && !found) status.textContent = "";
}

function fail(error) {
  tell(error.message);
  if (error instanceof service.NoToken) find("token-label").hidden = false;
}

async function download(format) {
  const { note, pipeline, lang, asked } = found;
  const { labels, min_score } = result.filters.chosen;
  tell();
  try {
    const wanted = { ...asked, pipeline, lang, labels: labels ?? asked.labels, min_score };
    const link = make("a");
    link.href = URL.createObjectURL(await service.file(note, wanted, format));
    link.download = note.id + ENDINGS[format];
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    fail(error);
  }
}

async function translate(name) {
  await use(name);
  find("interface").value = name;
  find("private").textContent = say("private", { host: location.host });
  if (found) result.write();
}

function listen() {
  find("note").addEventListener("submit", (event) => {
    event.preventDefault();
    annotate();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) annotate();
  });
  find("edit").addEventListener("click", edit);
  find("open").addEventListener("click", () => find("file").click());
  find("example").addEventListener("click", () => {
    editor.show(say("note_example"));
    annotate();
  });
  find("token").addEventListener("change", ({ target }) => {
    service.bear(target.value);
    offer();
  });
  for (const choice of [language, pipeline]) choice.addEventListener("change", () => found && annotate());
  find("interface").addEventListener("change", (event) => translate(event.target.value));
  find("downloads").addEventListener("click", ({ target }) => target.dataset.format && download(target.dataset.format));
}

/** Filters take much of a small screen. */
function fold() {
  const wide = matchMedia("(min-width: 56rem)");
  const fit = () => (find("filters").open = wide.matches);
  wide.addEventListener("change", fit);
  fit();
}

/** Offer the pipelines of the service, and the languages that they are for. */
async function offer() {
  offering.abort(); // an answer to an earlier token would come in between
  offering = new AbortController();
  const { signal } = offering;
  tell();
  try {
    const offered = await service.pipelines(signal);
    if (signal.aborted) return;
    pipelines = offered;
  } catch (error) {
    if (!signal.aborted) fail(error);
    return;
  }
  const names = pipelines.map(({ name }) => new Option(name, name));
  pipeline.replaceChildren(pipeline.options[0], ...names);
  for (const one of [...language.options].slice(1)) {
    one.hidden = !pipelines.some(({ lang }) => [one.value, "xx"].includes(lang));
  }
}

async function start() {
  fold();
  await translate(preferred());
  listen();
  await offer();
  document.body.classList.add("ready");
}

start();
