// Charts: bars with their numbers as text, and histograms.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { count } from "./bits";

export interface Bar {
  key: string;
  label: ComponentChildren;
  value: number;
  note?: string;
  class?: string;
}

/** Bars one below the other; only the first ones until someone asks for more. */
export function Bars({ bars, shown = 10 }: { bars: Bar[]; shown?: number }) {
  const [all, setAll] = useState(false);
  const most = Math.max(1, ...bars.map((bar) => bar.value));
  const listed = all ? bars : bars.slice(0, shown);
  return (
    <>
      <ul class="bars">
        {listed.map((bar) => (
          <li key={bar.key} class={bar.class}>
            <span class="bar-label">{bar.label}</span>
            <span class="bar-value">
              {count(bar.value)}
              {bar.note && <span class="note"> {bar.note}</span>}
            </span>
            <span class="bar-track" aria-hidden="true">
              <span style={{ width: `${(100 * bar.value) / most}%` }} />
            </span>
          </li>
        ))}
      </ul>
      {bars.length > shown && (
        <button type="button" class="quiet" onClick={() => setAll(!all)}>
          {all ? "Show fewer" : `Show all ${bars.length}`}
        </button>
      )}
    </>
  );
}

interface HistogramProps {
  /** What is counted, for those who can't see the chart. */
  title: string;
  values: number[];
  /** What a bar stands for. */
  labelOf: (place: number) => string;
  /** The ends of the axis. */
  ticks: string[];
}

export function Histogram({ title, values, labelOf, ticks }: HistogramProps) {
  const most = Math.max(1, ...values);
  const step = 100 / values.length;
  const spoken = values
    .map((value, place) => (value ? `${labelOf(place)}: ${count(value)}` : ""))
    .filter(Boolean)
    .join("; ");
  return (
    <figure class="histogram">
      <svg
        viewBox="0 0 100 40"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title}. ${spoken}`}
      >
        {values.map((value, place) => {
          const height = value ? Math.max(0.8, (38 * value) / most) : 0;
          return (
            <rect
              key={place}
              x={place * step + step * 0.08}
              width={step * 0.84}
              y={40 - height}
              height={height}
            >
              <title>{`${labelOf(place)}: ${count(value)}`}</title>
            </rect>
          );
        })}
      </svg>
      <figcaption aria-hidden="true">
        {ticks.map((tick) => (
          <span key={tick}>{tick}</span>
        ))}
      </figcaption>
    </figure>
  );
}
