// The element that ECharts draws into. It follows the size of its box and the theme.

import type { EChartsCoreOption, EChartsType } from "echarts/core";
import { useEffect, useRef, useState } from "preact/hooks";

interface Props {
  option: EChartsCoreOption;
  /** label says in words what the picture shows. */
  label: string;
  /** highlight names a series or slice to bring out. */
  highlight?: string | undefined;
}

/** Plot draws an option; the chart library is loaded with the first one. */
export function Plot({ option, label, highlight }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [chart, setChart] = useState<EChartsType>();

  useEffect(() => {
    const target = box.current;
    if (target === null) return;
    let made: EChartsType | undefined;
    let gone = false;
    const resized = new ResizeObserver(() => {
      made?.resize();
      // Without this the picture would follow its box one frame late.
      made?.getZr().flush();
    });
    void import("./echarts").then(({ init }) => {
      if (gone) return;
      made = init(target, null, { renderer: "svg" });
      resized.observe(target);
      setChart(made);
    });
    return () => {
      gone = true;
      resized.disconnect();
      made?.dispose();
    };
  }, []);

  useEffect(() => {
    chart?.setOption(option, { replaceMerge: ["series"] });
    chart?.getZr().flush();
  }, [chart, option]);

  useEffect(() => {
    if (chart === undefined || highlight === undefined) return;
    const target = { seriesName: highlight, name: highlight };
    chart.dispatchAction({ type: "highlight", ...target });
    return () => {
      if (!chart.isDisposed()) chart.dispatchAction({ type: "downplay", ...target });
    };
  }, [chart, highlight, option]);

  return <div class="plot" role="img" aria-label={label} ref={box} />;
}
