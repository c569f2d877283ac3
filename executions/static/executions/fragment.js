/**
 * A part of the page that the server renders again. Requests during a fetch cause one more fetch after it. After a
 * failure the fetch is repeated when the page is live again. The HTML comes from the server's templates, which escape
 * it; no other HTML is parsed.
 */

import { whenLive } from "./live.js";
import { localise } from "./times.js";

const PAUSE = 500; // milliseconds between two fetches
const PAUSE_AFTER_FAILURE = 3_000;

export class Fragment {
  #isFetching = false;
  #isWanted = false;

  /** `onStart` is called before a fetch, whose answer is at least as new. `onReplaced` is called after it. */
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

  /** The HTML, or null if there is nothing to show now. */
  async #fetch() {
    try {
      const response = await fetch(this.url, { headers: { Accept: "text/html" } });
      if (response.status >= 500) throw new Error(`The server answered ${response.status}.`);
      if (!response.ok || response.redirected) return null; // it was deleted, or the user is signed out
      return await response.text();
    } catch {
      this.#isWanted = true;
      await pause(PAUSE_AFTER_FAILURE);
      await whenLive();
      return null;
    }
  }

  /** Replaces the content only if it has changed, so that a click does not hit a removed element. */
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

  /** Keeps the keyboard focus on the same control. */
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
