// What a page or card shows when it has nothing to show: not yet, not any more, or not at all.

import type { ComponentChildren } from "preact";
import { Component } from "preact";
import { useState } from "preact/hooks";
import type { ApiError } from "../api";
import { AlertIcon, BoxIcon } from "./icons";

interface PanelProps {
  title: string;
  icon?: ComponentChildren;
  children?: ComponentChildren;
  /** alert makes a screen reader say it at once. */
  alert?: boolean;
}

/** Panel is a message in place of content. */
export function Panel({ title, icon = <BoxIcon />, children, alert = false }: PanelProps) {
  return (
    <div class="panel" role={alert ? "alert" : undefined}>
      <div class="panel-icon">{icon}</div>
      <p class="panel-title">{title}</p>
      {children}
    </div>
  );
}

/** Failure tells what went wrong and offers to try again. */
export function Failure({ error, busy, retry }: { error: ApiError; busy: boolean; retry(): void }) {
  return (
    <Panel title={error.message} icon={<AlertIcon />} alert>
      {error.detail !== "" && <p class="panel-text">{error.detail}</p>}
      <button type="button" class="button" onClick={retry} aria-disabled={busy}>
        {busy ? "Trying…" : "Try again"}
      </button>
    </Panel>
  );
}

/** StaleNotice says that what is shown is older than it should be. */
export function StaleNotice({ error, since, retry }: { error: ApiError; since: string; retry(): void }) {
  return (
    <div class="notice warn" role="alert">
      <AlertIcon />
      <span>
        {error.message}. You see what was loaded {since}.
      </span>
      <button type="button" class="button small" onClick={retry}>
        Try again
      </button>
    </div>
  );
}

/** Skeleton takes the place of what is still loading, in its size. */
export function Skeleton({ class: name = "" }: { class?: string }) {
  return <span class={`skeleton ${name}`} aria-hidden="true" />;
}

/** Command is something to type in a terminal, with a button that copies it where the browser lets us. */
export function Command({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => {
    void navigator.clipboard.writeText(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    });
  };
  return (
    <div class="command">
      <code>{text}</code>
      {"clipboard" in navigator && (
        <button type="button" class="button small" onClick={copy} aria-label={`Copy “${text}”`}>
          {copied ? "Copied" : "Copy"}
        </button>
      )}
    </div>
  );
}

/** Boundary keeps a defect of one page from leaving the reader with an empty window. */
export class Boundary extends Component<{ children: ComponentChildren }, { failed: boolean }> {
  override state = { failed: false };

  override componentDidCatch(error: unknown) {
    console.error(error);
    this.setState({ failed: true });
  }

  render() {
    if (!this.state.failed) return this.props.children;
    return (
      <Panel title="This page failed" icon={<AlertIcon />} alert>
        <p class="panel-text">That is a defect of feedback-loop; your data is not affected.</p>
        <button type="button" class="button" onClick={() => location.reload()}>
          Load it again
        </button>
      </Panel>
    );
  }
}
