// Client-side routes over the history API: where we are, how to go elsewhere, and links that do not
// reload the page. Plain <a href> elements are enough; nothing has to know about the router.

import { createContext } from "preact";
import type { ComponentChildren } from "preact";
import { useContext, useEffect, useMemo, useState } from "preact/hooks";

interface Place {
  path: string;
  /** search is the query with its "?", or empty. */
  search: string;
}

interface Router extends Place {
  /** go leads to an address of this site; replace leaves no step for the back button. */
  go(href: string, options?: { replace?: boolean }): void;
}

const RouterContext = createContext<Router>({ path: "/", search: "", go: () => undefined });

export function useRouter(): Router {
  return useContext(RouterContext);
}

export function RouterProvider({ children }: { children: ComponentChildren }) {
  const [place, setPlace] = useState(here);
  const router = useMemo(() => {
    const go: Router["go"] = (href, options) => {
      if (options?.replace) history.replaceState(null, "", href);
      else history.pushState(null, "", href);
      setPlace(here());
    };
    return { ...place, go };
  }, [place.path, place.search]);
  useEffect(() => {
    const back = () => setPlace(here());
    const click = (event: MouseEvent) => {
      const href = localLink(event);
      if (href === null) return;
      event.preventDefault();
      router.go(href);
      window.scrollTo(0, 0);
    };
    addEventListener("popstate", back);
    document.addEventListener("click", click);
    return () => {
      removeEventListener("popstate", back);
      document.removeEventListener("click", click);
    };
  }, [router]);
  return <RouterContext.Provider value={router}>{children}</RouterContext.Provider>;
}

function here(): Place {
  return { path: location.pathname, search: location.search };
}

// A plain left click on a link to one of our own pages; all others are the browser's business.
function localLink(event: MouseEvent): string | null {
  if (event.defaultPrevented || event.button !== 0) return null;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return null;
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (link === null || link.target !== "" || link.hasAttribute("download")) return null;
  const url = new URL(link.href);
  if (url.origin !== location.origin || url.hash !== "" || url.pathname.startsWith("/api")) return null;
  return url.pathname + url.search;
}
