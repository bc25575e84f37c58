// The neighbourhood of an entity as a graph that one walks: by mouse, by touch, by keys.

import { useEffect, useRef, useState } from "preact/hooks";
import {
  address,
  get,
  type EntityPage,
  type FoundEntity,
  type GraphEdge,
  type Neighbourhood,
} from "./api";
import { EntityLink, Loading, Name, Problem, count, label, plural } from "./bits";
import { Canvas } from "./canvas";
import { messageOf, useData, useShared, useTypeClass } from "./context";
import { filterOf, Filters } from "./filters";
import { go, href } from "./route";

const FIRST = { compact: 12, full: 24 };

interface GraphViewProps {
  start: string;
  query: URLSearchParams;
  compact?: boolean;
}

interface Walk {
  nodes: Map<string, FoundEntity>;
  edges: Map<string, GraphEdge>;
  center: string;
  hidden: Map<string, number>;
}

export function GraphView({ start, query, compact = false }: GraphViewProps) {
  const { version } = useShared();
  const typeClass = useTypeClass();
  const container = useRef<HTMLDivElement>(null);
  const canvas = useRef<Canvas | null>(null);
  const [walk, setWalk] = useState<Walk | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const [said, setSaid] = useState("");
  const [error, setError] = useState<string | null>(null);
  const filter = filterOf(query);
  const parameters = { ...filter, limit: compact ? FIRST.compact : FIRST.full };
  const first = address(`neighbourhood/${encodeURIComponent(start)}`, parameters);
  const state = useRef({ walk, expand: (_: string) => {}, choose: (_: string | null) => {} });

  useEffect(() => {
    const aborter = new AbortController();
    get<Neighbourhood>(first, aborter.signal).then(
      (answer) => {
        setError(null);
        setChosen(null);
        setWalk(grown(null, answer));
      },
      (problem) => {
        if (!aborter.signal.aborted) setError(messageOf(problem));
      },
    );
    return () => aborter.abort();
  }, [first, version]);

  const expand = (id: string) => {
    const shown = [...(state.current.walk?.nodes.keys() ?? [])].join(",");
    const path = address(`neighbourhood/${encodeURIComponent(id)}`, { ...parameters, shown });
    get<Neighbourhood>(path).then(
      (answer) => {
        const before = state.current.walk?.nodes.size ?? 0;
        const next = grown(state.current.walk, answer);
        setWalk(next);
        setChosen(id);
        const name = next.nodes.get(id)?.name ?? "";
        const added = next.nodes.size - before;
        setSaid(added ? `${plural(added, "neighbour")} of ${name} added.` : `No more of ${name}.`);
      },
      (problem) => setError(messageOf(problem)),
    );
  };
  const choose = (id: string | null) => {
    setChosen(id);
    const node = id === null ? undefined : state.current.walk?.nodes.get(id);
    setSaid(node ? `${node.name}, ${label(node.type)}, ${plural(node.facts, "fact")}` : "");
  };
  state.current = { walk, expand, choose };

  useEffect(() => {
    if (!container.current) return;
    const made = new Canvas(
      container.current,
      typeClass,
      { select: (id) => state.current.choose(id), expand: (id) => state.current.expand(id) },
      compact,
    );
    canvas.current = made;
    const restyle = () => made.restyle();
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", restyle);
    addEventListener("themechange", restyle);
    return () => {
      dark.removeEventListener("change", restyle);
      removeEventListener("themechange", restyle);
      made.close();
    };
  }, []);
  useEffect(() => {
    if (walk) canvas.current?.draw(walk);
  }, [walk]);
  useEffect(() => canvas.current?.select(chosen), [chosen, walk]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (!walk || event.ctrlKey || event.metaKey || event.altKey) return;
    const from = chosen ?? walk.center;
    if (event.key.startsWith("Arrow")) {
      choose(chosen === null ? from : (canvas.current?.nextTo(from, event.key) ?? from));
    } else if (event.key === "Enter") {
      expand(from);
    } else if (event.key === "o") {
      go(href("entity", from));
    } else if (event.key === "+" || event.key === "-") {
      canvas.current?.zoom(event.key === "+" ? 1.25 : 0.8);
    } else if (event.key === "0") {
      canvas.current?.fit();
    } else {
      return;
    }
    event.preventDefault();
  };

  const node = chosen === null ? undefined : walk?.nodes.get(chosen);
  return (
    <div class={`graph ${compact ? "is-compact" : ""}`}>
      <div class="graph-frame">
        <div
          ref={container}
          class="graph-canvas"
          role="application"
          tabIndex={0}
          aria-label="Picture of the neighbourhood. Arrow keys move between entities, Enter adds the neighbours of one, o opens its page. The same is in the list that follows."
          onKeyDown={onKeyDown}
        />
        <div class="graph-tools">
          <button type="button" aria-label="Larger" onClick={() => canvas.current?.zoom(1.25)}>
            +
          </button>
          <button type="button" aria-label="Smaller" onClick={() => canvas.current?.zoom(0.8)}>
            −
          </button>
          <button type="button" aria-label="Show all of it" onClick={() => canvas.current?.fit()}>
            ⤢
          </button>
        </div>
        {!walk && !error && <Loading />}
        {error && <Problem>{error}</Problem>}
      </div>
      <div class="unseen" role="status">
        {said}
      </div>
      {walk && (
        <p class="graph-note note">
          {node ? (
            <>
              <EntityLink entity={node} />
              <span>{plural(node.facts, "fact")}</span>
              <button type="button" class="quiet" onClick={() => expand(node.id)}>
                Add its neighbours
              </button>
            </>
          ) : (
            <>
              {plural(walk.nodes.size, "entity", "entities")}, {plural(walk.edges.size, "fact")}
              {(walk.hidden.get(walk.center) ?? 0) > 0 &&
                `; ${count(walk.hidden.get(walk.center)!)} more neighbours are not shown`}
              . Click one to choose it, click twice to walk on.
            </>
          )}
        </p>
      )}
      {walk && !compact && <FactList walk={walk} chosen={chosen} choose={choose} expand={expand} />}
    </div>
  );
}

