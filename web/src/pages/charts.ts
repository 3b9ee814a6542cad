// The charts of one dashboard: loaded side by side, each with its own state, coloured together.

import { useCallback, useEffect, useMemo, useReducer, useRef } from "preact/hooks";
import { get } from "../api";
import type { ApiError, Chart, ChartData } from "../api";
import { asApiError } from "../hooks";
import { assignSlots } from "../palette";
import type { Slots } from "../palette";
import { linePlot, mostSeries, piePlot, barPlot } from "../series";
import type { Plot } from "../series";

export interface ChartState {
  /** data stays while newer figures are under way or could not be had. */
  data: ChartData | undefined;
  error: ApiError | undefined;
  loading: boolean;
  /** at is when data came. */
  at: Date | undefined;
}

export interface Charts {
  states: ReadonlyMap<string, ChartState>;
  /** settled is true when no chart is being loaded. */
  settled: boolean;
  /** at is when the oldest of the shown figures came. */
  at: Date | undefined;
  slots: ReadonlyMap<string, Slots>;
  /** retry loads one chart again. */
  retry(id: string): void;
}

type Action =
  | { kind: "start"; ids: string[] }
  | { kind: "data"; id: string; data: ChartData }
  | { kind: "error"; id: string; error: ApiError };

const blank: ChartState = { data: undefined, error: undefined, loading: true, at: undefined };

function reduce(states: ReadonlyMap<string, ChartState>, action: Action): ReadonlyMap<string, ChartState> {
  const next = new Map(states);
  if (action.kind === "start") {
    for (const id of action.ids) next.set(id, { ...(states.get(id) ?? blank), loading: true });
  } else if (action.kind === "data") {
    next.set(action.id, { data: action.data, error: undefined, loading: false, at: new Date() });
  } else {
    next.set(action.id, { ...(states.get(action.id) ?? blank), error: action.error, loading: false });
  }
  return next;
}

/** useCharts loads the charts whenever the query or the turn changes; a null query waits. */
export function useCharts(charts: Chart[], query: string | null, turn: number): Charts {
  const [states, dispatch] = useReducer(reduce, new Map<string, ChartState>());
  const running = useRef(new AbortController());

  const load = useCallback(
    (ids: string[], signal: AbortSignal) => {
      dispatch({ kind: "start", ids });
      for (const id of ids) {
        get<ChartData>(`/charts/${encodeURIComponent(id)}/data${query ?? ""}`, signal).then(
          (data) => !signal.aborted && dispatch({ kind: "data", id, data }),
          (cause: unknown) => !signal.aborted && dispatch({ kind: "error", id, error: asApiError(cause) }),
        );
      }
    },
    [query],
  );

  useEffect(() => {
    const stop = new AbortController();
    running.current = stop;
    if (query === null || charts.length === 0) return;
    load(
      charts.map((chart) => chart.id),
      stop.signal,
    );
    return () => stop.abort();
  }, [charts, load, turn]);

  const retry = useCallback((id: string) => load([id], running.current.signal), [load]);
  const settled = charts.length > 0 && charts.every(({ id }) => states.get(id)?.loading === false);
  const slots = useSlots(charts, states, settled);
  return { states, settled, at: oldest(states), slots, retry };
}

function oldest(states: ReadonlyMap<string, ChartState>): Date | undefined {
  const times = [...states.values()].map(({ at }) => at?.getTime() ?? Infinity);
  const first = Math.min(...times);
  return Number.isFinite(first) ? new Date(first) : undefined;
}

// Colours are given out once all charts are in, in the order of the dashboard: which answer came
// first must not decide them. Each dimension has its own.
function useSlots(charts: Chart[], states: ReadonlyMap<string, ChartState>, settled: boolean) {
  const kept = useRef<ReadonlyMap<string, Slots>>(new Map());
  return useMemo(() => {
    if (!settled) return kept.current;
    const names = new Map<string, Set<string>>();
    for (const chart of charts) {
      const data = states.get(chart.id)?.data;
      const dimension = colourDimension(chart);
      if (data === undefined || dimension === null) continue;
      const set = names.get(dimension) ?? new Set<string>();
      names.set(dimension, set);
      for (const name of colourNames(chart, plotOf(chart, data))) set.add(name);
    }
    const next = new Map(kept.current);
    for (const [dimension, set] of names) {
      next.set(dimension, assignSlots(next.get(dimension) ?? new Map(), [...set], mostSeries));
    }
    kept.current = next;
    return next;
  }, [charts, states, settled]);
}

/** plotOf is what a chart draws. */
export function plotOf(chart: Chart, data: ChartData): Plot {
  if (chart.kind === "line") return linePlot(chart, data);
  return chart.kind === "pie" ? piePlot(chart, data) : barPlot(chart, data);
}

/** colourDimension is the dimension whose values are told apart by colour, null where none is. */
export function colourDimension(chart: Chart): string | null {
  if (chart.kind === "pie") return chart.category ?? chart.series;
  if (chart.kind === "total" || chart.series === chart.category) return null;
  return chart.series;
}

/** colourNames lists what the colours of a chart stand for, without the sum of the rest. */
function colourNames(chart: Chart, plot: Plot): string[] {
  const names = chart.kind === "pie" ? plot.axis : plot.series.map(({ name }) => name);
  return plot.rest ? names.slice(0, -1) : names;
}
