// The picture of a neighbourhood, drawn by Cytoscape.

import cytoscape, { type Core, type ElementDefinition, type NodeSingular } from "cytoscape";
// @ts-expect-error It has no types.
import fcose from "cytoscape-fcose";
import type { FoundEntity, GraphEdge } from "./api";
import { label } from "./bits";

cytoscape.use(fcose);

const LONGEST_LABEL = 26;
// Labels of all edges are read only where there are few.
const FEW_EDGES = 14;

export interface Picture {
  nodes: Map<string, FoundEntity>;
  edges: Map<string, GraphEdge>;
  center: string;
}

interface Events {
  select: (id: string | null) => void;
  expand: (id: string) => void;
}

export class Canvas {
  private readonly cy: Core;

  constructor(
    private readonly container: HTMLElement,
    private readonly typeClass: (type: string) => string,
    events: Events,
    private readonly compact: boolean,
  ) {
    this.cy = cytoscape({
      container,
      minZoom: 0.15,
      maxZoom: 3,
      boxSelectionEnabled: false,
      selectionType: "single",
      // In a page that one scrolls, the wheel belongs to the page.
      userZoomingEnabled: !compact,
    });
    this.restyle();
    this.cy.on("tap", "node", (event) => events.select(event.target.id()));
    this.cy.on("dbltap", "node", (event) => events.expand(event.target.id()));
    this.cy.on("tap", (event) => {
      if (event.target === this.cy) events.select(null);
    });
    this.cy.on("mouseover", "node", (event) => {
      event.target.addClass("near").connectedEdges().addClass("near");
      container.style.cursor = "pointer";
    });
    this.cy.on("mouseout", "node", (event) => {
      event.target.removeClass("near").connectedEdges().removeClass("near");
      container.style.cursor = "";
    });
  }

  /** Draws what is new and takes away what is gone; what stays keeps its place if it can. */
  draw(picture: Picture) {
    const { cy } = this;
    const isFirst = cy.nodes().empty();
    const center = cy.getElementById(picture.center);
    const from = center.nonempty() ? { ...(center as NodeSingular).position() } : { x: 0, y: 0 };
    cy.batch(() => {
      cy.elements()
        .filter((element) => {
          const known = element.isNode() ? picture.nodes : picture.edges;
          return !known.has(element.id());
        })
        .remove();
      const added: ElementDefinition[] = [];
      let place = 0;
      for (const node of picture.nodes.values()) {
        if (cy.getElementById(node.id).nonempty()) continue;
        const angle = 2.4 * place++;
        added.push({
          group: "nodes",
          data: {
            id: node.id,
            label: shorten(node.name),
            type: node.type,
            color: this.colorOf(node.type),
            size: 18 + Math.min(26, 5 * Math.log2(1 + node.facts)),
            shape: node.kind === "value" ? "round-rectangle" : "ellipse",
          },
          position: { x: from.x + 90 * Math.cos(angle), y: from.y + 90 * Math.sin(angle) },
        });
      }
      for (const edge of picture.edges.values()) {
        if (cy.getElementById(edge.id).nonempty()) continue;
        added.push({
          group: "edges",
          data: {
            id: edge.id,
            source: edge.source,
            target: edge.target,
            label: label(edge.predicate),
            width: 1 + 2.5 * edge.confidence,
            opacity: 0.3 + 0.6 * edge.confidence,
          },
        });
      }
      cy.add(added);
      cy.nodes().removeClass("center");
      cy.getElementById(picture.center).addClass("center");
      cy.edges().toggleClass("labelled", picture.edges.size <= FEW_EDGES);
    });
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const few = picture.nodes.size <= 2;
    const small = this.compact || this.container.clientWidth < 600;
    cy.layout({
      name: few ? "circle" : "fcose",
      randomize: isFirst,
      quality: "proof",
      animate: !still && !isFirst,
      animationDuration: 350,
      fit: true,
      padding: small ? 22 : 40,
      nodeSeparation: small ? 90 : 150,
      idealEdgeLength: () => (small ? 95 : 150),
      nodeRepulsion: () => (small ? 8000 : 16000),
      gravity: 0.3,
    } as cytoscape.LayoutOptions).run();
  }

