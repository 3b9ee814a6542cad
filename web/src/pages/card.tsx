// One chart on a dashboard: its heading, its picture or table, and what stands in their place.

import { useId, useState } from "preact/hooks";
import type { ApiError, Chart, ChartData } from "../api";
import { changeOf, daysBetween, formatValue, plural, previousStart, toDay } from "../format";
import type { Slots } from "../palette";
import { isEmpty, partialEnds, totalOf } from "../series";
import { DataTable } from "../chart/table";
import { Drawn } from "./drawn";
import { plotOf } from "./charts";
import type { ChartState } from "./charts";
import { ChartIcon, DownIcon, InfoIcon, TableIcon, UpIcon } from "../parts/icons";
import { Failure, Skeleton } from "../parts/states";

interface Props {
  chart: Chart;
  state: ChartState | undefined;
  slots: ReadonlyMap<string, Slots>;
  /** since is the day of the oldest event there is, null without events. */
  since: string | null;
  /** coloured is true once the colours of all charts are known. */
  coloured: boolean;
  retry(): void;
}

/** ChartCard shows one chart in every state it can be in. */
export function ChartCard(props: Props) {
  const { chart, state } = props;
  const [table, setTable] = useState(false);
  const id = useId();
  const data = state?.data;
  const total = chart.kind === "total";
  const empty = data !== undefined && isEmpty(chart, data);
  return (
    <section
      class={`card card-${chart.kind}`}
      style={{ "--width": String(chart.width) }}
      aria-labelledby={id}
      aria-busy={state?.loading !== false}
      data-chart={chart.id}
      data-state={stateName(state, empty)}
    >
      <header class="card-head">
        <h2 class="card-title" id={id}>
          {chart.title}
        </h2>
        <div class="card-tools">
          {!total && (
            <button
              type="button"
              class="button ghost small"
              aria-label={`${table ? "Show chart" : "Show data"} of ${chart.title}`}
              onClick={() => setTable(!table)}
              disabled={data === undefined || empty}
            >
              {table ? <ChartIcon /> : <TableIcon />}
              <span class="tool-text">{table ? "Show chart" : "Show data"}</span>
            </button>
          )}
          <About chart={chart} data={data} />
        </div>
      </header>
      <div class="card-body">
        <CardBody {...props} table={table} empty={empty} />
      </div>
    </section>
  );
}

function stateName(state: ChartState | undefined, empty: boolean): string {
  if (state?.data === undefined) return state?.error === undefined ? "loading" : "error";
  return empty ? "empty" : "ready";
}

function CardBody(props: Props & { table: boolean; empty: boolean }) {
  const { chart, state, table, empty, coloured, slots, retry } = props;
  const data = state?.data;
  if (state !== undefined && state.error !== undefined && data === undefined) {
    return chart.kind === "total" ? (
      <TotalFailure error={state.error} retry={retry} />
    ) : (
      <Failure error={state.error} busy={state.loading} retry={retry} />
    );
  }
  if (chart.kind === "total") return <Total chart={chart} data={data} since={props.since} />;
  if (data === undefined || !coloured) return <Skeleton class="fill" />;
  if (empty) return <p class="card-empty">No data in this range</p>;
  if (table) return <DataTable data={data} caption={chart.title} />;
  return <Drawn chart={chart} data={data} slots={slots} />;
}

interface TotalProps {
  chart: Chart;
  data: ChartData | undefined;
  since: string | null;
}

function Total({ chart, data, since }: TotalProps) {
  if (data === undefined) {
    return (
      <>
        <Skeleton class="total-number" />
        <Skeleton class="total-change" />
      </>
    );
  }
  const value = totalOf(chart, data);
  const measure = chart.measures[0];
  return (
    <>
      <p class="total-number">{formatValue(value, measure?.format)}</p>
      <p class="total-change">
        <TotalChange chart={chart} data={data} value={value} since={since} />
      </p>
    </>
  );
}

