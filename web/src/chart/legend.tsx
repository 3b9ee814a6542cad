// The legend in HTML, where the keyboard and a screen reader reach it: each entry shows or hides
// its series, and brings it out while it is pointed at.

import { formatShare, formatValue } from "../format";
import type { Format } from "../api";

export interface LegendEntry {
  name: string;
  colour: string;
  total: number;
}

interface Props {
  entries: LegendEntry[];
  format: Format;
  hidden: ReadonlySet<string>;
  /** list shows one entry a line, with its value and share. */
  list?: boolean;
  toggle(name: string): void;
  point(name: string | undefined): void;
}

export function Legend({ entries, format, hidden, list = false, toggle, point }: Props) {
  const shown = entries.filter(({ name }) => !hidden.has(name));
  const all = shown.reduce((total, entry) => total + entry.total, 0);
  return (
    <ul class={list ? "legend legend-list" : "legend"} aria-label="Legend">
      {entries.map(({ name, colour, total }) => (
        <li key={name}>
          <button
            type="button"
            class="legend-entry"
            aria-pressed={!hidden.has(name)}
            title={name}
            onClick={() => toggle(name)}
            onMouseEnter={() => point(name)}
            onMouseLeave={() => point(undefined)}
            onFocus={() => point(name)}
            onBlur={() => point(undefined)}
          >
            <span class="dot" style={{ background: colour }} />
            <span class="legend-name">{name}</span>
            {list && <span class="legend-value">{formatValue(total, format)}</span>}
            {list && <span class="legend-share">{hidden.has(name) ? "–" : formatShare(total, all)}</span>}
          </button>
        </li>
      ))}
    </ul>
  );
}
