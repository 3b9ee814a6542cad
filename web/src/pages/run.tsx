// One import run: what it read, what became of it, and each rejected record with its reason.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { get } from "../api";
import type { ImportDetail, Reject } from "../api";
import { formatAgo, formatDuration, formatInstant, formatShare, formatValue, plural } from "../format";
import { useLoad, useNow, usePageTitle, useRefresh } from "../hooks";
import type { Loaded } from "../hooks";
import { usePages } from "../paging";
import { AlertIcon, BackIcon } from "../parts/icons";
import { Failure, Skeleton, StaleNotice } from "../parts/states";
import { StatusBadge, fileName } from "./imports";
import { NotFoundPage } from "./notfound";

const pageSize = 100;
const pollSeconds = 2;

/** RunPage shows the run with this id. */
export function RunPage({ id }: { id: string }) {
  const run = useLoad(`import ${id}`, (signal) => get<ImportDetail>(`/imports/${encodeURIComponent(id)}`, signal));
  usePageTitle(run.data === undefined ? "Import" : `Import of ${fileName(run.data.file)}`);
  useRefresh(run.data?.status === "running" ? pollSeconds : 0, run.reload);
  if (run.error?.status === 404 || run.error?.status === 422) return <NotFoundPage />;
  return (
    <>
      <a class="back" href="/imports">
        <BackIcon /> Imports
      </a>
      <RunBody run={run} />
    </>
  );
}

function RunBody({ run }: { run: Loaded<ImportDetail> }) {
  const { data, error, loading, reload } = run;
  if (data === undefined) {
    return error === undefined ? <RunSkeleton /> : <Failure error={error} busy={loading} retry={reload} />;
  }
  const notes = data.notes ?? [];
  return (
    <>
      <div class="page-head">
        <h1 class="breakable">{fileName(data.file)}</h1>
        <p class="page-description">
          <StatusBadge run={data} />
        </p>
      </div>
      {error !== undefined && <StaleNotice error={error} since="before that" retry={reload} />}
      {data.error !== "" && (
        <div class="notice bad">
          <AlertIcon />
          <span class="breakable">{data.error}</span>
        </div>
      )}
      <Counts run={data} />
      <div class="run-columns">
        <Facts run={data} />
        {notes.length > 0 && (
          <section class="card" aria-labelledby="notes">
            <h2 class="card-title" id="notes">
              Notes
            </h2>
            <p class="card-lead">What was read in another way than it was written, and what was passed over.</p>
            <ul class="notes">
              {notes.map((note) => (
                <li key={note}>{note}</li>
              ))}
            </ul>
          </section>
        )}
      </div>
      <Rejects key={data.id} run={data} />
    </>
  );
}

const outcomes = [
  { key: "inserted", label: "Inserted", hint: "new rows" },
  { key: "duplicate", label: "Duplicate", hint: "known already" },
  { key: "rejected", label: "Rejected", hint: "not usable" },
] as const;

function Counts({ run }: { run: ImportDetail }) {
  return (
    <section class="card counts" aria-label="Counts">
      <dl>
        <div>
          <dt>Read</dt>
          <dd>{formatValue(run.read)}</dd>
          <dd class="hint">records</dd>
        </div>
        {outcomes.map(({ key, label, hint }) => (
          <div key={key}>
            <dt>
              <span class={`dot tone-${key}`} />
              {label}
            </dt>
            <dd>{formatValue(run[key])}</dd>
            <dd class="hint">{run.read > 0 && run[key] > 0 ? `${formatShare(run[key], run.read)} · ${hint}` : hint}</dd>
          </div>
        ))}
      </dl>
      <div class="proportion" aria-hidden="true">
        {outcomes.map(({ key }) => run[key] > 0 && <span key={key} class={`tone-${key}`} style={{ flexGrow: run[key] }} />)}
      </div>
    </section>
  );
}

