// Fills every <div data-live="NAME"> of a page with the piece of that name, NAME.js.

const PIECES = new Set(["bend", "narrow", "rate", "prototypes", "draw", "interval", "shrink", "luck", "slope", "area"]);

/** Fill those pieces of `root` that are still empty. */
export async function fill(root) {
  const places = [...root.querySelectorAll("[data-live]:not([data-ready])")].filter((one) => PIECES.has(one.dataset.live));
  await Promise.all(places.map(async (place) => {
    place.dataset.ready = "no";
    try {
      const { start } = await import(`./${place.dataset.live}.js`);
      const piece = await start();
      place.replaceChildren(...piece);
      place.dataset.ready = "yes";
    } catch (error) {
      place.dataset.ready = "failed";
      throw error;
    }
  }));
}

// themes that load pages without leaving them say so through `document$`
if (window.document$?.subscribe) window.document$.subscribe(() => fill(document));
else fill(document);
