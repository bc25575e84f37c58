// The overview of a graph.

import type { Overview } from "./api";
import { Card, count, EntityLink, label, percent, plural, TypeChip } from "./bits";
import { Bars, Histogram } from "./charts";
import { useShared } from "./context";
import { href } from "./route";

export function OverviewPage() {
  const { overview } = useShared();
  return (
    <main id="main" tabIndex={-1}>
      <OverviewHead overview={overview} />
      <OverviewCards overview={overview} live />
    </main>
  );
}

export function OverviewHead({ overview }: { overview: Overview }) {
  const { counts } = overview;
  const figures: [number, string][] = [
    [counts.documents, "documents"],
    [counts.entities, "entities"],
    [counts.values, "values"],
    [counts.facts, "facts"],
    [counts.evidence, "pieces of evidence"],
    [counts.mentions, "mentions"],
  ];
  return (
    <>
      <h1>
        <bdi>{overview.directory.split(/[\\/]/).filter(Boolean).at(-1) ?? overview.directory}</bdi>
      </h1>
      <p class="row note">
        {overview.model && <span>model {overview.model}</span>}
        {overview.made && <span>built {overview.made.slice(0, 16).replace("T", " ")} UTC</span>}
        <span>pfn-kg {overview.versions["pfn-kg"]}</span>
      </p>
      <ul class="figures">
        {figures.map(([number, name]) => (
          <li key={name}>
            <b>{count(number)}</b>
            <span>{name}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

export function OverviewCards({ overview, live }: { overview: Overview; live: boolean }) {
  const { counts, throughput } = overview;
  const bins = overview.confidence.length;
  const half = overview.confidence.slice(bins / 2).reduce((a, b) => a + b, 0);
  const ranges = overview.degree.map((_, place) => degreeRange(place));
  return (
    <div class="grid">
      <Card title="Types" note={plural(overview.types.length, "type")}>
        <Bars
          bars={overview.types.map((row) => ({
            key: row.name + row.kind,
            label: live ? (
              <a href={href("search", "", { q: "", type: row.name })}>
                <TypeChip type={row.name} />
              </a>
            ) : (
              <TypeChip type={row.name} />
            ),
            value: row.count,
          }))}
        />
      </Card>
      <Card title="Relations" note={plural(overview.relations.length, "relation")}>
        <Bars
          bars={overview.relations.map((row) => ({
            key: row.name,
            label: <span title={row.description ?? undefined}>{label(row.name)}</span>,
            value: row.count,
            note: `⌀ ${row.confidence.toFixed(2)}`,
          }))}
        />
      </Card>
      <Card
        title="Confidence of facts"
        note={counts.facts ? `${percent(half / counts.facts)} at 0.5 and more` : ""}
      >
        <Histogram
          title="Facts by confidence"
          values={overview.confidence}
          labelOf={(place) => `${(place / bins).toFixed(2)} to ${((place + 1) / bins).toFixed(2)}`}
          ticks={["0", "0.25", "0.5", "0.75", "1"]}
        />
      </Card>
      {overview.judged && (
        <Card title="Right by people's judgement">
          <p>{overview.judged.text}</p>
          <ul class="plain-list">
            {overview.judged.rows.map((row) => (
              <li key={row.name}>
                <span>{label(row.name)}</span>
                <span class="note">
                  {row.right} of {row.judged}: {row.text}
                </span>
              </li>
            ))}
          </ul>
        </Card>
      )}
      <Card title="Facts of an entity">
        <Histogram
          title="Entities by their number of facts"
          values={overview.degree}
          labelOf={(place) => `${ranges[place]} facts`}
          ticks={ranges}
        />
      </Card>
      <Card title="Most connected">
        <ul class="plain-list">
          {overview.biggest.map((row) => (
            <li key={row.entity_id}>
              <EntityLink
                entity={{ id: row.entity_id, name: row.name, type: row.type }}
                plain={!live}
              />
              <span class="note">{plural(row.facts, "fact")}</span>
            </li>
          ))}
        </ul>
      </Card>
      {overview.years.length > 0 && (
        <Card title="Dates of the documents">
          <Histogram
            title="Documents by year"
            values={overview.years.map((row) => row.count)}
            labelOf={(place) => overview.years[place]!.name}
            ticks={[overview.years[0]!.name, overview.years.at(-1)!.name]}
          />
        </Card>
      )}
      <Card title="Rules that spoke">
        {overview.rules.length ? (
          <Bars
            bars={overview.rules.map((row) => ({
              key: row.name,
              label: label(row.name),
              value: row.count,
            }))}
          />
        ) : (
          <p class="note">No rule flagged a piece of evidence.</p>
        )}
      </Card>
      <Card title="Rejected" note={plural(counts.rejected, "row")}>
        {overview.rejected.length ? (
          <ul class="plain-list">
            {overview.rejected.map((row) => (
              <li key={row.stage + row.error}>
                <span>
                  <b>{row.stage}</b>: <bdi>{row.error}</bdi>
                </span>
                <span class="note">{count(row.count)}×</span>
              </li>
            ))}
          </ul>
        ) : (
          <p class="note">All rows of the corpus could be processed.</p>
        )}
        {live && counts.rejected > 0 && <a href={href("rejected")}>All rejected rows</a>}
      </Card>
      <Card title="The run">
        <dl class="pairs">
          <Pair name="sentences per second" value={throughput["sentences_per_second"]} />
          <Pair name="documents per second" value={throughput["documents_per_second"]} />
          <Pair name="seconds of extraction" value={throughput["extract_seconds"]} />
          <Pair name="seconds of the build" value={throughput["build_seconds"]} />
          <Pair name="entity threshold" value={overview.options["entity_threshold"]} />
          <Pair name="relation threshold" value={overview.options["relation_threshold"]} />
        </dl>
      </Card>
    </div>
  );
}

function Pair({ name, value }: { name: string; value: unknown }) {
  if (value === undefined || value === null || value === 0) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{typeof value === "number" ? count(value) : String(value)}</dd>
    </div>
  );
}

function degreeRange(place: number): string {
  if (place < 2) return String(place);
  const low = 2 ** (place - 1);
  return low === 2 ? "2–3" : `${low}–${2 * low - 1}`;
}
