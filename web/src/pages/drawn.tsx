// The picture of a chart with its legend: everything between the card's heading and its edge.

import { useMemo, useState } from "preact/hooks";
import type { Chart, ChartData } from "../api";
import { Legend } from "../chart/legend";
import type { LegendEntry } from "../chart/legend";
import { readLook } from "../chart/look";
import { chartOption } from "../chart/option";
import { Plot } from "../chart/plot";
import { formatAxis, formatDay, formatValue, plural, toDay } from "../format";
import { coloursOf } from "../palette";
import type { Palette, Slots } from "../palette";
import { isSeverity, partialEnds, sum } from "../series";
import type { Plot as Figures } from "../series";
import { useMedia, useTheme } from "../theme";
import { caption } from "./card";
import { colourDimension, plotOf } from "./charts";

// More bars than this are too thin to read; the table has them all.
const mostBars = 12;

interface Props {
  chart: Chart;
  data: ChartData;
  slots: ReadonlyMap<string, Slots>;
}

/** Drawn draws a line, pie or bar chart from its data. */
export function Drawn({ chart, data, slots }: Props) {
  const { dark } = useTheme();
  const calm = useMedia("(prefers-reduced-motion: reduce)");
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [pointed, setPointed] = useState<string>();
  const grain = data.grain ?? "day";
  const drawing = useMemo(() => {
    const plot = cut(chart, plotOf(chart, data));
    const look = readLook(dark, !calm);
    const colours = chartColours(chart, plot, look.palette, look.accent, slots);
    const partial = partialEnds(plot.axis, data, toDay(new Date()));
    return { chart, plot, grain, partial, colours, look };
  }, [chart, data, slots, dark, calm]);
  const option = useMemo(() => chartOption({ ...drawing, hidden }), [drawing, hidden]);
  const entries = legendEntries(chart, drawing.plot, drawing.colours);
  const pie = chart.kind === "pie";
  const toggle = (name: string) => {
    const next = new Set(hidden);
    if (!next.delete(name)) next.add(name);
    setHidden(next);
  };
  const shown = sum(entries.filter(({ name }) => !hidden.has(name)).map(({ total }) => total));
  return (
    <div class={`drawn drawn-${chart.kind}`}>
      <div class="plot-box">
        <Plot option={option} label={describe(chart, drawing.plot, data)} highlight={pointed} />
        {pie && (
          <div class="pie-centre" aria-hidden="true">
            <span class="pie-total">{formatAxis(shown, drawing.plot.format)}</span>
            <span class="pie-label">{chart.measures[0]?.label}</span>
          </div>
        )}
      </div>
      {entries.length > 1 && (
        <Legend
          entries={entries}
          format={drawing.plot.format}
          hidden={hidden}
          list={pie}
          toggle={toggle}
          point={setPointed}
        />
      )}
      <p class="card-note">{note(chart, data)}</p>
    </div>
  );
}

function cut(chart: Chart, plot: Figures): Figures {
  if (chart.kind === "line" || chart.kind === "pie") return plot;
  const series = plot.series.map(({ name, values }) => ({ name, values: values.slice(0, mostBars) }));
  return { ...plot, axis: plot.axis.slice(0, mostBars), series };
}

function note(chart: Chart, data: ChartData): string {
  const text = caption(chart, data);
  const bars = plotOf(chart, data).axis.length;
  if (chart.kind === "line" || chart.kind === "pie" || bars <= mostBars) return text;
  const first = `The first ${mostBars} of ${bars}`;
  return text === "" ? first : `${first} · ${text}`;
}

function chartColours(chart: Chart, plot: Figures, palette: Palette, accent: string, slots: Props["slots"]): string[] {
  const own = slots.get(colourDimension(chart) ?? "") ?? new Map<string, number>();
  if (chart.kind === "pie") return coloursOf(palette, own, plot.axis, plot.rest);
  if (chart.kind === "line" || plot.series.length > 1) {
    return coloursOf(palette, own, plot.series.map(({ name }) => name), plot.rest);
  }
  if (isSeverity(plot.axis)) return coloursOf(palette, own, plot.axis);
  return plot.axis.map(() => accent);
}

function legendEntries(chart: Chart, plot: Figures, colours: string[]): LegendEntry[] {
  if (chart.kind === "pie") {
    const values = plot.series[0]?.values ?? [];
    return plot.axis.map((name, at) => ({ name, colour: colours[at] ?? "", total: values[at] ?? 0 }));
  }
  return plot.series.map(({ name, values }, at) => ({ name, colour: colours[at] ?? "", total: sum(values) }));
}

// The gist of the picture in a sentence; the table has the rest.
function describe(chart: Chart, plot: Figures, data: ChartData): string {
  const label = chart.measures[0]?.label ?? "";
  if (chart.kind === "line") {
    const first = formatDay(plot.axis[0] ?? "", data.grain ?? "day");
    const last = formatDay(plot.axis.at(-1) ?? "", data.grain ?? "day");
    return `Line chart, ${label}: ${plural(plot.series.length, "line", "lines")} from ${first} to ${last}.`;
  }
  const values = plot.series[0]?.values ?? [];
  const top = plot.axis.slice(0, 3).map((name, at) => `${name} ${formatValue(values[at] ?? null, plot.format)}`);
  const kind = chart.kind === "pie" ? "Pie chart" : "Bar chart";
  return `${kind}, ${label}: ${plural(plot.axis.length, "value", "values")}; first ${top.join(", ")}.`;
}
