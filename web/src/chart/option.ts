// From a plot to the options of ECharts. Only looks are decided here; the figures are the plot's.

import type { EChartsCoreOption } from "echarts/core";
import type { Chart, Grain } from "../api";
import { formatAxis, formatAxisDay, formatDay, formatShare, formatValue } from "../format";
import { stretches, sum } from "../series";
import type { Partial, Plot } from "../series";
import type { Look } from "./look";
import { tooltip } from "./tooltip";

export interface Drawing {
  chart: Chart;
  plot: Plot;
  grain: Grain;
  /** partial says which ends of the time axis are incomplete. */
  partial: Partial;
  /** colours has one entry per series, or per slice or bar where there is a single series. */
  colours: string[];
  /** hidden series are left out of the drawing. */
  hidden: ReadonlySet<string>;
  look: Look;
}

// What a tooltip is given for one point; ECharts passes more.
interface Point {
  dataIndex: number;
  seriesName: string;
  color: string;
  value: number | null;
}

/** chartOption draws a line, pie, bar or hbar chart. */
export function chartOption(drawing: Drawing): EChartsCoreOption {
  switch (drawing.chart.kind) {
    case "line":
      return lineOption(drawing);
    case "pie":
      return pieOption(drawing);
    case "hbar":
      return barOption(drawing, true);
    default:
      return barOption(drawing, false);
  }
}

function lineOption(drawing: Drawing): EChartsCoreOption {
  const { plot, grain, look } = drawing;
  const axis = {
    ...timeAxis(plot.axis, grain, look),
    axisPointer: { lineStyle: { color: look.muted, type: "solid", opacity: 0.5 } },
  };
  return {
    ...common(drawing),
    grid: { left: 2, right: 14, top: 10, bottom: 4, ...labelsInside },
    xAxis: axis,
    yAxis: valueAxis(drawing),
    tooltip: { ...tooltipLook(look), trigger: "axis", formatter: (points: Point[]) => axisTip(drawing, points) },
    series: visible(drawing).flatMap(({ name, values, colour }) =>
      stretches(values, drawing.partial).map((stretch, at) => ({
        ...lineLook(plot, colour),
        id: `${at} ${name}`,
        name,
        data: stretch.values,
        lineStyle: { width: lineWidth(plot), type: stretch.dashed ? [3, 4] : "solid" },
      })),
    ),
  };
}

function lineLook(plot: Plot, colour: string) {
  return {
    type: "line",
    color: colour,
    symbol: "circle",
    symbolSize: 6,
    showSymbol: plot.axis.length === 1,
    ...(plot.series.length === 1 ? { areaStyle: { opacity: 0.12 } } : {}),
    emphasis: { focus: "series", lineStyle: { width: lineWidth(plot) } },
    blur: { lineStyle: { opacity: 0.2 } },
  };
}

// Many lines need less weight each.
function lineWidth(plot: Plot): number {
  return plot.series.length > 3 ? 1.75 : 2;
}

function barOption(drawing: Drawing, lying: boolean): EChartsCoreOption {
  const { plot, look } = drawing;
  const single = plot.series.length === 1;
  const names = lying ? lyingAxis(plot.axis, look) : standingAxis(plot.axis, look);
  const values = lying ? { ...valueAxis(drawing), show: false } : valueAxis(drawing);
  return {
    ...common(drawing),
    grid: lying
      ? { left: 0, right: 52, top: 14, bottom: 0, outerBoundsMode: "none" }
      : { left: 2, right: 2, top: 22, bottom: 4, ...labelsInside },
    xAxis: lying ? values : names,
    yAxis: lying ? names : values,
    tooltip: {
      ...tooltipLook(look),
      trigger: "axis",
      axisPointer: { type: "shadow", shadowStyle: { color: look.muted, opacity: 0.08 } },
      formatter: (points: Point[]) => axisTip(drawing, points),
    },
    series: visible(drawing).map(({ name, values: data, colour }) => ({
      id: name,
      name,
      type: "bar",
      color: colour,
      data: data.map((value, at) => ({ value, itemStyle: single ? { color: drawing.colours[at] ?? colour } : {} })),
      ...(single ? {} : { stack: "all" }),
      barMaxWidth: lying ? 8 : 56,
      ...(lying ? {} : { barCategoryGap: "36%" }),
      itemStyle: single ? { borderRadius: lying ? 4 : [5, 5, 0, 0] } : { borderColor: look.surface, borderWidth: 1 },
      emphasis: { focus: single ? "none" : "series" },
      label: {
        show: single,
        position: lying ? "right" : "top",
        color: look.text,
        fontWeight: 500,
        formatter: ({ value }: Point) => formatValue(value, plot.format),
      },
    })),
  };
}

