// Makes readable pages handier: tables can be sorted, plots enlarged, and print is complete.
// Without it everything can still be read and reached.
"use strict";

function valueOf(row, column) {
  const cell = row.cells[column];
  return cell ? cell.textContent.trim() : "";
}

function compare(a, b) {
  const x = parseFloat(a), y = parseFloat(b);
  const date = /^\d{4}-\d\d-\d\d/;
  if (!Number.isNaN(x) && !Number.isNaN(y) && !date.test(a)) return x - y;
  return a.localeCompare(b, "en", { numeric: true });
}

// what has no value in the column stays at the end, whichever way it is sorted
function sortBy(table, column, descending) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
  const empty = ([text, row]) => text === "–" || text === "" ||
    (column > 0 && row.cells.length < table.tHead.rows[0].cells.length);
  const known = rows.filter((pair) => !empty(pair));
  known.sort((a, b) => (descending ? -1 : 1) * compare(a[0], b[0]));
  body.append(...[...known, ...rows.filter(empty)].map((pair) => pair[1]));
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  if (table.tBodies[0].rows.length < 2) return;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const figures = head.classList.contains("num");
      const before = head.getAttribute("aria-sort");
      const descending = before ? before === "ascending" : figures;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sortBy(table, column, descending);
    });
  });
}

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function makeZoom(links) {
  const title = element("p", { id: "plot-title" });
  const picture = element("img", { alt: "" });
  const view = element("div", { className: "view", tabIndex: 0 }, picture);
  const nearer = element("button", { type: "button" }, "Enlarge");
  const close = element("button", { type: "button" }, "Close");
  const bar = element("div", { className: "bar" }, title, nearer, close);
  const dialog = element("dialog", {}, bar, view);
  dialog.setAttribute("aria-labelledby", "plot-title");
  view.setAttribute("role", "region");
  view.setAttribute("aria-label", "Plot");
  const enlarge = (on) => {
    view.classList.toggle("near", on);
    nearer.textContent = on ? "Fit" : "Enlarge";
  };
  const toggle = () => enlarge(!view.classList.contains("near"));
  nearer.addEventListener("click", toggle);
  picture.addEventListener("click", toggle);
  close.addEventListener("click", () => dialog.close());
  document.body.append(dialog);
  for (const link of links) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const image = link.querySelector("img");
      picture.src = link.href;
      picture.alt = image.alt;
      title.textContent = link.closest("figure").querySelector("figcaption").firstChild.textContent;
      enlarge(false);
      dialog.showModal();
    });
  }
}

// a launcher that has stopped makes no page anew: here the time of its last tick, which each tick
// writes into a script of its own, meets the clock of the reader
const QUIET_MIN = 15;

function tellQuiet(notice) {
  const last = Date.parse(document.documentElement.dataset.tick);
  const minutes = Math.floor((Date.now() - last) / 60000);
  notice.hidden = !(minutes > QUIET_MIN);
  if (notice.hidden) return;
  const since = new Date(last).toISOString().slice(0, 16).replace("T", " ");
  const ago = minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
  notice.textContent = `No tick of the launcher since ${since} UTC, for ${ago}: ` +
    "what is shown here may be out of date.";
}

function watchLauncher(notice, source) {
  tellQuiet(notice);
  setInterval(() => {
    const script = element("script", { src: `${source}?${Date.now()}` });
    script.addEventListener("load", () => tellQuiet(notice));
    script.addEventListener("error", () => tellQuiet(notice));
    document.head.append(script);
    script.remove();
  }, 60000);
}

const notice = document.getElementById("quiet");
if (notice) watchLauncher(notice, document.getElementById("tick").src);
document.querySelectorAll("table[data-sort]").forEach(makeSortable);
const plots = document.querySelectorAll("a.zoom");
if (plots.length) makeZoom(plots);

// paper cannot be opened by a click
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  opened.forEach((one) => { one.open = true; });
});
addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));
