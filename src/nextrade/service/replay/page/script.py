"""The script of the page: draws each picture in the reader's colours and joins the time axes."""

SCRIPT = """
"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const root = document.documentElement;
const groups = new Map();
// Named one by one: among the others are some that would send the picture to a server.
const BUTTONS = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d",
  "resetScale2d"];

function themed(value, colours) {
  if (typeof value === "string") return value[0] === "@" ? colours(value.slice(1)) : value;
  if (Array.isArray(value)) return value.map((inner) => themed(inner, colours));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, themed(v, colours)]));
}

function complain(div, error) {
  div.classList.add("failed");
  div.textContent = "This picture could not be drawn: " + error;
}

async function draw(figure) {
  const div = document.getElementById(figure.id);
  const style = getComputedStyle(root);
  const colours = (name) => style.getPropertyValue("--" + name).trim();
  try {
    await Plotly.react(div, themed(figure.data, colours), themed(figure.layout, colours),
      { responsive: true, displaylogo: false, plotlyServerURL: "", modeBarButtons: [BUTTONS] });
  } catch (error) {
    complain(div, error);
  }
}

function join(figure) {
  const div = document.getElementById(figure.id);
  const group = groups.get(figure.group) || [];
  groups.set(figure.group, [...group, div]);
  div.on("plotly_relayout", (change) => {
    const range = change["xaxis.range"] || (change["xaxis.range[0]"] !== undefined
      && [change["xaxis.range[0]"], change["xaxis.range[1]"]]);
    const wanted = range ? { "xaxis.range": range }
      : change["xaxis.autorange"] ? { "xaxis.autorange": true } : null;
    if (!wanted || div.dataset.following) return;
    for (const other of groups.get(figure.group)) {
      if (other === div) continue;
      other.dataset.following = "yes";
      Plotly.relayout(other, wanted).finally(() => delete other.dataset.following);
    }
  });
}

async function drawAll() {
  for (const figure of figures) {
    await draw(figure);
    if (figure.group && typeof document.getElementById(figure.id).on === "function") join(figure);
  }
  root.dataset.drawn = String(figures.length);
}

if (typeof Plotly === "undefined") {
  figures.forEach((figure) => complain(document.getElementById(figure.id), "no plotly.js"));
} else {
  drawAll();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => figures.forEach(draw));
}
"""
