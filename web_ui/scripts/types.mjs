// Generates src/lib/messages.ts from schema/pages.json; with --check it only compares and exits 1 on a difference.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compile } from "json-schema-to-typescript";

const schemaPath = fileURLToPath(new URL("../schema/pages.json", import.meta.url));
const targetPath = fileURLToPath(new URL("../src/lib/messages.ts", import.meta.url));
const schema = JSON.parse(readFileSync(schemaPath, "utf8"));
const text = await compile(schema, "PageMessages", {
  additionalProperties: false,
  bannerComment: "// Generated from messaging/pages.py (python -m web_ui.scripts.schema && npm run types). Do not edit.",
  format: false,
  maxItems: -1,
});

if (process.argv.includes("--check")) {
  if (readFileSync(targetPath, "utf8") !== text) {
    console.error("src/lib/messages.ts is not what schema/pages.json says. Run: npm run types");
    process.exit(1);
  }
} else {
  writeFileSync(targetPath, text);
}
