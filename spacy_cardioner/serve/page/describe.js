// What is known of a mention, in words.

import { contextOf } from "./draw.js";
import { number, say } from "./texts.js";

/**
 * @returns `label`, what its label is called; `name`, the mention with its label and its context;
 *   `kind`, the same without its text; `facts`, what else is known, in lines.
 */
export function describe(mention) {
  const label = say(`labels.${mention.label}`);
  const context = contextOf(mention).map((name) => say(name));
  const named = label === mention.label ? label : `${label} (${mention.label})`;
  const facts = [];
  if (mention.kb_id) {
    const match = mention.match && `(${say(`matches.${mention.match}`)})`;
    facts.push([mention.kb_id, mention.kb_name, match].filter(Boolean).join(" "));
  }
  if (mention.score !== undefined) facts.push(`${say("score")} ${number(mention.score, 2)}`);
  if (mention.section) facts.push(`${say("section")}: ${say(`sections.${mention.section}`)}`);
  return {
    label,
    name: [mention.text, label, ...context].join(", "),
    kind: [named, ...context].join(", "),
    facts,
  };
}
