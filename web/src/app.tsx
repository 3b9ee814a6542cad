// The frame around every page: header, routes, and where the focus goes when the page changes.

import type { ComponentChildren, VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { RouterProvider, useRouter } from "./router";
import { ThemeProvider, themeModes, useTheme } from "./theme";
import type { ThemeMode } from "./theme";
import { DashboardPage, FirstDashboard } from "./pages/dashboard";
import { ImportsPage } from "./pages/imports";
import { NotFoundPage } from "./pages/notfound";
import { RunPage } from "./pages/run";
import { AutoIcon, LogoIcon, MoonIcon, SunIcon } from "./parts/icons";
import { Boundary } from "./parts/states";

export function App() {
  return (
    <ThemeProvider>
      <RouterProvider>
        <Frame />
      </RouterProvider>
    </ThemeProvider>
  );
}

function Frame() {
  const { path } = useRouter();
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  useEffect(() => {
    const from = before.current;
    before.current = path;
    // The first page is not a change, and neither is being led on from the root.
    if (from !== path && from !== "/") main.current?.focus({ preventScroll: true });
  }, [path]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <Header path={path} />
      <main id="main" tabIndex={-1} ref={main}>
        <Boundary key={path}>{route(path)}</Boundary>
      </main>
    </>
  );
}

function route(path: string): VNode {
  const parts = path.split("/").filter((part) => part !== "");
  const [first, second] = parts;
  const id = second === undefined ? undefined : decode(second);
  if (first === undefined) return <FirstDashboard />;
  if (first === "dashboards" && parts.length === 1) return <FirstDashboard />;
  if (first === "dashboards" && parts.length === 2 && id !== undefined) return <DashboardPage key={id} id={id} />;
  if (first === "imports" && parts.length === 1) return <ImportsPage />;
  if (first === "imports" && parts.length === 2 && id !== undefined) return <RunPage key={id} id={id} />;
  return <NotFoundPage />;
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

function Header({ path }: { path: string }) {
  return (
    <header class="top">
      <div class="top-inner">
        <a class="brand" href="/">
          <LogoIcon />
          <span>feedback-loop</span>
        </a>
        <nav class="nav" aria-label="Pages">
          <NavLink href="/" current={path === "/" || path.startsWith("/dashboards")}>
            Dashboards
          </NavLink>
          <NavLink href="/imports" current={path.startsWith("/imports")}>
            Imports
          </NavLink>
          <NavLink href="/api/docs" current={false}>
            API
          </NavLink>
        </nav>
        <ThemeSwitch />
      </div>
    </header>
  );
}

function NavLink({ href, current, children }: { href: string; current: boolean; children: ComponentChildren }) {
  return (
    <a href={href} aria-current={current ? "page" : undefined}>
      {children}
    </a>
  );
}

const themeLooks: Record<ThemeMode, { name: string; icon: VNode }> = {
  auto: { name: "Theme of the system", icon: <AutoIcon /> },
  light: { name: "Light theme", icon: <SunIcon /> },
  dark: { name: "Dark theme", icon: <MoonIcon /> },
};

function ThemeSwitch() {
  const { mode, choose } = useTheme();
  return (
    <fieldset class="segments theme-switch">
      <legend class="sr-only">Theme</legend>
      {themeModes.map((option) => (
        <label class="segment" key={option} title={themeLooks[option].name}>
          <input
            type="radio"
            name="theme"
            value={option}
            aria-label={themeLooks[option].name}
            checked={mode === option}
            onChange={() => choose(option)}
          />
          <span>{themeLooks[option].icon}</span>
        </label>
      ))}
    </fieldset>
  );
}
