// Builds the pages into the folder that the first argument names.
import { build } from "esbuild";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const out = process.argv[2] ?? "../static";
await mkdir(out, { recursive: true });

const result = await build({
  entryPoints: { app: "src/app.tsx", report: "src/report.tsx" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  charset: "utf8",
  legalComments: "none",
  metafile: true,
});
// The styles of both are the same.
await rm(join(out, "report.css"));
for (const page of ["index.html", "report.html", "icon.svg"]) {
  await cp(join("src", page), join(out, page));
}

// The licences of what is in the bundles.
const packages = new Set();
for (const path of Object.keys(result.metafile.inputs)) {
  const match = path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (match) packages.add(match[1]);
}
const texts = [];
for (const name of [...packages].sort()) {
  const folder = join("node_modules", name);
  const about = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
  if (!file) throw new Error(`${name}: no licence file`);
  const text = (await readFile(join(folder, file), "utf8")).trim().replaceAll("\r\n", "\n");
  texts.push(`${name} ${about.version} (${about.license})\n\n${text}\n`);
}
await writeFile(
  join(out, "licences.txt"),
  `app.js and report.js hold the following packages.\n\n${texts.join(`\n${"-".repeat(72)}\n\n`)}`,
);
