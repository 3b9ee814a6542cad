// The list of import runs, newest first.

import { get } from "../api";
import type { ImportRun } from "../api";
import { formatAgo, formatInstant, formatValue } from "../format";
import { useNow, usePageTitle, useRefresh } from "../hooks";
import { usePages } from "../paging";
import { RefreshIcon } from "../parts/icons";
import { Command, Failure, Panel, Skeleton, StaleNotice } from "../parts/states";

const pageSize = 50;
const pollSeconds = 3;

/** ImportsPage lists the runs and follows those that are under way. */
export function ImportsPage() {
  usePageTitle("Imports");
  const runs = usePages<ImportRun>(async (before, signal) => {
    const from = before === null ? "" : `&before=${before}`;
    const page = await get<{ imports: ImportRun[] | null; next: number | null }>(
      `/imports?limit=${pageSize}${from}`,
      signal,
    );
    return { items: page.imports ?? [], next: page.next };
  });
  const running = runs.items?.some(({ status }) => status === "running") ?? false;
  useRefresh(running ? pollSeconds : 0, runs.reload);
  return (
    <>
      <div class="page-head">
        <h1>Imports</h1>
        <p class="page-description">
          Every file that was read: what went in, what was known already, what was rejected and why.
        </p>
        <div class="page-tools">
          <button type="button" class="button" onClick={runs.reload} aria-disabled={runs.loading}>
            <span class={runs.loading ? "turning" : "still"}>
              <RefreshIcon />
            </span>
            Refresh
          </button>
        </div>
      </div>
      <RunList runs={runs} />
    </>
  );
}

function RunList({ runs }: { runs: ReturnType<typeof usePages<ImportRun>> }) {
  const now = useNow(30_000);
  const { items, error, loading, next } = runs;
  if (items === undefined) {
    return error === undefined ? <ListSkeleton /> : <Failure error={error} busy={loading} retry={runs.reload} />;
  }
  if (items.length === 0) return <NoRuns />;
  return (
    <>
      {error !== undefined && <StaleNotice error={error} since="before that" retry={runs.reload} />}
      <div class="card flush">
        <table class="runs">
          <thead>
            <tr>
              <th scope="col">File</th>
              <th scope="col">Status</th>
              <th scope="col">Started</th>
              <th scope="col" class="number">Read</th>
              <th scope="col" class="number">Inserted</th>
              <th scope="col" class="number">Duplicate</th>
              <th scope="col" class="number">Rejected</th>
            </tr>
          </thead>
          <tbody>
            {items.map((run) => (
              <RunRow key={run.id} run={run} now={now} />
            ))}
          </tbody>
        </table>
      </div>
      {next !== null && (
        <div class="more">
          <button type="button" class="button" onClick={runs.more} aria-disabled={loading}>
            {loading ? "Loading…" : "Load more"}
          </button>
        </div>
      )}
    </>
  );
}

function RunRow({ run, now }: { run: ImportRun; now: Date }) {
  const facts = [run.format, run.source, run.repository === "" ? "" : run.repository, run.branch];
  return (
    <tr>
      <td class="run-file">
        <a href={`/imports/${run.id}`}>{fileName(run.file)}</a>
        <span class="run-facts">{facts.filter((fact) => fact !== "").join(" · ")}</span>
        {run.error !== "" && <span class="run-error">{run.error}</span>}
      </td>
      <td class="run-status">
        <StatusBadge run={run} />
      </td>
      <td class="run-when">
        <time dateTime={run.started_at} title={formatInstant(run.started_at)}>
          {formatAgo(run.started_at, now)}
        </time>
      </td>
      <Count label="Read" value={run.read} />
      <Count label="Inserted" value={run.inserted} />
      <Count label="Duplicate" value={run.duplicate} />
      <Count label="Rejected" value={run.rejected} />
    </tr>
  );
}

// On a narrow screen the head of the table is not shown; each figure then carries its own label.
function Count({ label, value }: { label: string; value: number }) {
  const notable = label === "Rejected" && value > 0;
  return (
    <td class={`number run-count${notable ? " notable" : ""}`} data-label={label}>
      {formatValue(value)}
    </td>
  );
}

/** StatusBadge tells how a run ended; some rejected records are worth a look, a failure more so. */
export function StatusBadge({ run }: { run: ImportRun }) {
  const partly = run.status === "done" && run.rejected > 0;
  const tone = { done: partly ? "warn" : "good", failed: "bad", running: "busy" }[run.status];
  const text = { done: partly ? "Done, with rejects" : "Done", failed: "Failed", running: "Running" }[run.status];
  return (
    <>
      <span class={`badge ${tone}`}>{text}</span>
      {run.dry_run && <span class="badge">Dry run</span>}
    </>
  );
}

/** fileName is the last part of a path; standard input has a name too. */
export function fileName(file: string): string {
  if (file === "-" || file === "") return "Standard input";
  return file.split(/[\\/]/).at(-1) || file;
}

function NoRuns() {
  return (
    <Panel title="Nothing was imported yet">
      <p class="panel-text">Import the metrics of your project:</p>
      <Command text="feedback-loop import metrics_data.json" />
    </Panel>
  );
}

function ListSkeleton() {
  return (
    <div class="card flush" aria-busy="true" role="status" aria-label="Loading">
      {Array.from({ length: 8 }, (_, at) => (
        <div class="row-skeleton" key={at}>
          <Skeleton class="line" />
        </div>
      ))}
    </div>
  );
}
