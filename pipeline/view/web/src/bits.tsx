// Small parts that several pages have.

import type { ComponentChildren } from "preact";
import type { CorrectionMark, EntityRef, Evidence as EvidenceData } from "./api";
import { useTypeClass } from "./context";
import { href } from "./route";

const NUMBERS = new Intl.NumberFormat("en");

export const count = (number: number) => NUMBERS.format(number);

export const plural = (number: number, one: string, many = `${one}s`) =>
  `${count(number)} ${number === 1 ? one : many}`;

/** A name of the label schema as people write it. */
export const label = (name: string) => name.replaceAll("_", " ");

export function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.995 && share > 0.0995 ? 0 : 1)} %`;
}

export function Name({ children }: { children: string }) {
  // A name may be written from right to left, or hold characters that turn what follows.
  return <bdi>{children}</bdi>;
}

export function TypeChip({ type }: { type: string }) {
  return <span class={`chip ${useTypeClass()(type)}`}>{label(type)}</span>;
}

interface EntityLinkProps {
  entity: EntityRef;
  chip?: boolean;
  plain?: boolean;
}

export function EntityLink({ entity, chip = true, plain = false }: EntityLinkProps) {
  const typeClass = useTypeClass()(entity.type);
  const dot = <span class={`dot ${typeClass}`} aria-hidden="true" />;
  const name = (
    <>
      {dot}
      <Name>{entity.name}</Name>
      {chip && <span class="type-name">{label(entity.type)}</span>}
    </>
  );
  if (plain) return <span class="entity">{name}</span>;
  return (
    <a class="entity" href={href("entity", entity.id)}>
      {name}
    </a>
  );
}

export function Confidence({ value, name = "confidence" }: { value: number; name?: string }) {
  const shown = value.toFixed(2);
  return (
    <span class="confidence" role="img" aria-label={`${name} ${shown}`}>
      <span class="confidence-bar" aria-hidden="true">
        <span style={{ width: `${100 * Math.min(1, value)}%` }} />
      </span>
      <span aria-hidden="true">{shown}</span>
    </span>
  );
}

export function EvidenceText({ evidence }: { evidence: EvidenceData }) {
  return (
    <blockquote class="evidence" dir="auto">
      {evidence.pieces.map((piece, place) => {
        if (!piece.marks.length) return piece.text;
        const both = piece.marks.length > 1;
        const role = both ? "both" : piece.marks[0];
        return (
          <mark key={place} class={`argument is-${role}`}>
            <bdi>{piece.text}</bdi>
            <span class="argument-role">{both ? "subject and object" : role}</span>
          </mark>
        );
      })}
    </blockquote>
  );
}

export function DocumentLink({ id, title }: { id: string; title: string | null }) {
  return (
    <a href={href("document", id)}>
      <Name>{title || id}</Name>
    </a>
  );
}

export function OutLink({ to, children }: { to: string; children: ComponentChildren }) {
  return (
    <a href={to} rel="noopener noreferrer" target="_blank">
      {children}
      <span aria-hidden="true"> ↗</span>
      <span class="unseen"> (opens in a new tab)</span>
    </a>
  );
}

const CORRECTED: Record<string, string> = {
  confirm: "Confirmed",
  add: "Added",
  change: "Changed",
  merge: "Merged",
  rename: "Renamed",
  retype: "Type changed",
  split: "Split",
};

/** Says that a person corrected a fact or an entity: who, when and why. */
export function CorrectionNote({ correction }: { correction: CorrectionMark | null }) {
  if (!correction) return null;
  return (
    <p class="row corrected">
      <b>{CORRECTED[correction.kind] ?? label(correction.kind)}</b>
      {correction.author && (
        <span>
          by <bdi>{correction.author}</bdi>
        </span>
      )}
      {correction.time && <span>{correction.time.slice(0, 16).replace("T", " ")} UTC</span>}
      {correction.note && (
        <span>
          “<bdi>{correction.note}</bdi>”
        </span>
      )}
    </p>
  );
}

export function Problem({ children }: { children: ComponentChildren }) {
  return (
    <p class="problem" role="alert">
      {children}
    </p>
  );
}

export function Loading() {
  return (
    <p class="loading" role="status">
      Loading …
    </p>
  );
}

interface CardProps {
  title: string;
  note?: ComponentChildren;
  children: ComponentChildren;
  class?: string;
  /** Whether it scrolls by itself, so that keys must reach it. */
  scrolls?: boolean;
}

export function Card({ title, note, children, class: extra = "", scrolls = false }: CardProps) {
  const id = `card-${title.toLowerCase().replaceAll(/\W+/g, "-")}`;
  return (
    <section class={`card ${extra}`} aria-labelledby={id} tabIndex={scrolls ? 0 : undefined}>
      <header class="card-head">
        <h2 id={id}>{title}</h2>
        {note && <span class="note">{note}</span>}
      </header>
      {children}
    </section>
  );
}
