// Lists that are loaded page by page ("Load more").

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "./api";
import { asApiError } from "./hooks";

export interface Page<T> {
  items: T[];
  /** next is the cursor of the page after this one, null at the end. */
  next: number | null;
}

export interface Paged<T> {
  items: T[] | undefined;
  next: number | null;
  error: ApiError | undefined;
  loading: boolean;
  more(): void;
  /** reload asks again for as many pages as are shown. */
  reload(): void;
}

interface State<T> extends Page<T> {
  loaded: boolean;
  loading: boolean;
  error: ApiError | undefined;
}

type Fetch<T> = (cursor: number | null, signal: AbortSignal) => Promise<Page<T>>;

/** usePages loads the first page at once and the others when asked. */
export function usePages<T>(fetchPage: Fetch<T>): Paged<T> {
  const [state, setState] = useState<State<T>>({ items: [], next: null, loaded: false, loading: true, error: undefined });
  const latest = useRef(state);
  latest.current = state;
  const fetcher = useRef(fetchPage);
  fetcher.current = fetchPage;
  const running = useRef<AbortController | undefined>(undefined);

  const run = useCallback((work: (signal: AbortSignal) => Promise<Page<T>>) => {
    running.current?.abort();
    const stop = new AbortController();
    running.current = stop;
    setState((old) => ({ ...old, loading: true }));
    work(stop.signal).then(
      (page) => {
        if (!stop.signal.aborted) setState({ ...page, loaded: true, loading: false, error: undefined });
      },
      (cause: unknown) => {
        if (!stop.signal.aborted) setState((old) => ({ ...old, loading: false, error: asApiError(cause) }));
      },
    );
  }, []);

  const more = useCallback(() => {
    const { items, next } = latest.current;
    run(async (signal) => {
      const page = await fetcher.current(next, signal);
      return { items: [...items, ...page.items], next: page.next };
    });
  }, [run]);

  const reload = useCallback(() => {
    run((signal) => refill(fetcher.current, latest.current.items.length, signal));
  }, [run]);

  useEffect(() => {
    reload();
    return () => running.current?.abort();
  }, [reload]);

  const { items, next, loaded, loading, error } = state;
  return { items: loaded ? items : undefined, next, error, loading, more, reload };
}

/** refill loads pages from the start until there are at least as many items as before. */
export async function refill<T>(fetchPage: Fetch<T>, count: number, signal: AbortSignal): Promise<Page<T>> {
  let page = await fetchPage(null, signal);
  const items = [...page.items];
  while (items.length < count && page.next !== null) {
    page = await fetchPage(page.next, signal);
    items.push(...page.items);
  }
  return { items, next: page.next };
}