function pieOption(drawing: Drawing): EChartsCoreOption {
  const { plot, look, colours, hidden, chart } = drawing;
  const values = plot.series[0]?.values ?? [];
  const slices = plot.axis.map((name, at) => ({ name, value: values[at] ?? 0, itemStyle: { color: colours[at] } }));
  const shown = slices.filter(({ name }) => !hidden.has(name));
  const total = sum(shown.map(({ value }) => value));
  const tip = ({ dataIndex }: Point) => {
    const slice = shown[dataIndex];
    if (slice === undefined) return "";
    const value = `${formatValue(slice.value, plot.format)} · ${formatShare(slice.value, total)}`;
    return tooltip("", [{ colour: slice.itemStyle.color ?? "", name: slice.name, value }]);
  };
  return {
    ...common(drawing),
    tooltip: { ...tooltipLook(look), trigger: "item", formatter: tip },
    series: [
      {
        id: chart.id,
        type: "pie",
        radius: ["62%", "94%"],
        data: shown,
        label: { show: false },
        labelLine: { show: false },
        itemStyle: { borderColor: look.surface, borderWidth: 2, borderRadius: 3 },
        emphasis: { scaleSize: 4 },
      },
    ],
  };
}

function common({ look }: Drawing): EChartsCoreOption {
  return {
    animation: look.motion,
    animationDuration: 300,
    animationDurationUpdate: 300,
    textStyle: { fontFamily: look.font, color: look.text, fontSize: 12 },
  };
}

// The axis labels belong to the plot's box, so that they are never cut off.
const labelsInside = { outerBoundsMode: "same", outerBoundsContain: "axisLabel" };

function timeAxis(days: string[], grain: Grain, look: Look) {
  const withYear = days.length > 0 && days[0]?.slice(0, 4) !== days.at(-1)?.slice(0, 4);
  return {
    type: "category",
    data: days,
    boundaryGap: false,
    axisLine: { lineStyle: { color: look.line } },
    axisTick: { show: false },
    axisLabel: {
      color: look.muted,
      hideOverlap: true,
      margin: 10,
      alignMinLabel: "left",
      alignMaxLabel: "right",
      formatter: (day: string) => formatAxisDay(day, grain, withYear),
    },
  };
}

function standingAxis(names: string[], look: Look) {
  return {
    type: "category",
    data: names,
    axisLine: { lineStyle: { color: look.line } },
    axisTick: { show: false },
    axisLabel: { color: look.muted, interval: 0, margin: 10, overflow: "truncate", width: 110, hideOverlap: true },
  };
}

// The names stand above their bars: long ones stay readable on a telephone too.
function lyingAxis(names: string[], look: Look) {
  return {
    type: "category",
    data: names,
    inverse: true,
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: {
      color: look.text,
      inside: true,
      margin: 0,
      verticalAlign: "bottom",
      padding: [0, 0, 9, 0],
      overflow: "truncate",
      width: 280,
    },
    z: 10,
  };
}

function valueAxis({ plot, look }: Drawing) {
  return {
    type: "value",
    splitNumber: 4,
    ...(plot.format === "integer" ? { minInterval: 1 } : {}),
    splitLine: { lineStyle: { color: look.line } },
    axisLabel: { color: look.muted, formatter: (value: number) => formatAxis(value, plot.format) },
  };
}

function tooltipLook(look: Look) {
  return {
    confine: true,
    backgroundColor: look.surface,
    borderColor: look.line,
    borderWidth: 1,
    padding: 0,
    textStyle: { color: look.text, fontSize: 12 },
    transitionDuration: look.motion ? 0.15 : 0,
  };
}

function visible({ plot, colours, hidden }: Drawing) {
  return plot.series
    .map((series, at) => ({ ...series, colour: colours[at] ?? "" }))
    .filter(({ name }) => !hidden.has(name));
}

// The largest value first, as the eye meets them; series that are zero there are left out.
function axisTip({ chart, plot, grain, colours }: Drawing, points: Point[]): HTMLElement {
  const at = points[0]?.dataIndex ?? 0;
  const name = plot.axis[at] ?? "";
  const title = chart.kind === "line" ? formatDay(name, grain) : name;
  const single = plot.series.length === 1;
  const values = [...new Set(points.map(({ seriesName }) => seriesName))].map((seriesName) => {
    const series = plot.series.findIndex((candidate) => candidate.name === seriesName);
    const value = plot.series[series]?.values[at] ?? null;
    return { value, name: seriesName, colour: colours[single && chart.kind !== "line" ? at : series] ?? "" };
  });
  const filled = values.filter(({ value }) => value !== 0 && value !== null);
  const order = (filled.length > 0 ? filled : values.slice(0, 1)).sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  const lines = order.map(({ value, ...line }) => ({ ...line, value: formatValue(value, plot.format) }));
  if (filled.length === 0 && !single) return tooltip(title, [{ colour: "transparent", name: "Nothing", value: "0" }]);
  return tooltip(title, lines);
}
