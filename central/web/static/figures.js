// Charts over time. The data is in the attribute data-chart, as JSON from the server.
"use strict";

(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function look(kind) {
    const points = { show: false };
    switch (kind) {
      case "line": return { stroke: colour("--main"), width: 2, points: { show: true, size: 5, fill: colour("--main") } };
      case "outside": return { stroke: colour("--bad"), width: 0, paths: () => null, points: { show: true, size: 11, width: 2, stroke: colour("--bad"), fill: "transparent" } };
      case "centre": return { stroke: colour("--good"), width: 1.5, points };
      case "limit": return { stroke: colour("--bad"), width: 1.5, dash: [6, 4], points };
      default: return { stroke: colour("--soft"), width: 1, dash: [2, 4], points };
    }
  }

  function axis() {
    return { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  }

  function percent(value) {
    return value === null || value === undefined ? "–" : value.toFixed(value < 1 ? 2 : 1) + " %";
  }

  function draw(target) {
    const chart = JSON.parse(target.dataset.chart);
    const width = Math.max(200, target.clientWidth);
    const options = {
      width,
      height: Math.round(Math.min(320, Math.max(220, width / 3))),
      scales: { x: { time: true }, y: { range: (u, low, high) => {
        if (low === null) return [0, 1];
        const room = Math.max(0.2, (high - low) * 0.1);
        return [Math.max(0, low - room), Math.min(100.5, high + room)];
      } } },
      axes: [axis(), { ...axis(), size: 62, values: (u, ticks) => ticks.map((each) => each.toFixed(ticks[1] - ticks[0] < 1 ? 1 : 0) + " %") }],
      series: [{ value: (u, at) => at === null ? "–" : new Date(at * 1000).toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" }) },
        ...chart.series.map((each) => ({ label: each.label, value: (u, value) => percent(value), spanGaps: false, ...look(each.kind) }))],
      legend: { live: width > 500 },
    };
    target.replaceChildren();
    return new uPlot(options, [chart.times, ...chart.series.map((each) => each.values)], target);
  }

  for (const target of document.querySelectorAll("[data-chart]")) {
    let plot = draw(target);
    let width = target.clientWidth;
    const again = () => { plot.destroy(); plot = draw(target); };
    new ResizeObserver(() => {
      if (target.clientWidth !== width) { width = target.clientWidth; again(); }
    }).observe(target);
    dark.addEventListener("change", again);
  }
})();
