// SPDX-License-Identifier: BSD-3-Clause
//
// Style and script of a report. Colours are variables of the style, so that one script draws for
// light, dark and paper; plots are drawn anew when that or the width changes.
#include "apps/report/page_assets.h"

namespace millrace::report {

const std::string_view kPlotterStyle =
#include "apps/report/uplot_style.inc"
    ;

const std::string_view kPlotterScript =
#include "apps/report/uplot_script.inc"
    ;

const std::string_view kPageStyle = R"css(
:root {
  --ground: #ffffff; --panel: #f6f7f9; --ink: #1b1f24; --faint: #5d6673; --line: #d9dee5;
  --good: #1a7f4b; --bad: #b42318; --good-ground: #e8f5ee; --bad-ground: #fdecea;
  --a: #2563c9; --b: #c2570c; --c: #12805c; --d: #a3278f; --e: #7a6a00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --panel: #1d2127; --ink: #e4e8ee; --faint: #9aa5b3; --line: #363d47;
    --good: #5fd39a; --bad: #ff8f84; --good-ground: #17301f; --bad-ground: #3a1d1b;
    --a: #74a9ff; --b: #ffa057; --c: #4fd0a0; --d: #f08bdc; --e: #d9c24a;
  }
}
@media print {
  :root {
    --ground: #ffffff; --panel: #ffffff; --ink: #000000; --faint: #444444; --line: #bbbbbb;
    --good: #1a7f4b; --bad: #b42318; --good-ground: #ffffff; --bad-ground: #ffffff;
    --a: #2563c9; --b: #c2570c; --c: #12805c; --d: #a3278f; --e: #7a6a00;
  }
  figure, .card, .verdict, tr { break-inside: avoid; }
  section { break-after: page; }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
main { max-width: 1180px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 22px; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 28px 0 2px; overflow-wrap: anywhere; }
h3 { font-size: 15px; margin: 28px 0 8px; }
.lead, .note { color: var(--faint); margin: 0 0 12px; overflow-wrap: anywhere; }
.note { font-size: 13px; margin: 4px 0; }
.verdict {
  border: 1px solid; border-left-width: 6px; border-radius: 6px; padding: 10px 14px;
  margin: 12px 0;
}
.verdict ul { margin: 4px 0 0; padding-left: 18px; }
.verdict li { color: var(--ink); }
.good { border-color: var(--good); background: var(--good-ground); color: var(--good); }
.bad { border-color: var(--bad); background: var(--bad-ground); color: var(--bad); }
.missed, .verdict .missed { color: var(--bad); font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: 12px; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: 10px 14px; }
.value { font-size: 24px; font-weight: 650; font-variant-numeric: tabular-nums; }
.below { color: var(--faint); font-size: 13px; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr));
  gap: 16px; margin: 20px 0; }
figure { margin: 0; background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: 10px 12px; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: 4px; }
.plot { min-height: 300px; }
.u-legend { text-align: left !important; font-size: 12px !important; color: var(--ink); }
.u-legend .u-marker { border-radius: 2px; }
.u-legend th, .u-legend td { border: 0; padding: 1px 6px 1px 0; }
.u-select { background: color-mix(in srgb, var(--ink) 12%, transparent) !important; }
.u-cursor-x, .u-cursor-y { border-color: var(--faint) !important; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 8px 0; font-size: 14px; }
.wide > table { width: 100%; }
th, td { padding: 3px 12px 3px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
.numbers th, .numbers td { white-space: nowrap; }
.numbers td, .numbers thead th { text-align: right; font-variant-numeric: tabular-nums; }
.numbers thead th:first-child { text-align: left; }
thead th { color: var(--faint); font-weight: 600; }
tbody th { font-weight: 500; }
.pairs td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.columns { columns: 340px; column-gap: 32px; }
.columns .pairs { display: block; margin: 0; }
.columns tbody, .columns tr { display: block; }
.columns tr { display: flex; justify-content: space-between; border-bottom: 1px solid var(--line);
  break-inside: avoid; }
.columns th, .columns td { border: 0; padding-right: 0; }
.command { background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: 10px 14px; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13px;
  margin: 6px 0; }
)css";

