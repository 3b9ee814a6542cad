// What a dashboard shows, kept in the URL's query, so that a link says it all and "back" goes back.

import { isDay, toDay } from "./format";

export const ranges = ["7d", "30d", "90d", "1y", "all"] as const;
export type Range = (typeof ranges)[number];

/** Span is a named range that ends today, or two days, both inclusive. */
export type Span = { range: Range } | { from: string; to: string };

export interface Filter {
  /** span is null where the URL names none that can be understood. */
  span: Span | null;
  /** repository is null for all of them and empty for the events of no known one. */
  repository: string | null;
}

/** parseFilter reads a query string; what cannot be understood counts as not given. */
export function parseFilter(search: string): Filter {
  const query = new URLSearchParams(search);
  return { span: parseSpan(query), repository: query.get("repository") };
}

function parseSpan(query: URLSearchParams): Span | null {
  const from = query.get("from");
  const to = query.get("to");
  if (from !== null && to !== null && isDay(from) && isDay(to) && from <= to) return { from, to };
  const range = ranges.find((name) => name === query.get("range"));
  return range === undefined ? null : { range };
}

/** filterQuery writes a filter as a query string with its "?", or "" when it says nothing. */
export function filterQuery(filter: Filter): string {
  const query = new URLSearchParams();
  if (filter.span !== null) {
    for (const [key, value] of Object.entries(filter.span)) query.set(key, value);
  }
  if (filter.repository !== null) query.set("repository", filter.repository);
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

/** defaultSpan is the last 90 days, or everything when the newest event is older than that. */
export function defaultSpan(last: string | null, now: Date): Span {
  if (last === null) return { range: "90d" };
  const start = new Date(now);
  start.setUTCDate(start.getUTCDate() - 89);
  return { range: last.slice(0, 10) >= toDay(start) ? "90d" : "all" };
}