  select(id: string | null) {
    this.cy.elements().removeClass("chosen");
    if (id === null) return;
    const node = this.cy.getElementById(id);
    node.addClass("chosen");
    node.connectedEdges().addClass("chosen");
    if (node.nonempty() && !this.isInView(node as NodeSingular)) this.cy.center(node);
  }

  /** The entity that lies next in a direction; null if there is none. */
  nextTo(id: string, key: string): string | null {
    const own = (this.cy.getElementById(id) as NodeSingular).position();
    let best: string | null = null;
    let least = Infinity;
    this.cy.nodes().forEach((node) => {
      if (node.id() === id) return;
      const { x, y } = node.position();
      const [along, across] = {
        ArrowRight: [x - own.x, y - own.y],
        ArrowLeft: [own.x - x, y - own.y],
        ArrowDown: [y - own.y, x - own.x],
        ArrowUp: [own.y - y, x - own.x],
      }[key] as [number, number];
      const distance = along + 2.5 * Math.abs(across);
      if (along > 1 && distance < least) {
        least = distance;
        best = node.id();
      }
    });
    return best;
  }

  zoom(factor: number) {
    const size = { x: this.cy.width() / 2, y: this.cy.height() / 2 };
    this.cy.zoom({ level: this.cy.zoom() * factor, renderedPosition: size });
  }

  fit() {
    this.cy.fit(undefined, this.compact ? 22 : 40);
  }

  /** Takes the colours of the page, which change between light and dark. */
  restyle() {
    const ink = this.css("--ink");
    const paper = this.css("--card");
    const accent = this.css("--accent");
    this.cy.nodes().forEach((node) => {
      const type = node.data("type");
      if (type) node.data("color", this.colorOf(type));
    });
    this.cy.style([
      {
        selector: "node",
        style: {
          "background-color": "data(color)",
          shape: "data(shape)" as "ellipse",
          width: "data(size)",
          height: "data(size)",
          label: "data(label)",
          color: ink,
          "font-size": 11,
          "font-family": "system-ui, sans-serif",
          "text-wrap": "wrap",
          "text-max-width": "110px",
          "text-valign": "bottom",
          "text-margin-y": 4,
          "text-outline-color": paper,
          "text-outline-width": 2,
          "min-zoomed-font-size": 4,
          "border-width": 1.5,
          "border-color": paper,
        },
      },
      {
        selector: "edge",
        style: {
          width: "data(width)",
          opacity: "data(opacity)" as unknown as number,
          "line-color": this.css("--line-strong"),
          "target-arrow-color": this.css("--line-strong"),
          "target-arrow-shape": "triangle",
          "arrow-scale": 0.8,
          "curve-style": "bezier",
        },
      },
      {
        selector: "edge.labelled, edge.chosen, edge.near",
        style: {
          label: "data(label)",
          "font-size": 9,
          "font-family": "system-ui, sans-serif",
          color: this.css("--ink-soft"),
          "text-rotation": "autorotate",
          "text-outline-color": paper,
          "text-outline-width": 2,
          "min-zoomed-font-size": 4,
        },
      },
      {
        selector: "edge.chosen, edge.near",
        style: {
          "line-color": accent,
          "target-arrow-color": accent,
          opacity: 0.95,
          "z-index": 5,
        },
      },
      { selector: "node.center", style: { "border-width": 4, "border-color": accent } },
      { selector: "node.center, node.chosen, node.near", style: { "font-weight": "bold" } },
      {
        selector: "node.chosen",
        style: { "border-width": 5, "border-color": ink, "border-opacity": 0.85 },
      },
    ]);
  }

  close() {
    this.cy.destroy();
  }

  private isInView(node: NodeSingular): boolean {
    const { x, y } = node.renderedPosition();
    return x > 0 && y > 0 && x < this.cy.width() && y < this.cy.height();
  }

  private css(name: string): string {
    return getComputedStyle(this.container).getPropertyValue(name).trim();
  }

  private colorOf(type: string): string {
    return this.css(`--type-${this.typeClass(type).slice(1)}`);
  }
}

function shorten(text: string): string {
  // Characters that turn the direction would turn the label of another node in the canvas.
  const letters = [...text.replaceAll(/[\u202a-\u202e\u2066-\u2069\u200e\u200f]/g, "")];
  return letters.length > LONGEST_LABEL
    ? `${letters.slice(0, LONGEST_LABEL - 1).join("")}…`
    : letters.join("");
}
