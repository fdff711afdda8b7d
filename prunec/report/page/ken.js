// Draws the map of the matrix that is chosen, one at a time, and again where the page's colours change.
const maps = JSON.parse(document.getElementById("maps").textContent);
const choice = document.getElementById("matrix");
const place = document.getElementById("map");

function shares({ cells: [rows, columns], map }) {
  const levels = Uint8Array.from(atob(map), (letter) => letter.charCodeAt(0));
  return Array.from({ length: rows }, (_, row) =>
    Array.from(levels.subarray(row * columns, (row + 1) * columns), (level) => level / 255));
}

async function drawMap() {
  const chosen = maps[choice.value];
  if (!chosen) return;
  const [down, across] = [chosen.rows / chosen.cells[0], chosen.columns / chosen.cells[1]];
  const data = [{
    type: "heatmap", z: shares(chosen), zmin: 0, colorscale: "Cividis", colorbar: { title: { text: "share" }, tickformat: ".0%" },
    x0: across / 2, dx: across, y0: down / 2, dy: down,
    hovertemplate: "row %{y:.0f}, column %{x:.0f}: %{z:.1%}<extra></extra>",
  }];
  const layout = {
    height: 520, margin: { l: 8, r: 8, t: 8, b: 8 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    xaxis: { title: { text: "column" }, automargin: true }, yaxis: { title: { text: "row" }, automargin: true, autorange: "reversed" },
  };
  await Plotly.react(place, data, layout, { responsive: true, displayModeBar: false });
  await Plotly.relayout(place, colours(place.layout));
  document.body.dataset.map = chosen.name;
}

choice.addEventListener("change", drawMap);
dark.addEventListener("change", drawMap);
drawMap();
