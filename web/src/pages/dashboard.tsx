// A dashboard: whatever the API describes under this id. Nothing here knows what is counted.

import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { get } from "../api";
import type { ApiError, Chart, Dashboard, DashboardHead, Repository, Status } from "../api";
import { defaultSpan, filterQuery, parseFilter } from "../filter";
import type { Filter, Span } from "../filter";
import { formatClock, formatInstant, formatSpan, formatDuration } from "../format";
import { useLoad, usePageTitle, useRefresh } from "../hooks";
import { useRouter } from "../router";
import { isEmpty } from "../series";
import { RefreshIcon } from "../parts/icons";
import { Command, Failure, Panel, Skeleton, StaleNotice } from "../parts/states";
import { ChartCard } from "./card";
import { useCharts } from "./charts";
import type { Charts } from "./charts";
import { Filters, repositoryName } from "./filters";
import { NotFoundPage } from "./notfound";

const noCharts: Chart[] = [];

/** FirstDashboard leads from the site's root to the first dashboard there is. */
export function FirstDashboard() {
  const { go, search } = useRouter();
  const list = useDashboards();
  const first = list.data?.[0]?.id;
  useEffect(() => {
    if (first !== undefined) go(`/dashboards/${first}${search}`, { replace: true });
  }, [first]);
  if (list.error !== undefined && list.data === undefined) {
    return <Failure error={list.error} busy={list.loading} retry={list.reload} />;
  }
  if (list.data?.length === 0) return <Panel title="There is no dashboard" />;
  return <DashboardSkeleton />;
}

function useDashboards() {
  return useLoad("dashboards", async (signal) => {
    const answer = await get<{ dashboards: DashboardHead[] | null }>("/dashboards", signal);
    return answer.dashboards ?? [];
  });
}

/** DashboardPage shows one dashboard with its filters. */
export function DashboardPage({ id }: { id: string }) {
  const { search } = useRouter();
  const [turn, setTurn] = useState(0);
  const definition = useLoad(`dashboard ${id}`, (signal) =>
    get<Dashboard>(`/dashboards/${encodeURIComponent(id)}`, signal),
  );
  const status = useLoad("status", (signal) => get<Status>("/status", signal));
  const list = useDashboards();
  const repositories = useLoad("repositories", async (signal) => {
    const answer = await get<{ repositories: Repository[] | null }>("/repositories", signal);
    return answer.repositories ?? [];
  });
  const dashboard = definition.data;
  const charts = useMemo(() => dashboard?.rows.flatMap((row) => row.charts) ?? noCharts, [dashboard]);
  const filter = useMemo(() => parseFilter(search), [search]);
  const span = useSpan(filter.span, status.data);
  const empty = status.data?.events === 0;
  const query = span === null || empty ? null : filterQuery({ span, repository: filter.repository });
  const loaded = useCharts(charts, query, turn);
  const refresh = useCallback(() => {
    status.reload();
    repositories.reload();
    setTurn((value) => value + 1);
  }, [status.reload, repositories.reload]);
  useRefresh(dashboard?.refresh_seconds ?? 0, refresh);
  usePageTitle(dashboard?.title);

  if (definition.error?.status === 404) return <NotFoundPage />;
  const failed = [definition, status].find((part) => part.error !== undefined && part.data === undefined);
  if (failed?.error !== undefined) {
    const retry = () => [definition, status].forEach((part) => part.data ?? part.reload());
    return <Failure error={failed.error} busy={failed.loading} retry={retry} />;
  }
  // The list decides whether there is a row of links, so it is awaited; without it there is none.
  const listed = list.data !== undefined || list.error !== undefined;
  if (!dashboard || !status.data || span === null || !listed) return <DashboardSkeleton />;
  return (
    <>
      <DashboardLinks list={list.data ?? []} current={id} />
      <DashboardHeading dashboard={dashboard} charts={loaded} waiting={empty} refresh={refresh} />
      {empty ? (
        <EmptyDatabase refresh={refresh} />
      ) : (
        <FilteredCharts
          {...{ dashboard, charts, loaded, span, refresh }}
          status={status.data}
          repositories={repositories.data ?? []}
        />
      )}
    </>
  );
}

