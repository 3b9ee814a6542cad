// The HTTP API as the pages use it: the shapes of its answers and one function that fetches them.

export type Format = "integer" | "decimal" | "percent" | "duration_ms" | "bytes" | "";
export type Grain = "day" | "week" | "month";
export type Kind = "total" | "line" | "pie" | "bar" | "hbar";

/** Cell is one value of a chart's row; text and days are strings. */
export type Cell = string | number | null;

export interface Status {
  version: string;
  engine: string;
  events: number;
  first: string | null;
  last: string | null;
  categories: { name: string; title: string; events: number }[];
}

export interface Repository {
  /** name is empty for events whose repository is unknown. */
  name: string;
  events: number;
}

export interface DashboardHead {
  id: string;
  title: string;
  description: string;
}

export interface Measure {
  name: string;
  label: string;
  format: Format;
}

export interface Chart {
  id: string;
  title: string;
  description: string;
  kind: Kind;
  /** width counts columns of twelve. */
  width: number;
  /** time, category and series name columns of the chart's data. */
  time: string | null;
  category: string | null;
  series: string | null;
  measures: Measure[];
}

export interface Dashboard extends DashboardHead {
  refresh_seconds: number;
  rows: { charts: Chart[] }[];
}

export interface Column {
  name: string;
  label: string;
  type: "time" | "text" | "number";
  format?: Format;
}

export interface ChartData {
  chart: string;
  columns: Column[];
  rows: Cell[][];
  grain: Grain | null;
  /** from and to are days, both inclusive, or null where the range has no such end. */
  from: string | null;
  to: string | null;
  previous: Cell[][] | null;
  served_from: string;
  truncated: boolean;
  /** other is true when rows named "Other" sum up what is beyond the chart's limit. */
  other?: boolean;
  query_ms: number;
}

export interface ImportRun {
  id: number;
  file: string;
  format: string;
  source: string;
  repository: string;
  branch: string;
  status: "done" | "failed" | "running";
  started_at: string;
  finished_at: string | null;
  read: number;
  inserted: number;
  duplicate: number;
  rejected: number;
  error: string;
  dry_run?: boolean;
}

export interface ImportDetail extends ImportRun {
  notes: string[] | null;
}

export interface Reject {
  id: number;
  position: string;
  category: string;
  reason: string;
  raw: string;
}

/** ApiError carries what a person can be told; status is 0 when no answer came at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly detail: string,
  ) {
    super(message);
  }
}

// Longer than any chart should take, short enough that a dead connection is noticed.
const timeoutMs = 30_000;

/** get fetches a path below /api/v1 and returns its JSON; every failure is an ApiError, an abort aside. */
export async function get<T>(path: string, signal: AbortSignal): Promise<T> {
  const answer = await send(path, signal);
  if (!answer.ok) throw await problem(answer);
  try {
    return (await answer.json()) as T;
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new ApiError(answer.status, "The server's answer cannot be read", String(cause));
  }
}

async function send(path: string, signal: AbortSignal): Promise<Response> {
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    return await fetch(`/api/v1${path}`, {
      headers: { Accept: "application/json" },
      signal: AbortSignal.any([signal, limit]),
    });
  } catch (cause) {
    if (signal.aborted) throw cause;
    if (limit.aborted) {
      throw new ApiError(0, "The server took too long", `No answer within ${timeoutMs / 1000} seconds.`);
    }
    throw new ApiError(0, "The server cannot be reached", "Check that “feedback-loop serve” is running.");
  }
}

async function problem(answer: Response): Promise<ApiError> {
  const body: unknown = await answer.json().catch(() => null);
  const { title, detail } = (body ?? {}) as { title?: unknown; detail?: unknown };
  return new ApiError(
    answer.status,
    answer.status >= 500 ? "The server could not answer" : "The server refused this request",
    typeof detail === "string" && detail !== "" ? detail : `${answer.status} ${String(title ?? answer.statusText)}`,
  );
}
