// Reads the explorer's page as a person does: what stands where, as text.

/** @param {string} selector @param {ParentNode | null} [root] */
const textsOf = (selector, root = document) => [...(root?.querySelectorAll(selector) ?? [])].map((e) => e.textContent);
/** @param {string} selector @param {ParentNode} [root] */
const textOf = (selector, root = document) => textsOf(selector, root)[0] ?? null;
/** @param {Element | null} table */
const rowsOf = (table) => [...(table?.querySelectorAll("tr") ?? [])].map((row) => textsOf("th, td", row));

const reader = {
  /** Resolves when twenty frames in a row changed nothing and nothing scrolled. */
  quiet: () => new Promise((done) => {
    let frames = 0;
    const again = () => { frames = 0; };
    const seen = new MutationObserver(again);
    seen.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    addEventListener("scroll", again, true);
    const frame = () => {
      if (++frames < 20) { requestAnimationFrame(frame); return; }
      seen.disconnect();
      removeEventListener("scroll", again, true);
      done(null);
    };
    requestAnimationFrame(frame);
  }),

  live: () => textOf(".cs-live") ?? "",

  tab: () => textOf('[role="tab"][aria-selected="true"]'),

  /** One number taken apart. */
  microscope() {
    const engine = document.querySelector(".cs-engine");
    return {
      title: textOf(".cs-number"),
      reads: textOf(".cs-reads"),
      output: textOf(".cs-number output"),
      live: reader.live(),
      equation: textOf(".cs-equation"),
      steps: [...document.querySelectorAll(".cs-total .cs-step")].map((step) => [
        textOf(".cs-step-name", step), textOf(".cs-step-value", step)]),
      activations: textsOf(".cs-total .cs-act"),
      engine: textOf(".cs-engine b"),
      difference: engine?.textContent?.split("difference ")[1] ?? null,
      tiles: [...document.querySelectorAll(".cs-board .cs-tile")].map((tile) => [
        textOf(".cs-tile-name", tile), textOf(".cs-tile-value", tile)]),
      lens: document.querySelector(".cs-lens .cs-lens-end") && {
        caption: textOf(".cs-lens .cs-caption"),
        parts: [...document.querySelectorAll(".cs-lens-part")].map((part) => textsOf(".cs-figure-cell", part)),
        outside: [...document.querySelectorAll(".cs-lens .cs-outside")].map((cell) => cell.textContent),
        largest: textsOf(".cs-lens .cs-most"),
        end: textOf(".cs-lens-end"),
      },
      readings: rowsOf(document.querySelector(".cs-listing table")),
      table: rowsOf(document.querySelector(".cs-sum > .cs-table table")),
      error: textOf(".cs-error"),
    };
  },

  /** The mental models: every card, and the table's columns. */
  models: () => ({
    cards: [...document.querySelectorAll(".cs-model")].map((card) => ({
      name: textOf(".cs-model-name", card),
      claim: textOf(".cs-model-claim", card),
      equation: textOf("code", card),
      verdict: card.lastElementChild?.textContent,
      checked: card.getAttribute("aria-checked"),
    })),
    rows: rowsOf(document.querySelector(".cs-compare table")),
    live: reader.live(),
  }),

  /** What if: the table, each cell as [old, new] where it changed. */
  whatif: () => ({
    edits: textsOf(".cs-edits code"),
    rows: [...document.querySelectorAll(".cs-result tr")].map((row) => [...row.children].map((cell) =>
      cell.classList.contains("cs-changed") ? [textOf("s", cell), textOf("b", cell)] : (cell.firstChild?.textContent ?? ""))),
    redrawn: [...document.querySelectorAll(".cs-badge")].map((badge) => badge.closest("tr")?.firstElementChild?.firstChild?.textContent),
    strides: textsOf(".cs-strides figcaption"),
    notes: textsOf(".cs-result > p"),
    error: textOf(".cs-whatif .cs-error"),
  }),

  /** What goes in and what comes out. */
  input: () => ({
    source: textOf(".cs-source"),
    steps: textsOf(".cs-input .cs-steps li"),
    out: rowsOf(document.querySelector(".cs-current table")),
    offer: textsOf(".cs-offer li"),
    error: textOf(".cs-offer .cs-error"),
    busy: textOf(".cs-input > p[aria-live]"),
  }),

  /** The layers listed in the stack. */
  stack: () => [...document.querySelectorAll(".cs-row")].map((row) => ({
    name: row.getAttribute("aria-label"),
    kind: textOf("h2 .cs-dim", row),
    facts: Object.fromEntries([...row.querySelectorAll(".cs-facts div")].map((fact) => [textOf("dt", fact), textOf("dd", fact)])),
    foot: textOf(".cs-pager", row),
    under: textOf(".cs-under", row),
    drawn: /** @type {any} */ (row.querySelector("canvas")).width !== 300, // which a canvas has before
    table: rowsOf(row.querySelector("table")),
  })),

  /** What the banner says, if it is there. */
  banner() {
    const banner = /** @type {HTMLElement} */ (document.querySelector(".cs-banner"));
    return banner.hidden ? null : banner.textContent;
  },

  /** Whether the page was drawn anew since it was marked. */
  fresh: () => /** @type {any} */ (window).marked === undefined,

  focused() {
    const at = document.activeElement;
    return at && at !== document.body ? `${at.tagName.toLowerCase()} ${at.getAttribute("aria-label") ?? at.textContent}`.slice(0, 80) : null;
  },

  /** How far the page is wider than its window. */
  overflow: () => document.documentElement.scrollWidth - document.documentElement.clientWidth,

  /** Wait until a condition holds, and return it. @param {string} name @param {(found: any) => any} holds */
  async until(name, holds) {
    const read = /** @type {any} */ (reader)[name];
    const end = performance.now() + 20000;
    for (;;) {
      const found = read();
      if (holds(found)) return found;
      if (performance.now() > end) throw new Error(`${holds} never held of ${JSON.stringify(found)}`);
      await new Promise((done) => setTimeout(done, 4));
    }
  },

  /** The microscope at a place, as soon as it shows it. @param {string} hash @param {string} sentence  how the live sentence begins */
  async microscopeAt(hash, sentence) {
    if (location.hash !== `#${hash}`) {
      const live = /** @type {Element} */ (document.querySelector(".cs-live"));
      for (const error of document.querySelectorAll(".cs-error")) error.remove();
      live.textContent = ""; // so that what stood there before is not taken for the answer
      location.hash = hash;
    }
    return reader.until("microscope", (/** @type {any} */ found) => (found.live.startsWith(sentence) && found.engine !== null) || found.error);
  },
};

/** @type {any} */ (window).reader = reader;
addEventListener("securitypolicyviolation", (event) => console.error(`the policy forbade ${event.blockedURI} by ${event.violatedDirective}`));
