// Shows the stop that the slider stands at: its texts, its bars, the tables under them and its place on the curves.
const { parts, stops, dropped } = JSON.parse(document.getElementById("explore").dataset.script);
const slider = document.getElementById("budget");
const bars = [...document.querySelectorAll("#layers figure")];
const curves = document.querySelectorAll("#curves .chart");
let waiting = false;

function share(part, whole) {
  const percent = (100 * part) / whole;
  if (percent > 0 && percent < 1) return "<1 %";
  return percent > 99 && percent < 100 ? ">99 %" : `${percent.toFixed(0)} %`;
}

function words() {
  const stop = stops[slider.value];
  document.getElementById("amount").textContent = stop.budget;
  slider.setAttribute("aria-valuetext", stop.budget);
  document.getElementById("told").textContent = stop.told;
  document.getElementById("command").textContent = stop.command;
  document.getElementById("copied").textContent = "";
  const rows = document.querySelectorAll("#figures tbody tr");
  stop.figures.forEach((cells, row) => cells.forEach((text, cell) => { rows[row].cells[cell].textContent = text; }));
}

// A call of plotly for each chart, however many layers it has.
function pictures() {
  const stop = stops[slider.value];
  const found = bars.map(() => ({ kept: [], partly: [], whole: [], told: [], mark: [] }));
  parts.forEach(([chart, bar, label, units, name, whole], place) => {
    const kept = stop.kept[place], gone = units - kept, went = kept === 0, to = found[chart];
    [to.kept[bar], to.partly[bar], to.whole[bar]] = [kept, went ? 0 : gone, went ? gone : 0];
    to.mark[bar] = went ? dropped : "";
    const numbers = [units, kept, gone].map((number) => number.toLocaleString("en-US"));
    const note = went ? whole : "";
    to.told[bar] = `${label}: ${numbers[1]} of ${numbers[0]} ${name} kept, ${numbers[2]} removed${note && "; "}${note}`;
    const cells = bars[chart].querySelectorAll("tbody tr")[bar].cells;
    [numbers[1], numbers[2], share(gone, units), note].forEach((text, cell) => { cells[cell + 2].textContent = text; });
  });
  bars.forEach((figure, chart) => {
    const { kept, partly, whole, told, mark } = found[chart];
    const drawn = figure.querySelector(".chart");
    const total = kept.reduce((sum, value) => sum + value, 0).toLocaleString("en-US");
    drawn.setAttribute("aria-label", `${figure.querySelector("figcaption").textContent}: ${total} kept`);
    Plotly.restyle(drawn, { y: [kept, partly, whole], hovertext: [told, told, told], text: [null, null, mark] });
  });
  curves.forEach((curve) => Plotly.relayout(curve, { "shapes[0].x0": stop.at, "shapes[0].x1": stop.at }));
}

function show() {
  words();
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; pictures(); });
}

async function copy() {
  const command = document.getElementById("command"), said = document.getElementById("copied");
  try {
    await navigator.clipboard.writeText(command.textContent);
    said.textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(command);
    said.textContent = "Selected: copy it with the keyboard.";
  }
}

slider.addEventListener("input", show);
document.getElementById("copy").addEventListener("click", copy);
document.addEventListener("drawn", pictures);
words();
// Drawing may be over before this script begins.
if (document.body.dataset.drawn) pictures();
