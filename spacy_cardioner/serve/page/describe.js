// What is known of a mention, in words.

import { contextOf } from "./draw.js";
import { number, say } from "./texts.js";

/** @returns The name of its label, and the lines of what is known of it. */
export function describe(mention) {
  const label = say(`labels.${mention.label}`);
  const named = label === mention.label ? label : `${label} (${mention.label})`;
  const lines = [[named, ...contextOf(mention).map((name) => say(name))].join(", ")];
  if (mention.kb_id) {
    const match = mention.match && `(${say(`matches.${mention.match}`)})`;
    lines.push([mention.kb_id, mention.kb_name, match].filter(Boolean).join(" "));
  }
  if (mention.score !== undefined) lines.push(`${say("score")} ${number(mention.score, 2)}`);
  if (mention.section) lines.push(`${say("section")}: ${say(`sections.${mention.section}`)}`);
  return { label, lines };
}
