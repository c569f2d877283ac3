/**
 * A piece of the page that the server renders again. Asked for many times at once, it is fetched once more when the
 * fetch under way is done; where that fails, once more when the page is live again. The HTML is the server's own,
 * escaped by its templates; nothing else is ever parsed.
 */

import { whenLive } from "./live.js";
import { localise } from "./times.js";

const PAUSE = 500; // milliseconds between two fetches
const PAUSE_AFTER_FAILURE = 3_000;

export class Fragment {
  #isFetching = false;
  #isWanted = false;

  /** `onStart` is told before a fetch: what the answer shows is at least as new. `onReplaced` is told after it. */
  constructor(element, url, { onStart = () => {}, onReplaced = () => {} } = {}) {
    this.element = element;
    this.url = url;
    this.onStart = onStart;
    this.onReplaced = onReplaced;
  }

  async refresh() {
    this.#isWanted = true;
    if (this.#isFetching) return;
    this.#isFetching = true;
    while (this.#isWanted) {
      this.#isWanted = false;
      this.onStart();
      const html = await this.#fetch();
      if (html !== null) this.#replace(html);
      await pause(PAUSE);
    }
    this.#isFetching = false;
  }

  /** Null where there is nothing to show now. */
  async #fetch() {
    try {
      const response = await fetch(this.url, { headers: { Accept: "text/html" } });
      if (response.status >= 500) throw new Error(`The server answered ${response.status}.`);
      if (!response.ok || response.redirected) return null; // it is gone, or the reader is signed out
      return await response.text();
    } catch {
      this.#isWanted = true;
      await pause(PAUSE_AFTER_FAILURE);
      await whenLive();
      return null;
    }
  }

  /** What is the same stays, so that nobody clicks into the void. */
  #replace(html) {
    const parsed = new DOMParser().parseFromString(`<div>${html}</div>`, "text/html");
    const replacement = this.element.cloneNode(false);
    replacement.append(...parsed.body.firstElementChild.childNodes);
    localise(replacement);
    if (!replacement.isEqualNode(this.element)) {
      const focused = this.element.contains(document.activeElement) && document.activeElement;
      this.element.replaceChildren(...replacement.childNodes);
      if (focused) this.#focusLike(focused);
    }
    this.onReplaced();
  }

  /** Whoever goes by keyboard stays where they were. */
  #focusLike({ tagName, href, value }) {
    for (const each of this.element.querySelectorAll(tagName)) {
      if (each.href === href && each.value === value) {
        each.focus({ preventScroll: true });
        return;
      }
    }
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