function Facts({ run }: { run: ImportDetail }) {
  const now = useNow(30_000);
  const took = run.finished_at === null ? null : Date.parse(run.finished_at) - Date.parse(run.started_at);
  const facts: [string, string][] = [
    ["Path", run.file === "-" ? "standard input" : run.file],
    ["Format", run.format],
    ["Source", run.source],
    ["Repository", run.repository || "not given"],
    ["Branch", run.branch],
    ["Started", `${formatInstant(run.started_at)} (${formatAgo(run.started_at, now)})`],
    ["Took", took === null ? "still running" : formatDuration(took)],
  ];
  return (
    <section class="card" aria-labelledby="facts">
      <h2 class="card-title" id="facts">
        About this run
      </h2>
      <dl class="facts">
        {facts.map(
          ([name, value]) =>
            value !== "" && (
              <div key={name}>
                <dt>{name}</dt>
                <dd class="breakable">{value}</dd>
              </div>
            ),
        )}
      </dl>
    </section>
  );
}

function Rejects({ run }: { run: ImportDetail }) {
  const rejects = usePages<Reject>(async (after, signal) => {
    const from = after === null ? "" : `&after=${after}`;
    const path = `/imports/${run.id}/rejects?limit=${pageSize}${from}`;
    const page = await get<{ rejects: Reject[] | null; next: number | null }>(path, signal);
    return { items: page.rejects ?? [], next: page.next };
  });
  const { items, error, loading, next } = rejects;
  return (
    <section aria-labelledby="rejects">
      <div class="section-head">
        <h2 id="rejects">Rejected records</h2>
        {items !== undefined && items.length > 0 && (
          <span class="section-count">
            {formatValue(items.length)} of {formatValue(Math.max(run.rejected, items.length))} shown
          </span>
        )}
      </div>
      {items === undefined && error === undefined && <Skeleton class="block" />}
      {error !== undefined && <Failure error={error} busy={loading} retry={rejects.reload} />}
      {items?.length === 0 && <p class="card quiet">{noRejects(run)}</p>}
      {items !== undefined && items.length > 0 && (
        <ol class="rejects">
          {items.map((reject) => (
            <RejectItem key={reject.id} reject={reject} />
          ))}
        </ol>
      )}
      {next !== null && items !== undefined && (
        <div class="more">
          <button type="button" class="button" onClick={rejects.more} aria-disabled={loading}>
            {loading ? "Loading…" : "Load more"}
          </button>
        </div>
      )}
    </section>
  );
}

function noRejects(run: ImportDetail): string {
  if (run.rejected > 0) return `${plural(run.rejected, "record was", "records were")} rejected; they are not kept.`;
  if (run.status === "running") return "None so far.";
  return run.status === "failed" ? "None." : "None: every record could be used.";
}

function RejectItem({ reject }: { reject: Reject }) {
  return (
    <li class="card reject">
      <p class="reject-reason">{reject.reason}</p>
      <p class="reject-place">
        {reject.category !== "" && <span class="badge">{reject.category}</span>}
        <span class="breakable">{reject.position}</span>
      </p>
      {reject.raw !== "" && <Raw text={reject.raw} />}
    </li>
  );
}

// The text as it stood in the file, wrapped; a long one is cut to a few lines until asked for.
function Raw({ text }: { text: string }) {
  const box = useRef<HTMLPreElement>(null);
  const [open, setOpen] = useState(false);
  const [long, setLong] = useState(false);
  useLayoutEffect(() => {
    const pre = box.current;
    if (pre !== null && !open) setLong(pre.scrollHeight > pre.clientHeight + 4);
  }, [text, open]);
  return (
    <div class="raw">
      <pre ref={box} class={open ? "raw-text open" : long ? "raw-text cut" : "raw-text"}>
        {text}
      </pre>
      {(long || open) && (
        <button type="button" class="button small" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Show less" : "Show all"}
        </button>
      )}
    </div>
  );
}

function RunSkeleton() {
  return (
    <div aria-busy="true" role="status" aria-label="Loading">
      <div class="page-head">
        <Skeleton class="heading" />
        <p class="page-description">
          <Skeleton class="text" />
        </p>
      </div>
      <Skeleton class="block" />
    </div>
  );
}
