// From the rows of a chart to what is drawn: series over a time or category axis. Pure.

import type { Cell, Chart, ChartData, Format, Grain } from "./api";
import { addDays, toDay } from "./format";

export interface Series {
  name: string;
  /** values has one entry per entry of the axis; null where there is none. */
  values: (number | null)[];
}

export interface Plot {
  axis: string[];
  series: Series[];
  /** rest is true when the last series (or slice) is the sum of those that are not shown. */
  rest: boolean;
  format: Format;
}

/** otherName is what the API, too, calls the sum of the small series. */
export const otherName = "Other";

export const emptyName = "(none)";

/** mostSeries is how many lines or slices are told apart by colour; the rest is summed. */
export const mostSeries = 8;

/** columnIndex finds a column by name; -1 where the data has none. */
export function columnIndex(data: ChartData, name: string | null): number {
  return name === null ? -1 : data.columns.findIndex((column) => column.name === name);
}

/** textOf is the label of a dimension's value. */
export function textOf(cell: Cell | undefined): string {
  return cell === null || cell === undefined || cell === "" ? emptyName : String(cell);
}

function numberOf(cell: Cell | undefined): number | null {
  return typeof cell === "number" ? cell : null;
}

/** pivot turns rows into one series per value of the splitting dimension, or per measure without one. */
export function pivot(chart: Chart, data: ChartData, axisName: string): { axis: string[]; series: Series[] } {
  const axisAt = columnIndex(data, axisName);
  const splitAt = chart.series === axisName ? -1 : columnIndex(data, chart.series);
  const axis = [...new Set(data.rows.map((row) => textOf(row[axisAt])))];
  const place = new Map(axis.map((name, at) => [name, at]));
  const found = new Map<string, Series>();
  for (const measure of splitAt < 0 ? chart.measures : chart.measures.slice(0, 1)) {
    const valueAt = columnIndex(data, measure.name);
    for (const row of data.rows) {
      const name = splitAt < 0 ? measure.label : textOf(row[splitAt]);
      const series = found.get(name) ?? { name, values: axis.map(() => null) };
      found.set(name, series);
      const at = place.get(textOf(row[axisAt])) ?? 0;
      series.values[at] = add(series.values[at] ?? null, numberOf(row[valueAt]));
    }
  }
  return { axis, series: [...found.values()] };
}

function add(a: number | null, b: number | null): number | null {
  if (a === null) return b;
  return b === null ? a : a + b;
}

/** sum adds up the values of a series; gaps count nothing. */
export function sum(values: (number | null)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}

/** bucketStart is the first day of the bucket that holds a day; weeks start on Monday. */
export function bucketStart(day: string, grain: Grain): string {
  if (grain === "month") return `${day.slice(0, 7)}-01`;
  if (grain === "day") return day;
  const weekday = new Date(`${day}T00:00:00Z`).getUTCDay();
  return addDays(day, -((weekday + 6) % 7));
}

function nextBucket(day: string, grain: Grain): string {
  if (grain !== "month") return addDays(day, grain === "week" ? 7 : 1);
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCMonth(date.getUTCMonth() + 1);
  return toDay(date);
}

// Far above any range that the API would answer by day; it only bounds a wrong answer.
const mostBuckets = 20_000;

/** buckets lists every bucket from one day to another, both inclusive. */
export function buckets(from: string, to: string, grain: Grain): string[] {
  const list: string[] = [];
  for (let day = bucketStart(from, grain); day <= to && list.length < mostBuckets; day = nextBucket(day, grain)) {
    list.push(day);
  }
  return list;
}

/** fillGaps puts a zero where the data has no row: a day without events is a fact, not a hole. */
export function fillGaps(
  axis: string[],
  series: Series[],
  span: { from: string | null; to: string | null; grain: Grain },
): { axis: string[]; series: Series[] } {
  const days = axis.map((day) => bucketStart(day.slice(0, 10), span.grain)).sort();
  const first = span.from ?? days[0];
  const last = span.to ?? days.at(-1);
  if (first === undefined || last === undefined || axis.length === 0) return { axis: [], series };
  const full = buckets(first, last, span.grain);
  const place = new Map(full.map((day, at) => [day, at]));
  const filled = series.map(({ name, values }) => {
    const target: number[] = full.map(() => 0);
    values.forEach((value, at) => {
      const to = place.get(bucketStart((axis[at] ?? "").slice(0, 10), span.grain));
      if (to !== undefined) target[to] = (target[to] ?? 0) + (value ?? 0);
    });
    return { name, values: target };
  });
  return { axis: full, series: filled };
}

/**
 * foldRest keeps the largest series in order of their totals and sums the others into one. Where the
 * API has summed some already (summed), its sum is one of the others, however large.
 */
export function foldRest(series: Series[], summed = false, most = mostSeries): { series: Series[]; rest: boolean } {
  const isRest = ({ name }: Series) => summed && name === otherName;
  const order = series
    .filter((one) => !isRest(one))
    .sort((a, b) => sum(b.values) - sum(a.values) || a.name.localeCompare(b.name));
  const rest = [...order.slice(most), ...series.filter(isRest)];
  if (rest.length === 0) return { series: order, rest: false };
  const other = rest.reduce<(number | null)[]>(
    (total, { values }) => values.map((value, at) => add(total[at] ?? null, value)),
    [],
  );
  const kept = order.slice(0, most);
  const name = kept.some((one) => one.name === otherName) ? "All others" : otherName;
  return { series: [...kept, { name, values: other }], rest: true };
}

