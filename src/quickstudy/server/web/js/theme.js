// Light or dark: as the system has it, unless the button was pressed.

const KEPT = "quickstudy.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

/** Whether colours are dark now. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : system.matches;
}

/** Bind the button; an event "theme" on the document says that colours have changed. */
export function start(toggle) {
  const kept = localStorage.getItem(KEPT);
  if (kept) document.documentElement.dataset.theme = kept;
  const show = () => {
    toggle.setAttribute("aria-pressed", String(isDark()));
    toggle.querySelector("use").setAttribute("href", `/static/icons.svg#${isDark() ? "sun" : "moon"}`);
    document.dispatchEvent(new Event("theme"));
  };
  toggle.addEventListener("click", () => {
    const wanted = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = wanted;
    localStorage.setItem(KEPT, wanted);
    show();
  });
  system.addEventListener("change", show);
  show();
}