// A small card has room for the gist only; the rest is in the title.
function TotalFailure({ error, retry }: { error: ApiError; retry(): void }) {
  return (
    <div class="total-failure" role="alert">
      <span title={error.detail}>{error.message}</span>
      <button type="button" class="button small" onClick={retry}>
        Try again
      </button>
    </div>
  );
}

// A rise is neither good nor bad here: what a chart counts decides that, and only its reader knows.
function TotalChange({ chart, data, value, since }: TotalProps & { data: ChartData; value: number | null }) {
  if (data.previous === null || data.from === null || data.to === null) return <span>in all</span>;
  // Half a period of data against a whole one would look like a rise.
  if (since !== null && since > previousStart(data.from, data.to)) {
    return <span>no full period before</span>;
  }
  const before = totalOf(chart, data, data.previous);
  if (before === null || value === null) return <span>no data in the period before</span>;
  const format = chart.measures[0]?.format ?? "integer";
  const { direction, text } = changeOf(value, before, format);
  return (
    <>
      <span class="change">
        {direction === "up" && <UpIcon />}
        {direction === "down" && <DownIcon />}
        {direction !== "same" && <span class="sr-only">{direction} </span>}
        {text}
      </span>{" "}
      <span>
        {direction === "same" ? "from" : "vs"} {formatValue(before, format)} before
      </span>
    </>
  );
}

// What the chart counts and where its figures come from, for those who ask.
function About({ chart, data }: { chart: Chart; data: ChartData | undefined }) {
  const id = useId();
  const place = (event: Event) => {
    const box = event.currentTarget as HTMLElement;
    const button = document.getElementById(`${id}-button`);
    if ((event as ToggleEvent).newState !== "open" || button === null) return;
    const at = button.getBoundingClientRect();
    box.style.top = `${at.bottom + 6}px`;
    box.style.left = `${Math.max(8, Math.min(at.right - box.offsetWidth, innerWidth - box.offsetWidth - 8))}px`;
  };
  return (
    <>
      <button
        type="button"
        class="button ghost small icon-only"
        id={`${id}-button`}
        aria-label={`About ${chart.title}`}
        {...{ popovertarget: id }}
      >
        <InfoIcon />
      </button>
      <div class="about" id={id} {...{ popover: "auto" }} onToggle={place}>
        <p>{chart.description || chart.title}</p>
        {data !== undefined && <p class="about-source">{sourceText(chart, data)}</p>}
      </div>
    </>
  );
}

function sourceText(chart: Chart, data: ChartData): string {
  const parts = [`Read from ${data.served_from} in ${formatValue(data.query_ms, "duration_ms")}.`];
  if (chart.kind === "total" && data.previous !== null && data.from !== null && data.to !== null) {
    parts.push(`Compared with the ${plural(daysBetween(data.from, data.to), "day", "days")} before.`);
  }
  if (data.truncated) parts.push("There are more rows than are shown.");
  return parts.join(" ");
}

/** caption says what a reader would otherwise misread: the grain, cut-off weeks, what was summed. */
export function caption(chart: Chart, data: ChartData): string {
  const parts: string[] = [];
  const plot = plotOf(chart, data);
  if (chart.kind === "line" && data.grain !== null) {
    parts.push({ day: "by day", week: "by week, from Monday", month: "by month" }[data.grain]);
    const partial = partialEnds(plot.axis, data, toDay(new Date()));
    if (partial === "both") parts.push(`first and last ${data.grain} incomplete (dashed)`);
    else if (partial !== "") parts.push(`${partial} ${data.grain} incomplete (dashed)`);
  }
  const shown = chart.kind === "pie" ? plot.axis : plot.series.map(({ name }) => name);
  if (plot.rest) parts.push(`the ${shown.length - 1} largest; the rest is summed as “${shown.at(-1)}”`);
  if (data.truncated) parts.push("more rows than are shown");
  const text = parts.join(" · ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
