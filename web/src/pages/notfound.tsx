// The page for an address that leads nowhere.

import { usePageTitle } from "../hooks";
import { useRouter } from "../router";
import { Panel } from "../parts/states";

export function NotFoundPage() {
  const { path } = useRouter();
  usePageTitle("Not found");
  return (
    <>
      <h1 class="sr-only">Not found</h1>
      <Panel title="There is no such page">
        <p class="panel-text">
          Nothing is at <code class="breakable">{path}</code>.
        </p>
        <a class="button" href="/">
          To the dashboards
        </a>
      </Panel>
    </>
  );
}
