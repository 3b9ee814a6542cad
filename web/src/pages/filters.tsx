// The filters of a dashboard: which time and which repository. They only read and write the URL.

import { useEffect, useState } from "preact/hooks";
import type { Repository } from "../api";
import { ranges } from "../filter";
import type { Filter, Range, Span } from "../filter";
import { addDays, formatValue, isDay, toDay } from "../format";

interface Props {
  span: Span;
  repository: string | null;
  repositories: Repository[];
  /** from and to are the days that the charts show now, to start a custom range with. */
  from: string | null;
  to: string | null;
  change(filter: Filter): void;
}

const rangeNames: Record<Range, { short: string; long: string }> = {
  "7d": { short: "7d", long: "Last 7 days" },
  "30d": { short: "30d", long: "Last 30 days" },
  "90d": { short: "90d", long: "Last 90 days" },
  "1y": { short: "1y", long: "Last year" },
  all: { short: "All", long: "All time" },
};

/** Filters is the bar of controls above the charts. */
export function Filters({ span, repository, repositories, from, to, change }: Props) {
  const set = !("range" in span);
  const [editing, setEditing] = useState(set);
  useEffect(() => setEditing(set), [span]);
  const choose = (range: Range) => {
    setEditing(false);
    change({ span: { range }, repository });
  };
  return (
    <div class="filters" role="group" aria-label="Filters">
      <fieldset class="segments">
        <legend class="sr-only">Time range</legend>
        {ranges.map((range) => (
          <label class="segment" key={range} title={rangeNames[range].long}>
            <input
              type="radio"
              name="range"
              value={range}
              aria-label={rangeNames[range].long}
              checked={!editing && !set && span.range === range}
              onChange={() => choose(range)}
            />
            <span>{rangeNames[range].short}</span>
          </label>
        ))}
        <label class="segment">
          <input type="radio" name="range" value="custom" checked={editing} onChange={() => setEditing(true)} />
          <span>Custom</span>
        </label>
      </fieldset>
      <RepositorySelect
        repository={repository}
        repositories={repositories}
        choose={(name) => change({ span, repository: name })}
      />
      {editing && <CustomRange {...startOf(span, from, to)} apply={(next) => change({ span: next, repository })} />}
    </div>
  );
}

function startOf(span: Span, from: string | null, to: string | null): { from: string; to: string } {
  if (!("range" in span)) return span;
  const last = to ?? toDay(new Date());
  return { from: from ?? addDays(last, -29), to: last };
}

function CustomRange({ from, to, apply }: { from: string; to: string; apply(span: Span): void }) {
  const [first, setFirst] = useState(from);
  const [last, setLast] = useState(to);
  const problem = rangeProblem(first, last);
  const submit = (event: Event) => {
    event.preventDefault();
    if (problem === "") apply({ from: first, to: last });
  };
  return (
    <form class="custom-range" onSubmit={submit}>
      <label class="field">
        <span>From</span>
        <input type="date" value={first} max={last} onInput={(event) => setFirst(event.currentTarget.value)} />
      </label>
      <label class="field">
        <span>to</span>
        <input type="date" value={last} min={first} onInput={(event) => setLast(event.currentTarget.value)} />
      </label>
      <button type="submit" class="button primary" aria-disabled={problem !== ""}>
        Apply
      </button>
      <span class="field-problem" role="status">
        {problem}
      </span>
    </form>
  );
}

function rangeProblem(from: string, to: string): string {
  if (!isDay(from) || !isDay(to)) return "Enter both days.";
  return from > to ? "The first day is after the last." : "";
}

interface RepositoryProps {
  repository: string | null;
  repositories: Repository[];
  choose(name: string | null): void;
}

// Option values carry a mark, because "" is a repository (the unknown one) and not "all".
function RepositorySelect({ repository, repositories, choose }: RepositoryProps) {
  const known = repositories.some(({ name }) => name === repository);
  const pick = (value: string) => choose(value === "all" ? null : value.slice(1));
  return (
    <label class="field">
      <span>Repository</span>
      <select
        value={repository === null ? "all" : `=${repository}`}
        onChange={(event) => pick(event.currentTarget.value)}
      >
        <option value="all">All repositories</option>
        {repository !== null && !known && <option value={`=${repository}`}>{repositoryName(repository)}</option>}
        {repositories.map(({ name, events }) => (
          <option key={name} value={`=${name}`}>
            {repositoryName(name)} ({formatValue(events)})
          </option>
        ))}
      </select>
    </label>
  );
}

/** repositoryName is how a repository is called on the pages. */
export function repositoryName(name: string): string {
  return name === "" ? "Unknown repository" : name;
}
