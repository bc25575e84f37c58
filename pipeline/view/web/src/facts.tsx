// Facts in rows with their evidence, and the page of one fact.

import { useEffect, useState } from "preact/hooks";
import { address, get, type Evidence, type Fact, type FactRow, type Relation } from "./api";
import {
  Card,
  Confidence,
  CorrectionNote,
  DocumentLink,
  EntityLink,
  EvidenceText,
  Loading,
  OutLink,
  Problem,
  count,
  label,
  plural,
} from "./bits";
import { messageOf, useData, useShared } from "./context";
import { FactEditor, FactMark } from "./edit";
import type { FilterValues } from "./filters";
import { href } from "./route";

const PAGE = 25;

interface FactRowsProps {
  entity: string;
  direction: "out" | "in";
  filter: FilterValues;
}

/** The facts of an entity in one direction, a page at a time. */
export function FactRows({ entity, direction, filter }: FactRowsProps) {
  const { version } = useShared();
  const [rows, setRows] = useState<FactRow[]>([]);
  const [total, setTotal] = useState<number | null>(null);
  const [error, setError] = useState<string | null>(null);
  const path = (offset: number) =>
    address(`entities/${entity}/facts`, { direction, offset, limit: PAGE, ...filter });

  const load = (offset: number, signal?: AbortSignal) =>
    get<{ total: number; rows: FactRow[] }>(path(offset), signal).then(
      (answer) => {
        setTotal(answer.total);
        setRows((old) => (offset ? [...old, ...answer.rows] : answer.rows));
        setError(null);
      },
      (problem) => {
        if (!signal?.aborted) setError(messageOf(problem));
      },
    );
  useEffect(() => {
    const aborter = new AbortController();
    load(0, aborter.signal);
    return () => aborter.abort();
  }, [path(0), version]);

  if (error) return <Problem>{error}</Problem>;
  if (total === null) return <Loading />;
  if (!total) return <p class="note">No such facts.</p>;
  return (
    <>
      <ul class="facts">
        {rows.map((row) => (
          <FactLine key={`${row.id}${row.outgoing}`} row={row} />
        ))}
      </ul>
      {rows.length < total && (
        <button type="button" class="quiet" onClick={() => load(rows.length)}>
          Show more ({count(rows.length)} of {count(total)})
        </button>
      )}
    </>
  );
}

function FactLine({ row }: { row: FactRow }) {
  const [open, setOpen] = useState(false);
  const other = {
    id: row.other_id,
    name: row.other_name,
    type: row.other_type,
    kind: row.other_kind,
  };
  const id = `evidence-${row.id}-${row.outgoing ? "out" : "in"}`;
  const spoken = `${label(row.predicate)} ${row.other_name}`;
  return (
    <li class={open ? "is-open" : ""}>
      <div class="fact-line">
        <span class="predicate">
          {row.outgoing ? "" : <span aria-hidden="true">← </span>}
          {label(row.predicate)}
        </span>
        <EntityLink entity={other} />
        <Confidence value={row.confidence} />
        <button
          type="button"
          class="quiet why"
          aria-expanded={open}
          aria-controls={id}
          onClick={() => setOpen(!open)}
        >
          {plural(row.document_count, "document")}
          <span class="unseen">: evidence of {spoken}</span>{" "}
          <span class="arrow" aria-hidden="true">
            ▾
          </span>
        </button>
      </div>
      <div id={id} hidden={!open}>
        {open && <FactEvidence id={row.id} />}
      </div>
    </li>
  );
}

function FactEvidence({ id }: { id: string }) {
  const { data, error } = useData<Fact>(address(`facts/${id}`, { limit: 3 }));
  if (error) return <Problem>{error}</Problem>;
  if (!data) return <Loading />;
  return (
    <div class="fact-open">
      {data.evidence.map((piece) => (
        <EvidenceItem key={piece.id} evidence={piece} />
      ))}
      <p class="row">
        <a href={href("fact", id)}>All about this fact</a>
        <FactEditor fact={data} />
      </p>
    </div>
  );
}

