// The service counts code points, JavaScript counts UTF-16 units: an emoji is two of them.

/**
 * How to turn offsets in code points into places in a string.
 *
 * @returns A function of an offset.
 */
export function places(text) {
  if (!/[\u{10000}-\u{10ffff}]/u.test(text)) return (offset) => offset;
  const starts = [];
  let place = 0;
  for (const character of text) {
    starts.push(place);
    place += character.length;
  }
  starts.push(place);
  return (offset) => starts[offset];
}

/** A text without halves of characters, which no UTF-8 can hold. As many characters as before. */
export function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}
