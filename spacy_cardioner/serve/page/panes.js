// Going from mention to mention, in the text and in the table, and from one to the other.

/**
 * Let the arrow keys go from item to item: the tab key stops at one of them only.
 *
 * @param selector The items in the root.
 */
export function arrows(root, selector) {
  root.addEventListener("focusin", ({ target }) => {
    if (!target.matches(selector)) return;
    for (const one of root.querySelectorAll(`${selector}[tabindex="0"]`)) one.tabIndex = -1;
    target.tabIndex = 0;
  });
  root.addEventListener("keydown", (event) => {
    const item = event.target.closest(selector);
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = [...root.querySelectorAll(selector)];
    const place = all.indexOf(item);
    const next = {
      ArrowRight: all[place + 1],
      ArrowDown: all[place + 1],
      ArrowLeft: all[place - 1],
      ArrowUp: all[place - 1],
      Home: all[0],
      End: all.at(-1),
    }[event.key];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}

/** Scroll a pane, and nothing else, so that an element in it is in view. */
export function reveal(pane, element) {
  if (pane.scrollHeight <= pane.clientHeight) return;
  const outer = pane.getBoundingClientRect();
  const inner = element.getBoundingClientRect();
  if (inner.top < outer.top || inner.bottom > outer.bottom) {
    pane.scrollTop += inner.top - outer.top - outer.height / 3;
  }
}
