// The data of the server, as pfn_kg.pipeline.view.data gives them.

export interface EntityRef {
  id: string;
  name: string;
  type: string;
  kind?: string;
}

export interface FoundEntity extends EntityRef {
  mentions: number;
  documents: number;
  facts: number;
}

export interface Relation {
  name: string;
  description: string | null;
  exact_match: string[];
  symmetric: boolean;
}

export interface Piece<Mark> {
  text: string;
  marks: Mark[];
}

export interface Evidence {
  id: string;
  document: { id: string; title: string | null; link: string | null };
  begin: number;
  pieces: Piece<"subject" | "object">[];
  subject_text: string;
  subject_type: string;
  object_text: string;
  object_type: string;
  score: number;
  flags: string[];
}

export interface Fact {
  id: string;
  subject: EntityRef;
  object: EntityRef;
  predicate: Relation;
  confidence: number;
  evidence_count: number;
  document_count: number;
  evidence: Evidence[];
  rules: { name: string; text: string }[];
  correction: CorrectionMark | null;
}

export interface FactRow {
  id: string;
  outgoing: boolean;
  predicate: string;
  confidence: number;
  evidence_count: number;
  document_count: number;
  other_id: string;
  other_name: string;
  other_type: string;
  other_kind: string;
}

export interface DocumentRef {
  id: string;
  title: string | null;
  date: string | null;
  mentions?: number;
}

export interface EntityPage {
  id: string;
  kind: string;
  name: string;
  type: string;
  type_description: string | null;
  value: string | null;
  datatype: string | null;
  iri: string | null;
  same_as: { text: string; link: string | null } | null;
  aliases: string[];
  correction: CorrectionMark | null;
  mentions: number;
  document_count: number;
  facts_out: number;
  facts_in: number;
  spellings: { text: string; mentions: number; documents: number; reason: string }[];
  spelling_count: number;
  old_ids: string[];
  relations: { name: string; outgoing: boolean; count: number; confidence: number }[];
  documents: DocumentRef[];
}

export interface Mention {
  begin: number;
  end: number;
  type: string;
  score: number;
  entity: string;
  name: string;
  kind: string;
}

export interface DocumentFact {
  id: string;
  predicate: string;
  score: number;
  subject_begin: number;
  subject_end: number;
  object_begin: number;
  object_end: number;
  subject_id: string;
  subject_name: string;
  subject_type: string;
  object_id: string;
  object_name: string;
  object_type: string;
}

export interface DocumentPage {
  id: string;
  title: string | null;
  date: string | null;
  link: string | null;
  metadata: Record<string, string>;
  source_file: string;
  source_row: number;
  characters: number;
  sentences: number;
  begin: number;
  end: number;
  text_from: "extractions" | "sentences" | null;
  pieces: Piece<number>[];
  mentions: Mention[];
  facts: DocumentFact[];
  fact_count: number;
  rejected: { stage: string; sentence_index: number | null; error: string }[];
}

export interface GraphEdge {
  id: string;
  source: string;
  target: string;
  predicate: string;
  confidence: number;
}

export interface Neighbourhood {
  center: string;
  nodes: FoundEntity[];
  edges: GraphEdge[];
  hidden: number;
}

export interface Counted {
  name: string;
  count: number;
}

export interface Overview {
  directory: string;
  made: string | null;
  snapshot: string;
  model: string | null;
  language: string | null;
  versions: Record<string, string>;
  options: Record<string, unknown>;
  inputs: string[];
  counts: Record<
    "entities" | "values" | "mentions" | "facts" | "evidence" | "documents" | "rejected",
    number
  >;
  types: (Counted & { kind: string; mentions: number; description: string | null })[];
  relations: (Counted & { confidence: number; description: string | null })[];
  confidence: number[];
  degree: number[];
  years: Counted[];
  rules: Counted[];
  rejected: { stage: string; error: string; count: number }[];
  biggest: { entity_id: string; name: string; type: string; mentions: number; facts: number }[];
  throughput: Record<string, number>;
  judged: Judged | null;
}

export interface Judged {
  text: string;
  rows: { name: string; text: string; right: number; judged: number }[];
}

export interface CorrectionMark {
  kind: string;
  author: string | null;
  time: string | null;
  note: string | null;
}

export interface Search {
  rows: FoundEntity[];
  corrected: string[];
}

export interface State {
  snapshot: string;
  is_current: boolean;
  edit: boolean;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export async function get<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  return answer(await fetch(`api/${path}`, { signal }));
}

export async function send<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  return answer(
    await fetch(`api/${path}`, {
      method,
      headers: { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    }),
  );
}

async function answer<Answer>(response: Response): Promise<Answer> {
  if (response.headers.get("Content-Type")?.startsWith("application/json")) {
    const data = await response.json();
    if (response.ok) return data as Answer;
    throw new ApiError(response.status, data.error);
  }
  throw new ApiError(response.status, await response.text());
}

/** An address with the parameters that are given; lists are repeated. */
export function address(path: string, parameters: Record<string, unknown> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") query.append(name, String(one));
    }
  }
  const spelt = query.toString();
  return spelt ? `${path}?${spelt}` : path;
}