/** linePlot is a chart over time: gaps filled, the small series summed. */
export function linePlot(chart: Chart, data: ChartData): Plot {
  const raw = pivot(chart, data, chart.time ?? "");
  const filled = fillGaps(raw.axis, raw.series, { from: data.from, to: data.to, grain: data.grain ?? "day" });
  return { axis: filled.axis, ...foldRest(filled.series, data.other), format: formatOf(chart) };
}

/** barPlot keeps the order of the rows; severities go from the worst to the least. */
export function barPlot(chart: Chart, data: ChartData): Plot {
  const { axis, series } = pivot(chart, data, chart.category ?? chart.series ?? "");
  const order = ordinalOrder(axis);
  const sorted = series.map(({ name, values }) => ({ name, values: order.map((at) => values[at] ?? null) }));
  const split = chart.series !== null && chart.series !== chart.category && chart.category !== null;
  const kept = split ? foldRest(sorted, data.other) : { series: sorted, rest: false };
  return {
    axis: order.map((at) => axis[at] ?? ""),
    series: ordinalSeries(kept.series),
    rest: kept.rest,
    format: formatOf(chart),
  };
}

/** piePlot has one series, largest slice first, small slices summed. */
export function piePlot(chart: Chart, data: ChartData): Plot {
  const { axis, series } = pivot(chart, data, chart.category ?? chart.series ?? "");
  const values = series[0]?.values ?? [];
  const slices = axis.map((name, at) => ({ name, values: [values[at] ?? null] }));
  const filled = slices.filter((slice) => (slice.values[0] ?? 0) > 0);
  const { series: kept, rest } = foldRest(filled, data.other);
  return {
    axis: kept.map((slice) => slice.name),
    series: [{ name: chart.measures[0]?.label ?? "", values: kept.map((slice) => slice.values[0] ?? null) }],
    rest,
    format: formatOf(chart),
  };
}

function formatOf(chart: Chart): Format {
  return chart.measures[0]?.format ?? "integer";
}

/** severities is the one ordered scale that the metrics share, worst first. */
export const severities = ["critical", "high", "medium", "low"];

function ordinalOrder(axis: string[]): number[] {
  const places = axis.map((_, at) => at);
  if (!isSeverity(axis)) return places;
  return places.sort((a, b) => severityRank(axis[a]) - severityRank(axis[b]));
}

function ordinalSeries(series: Series[]): Series[] {
  if (!isSeverity(series.map(({ name }) => name))) return series;
  return [...series].sort((a, b) => severityRank(a.name) - severityRank(b.name));
}

/** isSeverity tells whether every name (an unset one aside) is a severity. */
export function isSeverity(names: string[]): boolean {
  const set = names.filter((name) => name !== emptyName);
  return set.length > 0 && set.every((name) => severities.includes(name.toLowerCase()));
}

function severityRank(name: string | undefined): number {
  const at = severities.indexOf((name ?? "").toLowerCase());
  return at < 0 ? severities.length : at;
}

/** totalOf is the one number of a total chart: null where there is no row or no value. */
export function totalOf(chart: Chart, data: ChartData, rows: Cell[][] | null = data.rows): number | null {
  const at = columnIndex(data, chart.measures[0]?.name ?? null);
  return numberOf(rows?.[0]?.[Math.max(at, 0)]);
}

/** isEmpty tells whether a chart has nothing to draw. */
export function isEmpty(chart: Chart, data: ChartData): boolean {
  if (chart.kind === "total") return (totalOf(chart, data) ?? 0) === 0;
  return !data.rows.some((row) => row.some((cell, at) => data.columns[at]?.type === "number" && (cell ?? 0) !== 0));
}

export interface Stretch {
  /** values has as many entries as the axis, null outside of the stretch. */
  values: (number | null)[];
  dashed: boolean;
}

/** stretches cuts a line where its first or last bucket is incomplete, so that those ends can be dashed. */
export function stretches(values: (number | null)[], partial: Partial): Stretch[] {
  const end = values.length - 1;
  const head = end > 1 && (partial === "first" || partial === "both");
  const tail = end > 1 && (partial === "last" || partial === "both");
  const part = (from: number, to: number, dashed: boolean) => ({
    values: values.map((value, at) => (at >= from && at <= to ? value : null)),
    dashed,
  });
  return [
    part(head ? 1 : 0, tail ? end - 1 : end, false),
    ...(head ? [part(0, 1, true)] : []),
    ...(tail ? [part(end - 1, end, true)] : []),
  ];
}

/** Partial says which ends of a time axis are incomplete. */
export type Partial = "" | "first" | "last" | "both";

/** partialEnds finds the buckets that the range cuts through, and the one that is still going on. */
export function partialEnds(axis: string[], data: Pick<ChartData, "from" | "to" | "grain">, today: string): Partial {
  const { from, to, grain } = data;
  if (grain === null || axis.length === 0) return "";
  const first = from !== null && bucketStart(from, grain) !== from;
  const cut = to !== null && bucketStart(addDays(to, 1), grain) !== addDays(to, 1);
  const last = cut || axis.at(-1) === bucketStart(today, grain);
  if (first && last) return "both";
  return first ? "first" : last ? "last" : "";
}