// Links to the other dashboards; the filter goes along, because people compare.
function DashboardLinks({ list, current }: { list: DashboardHead[]; current: string }) {
  const { search } = useRouter();
  if (list.length < 2) return null;
  return (
    <nav class="tabs" aria-label="Dashboards">
      {list.map(({ id, title }) => (
        <a key={id} href={`/dashboards/${encodeURIComponent(id)}${search}`} aria-current={id === current ? "page" : undefined}>
          {title}
        </a>
      ))}
    </nav>
  );
}

// The range that the URL names, or the one that suits the data; it stays the same object meanwhile.
function useSpan(named: Span | null, status: Status | undefined): Span | null {
  const last = status?.last;
  return useMemo(() => {
    if (named !== null) return named;
    return last === undefined ? null : defaultSpan(last, new Date());
  }, [named, last]);
}

interface HeadingProps {
  dashboard: Dashboard;
  charts: Charts;
  /** waiting is true while there is nothing to load charts from. */
  waiting: boolean;
  refresh(): void;
}

function DashboardHeading({ dashboard, charts, waiting, refresh }: HeadingProps) {
  const busy = !waiting && !charts.settled;
  const every = dashboard.refresh_seconds;
  return (
    <div class="page-head">
      <h1>{dashboard.title}</h1>
      <p class="page-description">{dashboard.description}</p>
      <div class="page-tools">
        <span class="as-of" role="status">
          {charts.at !== undefined && (
            <span title={formatInstant(charts.at.toISOString())}>As of {formatClock(charts.at)}</span>
          )}
          {charts.at === undefined && busy && "Loading…"}
          {every > 0 && charts.at !== undefined && <span class="as-of-every">every {formatDuration(every * 1000)}</span>}
        </span>
        <button type="button" class="button" onClick={refresh} aria-disabled={busy}>
          <span class={busy ? "turning" : "still"}>
            <RefreshIcon />
          </span>
          Refresh
        </button>
      </div>
    </div>
  );
}

interface FilteredProps {
  dashboard: Dashboard;
  charts: Chart[];
  loaded: Charts;
  span: Span;
  status: Status;
  repositories: Repository[];
  refresh(): void;
}

function FilteredCharts({ dashboard, charts, loaded, span, status, repositories, refresh }: FilteredProps) {
  const { path, search, go } = useRouter();
  const { repository } = parseFilter(search);
  const change = (next: Filter) => go(path + filterQuery(next));
  const shown = charts.map(({ id }) => loaded.states.get(id)?.data).find((data) => data?.to != null);
  const failure = commonFailure(charts, loaded);
  const stale = charts.map(({ id }) => loaded.states.get(id)).find((state) => state?.error && state.data);
  return (
    <>
      <Filters
        span={span}
        repository={repository}
        repositories={repositories}
        from={shown?.from ?? null}
        to={shown?.to ?? null}
        change={change}
      />
      {stale?.error !== undefined && stale.at !== undefined && (
        <StaleNotice error={stale.error} since={`at ${formatClock(stale.at)}`} retry={refresh} />
      )}
      {failure !== undefined ? (
        <Failure error={failure} busy={!loaded.settled} retry={refresh} />
      ) : nothing(charts, loaded) ? (
        <EmptyRange {...{ status, span, repository, change }} />
      ) : (
        <ChartGrid dashboard={dashboard} loaded={loaded} since={status.first?.slice(0, 10) ?? null} />
      )}
    </>
  );
}

