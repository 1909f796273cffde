// A chart with its numbers as a table behind a button.

import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { clockTime, count, t, type Pair } from '../../app/lang.ts';
import type { Sample } from './series.ts';

export interface Line {
  name: Pair;
  /** A colour variable of the page. */
  ink: string;
  dash?: number[];
  of: (sample: Sample, before: Sample | undefined) => number;
}

const ROWS = 30;

export function Chart({ title, lines, samples }: { title: Pair; lines: Line[]; samples: Sample[] }) {
  const [table, setTable] = useState(false);
  return (
    <figure class="panel plain chart">
      <figcaption class="spread"><b>{t(title)}</b><button type="button" class="small quiet" aria-pressed={table} onClick={() => setTable(!table)}>{t(table ? ['그래프', 'Chart'] : ['표로 보기', 'As a table'])}</button></figcaption>
      <p class="keys">{lines.map(({ name, ink, dash }) => <span key={name[1]}><i class={dash ? 'dashed' : ''} style={{ borderColor: `var(--${ink})` }} />{t(name)}</span>)}</p>
      {table ? <Table lines={lines} samples={samples} label={t(title)} /> : <Plot lines={lines} samples={samples} label={t(title)} />}
    </figure>
  );
}

const values = (lines: Line[], samples: Sample[]): number[][] => [
  samples.map(({ at }) => at),
  ...lines.map(({ of }) => samples.map((sample, at) => of(sample, samples[at - 1]))),
];

function Plot({ lines, samples, label }: { lines: Line[]; samples: Sample[]; label: string }) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  useEffect(() => {
    const element = host.current!;
    const style = getComputedStyle(element);
    const of = (name: string): string => style.getPropertyValue(`--${name}`).trim();
    const axis = { stroke: of('soft'), grid: { stroke: of('hair'), width: 1 }, ticks: { show: false }, font: '12px sans-serif' };
    plot.current = new uPlot({
      width: element.clientWidth, height: 170, legend: { show: false }, cursor: { show: false },
      scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
      axes: [{ ...axis, space: 90, values: (_, ticks) => ticks.map((tick) => clockTime(tick * 1000)) }, { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? count(tick) : '')) }],
      series: [{}, ...lines.map(({ ink, dash }) => ({ stroke: of(ink), width: 2, dash, points: { show: false } }))],
    }, values(lines, samples) as uPlot.AlignedData, element);
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: 170 }));
    observer.observe(element);
    return () => (observer.disconnect(), plot.current?.destroy());
  }, []);
  useEffect(() => plot.current?.setData(values(lines, samples) as uPlot.AlignedData), [samples]);
  const last = samples.at(-1);
  const words = last ? lines.map((line) => `${t(line.name)} ${count(Math.round(line.of(last, samples.at(-2))))}`).join(', ') : '';
  return <div ref={host} class="plot" role="img" aria-label={`${label}: ${words}`} />;
}

function Table({ lines, samples, label }: { lines: Line[]; samples: Sample[]; label: string }) {
  const shown = samples.slice(-ROWS).reverse();
  return (
    <div class="table-wrap low" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead><tr><th>{t(['시각', 'Time'])}</th>{lines.map(({ name }) => <th key={name[1]} class="n">{t(name)}</th>)}</tr></thead>
        <tbody>{shown.map((sample) => <tr key={sample.at}><th scope="row">{clockTime(sample.at * 1000)}</th>{lines.map((line) => <td key={line.name[1]} class="n">{count(Math.round(line.of(sample, samples[samples.indexOf(sample) - 1]) * 10) / 10)}</td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}
