// The figures of a chart as a table: what a picture shows, readable without seeing it.

import { useState } from "preact/hooks";
import type { Cell, ChartData, Column, Grain } from "../api";
import { formatDay, formatValue } from "../format";
import { textOf } from "../series";

// A table of thousands of rows makes a page slow; the rest comes on demand.
const step = 200;

export function DataTable({ data, caption }: { data: ChartData; caption: string }) {
  const [shown, setShown] = useState(step);
  const left = data.rows.length - shown;
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={`${caption}, data`}>
      <table class="data">
        <caption class="sr-only">{caption}</caption>
        <thead>
          <tr>
            {data.columns.map((column) => (
              <th key={column.name} scope="col" class={column.type === "number" ? "number" : ""}>
                {column.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {data.rows.slice(0, shown).map((row, at) => (
            <tr key={at}>
              {data.columns.map((column, index) => (
                <td key={column.name} class={column.type === "number" ? "number" : ""}>
                  {cellText(row[index], column, data.grain ?? "day")}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {left > 0 && (
        <button type="button" class="button small" onClick={() => setShown(shown + step)}>
          Show {Math.min(step, left)} more of {formatValue(left)}
        </button>
      )}
    </div>
  );
}

function cellText(cell: Cell | undefined, column: Column, grain: Grain): string {
  if (column.type === "number") return formatValue(typeof cell === "number" ? cell : null, column.format);
  return column.type === "time" ? formatDay(String(cell ?? ""), grain) : textOf(cell);
}
