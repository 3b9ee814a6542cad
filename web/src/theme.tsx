// The colour theme: the system's, or the one chosen here and remembered by the browser.

import { createContext } from "preact";
import type { ComponentChildren } from "preact";
import { useContext, useEffect, useMemo, useState } from "preact/hooks";

export const themeModes = ["auto", "light", "dark"] as const;
export type ThemeMode = (typeof themeModes)[number];

interface Theme {
  mode: ThemeMode;
  /** dark is what the page looks like now, whatever decided it. */
  dark: boolean;
  choose(mode: ThemeMode): void;
}

const ThemeContext = createContext<Theme>({ mode: "auto", dark: false, choose: () => undefined });

export function useTheme(): Theme {
  return useContext(ThemeContext);
}

/**
 * ThemeProvider keeps data-theme on the document up to date: the style sheets read it, and so do the
 * charts when they draw, so it is set before anything renders anew. public/theme.js sets it first.
 */
export function ThemeProvider({ children }: { children: ComponentChildren }) {
  const [mode, setMode] = useState(storedMode);
  const [dark, setDark] = useState(() => apply(mode));
  useEffect(() => {
    const follow = () => setDark(apply(mode));
    systemDark.addEventListener("change", follow);
    return () => systemDark.removeEventListener("change", follow);
  }, [mode]);
  const theme = useMemo(() => {
    const choose = (next: ThemeMode) => {
      store(next);
      setMode(next);
      setDark(apply(next));
    };
    return { mode, dark, choose };
  }, [mode, dark]);
  return <ThemeContext.Provider value={theme}>{children}</ThemeContext.Provider>;
}

const systemDark = matchMedia("(prefers-color-scheme: dark)");

function apply(mode: ThemeMode): boolean {
  const dark = mode === "auto" ? systemDark.matches : mode === "dark";
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  return dark;
}

function storedMode(): ThemeMode {
  try {
    const chosen = localStorage.getItem("theme");
    return themeModes.find((mode) => mode === chosen) ?? "auto";
  } catch {
    return "auto";
  }
}

function store(mode: ThemeMode) {
  try {
    if (mode === "auto") localStorage.removeItem("theme");
    else localStorage.setItem("theme", mode);
  } catch {
    // Storage is blocked: the choice lasts until the page is left.
  }
}

/** useMedia follows a media query. */
export function useMedia(query: string): boolean {
  const list = useMemo(() => matchMedia(query), [query]);
  const [matches, setMatches] = useState(list.matches);
  useEffect(() => {
    const update = () => setMatches(list.matches);
    update();
    list.addEventListener("change", update);
    return () => list.removeEventListener("change", update);
  }, [list]);
  return matches;
}
