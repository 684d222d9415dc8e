// The words of the interface, in the language that is chosen.

const LANGUAGES = ["en", "es", "it"];
let words = {};

/** The interface language that the address asks for (?lang=es), or the first known of the browser. */
export function preferred() {
  const asked = new URLSearchParams(location.search).get("lang");
  const wanted = [asked, ...navigator.languages].map((name) => (name ?? "").slice(0, 2));
  return wanted.find((name) => LANGUAGES.includes(name)) ?? "en";
}

/** Load the words of a language, and write them into the page. */
export async function use(language) {
  const answer = await fetch(new URL(`${language}.json`, import.meta.url));
  words = await answer.json();
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = say(element.dataset.text);
  }
  for (const element of document.querySelectorAll("[data-placeholder]")) {
    element.placeholder = say(element.dataset.placeholder);
  }
  for (const element of document.querySelectorAll("[data-named]")) {
    element.setAttribute("aria-label", say(element.dataset.named));
  }
}

/**
 * The words for a key such as "languages.es".
 *
 * @param values What to put for {name}; `n` also chooses between the forms "one" and "other".
 * @returns The last part of the key, with spaces for underscores, if there are no words for it.
 */
export function say(key, values = {}) {
  const parts = key.split(".");
  let found = parts.reduce((node, part) => (Object.hasOwn(node ?? {}, part) ? node[part] : null), words);
  if (found && typeof found === "object") {
    found = found[values.n === 1 ? "one" : "other"];
  }
  found ??= parts.slice(1).join(".").replaceAll("_", " ") || key;
  return found.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name] ?? "";
    return typeof value === "number" ? number(value) : value;
  });
}

/** A number as the language writes it. */
export function number(value, digits = 0) {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(document.documentElement.lang, options).format(value);
}

