// The page of an entity or value.

import { useState } from "preact/hooks";
import { address, get, type DocumentRef, type EntityPage as EntityData } from "./api";
import {
  Card,
  CorrectionNote,
  DocumentLink,
  Loading,
  Name,
  OutLink,
  TypeChip,
  count,
  label,
  plural,
} from "./bits";
import { useData } from "./context";
import { EntityEditor } from "./edit";
import { FactRows, NotThere } from "./facts";
import { filterCount, filterOf, Filters } from "./filters";
import { GraphView } from "./graph";
import { go, href } from "./route";

export function EntityPage({ id, query }: { id: string; query: URLSearchParams }) {
  const { data, error } = useData<EntityData>(`entities/${encodeURIComponent(id)}`);
  if (error) return <NotThere what="This entity" reason={error} />;
  if (!data) return <Loading />;
  const filter = filterOf(query);
  const relations = new Map<string, number>();
  for (const row of data.relations) {
    relations.set(row.name, (relations.get(row.name) ?? 0) + row.count);
  }
  const facts = data.facts_out + data.facts_in;
  return (
    <main id="main" tabIndex={-1}>
      <p class="eyebrow">{data.kind === "value" ? "Value" : "Entity"}</p>
      <div class="title-line">
        <h1>
          <Name>{data.name}</Name>
        </h1>
        <TypeChip type={data.type} />
      </div>
      <p class="row note">
        <span>{plural(facts, "fact")}</span>
        <span>
          {plural(data.mentions, "mention")} in {plural(data.document_count, "document")}
        </span>
        {data.value !== null && (
          <span>
            value <bdi>{data.value}</bdi> ({data.datatype})
          </span>
        )}
        {data.same_as?.link && <OutLink to={data.same_as.link}>{data.same_as.text}</OutLink>}
      </p>
      <CorrectionNote correction={data.correction} />
      <EntityEditor entity={data} />
      <div class="columns">
        <div>
          {facts > 0 && (
            <details class="filter-box" open={filterCount(filter) > 0}>
              <summary>Filter facts</summary>
              <Filters
                query={query}
                relations={[...relations].map(([name, count]) => ({ name, count }))}
                change={(next) => go(href("entity", data.id, next), { replace: true })}
              />
            </details>
          )}
          {data.facts_out > 0 && (
            <Card title="Facts" note={plural(data.facts_out, "fact")}>
              <FactRows entity={data.id} direction="out" filter={filter} />
            </Card>
          )}
          {data.facts_in > 0 && (
            <Card title="Facts with it as object" note={plural(data.facts_in, "fact")}>
              <FactRows entity={data.id} direction="in" filter={filter} />
            </Card>
          )}
          {facts === 0 && (
            <Card title="Facts">
              <p class="note">The graph states no fact of it.</p>
            </Card>
          )}
        </div>
        <div>
          {facts > 0 && (
            <Card
              title="Neighbourhood"
              note={<a href={href("graph", data.id, query)}>Walk the graph</a>}
            >
              <GraphView start={data.id} query={query} compact />
            </Card>
          )}
          <Names entity={data} />
          <Documents entity={data} />
          <About entity={data} />
        </div>
      </div>
    </main>
  );
}

function Names({ entity }: { entity: EntityData }) {
  return (
    <Card title="Names" note={plural(entity.spelling_count, "spelling")}>
      <ul class="spellings">
        {entity.spellings.map((row) => (
          <li key={row.text}>
            <span class="spelling">
              <Name>{row.text}</Name>
            </span>
            <span class="note">{count(row.mentions)}×</span>
            {row.reason && <span class="note reason">{row.reason}</span>}
          </li>
        ))}
      </ul>
      {entity.old_ids.length > 0 && (
        <details>
          <summary>{plural(entity.old_ids.length, "id")} of earlier builds lead here</summary>
          <p class="ids">{entity.old_ids.join(" ")}</p>
        </details>
      )}
    </Card>
  );
}

function Documents({ entity }: { entity: EntityData }) {
  const [more, setMore] = useState<DocumentRef[]>([]);
  const rows = [...entity.documents, ...more];
  const load = () =>
    get<DocumentRef[]>(
      address(`entities/${entity.id}/documents`, { offset: rows.length, limit: 50 }),
    ).then((next) => setMore([...more, ...next]));
  return (
    <Card title="Documents" note={plural(entity.document_count, "document")}>
      <ul class="plain-list">
        {rows.map((row) => (
          <li key={row.id}>
            <DocumentLink id={row.id} title={row.title} />
            <span class="note">
              {row.date && `${row.date} · `}
              {count(row.mentions ?? 0)}×
            </span>
          </li>
        ))}
      </ul>
      {rows.length < entity.document_count && (
        <button type="button" class="quiet" onClick={load}>
          Show more
        </button>
      )}
    </Card>
  );
}

function About({ entity }: { entity: EntityData }) {
  return (
    <Card title="Identifiers">
      <dl class="pairs">
        <div>
          <dt>type</dt>
          <dd>
            {label(entity.type)}
            {entity.type_description ? `: ${entity.type_description}` : ""}
          </dd>
        </div>
        <div>
          <dt>id</dt>
          <dd class="ids">{entity.id}</dd>
        </div>
        {entity.iri && (
          <div>
            <dt>IRI</dt>
            <dd class="ids">{entity.iri}</dd>
          </div>
        )}
        {entity.same_as && (
          <div>
            <dt>same as</dt>
            <dd class="ids">{entity.same_as.text}</dd>
          </div>
        )}
      </dl>
    </Card>
  );
}
