// State that comes from the server or the clock.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./api";

export interface Loaded<T> {
  /** data is the newest answer for this key; it stays while a reload is under way or has failed. */
  data: T | undefined;
  error: ApiError | undefined;
  loading: boolean;
  /** at is when data came. */
  at: Date | undefined;
  reload(): void;
}

interface State<T> {
  key: string;
  data: T | undefined;
  error: ApiError | undefined;
  loading: boolean;
  at: Date | undefined;
}

/** useLoad fetches something whenever its key changes or a reload is asked for; an answer that comes too late is dropped. */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const blank: State<T> = { key, data: undefined, error: undefined, loading: true, at: undefined };
  const [state, setState] = useState(blank);
  const [turn, setTurn] = useState(0);
  const loader = useRef(load);
  loader.current = load;
  useEffect(() => {
    const stop = new AbortController();
    setState((old) => (old.key === key ? { ...old, loading: true } : blank));
    loader.current(stop.signal).then(
      (data) => {
        if (!stop.signal.aborted) setState({ key, data, error: undefined, loading: false, at: new Date() });
      },
      (cause: unknown) => {
        if (!stop.signal.aborted) setState((old) => ({ ...old, error: asApiError(cause), loading: false }));
      },
    );
    return () => stop.abort();
  }, [key, turn]);
  const reload = useCallback(() => setTurn((value) => value + 1), []);
  const current = state.key === key ? state : blank;
  return { ...current, reload };
}

/** asApiError makes any failure tellable. */
export function asApiError(cause: unknown): ApiError {
  if (cause instanceof ApiError) return cause;
  return new ApiError(0, "This page failed", cause instanceof Error ? cause.message : String(cause));
}

/** useNow re-renders every so often, so that "3 minutes ago" stays true. */
export function useNow(everyMs: number): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/**
 * useRefresh calls back every so often while the page can be seen. A hidden page asks nothing of the
 * server and catches up when it is looked at again.
 */
export function useRefresh(seconds: number, refresh: () => void) {
  const call = useRef(refresh);
  call.current = refresh;
  useEffect(() => {
    if (seconds <= 0) return;
    let last = Date.now();
    const check = () => {
      if (document.hidden || Date.now() - last < seconds * 1000) return;
      last = Date.now();
      call.current();
    };
    const timer = setInterval(check, Math.min(seconds * 1000, 5000));
    document.addEventListener("visibilitychange", check);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", check);
    };
  }, [seconds]);
}

/** usePageTitle names the page in the browser's tab and history. */
export function usePageTitle(title: string | undefined) {
  useEffect(() => {
    document.title = title ? `${title} · feedback-loop` : "feedback-loop";
  }, [title]);
}