const std::string_view kPageScript = R"js('use strict';
(() => {
  const results = JSON.parse(document.getElementById('data').textContent);
  const drawn = [];
  const ink = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const digits = (v, n = 3) => Number(v.toPrecision(n)).toString();
  const scaled = (v, units, by) => {
    let i = 0;
    while (i + 1 < units.length && Math.abs(v) >= by * 0.9995) { v /= by; i++; }
    return digits(v) + units[i];
  };
  const time = v => v == null ? '–' : scaled(v, [' ns', ' us', ' ms', ' s'], 1000);
  const count = v => v == null ? '–' : scaled(v, ['', ' k', ' M', ' G'], 1000);
  const mbit = v => v == null ? '–' : scaled(v, [' Mbit/s', ' Gbit/s', ' Tbit/s'], 1000);
  const percent = x => {
    if (x == null) return '–';
    const decade = Math.log10(x);
    const whole = Math.abs(decade - Math.round(decade)) < 1e-6;
    const decimals = Math.max(0, Math.floor(decade + 1e-6) - (whole ? 2 : 1));
    return (100 * (1 - 1 / x)).toFixed(decimals) + ' %';
  };
  const second = v => v == null ? '–'
    : v >= 600 ? digits(v / 60, 4) + ' min' : digits(v, 4) + ' s';

  function axis(format, more) {
    const only = more && more.filter ? {filter: more.filter} : {};
    return {
      stroke: ink('--faint'), font: '12px system-ui, sans-serif',
      grid: {stroke: ink('--line'), width: 1, ...only},
      ticks: {stroke: ink('--line'), width: 1, ...only},
      values: (u, splits) => splits.map(v => v == null ? '' : format(v)), ...more,
    };
  }
  // [label, column, colour, more]
  const lines = (list, format, points) => list.map(([label, , colour, more]) => ({
    label, stroke: ink(colour), width: 1.5, points: {show: points, size: 5}, spanGaps: false,
    value: (u, v) => format(v), ...more,
  }));

  function draw(id, x, list, data, o) {
    const place = document.getElementById(id);
    const columns = list.map(([, column]) => data[column]);
    const few = x.length < 40;
    const plot = new uPlot({
      width: Math.max(260, place.clientWidth), height: 260,
      cursor: {y: false, sync: o.sync ? {key: o.sync} : undefined},
      legend: {live: true},
      scales: {x: {time: false, ...o.x}, y: {...o.y}},
      axes: [axis(o.xFormat, o.xAxis), axis(o.format, {size: 64, ...o.yAxis})],
      series: [{label: o.xLabel, value: (u, v) => o.xFormat(v)}, ...lines(list, o.format, few)],
    }, [x, ...columns], place);
    drawn.push(plot);
  }
  const fromZero = {range: (u, low, high) => [0, high > 0 ? high * 1.08 : 1]};
  // Whole decades, so that there is always something to read the scale by.
  const decades = {distr: 3, range: (u, low, high) => low == null || !(low > 0) ? [1, 1000] :
    [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high) + 1e-9)]};
  const onDecades = (u, splits) =>
    splits.map(v => Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-6 ? v : null);
  const atDecades = {filter: onDecades};

  function drawAll() {
    drawn.splice(0).forEach(plot => plot.destroy());
    results.forEach((data, i) => {
      if (data.plots) return data.plots.forEach((plot, k) => drawGiven('plot-' + k, plot));
      const over = {xFormat: second, xLabel: 'second', sync: 'run' + i};
      const dashed = {dash: [6, 4]};
      draw('rates-' + i, data.second, [
        ['offered/s', 'offered', '--faint', dashed], ['connections/s', 'connections', '--a'],
        ['transactions/s', 'transactions', '--b']], data, {...over, format: count, y: fromZero});
      draw('latency-' + i, data.second, [
        ['TTLB max', 'ttlb_max', '--d'], ['p99.9', 'ttlb_p99_9', '--b'], ['p99', 'ttlb_p99', '--a'],
        ['p50', 'ttlb_p50', '--c'], ['connect p99', 'connect_p99', '--faint', dashed]], data,
        {...over, format: time, y: decades, yAxis: atDecades});
      const s = data.spectrum;
      draw('spectrum-' + i, s.one_of, [
        ['connect', 'connect', '--c'], ['TTFB', 'first_byte', '--b'], ['TTLB', 'last_byte', '--a'],
        ['TTLB from the request', 'last_byte_raw', '--d', dashed], ['close', 'close', '--e']], s, {
        format: time, xFormat: percent, xLabel: 'percentile', y: decades, yAxis: atDecades,
        x: {distr: 3, range: (u, low, high) => [1, Math.max(10, high)]},
        xAxis: {splits: u => {
          const at = [];
          for (let x = 1; x <= u.scales.x.max * 1.001; x *= 10) at.push(x);
          return at;
        }, filter: (u, splits) => splits},
      });
      const filled = {fill: ink('--a') + '30'};
      draw('time_wait-' + i, data.second, [
        ['TIME_WAIT', 'time_wait', '--a', filled], ['ESTABLISHED', 'established', '--c']], data,
        {...over, format: count, y: fromZero});
      draw('throughput-' + i, data.second, [['received', 'mbit', '--a', filled]], data,
        {...over, format: mbit, y: fromZero, yAxis: {size: 92}});
      drawTrouble('trouble-' + i, data, over);
    });
  }

  // A plot that says itself what it shows.
  function drawGiven(id, plot) {
    const bytes = v => v == null ? '–' : scaled(v, [' B', ' kB', ' MB', ' GB'], 1000);
    const formats = {count, ns: time, s: second, bytes};
    const colours = ['--a', '--b', '--c', '--d', '--e', '--bad', '--good'];
    let measured = 0;
    const columns = {};
    const list = plot.curves.map((curve, n) => {
      columns[n] = curve.y;
      return curve.theory ? [curve.name, n, '--faint', {dash: [6, 4]}]
        : [curve.name, n, colours[measured++ % colours.length]];
    });
    if (plot.cases.length) return drawBars(id, plot, list, formats[plot.y_unit]);
    const log = {distr: 3};
    draw(id, plot.x, list, columns, {
      format: formats[plot.y_unit], xFormat: formats[plot.x_unit], xLabel: plot.x_name,
      x: plot.x_decades ? log : {}, y: plot.y_decades ? decades : fromZero,
      yAxis: plot.y_decades ? atDecades : {}, xAxis: plot.x_decades ? atDecades : {},
    });
  }

  // Cases have no order and nothing between them: a group of bars for each, a bar for each curve.
  function drawBars(id, plot, list, format) {
    const wide = list.length + 1;
    const x = [];
    const columns = list.map(() => []);
    plot.cases.forEach((name, i) => list.forEach((curve, k) => {
      x.push(i * wide + k);
      columns.forEach((y, n) => y.push(n === k ? plot.curves[n].y[i] : null));
    }));
    const name = at => at == null ? '–' : plot.cases[Math.floor(at / wide)] || '';
    const bars = list.map(([label, n, colour]) => [label, n, colour, {
      paths: uPlot.paths.bars({size: [0.9, 60]}), fill: ink(colour) + '60',
      points: {show: false}}]);
    draw(id, x, bars, columns, {
      format, xFormat: name, xLabel: plot.x_name,
      x: {range: () => [-1, plot.cases.length * wide - 1]}, y: fromZero,
      xAxis: {splits: () => plot.cases.map((_, i) => i * wide + (list.length - 1) / 2),
        grid: {show: false}},
    });
  }

  // Two scales: times on the left, counts on the right.
  function drawTrouble(id, data, o) {
    const place = document.getElementById(id);
    const few = {show: data.second.length < 40, size: 5};
    drawn.push(new uPlot({
      width: Math.max(260, place.clientWidth), height: 260,
      cursor: {y: false, sync: {key: o.sync}},
      scales: {x: {time: false}, y: decades, n: fromZero},
      axes: [axis(o.xFormat), axis(time, {size: 64, ...atDecades}),
        axis(count, {scale: 'n', side: 1, grid: {show: false}, size: 56})],
      series: [{label: o.xLabel, value: (u, v) => o.xFormat(v)},
        {label: 'greatest lag', stroke: ink('--a'), width: 1.5, points: few,
          value: (u, v) => time(v)},
        {label: 'failed', scale: 'n', stroke: ink('--bad'), width: 1.5, points: few,
          value: (u, v) => count(v)},
        {label: 'not launched', scale: 'n', stroke: ink('--e'), width: 1.5, points: few,
          dash: [6, 4], value: (u, v) => count(v)}],
    }, [data.second, data.schedule_lag, data.failed, data.not_launched], place));
  }

  drawAll();
  let width = document.documentElement.clientWidth;
  addEventListener('resize', () => {
    if (document.documentElement.clientWidth === width) return;
    width = document.documentElement.clientWidth;
    drawAll();
  });
  for (const media of ['(prefers-color-scheme: dark)', 'print']) {
    matchMedia(media).addEventListener('change', drawAll);
  }
})();
)js";

}  // namespace millrace::report