// When no chart could be had, one message says it better than one in each card.
function commonFailure(charts: Chart[], loaded: Charts): ApiError | undefined {
  const states = charts.map(({ id }) => loaded.states.get(id));
  if (states.length < 2 || states.some((state) => state?.error === undefined || state.data !== undefined)) return undefined;
  return states[0]?.error;
}

function nothing(charts: Chart[], loaded: Charts): boolean {
  return charts.every((chart) => {
    const data = loaded.states.get(chart.id)?.data;
    return data !== undefined && isEmpty(chart, data);
  });
}

function ChartGrid({ dashboard, loaded, since }: { dashboard: Dashboard; loaded: Charts; since: string | null }) {
  const [coloured, setColoured] = useState(false);
  if (loaded.settled && !coloured) setColoured(true);
  return (
    <div class="chart-rows">
      {dashboard.rows.map((row, at) => (
        <div class={`chart-row ${rowShape(row.charts)}`} key={at}>
          {row.charts.map((chart) => (
            <ChartCard
              key={chart.id}
              chart={chart}
              state={loaded.states.get(chart.id)}
              slots={loaded.slots}
              since={since}
              coloured={coloured}
              retry={() => loaded.retry(chart.id)}
            />
          ))}
        </div>
      ))}
    </div>
  );
}

// How a row breaks up on a narrower screen: totals in pairs, halves later than the others.
function rowShape(charts: Chart[]): string {
  if (charts.every(({ kind }) => kind === "total")) return "totals";
  return charts.every(({ width }) => width >= 5 && width <= 7) ? "halves" : "";
}

function EmptyDatabase({ refresh }: { refresh(): void }) {
  return (
    <Panel title="There is nothing here yet">
      <p class="panel-text">Import the metrics of your project:</p>
      <Command text="feedback-loop import metrics_data.json" />
      <p class="panel-text">Or look around with made-up data first:</p>
      <Command text="feedback-loop sample" />
      <button type="button" class="button" onClick={refresh}>
        Look again
      </button>
    </Panel>
  );
}

interface EmptyRangeProps {
  status: Status;
  span: Span;
  repository: string | null;
  change(filter: Filter): void;
}

function EmptyRange({ status, span, repository, change }: EmptyRangeProps) {
  const all = "range" in span && span.range === "all";
  const whose = repository === null ? "" : ` of ${repositoryName(repository)}`;
  const when = "range" in span ? "this range" : formatSpan(span.from, span.to);
  return (
    <Panel title={all ? `There are no events${whose}` : `There are no events${whose} in ${when}`}>
      {status.last !== null && (
        <p class="panel-text">
          The newest event{repository === null ? "" : " of all repositories"} was on {formatInstant(status.last)}.
        </p>
      )}
      <div class="panel-buttons">
        {!all && (
          <button type="button" class="button primary" onClick={() => change({ span: { range: "all" }, repository })}>
            Show all time
          </button>
        )}
        {repository !== null && (
          <button type="button" class="button" onClick={() => change({ span, repository: null })}>
            Show all repositories
          </button>
        )}
      </div>
    </Panel>
  );
}

// Before a dashboard is known it is drawn as most of them are: a row of totals above wide charts.
function DashboardSkeleton() {
  const card = (kind: string, width: number, at: number) => (
    <div class={`card card-${kind}`} style={{ "--width": String(width) }} key={at}>
      <div class="card-body">
        <Skeleton class="fill" />
      </div>
    </div>
  );
  return (
    <div aria-busy="true" aria-label="Loading" role="status">
      <div class="page-head">
        <Skeleton class="heading" />
        <p class="page-description">
          <Skeleton class="text" />
        </p>
        <div class="page-tools" />
      </div>
      <div class="filters">
        <Skeleton class="bar" />
      </div>
      <div class="chart-rows">
        <div class="chart-row totals">{[0, 1, 2, 3].map((at) => card("total", 3, at))}</div>
        <div class="chart-row">{[8, 4].map((width, at) => card("line", width, at))}</div>
      </div>
    </div>
  );
}