export function EvidenceItem({ evidence, live = true }: { evidence: Evidence; live?: boolean }) {
  const { document } = evidence;
  return (
    <div class="evidence-item">
      <EvidenceText evidence={evidence} />
      <p class="row note">
        {live ? (
          <DocumentLink id={document.id} title={document.title} />
        ) : (
          <bdi>{document.title || document.id}</bdi>
        )}
        {document.link && <OutLink to={document.link}>source</OutLink>}
        <span>
          score <b>{evidence.score.toFixed(2)}</b>
        </span>
        {evidence.flags.map((flag) => (
          <span key={flag} class="flag">
            {label(flag)}
          </span>
        ))}
      </p>
    </div>
  );
}

/** Subject, relation and object of a fact, as one line. */
export function Statement({ fact, live = true }: { fact: Fact; live?: boolean }) {
  return (
    <span class="statement">
      <EntityLink entity={fact.subject} plain={!live} />
      <span class="statement-relation">
        <span aria-hidden="true">— </span>
        {label(fact.predicate.name)}
        <span aria-hidden="true"> →</span>
      </span>
      <EntityLink entity={fact.object} plain={!live} />
    </span>
  );
}

export function FactPage({ id }: { id: string }) {
  const { data, error } = useData<Fact>(address(`facts/${id}`, { limit: 200 }));
  if (error) return <NotThere what="This fact" reason={error} />;
  if (!data) return <Loading />;
  return (
    <main id="main" tabIndex={-1}>
      <p class="eyebrow">Fact</p>
      <h1 class="fact-title">
        <Statement fact={data} />
      </h1>
      <div class="row fact-figures">
        <Confidence value={data.confidence} />
        <span class="note">
          {plural(data.evidence_count, "piece")} of evidence in{" "}
          {plural(data.document_count, "document")}
        </span>
        <FactMark fact={data} />
      </div>
      <FactEditor fact={data} />
      <CorrectionNote correction={data.correction} />
      {data.rules.length > 0 && (
        <Card title="Rules that spoke">
          <dl class="pairs">
            {data.rules.map((rule) => (
              <div key={rule.name}>
                <dt class="flag">{label(rule.name)}</dt>
                <dd>{rule.text}</dd>
              </div>
            ))}
          </dl>
        </Card>
      )}
      <Card
        title="Evidence"
        note={
          <>
            <mark class="argument is-subject">subject</mark>{" "}
            <mark class="argument is-object">object</mark>
          </>
        }
      >
        {data.evidence.map((piece) => (
          <EvidenceItem key={piece.id} evidence={piece} />
        ))}
        {data.evidence_count > data.evidence.length && (
          <p class="note">
            The best {count(data.evidence.length)} of {count(data.evidence_count)} pieces.
          </p>
        )}
      </Card>
      <RelationCard relation={data.predicate} />
    </main>
  );
}

function RelationCard({ relation }: { relation: Relation }) {
  const links = relation.exact_match.filter((iri) => /^https?:/.test(iri));
  if (!relation.description && !links.length) return null;
  return (
    <Card title="The relation">
      <p>
        <b>{label(relation.name)}</b>
        {relation.description ? `: ${relation.description}.`.replace("..", ".") : ""}
        {relation.symmetric ? " It is symmetric." : ""}
      </p>
      {links.length > 0 && (
        <p class="row note">
          Means the same as{" "}
          {links.map((iri) => (
            <OutLink key={iri} to={iri}>
              {iri.replace(/^https?:\/\/(www\.)?/, "")}
            </OutLink>
          ))}
        </p>
      )}
    </Card>
  );
}

export function NotThere({ what, reason }: { what: string; reason: string }) {
  return (
    <main id="main" tabIndex={-1}>
      <h1>{what} is not there</h1>
      <Problem>{reason}</Problem>
      <p>Another build of the graph may have changed it. Search for a name above.</p>
    </main>
  );
}
