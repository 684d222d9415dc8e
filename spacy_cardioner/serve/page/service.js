// What the page asks of the service. All addresses are relative: the page may lie below a path.

import { say } from "./texts.js";

// What the service may ask for. It is kept as long as the page is open.
let token = "";

/** What went wrong, in words for the user. */
export class Problem extends Error {}

/** The service asks for a token, or for another one. */
export class NoToken extends Problem {}

/** Give a token with each request. */
export function bear(given) {
  token = given.trim();
}

/** The pipelines of the service. */
export async function pipelines(signal) {
  return (await (await ask("pipelines", null, null, signal)).json()).pipelines;
}

/**
 * Annotate one note.
 *
 * @param note `{id, text}`
 * @param options The other parameters of the service, such as `lang`.
 * @returns The answer, with the entities and sections of the note.
 */
export async function annotate(note, options, signal) {
  const answer = await (await ask("annotate", note, options, signal)).json();
  if (answer.failed?.length) {
    throw new Problem(say("problems.failed", { detail: answer.failed[0].error }));
  }
  return { ...answer, ...answer.notes[0] };
}

/** The annotations of one note as a file. */
export async function file(note, options, format) {
  return (await ask(`annotate?format=${format}`, note, options)).blob();
}

async function ask(address, note, options, signal) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const request = { headers, signal, cache: "no-store" };
  if (note) {
    request.method = "POST";
    request.body = JSON.stringify({ notes: [note], ...options });
    headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(address, request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(say("problems.unreachable"));
  }
  if (answer.status === 401) throw new NoToken(say("problems.token"));
  if (!answer.ok) throw new Problem(await explain(answer));
  return answer;
}

async function explain(answer) {
  const { error, detail } = await answer.json().catch(() => ({}));
  const seconds = Number(answer.headers.get("Retry-After")) || 1;
  if (answer.status === 413) return say("problems.large");
  if ([429, 503].includes(answer.status)) return say("problems.busy", { n: seconds });
  return say("problems.refused", { detail: String(error ?? detail ?? answer.status) });
}
