// The page of a document: its text with mentions in colour, and the facts that it states.

import { useState } from "preact/hooks";
import { address, type DocumentFact, type DocumentPage as DocumentData, type Mention } from "./api";
import { Card, Confidence, EntityLink, Loading, Name, OutLink, count, label, plural } from "./bits";
import { useData, useTypeClass } from "./context";
import { NotThere } from "./facts";
import { href } from "./route";

export function DocumentPage({ id, query }: { id: string; query: URLSearchParams }) {
  const begin = query.get("begin") ?? "";
  const { data, error } = useData<DocumentData>(
    address(`documents/${encodeURIComponent(id)}`, { begin }),
  );
  const [fact, setFact] = useState<DocumentFact | null>(null);
  if (error) return <NotThere what="This document" reason={error} />;
  if (!data) return <Loading />;
  const isPart = data.begin > 0 || data.end < data.characters;
  return (
    <main id="main" tabIndex={-1}>
      <p class="eyebrow">Document</p>
      <h1>
        <Name>{data.title || data.id}</Name>
      </h1>
      <p class="row note">
        <span class="ids">{data.id}</span>
        {data.date && <span>{data.date}</span>}
        <span>{plural(data.sentences, "sentence")}</span>
        <span>{plural(data.characters, "character")}</span>
        {data.link && <OutLink to={data.link}>source</OutLink>}
      </p>
      <div class="columns is-document">
        <div>
          <Card title="Text" note={<Legend mentions={data.mentions} />}>
            {data.text_from === null && (
              <p class="note">
                The texts are not there: the folder has no extractions, and the graph was built
                without the table of sentences (--sentences).
              </p>
            )}
            <Text data={data} fact={fact} />
            {isPart && (
              <p class="row">
                <Part data={data} begin={data.begin - 50000} name="Before" />
                <span class="note">
                  {count(data.begin)} to {count(data.end)} of {count(data.characters)} characters
                </span>
                <Part data={data} begin={data.end} name="After" />
              </p>
            )}
          </Card>
          <Metadata data={data} />
        </div>
        <div>
          <Card title="Facts" note={plural(data.fact_count, "fact")} scrolls>
            <ul class="document-facts">
              {data.facts.map((row, place) => (
                <li
                  key={place}
                  class={row === fact ? "is-open" : ""}
                  onMouseEnter={() => setFact(row)}
                  onMouseLeave={() => setFact(null)}
                  onFocusIn={() => setFact(row)}
                  onFocusOut={() => setFact(null)}
                >
                  <EntityLink
                    entity={{ id: row.subject_id, name: row.subject_name, type: row.subject_type }}
                    chip={false}
                  />
                  <a class="predicate" href={href("fact", row.id)}>
                    {label(row.predicate)}
                  </a>
                  <EntityLink
                    entity={{ id: row.object_id, name: row.object_name, type: row.object_type }}
                    chip={false}
                  />
                  <Confidence value={row.score} name="score" />
                </li>
              ))}
            </ul>
            {data.fact_count > data.facts.length && (
              <p class="note">
                The first {count(data.facts.length)} of {count(data.fact_count)}.
              </p>
            )}
          </Card>
          {data.rejected.length > 0 && (
            <Card title="Rejected here">
              <ul class="plain-list">
                {data.rejected.map((row, place) => (
                  <li key={place}>
                    {row.stage}: {row.error}
                  </li>
                ))}
              </ul>
            </Card>
          )}
        </div>
      </div>
    </main>
  );
}

function Text({ data, fact }: { data: DocumentData; fact: DocumentFact | null }) {
  const typeClass = useTypeClass();
  const roleOf = (mention: Mention): string => {
    if (fact && mention.begin === fact.subject_begin && mention.end === fact.subject_end) {
      return " is-subject";
    }
    if (fact && mention.begin === fact.object_begin && mention.end === fact.object_end) {
      return " is-object";
    }
    return "";
  };
  return (
    <div class="text" dir="auto">
      {data.pieces.map((piece, place) => {
        const mentions = piece.marks.map((mark) => data.mentions[mark]!);
        if (!mentions.length) return piece.text;
        // Of mentions in each other the inner one is followed.
        const inner = mentions.reduce((a, b) => (b.end - b.begin < a.end - a.begin ? b : a));
        const role = mentions.map(roleOf).find(Boolean) ?? "";
        const nested = mentions.length > 1 ? " is-nested" : "";
        return (
          <a
            key={place}
            class={`mention ${typeClass(inner.type)}${role}${nested}`}
            href={href("entity", inner.entity)}
            title={mentions.map((m) => `${m.name} (${m.type}, ${m.score.toFixed(2)})`).join("\n")}
          >
            <bdi>{piece.text}</bdi>
          </a>
        );
      })}
    </div>
  );
}

function Legend({ mentions }: { mentions: Mention[] }) {
  const typeClass = useTypeClass();
  const counts = new Map<string, number>();
  for (const mention of mentions) counts.set(mention.type, (counts.get(mention.type) ?? 0) + 1);
  return (
    <span class="legend">
      {[...counts].map(([type, number]) => (
        <span key={type} class={`chip ${typeClass(type)}`}>
          {label(type)} {number}
        </span>
      ))}
    </span>
  );
}

function Part({ data, begin, name }: { data: DocumentData; begin: number; name: string }) {
  if (begin >= data.characters || (name === "Before" && data.begin === 0)) return null;
  return <a href={href("document", data.id, { begin: String(Math.max(0, begin)) })}>{name}</a>;
}

function Metadata({ data }: { data: DocumentData }) {
  const fields = Object.entries(data.metadata);
  return (
    <Card title="Where it is from">
      <dl class="pairs">
        {fields.map(([name, value]) => (
          <div key={name}>
            <dt>
              <bdi>{name}</bdi>
            </dt>
            <dd>
              <bdi>{value}</bdi>
            </dd>
          </div>
        ))}
        <div>
          <dt>file</dt>
          <dd class="ids">
            {data.source_file}, row {data.source_row}
          </dd>
        </div>
      </dl>
    </Card>
  );
}
