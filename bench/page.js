// What the benchmarks of the explorer measure inside its page; runs before the page's own scripts.
//
// A frame's work ends when the page has been painted: a message that is posted from the last callback of
// requestAnimationFrame arrives after the styles, layout and paint of that frame.

(() => {
  const raf = window.requestAnimationFrame.bind(window);
  /** Resolves when the frame that is being prepared has been painted. */
  const painted = () =>
    new Promise((done) => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => done(performance.now());
      channel.port2.postMessage(0);
    });
  const frame = () => new Promise((done) => raf(done));

  const bench = (window.convscopeBench = { usable: 0, moves: [], painted, frame });

  // when the microscope's numbers stand on the screen
  new MutationObserver((_, watching) => {
    if (!document.querySelector(".cs-final")?.textContent) return;
    watching.disconnect();
    raf(() => painted().then((now) => (bench.usable = now)));
  }).observe(document, { childList: true, subtree: true });

  // every move of the pointer: [its listeners, the frame's callbacks, from the first listener to the paint]
  let begun = 0;
  let first = 0;
  const options = { passive: true };
  window.addEventListener("pointermove", () => {
    raf(() => (first = performance.now())); // before those of the page
    begun = performance.now();
  }, { ...options, capture: true });
  window.addEventListener("pointermove", () => {
    const [from, heard] = [begun, performance.now()];
    raf(() => { // after those of the page
      const called = performance.now();
      const [start, listeners] = [first, heard - from];
      painted().then((now) => bench.moves.push([listeners, called - start, now - from]));
    });
  }, options);

  /** From every move of the pen over the drawing pad until what then comes out of the network has been painted. */
  bench.followed = [];
  bench.follow = () => {
    let moved = 0;
    document.querySelector(".cs-pad").addEventListener("pointermove", () => (moved ||= performance.now()), { capture: true });
    new MutationObserver(() => {
      const from = moved;
      moved = 0;
      if (from) painted().then((now) => bench.followed.push(now - from));
    }).observe(document.querySelector(".cs-current"), { childList: true });
  };

  /** The milliseconds of some work, begun at the start of a frame, until that frame is painted. */
  bench.timed = async (work) => {
    await frame();
    const from = performance.now();
    work();
    return (await painted()) - from;
  };

  /** Scroll an element by so many pixels in every frame; returns the milliseconds between frames. */
  bench.scrolled = async (element, across, down, frames) => {
    const between = [];
    await frame();
    for (let n = 0, last = await frame(); n < frames; n++) {
      element.scrollBy(across, down);
      const now = await frame();
      between.push(now - last);
      last = now;
    }
    return between;
  };
})();
