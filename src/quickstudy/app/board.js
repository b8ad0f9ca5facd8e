// Tables that sort and filter. Without this file they are as they were built: in order of rank.
"use strict";

const FIELDS = ["backbone", "budget", "inductive", "device"];
document.documentElement.classList.remove("js-off");

/** The value of a cell to sort by: a number where it is one. Cells without a value come last either way. */
function valueOf(row, column) {
  const cell = row.cells[column];
  const value = cell.dataset.value ?? cell.textContent.trim();
  if (value === "") return null;
  const number = Number(value);
  return Number.isNaN(number) ? value : number;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other));
}

function press(button) {
  const heading = button.closest("th");
  const first = heading.dataset.first ?? "ascending";
  const second = first === "ascending" ? "descending" : "ascending";
  sort(heading, heading.getAttribute("aria-sort") === first ? second : first);
}

function sort(heading, order) {
  const body = heading.closest("table").tBodies[0];
  for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", order);
  const column = heading.cellIndex;
  const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
  rows.sort(([one], [other]) => {
    if (one === null || other === null) return (one === null) - (other === null);
    return order === "ascending" ? compare(one, other) : compare(other, one);
  });
  body.append(...rows.map(([, row]) => row));
}

function filter(form) {
  const wanted = new FormData(form);
  const name = String(wanted.get("learner")).trim().toLowerCase();
  let shown = 0, all = 0;
  for (const row of document.querySelectorAll("tbody tr[data-learner]")) {
    const fits = row.dataset.learner.toLowerCase().includes(name)
      && (!wanted.get("family") || row.dataset.family.split(" ").includes(wanted.get("family")))
      && FIELDS.every((field) => !wanted.get(field) || row.dataset[field] === wanted.get(field));
    row.hidden = !fits;
    shown += fits;
    all += 1;
  }
  for (const table of document.querySelectorAll("main > section, main > details")) {
    table.hidden = ![...table.querySelectorAll("tbody tr")].some((row) => !row.hidden);
  }
  form.querySelector("output").textContent = shown === all ? `${all} rows` : `${shown} of ${all} rows`;
}

/** Tables in the order of the family that was chosen, where they have it, and of their ranks otherwise. */
function order(family) {
  for (const heading of document.querySelectorAll("thead th:nth-child(2)")) {
    const column = [...heading.parentElement.cells].find((one) => family && one.dataset.family === family);
    sort(column ?? heading, column ? "descending" : "ascending");
  }
}

/** An entry's points in the plots of its table, while its row is pointed at or has the focus. */
function show(event) {
  const row = event.target.closest?.("tr[data-entry]");
  for (const dot of document.querySelectorAll(".dot.shown")) dot.classList.remove("shown");
  if (!row) return;
  const table = row.closest("section, details");
  for (const dot of table.querySelectorAll(`.dot[data-entry="${row.dataset.entry}"]`)) dot.classList.add("shown");
}

/** A place within a table that is folded opens it. */
function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const fold = target?.closest("details");
  if (fold && !fold.open) {
    fold.open = true;
    target.scrollIntoView();
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("thead button");
  if (button) press(button);
});
document.addEventListener("pointerover", show);
document.addEventListener("focusin", show);
window.addEventListener("hashchange", open);
open();
const form = document.querySelector("form.filters");
if (form) {
  form.addEventListener("input", () => filter(form));
  form.elements.family?.addEventListener("input", (event) => order(event.target.value));
  form.addEventListener("reset", () => setTimeout(() => { filter(form); order(""); }));
  form.addEventListener("submit", (event) => event.preventDefault());
  filter(form);
}
document.documentElement.dataset.ready = "";