/** The picture with the answer to one more step. */
function grown(old: Walk | null, answer: Neighbourhood): Walk {
  const nodes = new Map(old?.nodes);
  const edges = new Map(old?.edges);
  for (const node of answer.nodes) nodes.set(node.id, node);
  for (const edge of answer.edges) edges.set(edge.id, edge);
  const hidden = new Map(old?.hidden).set(answer.center, answer.hidden);
  return { nodes, edges, center: old?.center ?? answer.center, hidden };
}

interface FactListProps {
  walk: Walk;
  chosen: string | null;
  choose: (id: string | null) => void;
  expand: (id: string) => void;
}

/** What the picture shows, for those who don't see it or would rather read. */
function FactList({ walk, chosen, choose, expand }: FactListProps) {
  const edges = [...walk.edges.values()].filter(
    (edge) => chosen === null || edge.source === chosen || edge.target === chosen,
  );
  const nameOf = (id: string) => walk.nodes.get(id)?.name ?? id;
  return (
    <div class="graph-lists">
      <section aria-label="Entities of the picture">
        <h2>Entities</h2>
        <ul class="plain-list">
          {[...walk.nodes.values()].map((node) => (
            <li key={node.id} class={node.id === chosen ? "is-open" : ""}>
              <button
                type="button"
                class="entity-button"
                aria-pressed={node.id === chosen}
                onClick={() => choose(node.id === chosen ? null : node.id)}
              >
                <EntityLink entity={node} plain />
              </button>
              <button
                type="button"
                class="quiet"
                aria-label={`Add the neighbours of ${node.name}`}
                onClick={() => expand(node.id)}
              >
                + neighbours
              </button>
            </li>
          ))}
        </ul>
      </section>
      <section aria-label="Facts of the picture">
        <h2>{chosen === null ? "Facts" : <>Facts of {nameOf(chosen)}</>}</h2>
        <ul class="plain-list">
          {edges.map((edge) => (
            <li key={edge.id}>
              <a href={href("fact", edge.id)}>
                <Name>{nameOf(edge.source)}</Name>{" "}
                <span class="predicate">{label(edge.predicate)}</span>{" "}
                <Name>{nameOf(edge.target)}</Name>
              </a>
              <span class="note">{edge.confidence.toFixed(2)}</span>
            </li>
          ))}
        </ul>
      </section>
    </div>
  );
}

export function GraphPage({ id, query }: { id: string; query: URLSearchParams }) {
  const { overview } = useShared();
  const entity = useData<EntityPage>(`entities/${encodeURIComponent(id)}`).data;
  return (
    <main id="main" tabIndex={-1} class="is-wide">
      <p class="eyebrow">
        <a href={href("entity", id, query)}>To its page</a>
      </p>
      <h1>Neighbourhood{entity && <> of {<Name>{entity.name}</Name>}</>}</h1>
      <details class="filter-box">
        <summary>Filter facts</summary>
        <Filters
          query={query}
          relations={overview.relations}
          change={(next) => go(href("graph", id, next), { replace: true })}
        />
      </details>
      <GraphView start={id} query={query} />
    </main>
  );
}
