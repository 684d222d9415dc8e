// What the page asks of the service. All addresses are relative: the page may lie below a path.

import { say } from "./texts.js";

/** What went wrong, in words for the user. */
export class Problem extends Error {}

/** The pipelines of the service. */
export async function pipelines() {
  return (await (await ask("pipelines")).json()).pipelines;
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
  const request = note && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ notes: [note], context: true, ...options }),
  };
  let answer;
  try {
    answer = await fetch(address, { ...request, signal, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(say("problems.unreachable"));
  }
  if (!answer.ok) throw new Problem(await explain(answer));
  return answer;
}

async function explain(answer) {
  const { detail } = await answer.json().catch(() => ({}));
  const seconds = Number(answer.headers.get("Retry-After")) || 1;
  if (answer.status === 413) return say("problems.large");
  if ([429, 503].includes(answer.status)) return say("problems.busy", { n: seconds });
  return say("problems.refused", { detail: typeof detail === "string" ? detail : answer.status });
}
