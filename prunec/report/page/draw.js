// Draws each chart from the JSON beside it, in the page's colours, and again where these change.
const dark = matchMedia("(prefers-color-scheme: dark)");
const charts = document.querySelectorAll(".chart");

function colours(layout) {
  const style = getComputedStyle(document.documentElement);
  const [ink, line, ground] = ["--ink", "--line", "--ground"].map((name) => style.getPropertyValue(name));
  const found = {
    "font.color": ink, "font.family": "system-ui, sans-serif",
    "hoverlabel.bgcolor": ground, "hoverlabel.font.color": ink, "hoverlabel.bordercolor": ink,
  };
  for (const axis of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) found[`${axis}.gridcolor`] = line;
  return found;
}

async function draw() {
  for (const chart of charts) {
    const { data, layout } = JSON.parse(chart.dataset.figure);
    await Plotly.newPlot(chart, data, layout, { responsive: true, displayModeBar: false });
    await Plotly.relayout(chart, colours(chart.layout));
  }
  document.body.dataset.drawn = charts.length;
  document.dispatchEvent(new Event("drawn"));
}

dark.addEventListener("change", draw);
draw();
